"""Denoisers in closed form: Gaussian mixtures, and the data set itself. They need no training and are the truth of the tests.

For x0 drawn from sum_k w_k N(m_k, s_k^2 I) and x = alpha x0 + sigma eps, each component has, with q_k = alpha^2 s_k^2 + sigma^2,

    p_k(x)       = N(x; alpha m_k, q_k I)
    E_k[x0 | x]  = (alpha s_k^2 x + sigma^2 m_k) / q_k
    E_k[eps | x] = sigma (x - alpha m_k) / q_k

and the mixture's expectations weigh them by w_k p_k(x). With s_k = 0 and m_k the items of a data set this is the exact score that
a perfectly fitted network would have learned (Karras et al. 2022, eq. 57): `EmpiricalDenoiser`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from scorekit.denoiser import Codec, Condition, Denoiser
from scorekit.prediction import Kind, target
from scorekit.schedule import Level, Schedule, Time


class GaussianMixture(Denoiser):
    """The exact denoiser of a mixture of isotropic Gaussians.

    means       (K, *shape)
    std         of every component, a number or (K,), in units of the data; >= 0
    captions    K texts: given("red ball") is the mixture of the components whose caption holds all of these words. Without captions
                only given(None) is known.
    weights     (K,), positive, need not sum to one; equal by default
    prediction  the parameterisation in which it answers; "v" is exact at both ends of a schedule
    """

    def __init__(
        self,
        means: Tensor,
        std: float | Tensor,
        schedule: Schedule,
        *,
        captions: Sequence[str] | None = None,
        weights: Tensor | None = None,
        prediction: Kind = "v",
        codec: Codec | None = None,
        backgrounds: Mapping[str, tuple[float, float, float]] | None = None,
        views: Mapping[str, tuple[float, float]] | None = None,
        name: str = "mixture",
    ) -> None:
        if captions is not None and len(captions) != len(means):
            raise ValueError(f"captions must be {len(means)}, one for each mean, not {len(captions)}.")
        deviations = torch.as_tensor(std, dtype=means.dtype, device=means.device)
        if deviations.shape not in ((), (1,), (len(means),)) or not (deviations >= 0).all():
            raise ValueError(
                f"std must be a number or a vector of {len(means)} numbers, one for each mean, and at least 0."
            )
        if weights is not None and (weights.shape != (len(means),) or not (weights > 0).all()):
            raise ValueError(f"weights must be {len(means)} positive numbers, one for each mean.")
        super().__init__(
            self._never,
            schedule,
            prediction,
            means.shape[1:],
            prompts=self._matching if captions is not None else None,
            codec=codec,
            backgrounds=backgrounds,
            views=views,
            name=name,
            device=means.device,
            dtype=means.dtype,
        )
        self.means = means.flatten(1)
        self.variance = deviations.square().expand(len(means))
        self.log_weights = torch.zeros_like(self.means[:, 0]) if weights is None else weights.to(means).log()
        self._square = self.means.square().sum(1)
        self._words = [frozenset(_words(caption)) for caption in captions or ()]

    @staticmethod
    def _never(*_: object) -> Tensor:
        raise TypeError("A closed form has no network; it is evaluated by output().")

    def _matching(self, texts: Sequence[str] | None) -> Condition:
        rows = []
        for text in texts or [""]:
            wanted = frozenset(_words(text))
            found = torch.tensor([wanted <= words for words in self._words], device=self.device)
            if not found.any():
                known = ", ".join(sorted(frozenset().union(*self._words)))
                raise ValueError(
                    f"prompt: no caption of {self.name} holds all the words of {text!r}; its words are: {known}."
                )
            rows.append(torch.where(found, self.log_weights, -torch.inf))
        return Condition(
            {"log_weights": torch.stack(rows)},
            key=tuple(texts or ("",)),
            label=f"the prompt {texts[0]!r}" if texts else "no prompt",
        )

    def _moments(
        self, x: Tensor, alpha: float | Tensor, sigma: float | Tensor, log_weights: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x as (B, D), q (B or 1, K), and ln w_k p_k(x) up to w's norm (B, K); alpha and sigma are numbers or (B, 1)."""
        flat, means = x.flatten(1), self.means.to(x.dtype)
        spread_k = alpha * alpha * self.variance.to(x.dtype)[None] + sigma * sigma
        # |x - alpha m|^2 as three products: no (B, K, D) tensor
        distance = (
            flat.square().sum(1, keepdim=True) - 2 * alpha * flat @ means.T + alpha * alpha * self._square.to(x.dtype)
        )
        log_w = self.log_weights.to(x.dtype) if log_weights is None else log_weights.to(x.dtype)
        log_p = log_w - distance.clamp(min=0) / (2 * spread_k) - flat.shape[1] / 2 * (2 * torch.pi * spread_k).log()
        return flat, spread_k, log_p

    def output(self, x: Tensor, level: Level, fields: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        alpha, sigma = (v.reshape(-1, 1) if isinstance(v, Tensor) else v for v in (level.alpha, level.sigma))
        flat, spread_k, log_p = self._moments(x, alpha, sigma, fields.get("log_weights"))
        posterior = log_p.softmax(1)
        inverse = posterior / spread_k
        means = inverse @ self.means.to(x.dtype)  # sum_k p_k m_k / q_k
        x0 = alpha * (inverse * self.variance.to(x.dtype)).sum(1, keepdim=True) * flat + sigma * sigma * means
        eps = sigma * (inverse.sum(1, keepdim=True) * flat - alpha * means)
        return target(self.prediction, x0, eps, alpha, sigma).reshape(x.shape), None

    def log_prob(self, x: Tensor, t: Time = 0.0) -> Tensor:
        """ln p_t(x) in nats, (B,), of the whole mixture."""
        level = self.schedule.level(t, x.flatten(1))
        log_p = self._moments(x, level.alpha, level.sigma, None)[-1]
        return log_p.logsumexp(1) - self.log_weights.to(x.dtype).logsumexp(0)


class EmpiricalDenoiser(GaussianMixture):
    """The exact denoiser of a data set: all that a model could learn from it, without generalising. Defined for t > 0: without noise the
    data set has no density.

    data  (N, *shape), what the samples are (for pixel models: pictures in [-1, 1]); captions as in GaussianMixture.
    """

    def __init__(
        self,
        data: Tensor,
        schedule: Schedule,
        *,
        captions: Sequence[str] | None = None,
        prediction: Kind = "v",
        codec: Codec | None = None,
        backgrounds: Mapping[str, tuple[float, float, float]] | None = None,
        views: Mapping[str, tuple[float, float]] | None = None,
        name: str = "data set",
    ) -> None:
        super().__init__(
            data,
            0.0,
            schedule,
            captions=captions,
            prediction=prediction,
            codec=codec,
            backgrounds=backgrounds,
            views=views,
            name=name,
        )


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())

"""VideoAdapter (Yang et al. 2023, arXiv:2306.01872, algorithm 1): a large prior steers a small video model, as one score expression.

    text  = small.given(prompt) + sum_i gamma_i prior_i.given(prompt)
    null  = small.given(None)
    score = null + alpha (text - null)

At t = 0 it is the score of p_small(x | prompt)^alpha p_small(x)^(1 - alpha) prod_i p_i(x | prompt)^(alpha gamma_i).
At noise it is not the score of that density noised (docs/score.md): only Langevin steps at every level lead to it.

Each network runs once per evaluation: the small one on a batch with and without text, every prior on one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from scorekit.denoiser import Condition, Denoiser, Prompt
from scorekit.schedule import Schedule
from scorekit.score import Score
from scorekit.terms import Weight
from scorekit_video_adapter.gamma import Curve, Gamma, checked

Form = Literal["paper", "mean", "contrast"]
FORMS: tuple[Form, ...] = get_args(Form)


@dataclass(frozen=True)
class Prior:
    """A model that steers.

    model   any denoiser whose samples are those of the small model
    gamma   its strength: a number, or a curve over log-SNR
    prompt  what it is told; None: what the small model is told
    """

    model: Denoiser
    gamma: Gamma = 0.5
    prompt: Prompt | Condition = None


def compose(
    small: Denoiser,
    prompt: Prompt | Condition,
    priors: Sequence[Prior],
    *,
    alpha: float = 1.0,
    form: Form = "paper",
) -> Score:
    """The score of a small model under `prompt`, steered by priors.

    alpha  guidance scale: 1 is `text`, without `null`
    form   what `text` is:
           "paper"     small + sum_i gamma_i prior_i, as published. The weights of the whole sum to 1 + alpha sum_i gamma_i: a product,
                       narrower than its factors, whose noise is narrower too. A deterministic solver, which takes that for less noise,
                       shrinks it to a point; solvers that draw noise, and Langevin steps, do not.
           "mean"      (small + sum_i gamma_i prior_i) / (1 + sum_i gamma_i): their geometric mean. The weights sum to one, so every solver
                       may be used; gamma from 0 to infinity leads from the small model to the priors.
           "contrast"  small + sum_i gamma_i (prior_i(prompt) - prior_i(None)): of a prior, only what the prompt changes in it. The weights
                       sum to one. A prior then runs on two conditions, still in one batch.

    x and t are in the variables of the small model's schedule; priors on other schedules meet it at equal SNR.

    Raises ValueError for models whose samples differ, an alpha or gamma out of range, and an unknown form.
    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, not {form!r}.")
    if not 0 <= alpha <= 100:
        raise ValueError(f"alpha must lie in [0, 100], not {alpha}.")
    for prior in priors:
        refuse_unlike(small, prior.model)
    null, text = small.given(None), small.given(prompt)
    weights = _weights([prior.gamma for prior in priors], small.schedule, normalised=form == "mean")
    if form == "mean":
        text = weights[0] * text
    for weight, prior in zip(weights[1:], priors, strict=True):
        told = prior.model.given(prompt if prior.prompt is None else prior.prompt)
        text = text + weight * (told - prior.model.given(None) if form == "contrast" else told)
    return null + alpha * (text - null)


def _weights(gammas: Sequence[Gamma], schedule: Schedule, *, normalised: bool) -> list[Weight]:
    """Of the small model and of every prior, as numbers where they are, else as functions of t."""
    if all(not isinstance(gamma, Curve) for gamma in gammas):
        numbers = [1.0, *(checked(gamma) for gamma in gammas if not isinstance(gamma, Curve))]
        total = sum(numbers) if normalised else 1.0
        return [number / total for number in numbers]

    def weight(index: int | None) -> Callable[[Tensor], Tensor]:
        def at(t: Tensor) -> Tensor:
            log_snr = schedule.log_snr(t)
            own = torch.ones_like(log_snr) if index is None else _at(gammas[index], log_snr)
            if not normalised:
                return own
            total = torch.ones_like(log_snr)
            for gamma in gammas:
                total = total + _at(gamma, log_snr)
            return own / total

        return at

    return [weight(None) if normalised else 1.0, *(weight(index) for index in range(len(gammas)))]


def _at(gamma: Gamma, log_snr: Tensor) -> Tensor:
    return gamma(log_snr) if isinstance(gamma, Curve) else torch.full_like(log_snr, checked(gamma))


def refuse_unlike(small: Denoiser, prior: Denoiser) -> None:
    """Raise ValueError, in one sentence that names both, where the samples of two video models are not of one kind."""
    if small.shape != prior.shape:
        raise ValueError(
            f"{small.name} makes {said(small)} and {prior.name} {said(prior)}: "
            "models are composed in one space, so frames and sizes must agree."
        )
    mine, its = (getattr(model.codec, "space", None) for model in (small, prior))
    if mine is not None and its is not None and mine != its:
        raise ValueError(
            f"{small.name} and {prior.name} diffuse in different spaces (the latents of other autoencoders, or latents and pixels): "
            "their scores cannot be added."
        )


def said(model: Denoiser) -> str:
    """What a model makes, in words."""
    codec = model.codec
    if all(hasattr(codec, name) for name in ("frames", "height", "width")):
        words = f"{codec.frames} frames of {codec.width} x {codec.height} px"  # type: ignore[union-attr]
    elif len(model.shape) == 4:
        words = f"{model.shape[1]} frames of {model.shape[3]} x {model.shape[2]}"
    else:
        return f"samples of shape {model.shape}, which are no clips"
    return f"{words} (x of shape {model.shape})"

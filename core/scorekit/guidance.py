"""Guidance: expressions that users of diffusion models have names for.

Everything here is made of `null + scale * (cond - null)` and of functions of predictions (`scorekit.score.Mapped`); the parts are
scores, so they combine with each other and with everything else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from scorekit.prediction import Prediction
from scorekit.schedule import spread
from scorekit.score import Score
from scorekit.terms import Mapped, Weight


def cfg(null: Score, cond: Score, scale: Weight, rescale: float = 0.0) -> Score:
    """Classifier-free guidance, null + scale (cond - null) (Ho and Salimans 2022, arXiv:2207.12598): scale 1 is `cond`.

    scale    a number, or a function of t: see `interval`
    rescale  in [0, 1]: the share of the guided output that is brought back to the standard deviation of `cond`, sample by sample, against
             overexposure (Lin et al. 2023, arXiv:2305.08891, section 3.4); about 0.7 with zero terminal SNR
    """
    for name, score in (("null", null), ("cond", cond)):
        if not isinstance(score, Score):
            raise ValueError(f"{name} must be a score, such as model.given(prompt), not {score!r}.")
    if not 0 <= rescale <= 1:
        raise ValueError(f"rescale must lie in [0, 1], not {rescale}.")
    guided = null + scale * (cond - null)
    return guided if rescale == 0 else _mapped(lambda at, of: _rescaled(at, of, rescale), guided, cond)


def interval(scale: float, low: float, high: float) -> Callable[[Tensor], float | Tensor]:
    """A guidance scale that holds for t in (low, high] alone, and is 1, the conditional score, elsewhere, where the unconditional
    one is then not evaluated (Kynkäänniemi et al. 2024, arXiv:2404.07724)."""
    if not 0 <= low < high <= 1:
        raise ValueError(f"low and high must satisfy 0 <= low < high <= 1, not {low} and {high}.")

    def at(t: Tensor) -> float | Tensor:
        inside = (t > low) & (t <= high)
        return torch.where(inside, scale, 1.0)

    return at


def conjunction(null: Score, *wanted: tuple[Weight, Score]) -> Score:
    """All of several conditions at once (composable diffusion, Liu et al. 2022, arXiv:2206.01714, eq. 11):
    null + sum_i w_i (cond_i - null). A negative weight is its NOT: away from that condition."""
    total = null
    for weight, cond in wanted:
        total = total + weight * (cond - null)
    return total


def clipped(score: Score, low: float = -1.0, high: float = 1.0) -> Score:
    """The same score with its x0 kept in [low, high], where pictures are (static thresholding, Saharia et al. 2022, arXiv:2205.11487).

    Guidance exaggerates: at high noise its x0 lies far outside.
    """
    if not low < high:
        raise ValueError(f"low must be less than high, not {low} and {high}.")
    return _mapped(lambda at: _with_x0(at, at.x0.clamp(low, high)), score)


def thresholded(score: Score, quantile: float = 0.995, most: float = float("inf")) -> Score:
    """The same score with x0 clipped to [-s, s] and divided by s, where s is the given quantile of |x0| in each sample, from 1 up to `most`
    (dynamic thresholding, Saharia et al. 2022, arXiv:2205.11487, section 2.3)."""
    if not 0 < quantile <= 1:
        raise ValueError(f"quantile must lie in (0, 1], not {quantile}.")
    if not most >= 1:
        raise ValueError(f"most must be at least 1, not {most}.")

    def bring_in(at: Prediction) -> Prediction:
        x0 = at.x0
        s = spread(_quantile(x0.flatten(1).abs().float(), quantile).clamp(1, most), x0)
        return _with_x0(at, torch.minimum(torch.maximum(x0, -s), s) / s)

    return _mapped(bring_in, score)


def perp_neg(null: Score, positive: Score, negatives: Sequence[tuple[float | Tensor, Score]], scale: Weight) -> Score:
    """Perp-Neg (Armandpour et al. 2023, arXiv:2304.04968, eq. 7): negative prompts that cannot undo the positive one.

        null + scale * (d+ + sum_i w_i perp(d_i, d+)),    d = score - null,

    where perp keeps of d_i what is orthogonal to d+, sample by sample. The weights are negative to push away, and may be tensors (B,)
    (in text-to-3D they depend on the camera).
    """
    negatives = [(weight, score) for weight, score in negatives if isinstance(weight, Tensor) or weight != 0]
    weights = [weight for weight, _ in negatives]

    def combine_perpendicular(at_null: Prediction, at_positive: Prediction, *at_negatives: Prediction) -> Prediction:
        # At one x and one level all parameterisations differ by a scale and a shift: directions may be taken in any of them.
        kind = at_null.kind if all(p.kind == at_null.kind for p in (at_positive, *at_negatives)) else "v"
        base = at_null.read(kind)
        toward = total = at_positive.read(kind) - base
        # Half precision holds neither the squares of large latents nor a floor so small.
        wide = torch.promote_types(toward.dtype, torch.float32)
        norm = toward.flatten(1).to(wide).square().sum(1).clamp(min=1e-12)
        for weight, at_negative in zip(weights, at_negatives, strict=True):
            away = at_negative.read(kind) - base
            along = (away.to(wide) * toward.to(wide)).flatten(1).sum(1) / norm
            perpendicular = away - spread(along, away) * toward
            total = total + (spread(weight, away) if isinstance(weight, Tensor) else weight) * perpendicular
        return Prediction(kind, base + total, at_null.x, at_null.alpha, at_null.sigma, at_positive.range)

    return cfg(null, _mapped(combine_perpendicular, null, positive, *(score for _, score in negatives)), scale)


def _mapped(function: Callable[..., Prediction], *inputs: Score) -> Score:
    return Score(((1.0, Mapped(inputs, function)),))


def _with_x0(at: Prediction, x0: Tensor) -> Prediction:
    return Prediction("x0", x0, at.x, at.alpha, at.sigma, at.range)


def _rescaled(at: Prediction, cond: Prediction, share: float) -> Prediction:
    kind = cond.kind
    output = at.read(kind)
    ratio = cond.output.flatten(1).std(1) / output.flatten(1).std(1)
    return Prediction(kind, output * spread(1 + share * (ratio - 1), output), at.x, at.alpha, at.sigma, at.range)


def _quantile(values: Tensor, q: float) -> Tensor:
    """The q-quantile of each row (B, n), linear between ranks: torch.quantile, which refuses more than 16 million numbers."""
    place = q * (values.shape[1] - 1)
    below = math.floor(place)
    ordered = values.sort(1).values
    return torch.lerp(ordered[:, below], ordered[:, min(below + 1, values.shape[1] - 1)], place - below)

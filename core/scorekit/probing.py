"""Probing: how well scores explain given data.

The denoising error of x0 at level t under a score is

    E_eps ||target(x0, eps, t) - estimate(alpha x0 + sigma eps, t)||,

and its sum over t is, rightly weighted, a bound on the negative log-likelihood (Ho et al. 2020, eq. 12): among several prompts the
one of least error is the class of the picture (Li et al. 2023, arXiv:2303.16203; Clark and Jaini 2023, arXiv:2303.15233). The errors
of two scores differ by far less than either varies with the noise, so all scores meet the same noise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from scorekit.denoiser import Condition
from scorekit.prediction import KINDS, Kind, Prediction, target
from scorekit.schedule import spread
from scorekit.score import Score
from scorekit.terms import Energy, Given, Mapped, Term

Loss = Literal["l2", "l1", "huber"]
_LOSSES: dict[str, Callable[..., Tensor]] = {
    "l2": functional.mse_loss,
    "l1": functional.l1_loss,
    "huber": functional.huber_loss,
}


def denoising_error(
    scores: Sequence[Score],
    x0: Tensor,
    t: Tensor,
    eps: Tensor | torch.Generator | None = None,
    *,
    kind: Kind = "eps",
    loss: Loss = "l2",
    batch: int | None = None,
) -> Tensor:
    """The error of every score on every image at every level: (S, B, T), each the mean over the elements of a sample.

    scores  S expressions of one shape, on one device. t is in the schedule of the first; the others meet it at equal SNR.
    x0      (B, ...) data in the model's space
    t       (T,) levels in [0, 1]; a level that is named k times is drawn k times
    eps     the noise, the same for all scores: (T, ...) shared by the images, (B, T, ...) one for each, or a generator on the device
            of x0 (None: the global one), from which one noise for each level is drawn, in the order of t, shared by the images. Shared
            noise makes the errors of an image independent of the images beside it, and several calls with one generator draw what
            one call with all their levels would.
    kind    what is compared: eps, x0, v, flow (eps - x0) or score
    loss    l2 (squared), l1 (absolute) or huber (half squared up to 1, absolute less a half beyond)
    batch   most rows of one forward of a network; None: all in one forward

    The scores are planned as one expression: each network runs on many (image, level) pairs under the conditions of all scores at
    once, and what scores share, such as the unconditional term of guidance, runs once for all of them. Conditions may be given image
    by image (a list of B prompts); weights of terms may not. Gradients flow where torch.is_grad_enabled().

    Raises ValueError for shapes that do not fit, levels outside [0, 1], unknown names, and a batch that is smaller than the number of
    conditions under which one score needs a network.
    """
    _refuse(scores, x0, t, kind, loss)
    t = t.to(x0.device, torch.float64)
    noise = _noise(eps, x0, len(t))
    schedule = scores[0].schedule
    by_image = any(leaf.condition.batch > 1 for score in scores for leaf in _leaves(score))
    pairs = torch.arange(len(x0) * len(t), device=x0.device)
    errors = []
    for run, conditions in _runs(scores, batch):
        joint = _together(scores[0], run, kind)
        found = []
        for chunk in torch.split(pairs, len(pairs) if batch is None else batch // conditions):
            image, level = chunk // len(t), chunk % len(t)
            clean, eps_, at = x0[image], noise[image, level], t[level]
            x = schedule.noised(clean, eps_, at)
            estimate = (_repeated(joint, image) if by_image else joint)(x, at).output
            truth = target(kind, clean, eps_, spread(schedule.alpha(at), x), spread(schedule.sigma(at), x))
            element_wise = _LOSSES[loss](estimate, truth.expand_as(estimate), reduction="none")
            found.append(element_wise.reshape(len(run), len(chunk), -1).mean(2))
        errors.append(torch.cat(found, 1))
    return torch.cat(errors).reshape(len(scores), len(x0), len(t))


def _together(first: Score, scores: Sequence[Score], kind: Kind) -> Score:
    """One expression whose output (S, B, ...) is the `kind` of every score, with x and t in the schedule of `first`."""

    def stacked(*predictions: Prediction) -> Prediction:
        at = predictions[0]
        return Prediction(kind, torch.stack([p.read(kind) for p in predictions]), at.x, at.alpha, at.sigma)

    # A term of weight zero does not run; as the first of the expression it says whose schedule is meant.
    return Score(((0.0, next(_leaves(first, idle=True))), (1.0, Mapped(tuple(scores), stacked))))


def _leaves(score: Score, idle: bool = False) -> Iterator[Given]:
    """The network evaluations of an expression; with `idle`, those of weight zero too."""
    terms = [term for weight, term in score.terms if idle or callable(weight) or weight != 0]
    if all(isinstance(term, Energy) for term in terms):  # what cancels to nothing still runs its first model
        terms += [term for _, term in score.terms if not isinstance(term, Energy)][:1]
    for term in terms:
        if isinstance(term, Given):
            yield term
        elif isinstance(term, Mapped):
            for inner in term.inputs:
                yield from _leaves(inner, idle)


def _runs(scores: Sequence[Score], batch: int | None) -> Iterator[tuple[list[Score], int]]:
    """The scores in runs that one forward of `batch` rows can hold for at least one sample, each with the conditions that it puts to
    its busiest network: the rows of a sample."""
    run: list[Score] = []
    networks: dict[Hashable, int] = {}  # of the distinct evaluations of the run
    for index, score in enumerate(scores):
        own: dict[Hashable, int] = {leaf.identity: id(leaf.denoiser) for leaf in _leaves(score)}
        if batch is not None and _most(own) > batch:
            raise ValueError(f"batch must be at least {_most(own)}, the conditions that score {index} needs together.")
        if batch is not None and run and _most(networks | own) > batch:
            yield run, _most(networks)
            run, networks = [], {}
        run.append(score)
        networks |= own
    yield run, _most(networks)


def _most(networks: dict[Hashable, int]) -> int:
    return max(Counter(networks.values()).values())


def _repeated(score: Score, image: Tensor) -> Score:
    """The expression with the conditions that were given image by image spread over rows: row i shows image image[i]."""

    def over_rows(term: Term) -> Term:
        if isinstance(term, Mapped):
            return Mapped(tuple(_repeated(inner, image) for inner in term.inputs), term.function)
        if isinstance(term, Given) and term.condition.batch > 1:
            given = term.condition
            fields = {name: value if len(value) == 1 else value[image] for name, value in given.fields.items()}
            return Given(term.denoiser, Condition(fields, key=given.key, label=given.label))
        return term

    return Score(tuple((weight, over_rows(term)) for weight, term in score.terms))


def _noise(eps: Tensor | torch.Generator | None, x0: Tensor, levels: int) -> Tensor:
    """The noise of every image at every level: (B, T, ...)."""
    shape = tuple(x0.shape[1:])
    if not isinstance(eps, Tensor):
        # One by one: a single draw of all levels would give other numbers than several calls do.
        drawn = [torch.randn(shape, generator=eps, device=x0.device, dtype=x0.dtype) for _ in range(levels)]
        return torch.stack(drawn).expand(len(x0), levels, *shape)
    if eps.shape not in ((levels, *shape), (len(x0), levels, *shape)):
        raise ValueError(
            f"eps must have the shape {(levels, *shape)}, or {(len(x0), levels, *shape)} for a noise of each image's own, "
            f"not {tuple(eps.shape)}."
        )
    return eps.to(x0).expand(len(x0), levels, *shape)


def _refuse(scores: Sequence[Score], x0: Tensor, t: Tensor, kind: str, loss: str) -> None:
    if isinstance(scores, Score) or not scores or not all(isinstance(score, Score) for score in scores):
        raise ValueError("scores must be a sequence of one or more scores.")
    first = scores[0]
    if unlike := [score for score in scores if score.shape != first.shape]:
        raise ValueError(
            f"scores must have samples of one shape: {first.denoiser.name} has {first.shape}, {unlike[0].denoiser.name} {unlike[0].shape}."
        )
    if not len(x0) or tuple(x0.shape[1:]) != first.shape:
        raise ValueError(
            f"x0 must have one or more samples of shape {first.shape} for {first.denoiser.name}, not the shape {tuple(x0.shape)}."
        )
    if t.ndim != 1 or not len(t) or not ((t >= 0) & (t <= 1)).all():
        raise ValueError("t must be a vector of one or more levels in [0, 1].")
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}.")
    if loss not in _LOSSES:
        raise ValueError(f"loss must be one of {', '.join(_LOSSES)}, not {loss!r}.")
    for condition in (leaf.condition for score in scores for leaf in _leaves(score, idle=True)):
        if condition.batch not in (1, len(x0)):
            raise ValueError(f"{condition.label} was made for {condition.batch} samples; x0 has {len(x0)}.")

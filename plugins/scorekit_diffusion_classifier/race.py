"""Racing: all candidates of an image meet the same noise, and one that is beaten meets no more.

After every stage the paired differences d_j = e_j(candidate) - e_j(leader) over the levels j so far tell whether a candidate can still
win: it is out when the lower end of the confidence interval of their mean is above zero. What noise does to all candidates alike cancels
in d_j (common random numbers), and the levels of a stage are a grid, so the variance of the mean is that of a systematic sample: it is
estimated from successive differences along t, in which the trend over levels cancels too (Wolter 2007, section 8.2).

The races of many images run side by side, so that a forward is full.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scorekit_diffusion_classifier.candidates import Errors
from scorekit_diffusion_classifier.levels import Levels, stages


@dataclass(frozen=True)
class Rules:
    """first      levels of the first stage; each further stage doubles them
    levels      at most, for an image
    confidence  one-sided, of each comparison with the leader; 1 prunes nobody
    evaluations at most, for an image; None: no limit
    seconds     at most, for an image on average; looked at between stages; None: no limit
    """

    levels: int = 64
    first: int = 4
    confidence: float = 0.95
    evaluations: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if not 2 <= self.first <= self.levels:
            raise ValueError(f"first must lie between 2 and levels; got {self.first} and {self.levels}.")
        if not 0.5 < self.confidence <= 1:
            raise ValueError(f"confidence must be above 0.5 and at most 1, not {self.confidence}.")
        for name, value in (("evaluations", self.evaluations), ("seconds", self.seconds)):
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, not {value}.")


@dataclass(frozen=True)
class Stage:
    """Where the race of one image stood after `levels` levels: deficit (K,) and half (K,), the half width of its confidence interval;
    NaN for those who were out before."""

    levels: int
    deficit: Tensor
    half: Tensor


@dataclass(frozen=True)
class Outcome:
    """The end of the race of one image among K candidates.

    deficit      (K,) mean weighted error less the winner's, over the levels that the candidate has met, from 0 on for those still in
    stderr       (K,) standard error of that difference; 0 for the winner
    levels       (K,) how many levels each has met
    evaluations  of the network
    decided      whether the winner was alone in the end
    stages       for the curves
    """

    deficit: Tensor
    stderr: Tensor
    levels: Tensor
    evaluations: int
    decided: bool
    stages: tuple[Stage, ...]

    @property
    def winner(self) -> int:
        return int(self.deficit.masked_fill(self.levels < self.levels.max(), math.inf).argmin())


def race(
    errors: Errors,
    images: int,
    candidates: int,
    grid: Levels,
    rules: Rules,
    after: Callable[[int, int], None] = lambda done, total: None,
    clock: Callable[[], float] = time.monotonic,
) -> list[Outcome]:
    """Race `candidates` for each of `images` on the levels of `grid`; returns an Outcome for each image.

    after  called as after(levels so far, levels at most) at the end of each stage; what it raises ends the race

    Raises ValueError for a budget that does not pay one level of each candidate.
    """
    if rules.evaluations is not None and rules.evaluations < 2 * candidates:
        raise ValueError(
            f"evaluations must be at least {2 * candidates}, two for each of the {candidates} classes; got {rules.evaluations}."
        )
    began = clock()
    scale, order = grid.scale, grid.t
    table = torch.full((images, candidates, len(grid)), math.nan, dtype=torch.float64)
    alive = torch.ones(images, candidates, dtype=torch.bool)
    met = torch.zeros(images, candidates, dtype=torch.long)
    running = torch.ones(images, dtype=torch.bool)
    history: list[list[Stage]] = [[] for _ in range(images)]
    start = 0
    for end in stages(min(len(grid), rules.levels), rules.first):
        last = _afford(met, alive, running, start, end, rules)
        # Levels come in blocks that all running images can pay: those with many left in may have to stop short of the others.
        for stop in sorted(set(last[running].tolist())):
            now = running & (last >= stop)
            image, candidate = (alive & now[:, None]).nonzero(as_tuple=True)
            done = int(met[image, candidate].min()) if len(image) else stop
            if stop > done:
                found = errors(image, candidate, done, stop)
                table[image, candidate, done:stop] = found * scale[done:stop]
                met[image, candidate] = stop
        for i in running.nonzero()[:, 0].tolist():
            n = int(last[i])
            if n > start:
                history[i].append(_prune(table[i], alive[i], order, n, rules.confidence))
        broke = last < end
        running &= (alive.sum(1) > 1) & ~broke
        after(end, len(grid))
        late = rules.seconds is not None and clock() - began > rules.seconds * images
        if not running.any() or late:
            break
        start = end
    return [_outcome(table[i], alive[i], met[i], order, tuple(history[i])) for i in range(images)]


def _afford(met: Tensor, alive: Tensor, running: Tensor, start: int, end: int, rules: Rules) -> Tensor:
    """(B,) the level up to which each image can go in this stage."""
    last = torch.full((len(alive),), end)
    if rules.evaluations is not None:
        left = rules.evaluations - met.sum(1)
        last = torch.minimum(last, start + left // alive.sum(1))
    return torch.where(running, last, torch.full_like(last, start))


def _prune(table: Tensor, alive: Tensor, t: Tensor, n: int, confidence: float) -> Stage:
    """Take those who are beaten out of `alive` (in place)."""
    inside = alive.nonzero()[:, 0]
    leader = inside[table[inside, :n].mean(1).argmin()]
    mean, error = paired(table[inside, :n] - table[leader, :n], t[:n])
    # Successive differences overlap: they know two thirds of what independent ones would.
    half = quantile(confidence, max(1, 2 * (n - 1) // 3)) * error
    deficit, width = torch.full((2, len(alive)), math.nan, dtype=torch.float64)
    deficit[inside], width[inside] = mean, half
    alive[inside[mean > half]] = False
    return Stage(n, deficit, width)


def _outcome(table: Tensor, alive: Tensor, met: Tensor, t: Tensor, history: tuple[Stage, ...]) -> Outcome:
    inside = alive.nonzero()[:, 0]
    n = int(met[inside[0]])
    winner = inside[table[inside, :n].mean(1).argmin()]
    deficit, stderr = torch.zeros(2, len(alive), dtype=torch.float64)
    for k in range(len(alive)):
        m = int(met[k])
        mean, error = paired((table[k, :m] - table[winner, :m])[None], t[:m])
        # One that was out early may have looked better than a later winner: it is no winner.
        deficit[k], stderr[k] = mean[0].clamp(min=0), error[0]
    return Outcome(deficit, stderr, met.clone(), int(met.sum()), len(inside) == 1, history)


def paired(differences: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of differences (..., n) at the levels t (n,) and its standard error, from successive differences along t."""
    n = differences.shape[-1]
    along = differences[..., t.argsort()]
    if n < 2:
        return along.mean(-1), torch.full(along.shape[:-1], math.inf, dtype=along.dtype)
    variance = along.diff(dim=-1).square().sum(-1) / (2 * (n - 1))
    return along.mean(-1), (variance / n).sqrt()


def quantile(confidence: float, freedom: int) -> float:
    """Student's t at this one-sided confidence: exact for 1 and 2 degrees of freedom, and from 3 on by its expansion around the normal
    quantile (Abramowitz and Stegun, 26.7.5)."""
    if confidence >= 1:
        return math.inf
    if freedom <= 1:
        return math.tan(math.pi * (confidence - 0.5))
    if freedom == 2:
        return (2 * confidence - 1) * math.sqrt(1 / (2 * confidence * (1 - confidence)))
    z = math.sqrt(2) * float(torch.erfinv(torch.tensor(2 * confidence - 1, dtype=torch.float64)))
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom ** (power + 1) for power, term in enumerate(terms))

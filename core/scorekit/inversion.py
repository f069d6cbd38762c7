"""From data to the noise that a deterministic sampler makes it from, and back: the door to editing with another score.

ddim  DDIM run upwards (Song et al. 2021, section 4.3). Every step takes the slope at its lower end, the sampler at its upper one:
      the round trip has an error of the order of a step, .06 of a standard deviation or less only from a hundred steps or so
bdia  bidirectional integration (Zhang et al. 2023, arXiv:2307.10829, with gamma = 1): x two levels ahead is x two levels
      back plus what one evaluation in the middle says, which can be solved for either end. Exact up to rounding, whatever the network;
      its state is float64, because noise-heavy schedules multiply the rounding
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scorekit.loop import Loop, Step, Watch
from scorekit.noise import Noise
from scorekit.sampling import sample
from scorekit.schedule import Schedule, Spacing
from scorekit.score import Score
from scorekit.solvers import Plan, levels_for

METHODS = ("ddim", "bdia")


@dataclass(frozen=True)
class Inversion:
    """What `invert` found, and the sampler that goes with it.

    x_T     (B, ...) at levels[0]; with ddim it is all, and may go to `sample(x_T=, levels=, solver="ddim")` as well
    x_next  (B, ...) at levels[1], bdia's second half of the state; None with ddim
    levels  (n + 1,) decreasing to 0, of
    schedule
    dtype   of the data
    """

    method: str
    x_T: Tensor
    x_next: Tensor | None
    levels: Tensor
    schedule: Schedule
    dtype: torch.dtype

    def sample(self, score: Score, callback: Callable[[Step], None] | None = None) -> Tensor:
        """Back to data, with the score it was inverted with (a round trip) or another one (an edit). (B, ...)

        Raises ValueError for a score on another schedule, where x_T means something else.
        """
        if score.schedule != self.schedule:
            raise ValueError(
                f"score must be on the schedule of the inversion, {self.schedule!r}, not on {score.schedule!r}."
            )
        if self.x_next is None:
            x_T = self.x_T
            return sample(
                score, tuple(x_T.shape), solver="ddim", levels=self.levels, x_T=x_T, callback=callback, dtype=x_T.dtype
            )
        moves = _moves(score, self.levels)
        back, x = self.x_T, self.x_next
        with torch.no_grad():
            for index, (stop, (keep, take)) in enumerate(zip(score.along(self.levels[1:-1]), moves, strict=True)):
                x0 = score.at(x, stop).x0
                back, x = x, back.add(x, alpha=keep).add_(x0, alpha=take)
                if callback is not None:
                    callback(Step(index, len(moves), self.levels[index + 2], x, x0))
        return x.to(self.dtype)


def invert(
    score: Score,
    x0: Tensor,
    *,
    method: str = "bdia",
    steps: int = 50,
    spacing: Spacing | None = None,
    levels: Tensor | None = None,
    start: float = 1.0,
    callback: Callable[[Step], None] | None = None,
) -> Inversion:
    """The noise behind data x0 (B, ...), in the model's space.

    method   bdia or ddim, see above
    steps, spacing, start, levels  the grid of the sampler that shall make x0 again, as in `sample`; it must end in 0
    start    below 1 stops on the way: edits that leave the composition as it is
    callback called after every step, its x going up in noise

    Raises ValueError for other methods, fewer than 2 steps, a grid that does not end in 0 and an x0 that does not fit the model,
    FloatingPointError where x stops being finite, with the step.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}.")
    if tuple(x0.shape[1:]) != score.shape:
        raise ValueError(f"x0 must have the shape (B, {', '.join(map(str, score.shape))}), not {tuple(x0.shape)}.")
    if levels is None:
        levels = levels_for("ddim", score.schedule, steps, spacing, start=start)
    levels = levels.to("cpu", torch.float64)
    if levels.ndim != 1 or len(levels) < 3 or not (levels.diff() < 0).all() or levels[0] > 1 or levels[-1] != 0:
        raise ValueError("levels must be a vector of three or more levels that decrease strictly from at most 1 to 0.")
    x = x0.to(score.device, torch.float64 if method == "bdia" else x0.dtype)
    noise = Noise(x.shape, None, x.device, x.dtype)
    rows = _upwards(score, levels.flip(0))
    if method == "ddim":
        x = Loop(score, rows, caller="invert()")(x, noise, callback=callback)
        return Inversion(method, x, None, levels, score.schedule, x0.dtype)
    # The state is a pair: the second half, one level up, is a guess; the round trip is exact from any.
    up = Loop(score, rows.at(torch.arange(1)), caller="invert()")(x, noise)
    moves = list(zip(score.along(levels[1:-1]), _moves(score, levels), strict=True))
    after = levels[: len(moves)].flip(0)
    watch = Watch(after, "invert()", x.device)
    with torch.no_grad():
        for index, (stop, (keep, take)) in enumerate(reversed(moves)):
            estimate = score.at(up, stop).x0
            x, up = up, x.sub(up, alpha=keep).sub_(estimate, alpha=take)
            watch.see(index, up)
            if callback is not None:
                callback(Step(index, len(moves), after[index], up, estimate))
    watch.settle(up)
    return Inversion(method, up, x, levels, score.schedule, x0.dtype)


def _upwards(score: Score, t: Tensor) -> Plan:
    """DDIM from clean data up the levels t (n + 1,). Clean data has no slope that every network knows (eps there is x0's rounding): the
    first row takes that of the level above, as all rows of diffusers' inverse scheduler do."""
    alpha, sigma = score.schedule.alpha(t), score.schedule.sigma(t)
    a = sigma[1:] / sigma[:-1]
    b = alpha[1:] - a * alpha[:-1]
    a[0], b[0] = 1 + alpha[1], -alpha[1]  # x' = alpha' x + sigma' eps with eps = (x - alpha' x0) / sigma'
    return Plan.of(torch.cat([t[1:2], t[1:-1]]), t[1:], a, b)


def _moves(score: Score, levels: Tensor) -> list[tuple[float, float]]:
    """For every middle level: x_after = x_before + keep x + take x0, the DDIM step down from x less the one up to x_before."""
    alpha, sigma = score.schedule.alpha(levels), score.schedule.sigma(levels)
    keep = (sigma[2:] - sigma[:-2]) / sigma[1:-1]
    take = alpha[2:] - alpha[:-2] - keep * alpha[1:-1]
    return list(zip(keep.tolist(), take.tolist(), strict=True))

"""Sampling from a score expression."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scorekit.inpainting import Known
from scorekit.langevin import Langevin
from scorekit.noise import Generators, Noise
from scorekit.schedule import Spacing
from scorekit.score import Score
from scorekit.solvers import Plan, levels_for, plan, resampled


@dataclass(frozen=True)
class Step:
    """Where a sampler stands: row `index` of `total` is done, x (B, ...) is at level t, x0 is the score's estimate behind it.

    Rows that evaluate nothing (churn, resampling) show the estimate before them, and x itself where there is none yet.
    """

    index: int
    total: int
    t: Tensor
    x: Tensor
    x0: Tensor


def sample(
    score: Score,
    shape: int | Sequence[int],
    *,
    steps: int = 20,
    solver: str = "dpm++2m",
    spacing: Spacing | None = None,
    levels: Tensor | None = None,
    start: float = 1.0,
    x_T: Tensor | None = None,
    x0: Tensor | None = None,
    mask: Tensor | None = None,
    known: Tensor | None = None,
    resample: int = 1,
    jump: int = 1,
    corrector: Langevin | None = None,
    generator: Generators = None,
    callback: Callable[[Step], None] | None = None,
    grad: bool = False,
    dtype: torch.dtype = torch.float32,
    **options: float,
) -> Tensor:
    """Draw samples of a score.

    shape        (B, ...), or B alone
    solver       one of `scorekit.solvers.SOLVERS`; what is told there of options is given here by name: eta=0.5, s_churn=40
    steps        of the solver, on a grid of `spacing` (see `scorekit.schedule.grid`; the default is trailing for schedules with training
                 steps and karras for VE; lcm and tcd have one of their own)
    levels       the grid itself, (n + 1,) decreasing, instead of steps, spacing and start
    start, x0    begin at level `start` in (0, 1] from x0 (B, ...) noised to it: image to image (SDEdit, Meng et al. 2022)
    x_T          begin from this x (B, ...) instead: noise of one's own, or x at the first level
    mask, known  keep `known` where the mask is 1, fill in where it is 0 (RePaint, Lugmayr et al. 2022); both broadcast against x, known
                 in the model's space
    resample     do every `jump` steps this many times, with x noised back up in between: what is filled in comes to fit what is known
    corrector    `scorekit.langevin.langevin(...)`: steps at every level below the first
    generator    for all noise; or a sequence of B, one for each sample, which then does not depend on its batch
    callback     called after every row; what it raises stops the sampler
    grad         keep the graph of the whole loop; otherwise nothing is recorded

    Returns x (B, ...) at the last level, in the model's space: `denoiser.decode` makes pictures of it.
    Raises ValueError for unknown names, numbers out of range and shapes that do not fit; FloatingPointError where x stops being finite,
    with the step (on a GPU at the end: looking would wait for it at every step).
    """
    if not isinstance(score, Score):
        raise ValueError(f"score must be a score, such as model.given(prompt), not {score!r}.")
    schedule, device = score.schedule, score.device
    shape = (shape, *score.shape) if isinstance(shape, int) else tuple(shape)
    if tuple(shape[1:]) != score.shape:
        raise ValueError(
            f"shape must be (B, {', '.join(map(str, score.shape))}) for {score.denoiser.name}, not {shape}."
        )
    if shape[0] < 1:
        raise ValueError(f"shape must ask for at least 1 sample, not {shape[0]}.")
    if levels is None:
        levels = levels_for(solver, schedule, steps, spacing, start=start)
    rows = plan(solver, schedule, levels.to("cpu", torch.float64), **options)
    rows = resampled(rows, schedule, resample, jump)
    if solver == "langevin" and corrector is None:
        raise ValueError("solver langevin needs corrector=langevin(...): it takes no step of its own.")
    noise = Noise(shape, generator, device, dtype)
    x = _first(score, rows, noise, x_T, x0)
    return follow(
        score,
        rows,
        x,
        noise,
        known=Known.of(mask, known, shape, x),
        corrector=corrector,
        callback=callback,
        grad=grad,
        caller=f"sample() with solver {solver}",
    )


def _first(score: Score, rows: Plan, noise: Noise, x_T: Tensor | None, x0: Tensor | None) -> Tensor:
    """x at the first level of a plan."""
    if x_T is not None and x0 is not None:
        raise ValueError("x_T and x0 must not be given together: x0 is noised, x_T is not.")
    for name, value in (("x_T", x_T), ("x0", x0)):
        if value is not None and tuple(value.shape) != noise.shape:
            raise ValueError(f"{name} must have the shape {noise.shape}, not {tuple(value.shape)}.")
    if x_T is not None:
        return x_T.to(noise.device, noise.dtype)
    alpha, sigma = (float(f(rows.t[0])) for f in (score.schedule.alpha, score.schedule.sigma))
    if x0 is not None:
        return alpha * x0.to(noise.device, noise.dtype) + sigma * noise()
    # Noise at the first level; schedules that keep some data there (alpha > 0) start from their noise alone, as is usual.
    return noise() * (1.0 if alpha < 1 else sigma)


def follow(
    score: Score,
    rows: Plan,
    x: Tensor,
    noise: Noise,
    *,
    known: Known | None = None,
    corrector: Langevin | None = None,
    callback: Callable[[Step], None] | None = None,
    grad: bool = False,
    caller: str = "follow()",
) -> Tensor:
    """The loop: x (B, ...) at the first level of a plan, at the last. `sample` says what the arguments are."""
    table, total = rows.table(), len(rows)
    asks = torch.tensor([row.evaluates for row in table])
    stops = iter(score.along(rows.t[asks]) if asks.any() else ())
    ends = score.along(rows.after) if corrector is not None else []
    alphas, sigmas = (f(rows.after).tolist() for f in (score.schedule.alpha, score.schedule.sigma))
    watch = _Watch(rows, caller, x.device)
    now: Tensor | None = None
    before: Tensor | None = None
    before2: Tensor | None = None
    with torch.set_grad_enabled(grad):
        for index, row in enumerate(table):
            learned = None
            if row.evaluates:
                made = score.at(x, next(stops))
                now, before, before2, learned = made.x0, now, before, made.range
            # A coefficient of 0 skips its product: at t = 0 the x it multiplies may be anything.
            if row.a == 0 and now is not None:
                x = now * row.b
            else:
                x = x * row.a
                if row.b != 0 and now is not None:
                    x.add_(now, alpha=row.b)
            if row.c != 0 and before is not None:
                x.add_(before, alpha=row.c)
            if row.e != 0 and before2 is not None:
                x.add_(before2, alpha=row.e)
            if row.d != 0:
                drawn = noise()
                if learned is not None and row.upper != row.d:
                    drawn = drawn * (learned * math.log(row.upper / row.d)).exp()
                x.add_(drawn, alpha=row.d)
            if row.settled:
                if known is not None:
                    part = known.at(alphas[index], sigmas[index], noise)
                    x = known.put(x, part)
                if corrector is not None and sigmas[index] != 0:
                    x = corrector.correct(score, x, ends[index], sigmas[index], noise)
                    if known is not None:
                        x = known.put(x, part)
            watch.see(index, x)
            if callback is not None:
                callback(Step(index, total, rows.after[index], x, x if now is None else now))
    watch.settle(x)
    return x


class _Watch:
    """Sees where x stops being finite; a sum of numbers is finite where they are, unless it overflows, which is looked at then."""

    def __init__(self, rows: Plan, caller: str, device: torch.device) -> None:
        self._rows, self._caller = rows, caller
        self._waits = device.type != "cpu"  # reading a number back would wait for the device
        self._sums: list[Tensor] = []

    def see(self, index: int, x: Tensor) -> None:
        total = x.detach().sum(dtype=torch.promote_types(x.dtype, torch.float32))
        if self._waits:
            self._sums.append(total)
        elif not math.isfinite(total.item()) and not torch.isfinite(x).all():
            self._refuse(index)

    def settle(self, x: Tensor) -> None:
        if self._sums and not torch.isfinite(x).all():
            self._refuse(torch.stack(self._sums).isfinite().long().argmin().item())

    def _refuse(self, index: float) -> None:
        done, total, t = int(index) + 1, len(self._rows), float(self._rows.after[int(index)])
        raise FloatingPointError(
            f"{self._caller} gave values that are not finite in step {done} of {total}, to t = {t:.6g}."
        )

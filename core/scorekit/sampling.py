"""Sampling from a score expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scorekit.schedule import Spacing, grid
from scorekit.score import Score
from scorekit.solvers import plan


@dataclass(frozen=True)
class Step:
    """Where a sampler stands: row `index` of `total` is done, x (B, ...) is at level t, x0 is the score's estimate behind it."""

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
    generator: torch.Generator | None = None,
    callback: Callable[[Step], None] | None = None,
    grad: bool = False,
    dtype: torch.dtype = torch.float32,
    **options: float,
) -> Tensor:
    """Draw samples of a score.

    shape      (B, ...), or B alone
    solver     ddpm, ddim (option eta), euler, heun or dpm++2m
    steps      of the solver, on a grid of `spacing` (see `scorekit.schedule.grid`; the default is trailing for schedules with training
               steps and karras for VE)
    levels     the grid itself, (n + 1,) decreasing, instead of steps, spacing and start
    start, x_T begin at level `start` in (0, 1] from x_T (B, ...) instead of from noise at t = 1
    generator  for all noise, on the device of the score
    callback   called after every row; what it raises stops the sampler
    grad       keep the graph of the whole loop; otherwise nothing is recorded

    Returns x (B, ...) at the last level, in the model's space: `denoiser.decode` makes pictures of it.
    Raises ValueError for unknown names, numbers out of range and shapes that do not fit; FloatingPointError where the result is not
    finite.
    """
    schedule, device = score.schedule, score.device
    shape = (shape, *score.shape) if isinstance(shape, int) else tuple(shape)
    if tuple(shape[1:]) != score.shape:
        raise ValueError(
            f"shape must be (B, {', '.join(map(str, score.shape))}) for {score.denoiser.name}, not {shape}."
        )
    if shape[0] < 1:
        raise ValueError(f"shape must ask for at least 1 sample, not {shape[0]}.")
    if levels is None:
        spacing = spacing or ("trailing" if hasattr(schedule, "steps") else "karras")
        levels = grid(schedule, steps, spacing, start=start)
    rows = plan(solver, schedule, levels.to("cpu", torch.float64), **options)

    def noise() -> Tensor:
        return torch.randn(shape, generator=generator, device=device, dtype=dtype)

    if x_T is None:
        first = levels[:1].cpu()
        # Noise at the first level; schedules that keep some data there (alpha > 0) start from their noise alone, as is usual.
        scale = 1.0 if float(schedule.alpha(first)) < 1 else float(schedule.sigma(first))
        x = noise() * scale
    else:
        if tuple(x_T.shape) != tuple(shape):
            raise ValueError(f"x_T must have the shape {tuple(shape)}, not {tuple(x_T.shape)}.")
        x = x_T.to(device, dtype)
    t = rows.t.to(device)
    # Python numbers: multiplying by them never waits for the device.
    table = torch.stack([rows.a, rows.b, rows.c, rows.d], 1).tolist()
    before: Tensor | None = None
    with torch.set_grad_enabled(grad):
        for index, (a, b, c, d) in enumerate(table):
            x0 = score(x, t[index]).x0
            # A coefficient of 0 skips its product: at t = 0 the x it multiplies may be anything.
            moved = b * x0 if a == 0 else a * x + b * x0
            if c != 0 and before is not None:
                moved = moved + c * before
            x = moved + d * noise() if d != 0 else moved
            before = x0
            if callback is not None:
                callback(Step(index, len(rows), rows.after[index], x, x0))
    if not torch.isfinite(x).all():
        raise FloatingPointError(
            f"sample() gave values that are not finite with solver {solver} in {len(levels) - 1} steps."
        )
    return x

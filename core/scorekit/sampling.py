"""Sampling from a score expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from scorekit.inpainting import Known
from scorekit.langevin import Langevin
from scorekit.loop import Loop, Step
from scorekit.noise import Generators, Noise
from scorekit.schedule import Spacing
from scorekit.score import Score
from scorekit.solvers import levels_for, plan, resampled

__all__ = ["Sampler", "Step", "sample"]


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
    sampler = Sampler(
        score,
        shape,
        steps=steps,
        solver=solver,
        spacing=spacing,
        levels=levels,
        start=start,
        resample=resample,
        jump=jump,
        corrector=corrector,
        dtype=dtype,
        **options,
    )
    return sampler(x_T=x_T, x0=x0, mask=mask, known=known, generator=generator, callback=callback, grad=grad)


class Sampler:
    """`sample`, prepared: a score, a shape and a solver, run as often as one likes with what changes from call to call.

        observation = torch.zeros(1, 20)
        sampler = Sampler(policy.given(Condition({"observation": observation})), 1, solver="ddim", steps=5)
        for ...:
            observation.copy_(what_is_seen)
            actions = sampler(generator=g)

    Levels, weights that are functions of t and the solver's numbers are worked out when it is made; conditions are read at every call, so
    that new values may be written into their tensors. It has no state of its own: threads may share it. Arguments, and errors, are those of
    `sample`; `scorekit.capture.capture` makes a CUDA graph of it.
    """

    def __init__(
        self,
        score: Score,
        shape: int | Sequence[int],
        *,
        steps: int = 20,
        solver: str = "dpm++2m",
        spacing: Spacing | None = None,
        levels: Tensor | None = None,
        start: float = 1.0,
        resample: int = 1,
        jump: int = 1,
        corrector: Langevin | None = None,
        dtype: torch.dtype = torch.float32,
        **options: float,
    ) -> None:
        if not isinstance(score, Score):
            raise ValueError(f"score must be a score, such as model.given(prompt), not {score!r}.")
        schedule = score.schedule
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
        self.shape, self.dtype, self.device = shape, dtype, score.device
        self.loop = Loop(score, rows, corrector=corrector, caller=f"sample() with solver {solver}")
        self._first = tuple(float(f(rows.t[0])) for f in (schedule.alpha, schedule.sigma))

    def __call__(
        self,
        *,
        x_T: Tensor | None = None,
        x0: Tensor | None = None,
        mask: Tensor | None = None,
        known: Tensor | None = None,
        generator: Generators = None,
        callback: Callable[[Step], None] | None = None,
        grad: bool = False,
    ) -> Tensor:
        noise = Noise(self.shape, generator, self.device, self.dtype)
        x = self.begin(noise, x_T, x0)
        return self.loop(x, noise, known=Known.of(mask, known, self.shape, x), callback=callback, grad=grad)

    def begin(self, noise: Noise, x_T: Tensor | None = None, x0: Tensor | None = None) -> Tensor:
        """x at the first level."""
        if x_T is not None and x0 is not None:
            raise ValueError("x_T and x0 must not be given together: x0 is noised, x_T is not.")
        for name, value in (("x_T", x_T), ("x0", x0)):
            if value is not None and tuple(value.shape) != self.shape:
                raise ValueError(f"{name} must have the shape {self.shape}, not {tuple(value.shape)}.")
        if x_T is not None:
            return x_T.to(self.device, self.dtype)
        alpha, sigma = self._first
        if x0 is not None:
            return alpha * x0.to(self.device, self.dtype) + sigma * noise()
        # Noise at the first level; schedules that keep some data there (alpha > 0) start from their noise alone, as is usual.
        return noise() * (1.0 if alpha < 1 else sigma)

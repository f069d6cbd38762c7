"""The loop of every sampler: a plan of solver rows on a score, prepared once and run as often as one likes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from scorekit.inpainting import Known
from scorekit.langevin import Langevin
from scorekit.linear import Fields, Linear, linear
from scorekit.noise import Noise
from scorekit.score import Score, Stop
from scorekit.solvers import Plan


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


class Loop:
    """What can be worked out of a score and a plan before there is an x: the levels, the weights at each of them, the solver's numbers.

    corrector  Langevin steps after every settled row
    caller     how messages call the sampler
    """

    def __init__(
        self, score: Score, rows: Plan, *, corrector: Langevin | None = None, caller: str = "the sampler"
    ) -> None:
        self.score, self.rows, self.caller = score, rows, caller
        self._table, self._corrector = rows.table(), corrector
        asking = [row for row in self._table if row.evaluates]
        stops = score.along(rows.t[torch.tensor([row.evaluates for row in self._table])]) if asking else []
        # A learned variance is told by predictions alone.
        made = (
            (stop, plain if row.upper == row.d else None)
            for row, stop, plain in zip(asking, stops, linear(score, stops), strict=True)
        )
        self._stops = [next(made) if row.evaluates else None for row in self._table]
        self._ends = score.along(rows.after) if corrector is not None else []
        self._alphas, self._sigmas = (f(rows.after).tolist() for f in (score.schedule.alpha, score.schedule.sigma))
        self._remembers = any(row.c != 0 or row.e != 0 for row in self._table)

    def __call__(
        self,
        x: Tensor,
        noise: Noise,
        *,
        known: Known | None = None,
        callback: Callable[[Step], None] | None = None,
        grad: bool = False,
    ) -> Tensor:
        """x (B, ...) at the first level of the plan, at the last; `scorekit.sampling.sample` says what the arguments are.

        Raises FloatingPointError where x stops being finite, with the step.
        """
        watch = Watch(self.rows.after, self.caller, x.device)
        x = self.run(x, noise, watch, known=known, callback=callback, grad=grad)
        watch.settle(x)
        return x

    def run(
        self,
        x: Tensor,
        noise: Noise,
        watch: Watch,
        *,
        known: Known | None = None,
        callback: Callable[[Step], None] | None = None,
        grad: bool = False,
    ) -> Tensor:
        """The same, and nothing in it waits for a device: what `watch` saw is looked at when it settles."""
        self.score.denoiser.refuse_shape(x)
        fields, total = Fields(len(x)), len(self._table)
        now: Tensor | None = None
        before: Tensor | None = None
        before2: Tensor | None = None
        with torch.set_grad_enabled(grad):
            for index, (row, stop) in enumerate(zip(self._table, self._stops, strict=True)):
                factor, parts, learned = row.a, [], None
                if stop is not None:
                    keep, said, learned = self._asked(x, *stop, fields)
                    if self._remembers or callback is not None:
                        x0 = said[0][1] if keep == 0 and len(said) == 1 and said[0][0] == 1 else _sum(x, keep, said)
                        now, before, before2 = x0, now, before
                        if self._remembers:
                            keep, said = 0.0, [(1.0, x0)]
                    factor += row.b * keep
                    parts = [(row.b * take, output) for take, output in said]
                    if before is not None:
                        parts.append((row.c, before))
                    if before2 is not None:
                        parts.append((row.e, before2))
                x = _sum(x, factor, parts)
                if row.d != 0:
                    drawn = noise()
                    if learned is not None and row.upper != row.d:
                        drawn = drawn * (learned * math.log(row.upper / row.d)).exp()
                    x.add_(drawn, alpha=row.d)
                if row.settled:
                    x = self._settled(index, x, noise, known)
                watch.see(index, x)
                if callback is not None:
                    callback(Step(index, total, self.rows.after[index], x, x if now is None else now))
        return x

    def _asked(
        self, x: Tensor, stop: Stop, plain: Linear | None, fields: Fields
    ) -> tuple[float, list[tuple[float, Tensor]], Tensor | None]:
        """What the score expects behind x, as x0 = keep x + a weighted sum; and the learned range of the variance, if asked for."""
        if plain is None:
            made = self.score.at(x, stop)
            return 0.0, [(1.0, made.x0)], made.range
        return plain.keep, list(zip(plain.take, plain.outputs(x, fields), strict=True)), None

    def _settled(self, index: int, x: Tensor, noise: Noise, known: Known | None) -> Tensor:
        """x, a sample of its level, with its known part put back and the corrector's steps taken."""
        alpha, sigma = self._alphas[index], self._sigmas[index]
        if known is not None:
            part = known.at(alpha, sigma, noise)
            x = known.put(x, part)
        if self._corrector is not None and sigma != 0:
            x = self._corrector.correct(self.score, x, self._ends[index], sigma, noise)
            if known is not None:
                x = known.put(x, part)
        return x


def _sum(x: Tensor, factor: float, parts: Iterable[tuple[float, Tensor]]) -> Tensor:
    """factor x + sum of the parts, a new tensor. A factor of 0 skips its product: at t = 0 the x it multiplies may be anything."""
    wanted = [(weight, part) for weight, part in parts if weight != 0]
    if factor == 0 and wanted:
        weight, part = wanted.pop(0)
        total = part * weight
    else:
        total = x * factor
    for weight, part in wanted:
        total.add_(part, alpha=weight)
    return total


class Watch:
    """Sees where x stops being finite; a sum of numbers is finite where they are, unless it overflows, which is looked at then.

    after  (n,) the level at which x stands after each step
    """

    def __init__(self, after: Tensor, caller: str, device: torch.device) -> None:
        self._after, self._caller = after, caller
        self._waits = device.type != "cpu"  # reading a number back would wait for the device
        self._sums: list[Tensor] = []

    def see(self, index: int, x: Tensor) -> None:
        """x after step `index`. Raises FloatingPointError on a CPU."""
        total = x.detach().sum(dtype=torch.promote_types(x.dtype, torch.float32))
        if self._waits:
            self._sums.append(total)
        elif not math.isfinite(total.item()) and not torch.isfinite(x).all():
            self._refuse(index)

    def settle(self, x: Tensor) -> None:
        """x at the end. Raises FloatingPointError elsewhere."""
        if self._sums and not torch.isfinite(x).all():
            self._refuse(int(torch.stack(self._sums).isfinite().long().argmin()))

    def _refuse(self, index: int) -> None:
        raise FloatingPointError(
            f"{self._caller} gave values that are not finite in step {index + 1} of {len(self._after)}, "
            f"to t = {float(self._after[index]):.6g}."
        )

"""Samples longer than a model was trained on: it is asked in overlapping windows of its own length, and what it says is averaged.

MultiDiffusion (Bar-Tal et al. 2023, arXiv:2302.08113) at every level of noise. At one x and one level each reading of an output (eps, x0,
v, the score) is an affine function of every other, so their average is the same in all of them; where windows agree it is what they say.

    long = Windowed(model, 24, axis=1)      # clips (C, 24, H, W) by a model of (C, 8, H, W)
    x = sample(long.given("a red mug turning left"), 1)

The result is a denoiser like any other: guided, composed, edited and inpainted by the same expressions.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from scorekit.denoiser import Codec, Denoiser
from scorekit.schedule import Level

MOST_ROWS = 16  # windows of one forward, if a window's batch is not larger: memory does not grow with the length


class Windowed(Denoiser):
    """`model` on samples whose `axis` has `length` places, at least as many as its own. It shares the weights.

    axis     of a sample, without the batch: -1 is the last
    overlap  places that neighbouring windows share at least, from 0 to one less than a window; None: half a window
    codec    between data and the longer x

    Every window counts most in its middle, where it sees as far to one side as to the other, and least at its ends.
    Raises ValueError for a length or an overlap out of range.
    """

    def __init__(
        self, model: Denoiser, length: int, *, axis: int = -1, overlap: int | None = None, codec: Codec | None = None
    ) -> None:
        place = axis % len(model.shape)
        self.width, self.axis = model.shape[place], place + 1  # of x, which has the batch before it
        overlap = self.width // 2 if overlap is None else overlap
        if length < self.width:
            raise ValueError(f"length must be at least {self.width}, that of {model.name}, not {length}.")
        if not 0 <= overlap < self.width:
            raise ValueError(
                f"overlap must lie in [0, {self.width - 1}] for {model.name}, whose windows have {self.width} places, not {overlap}."
            )
        super().__init__(
            model.network,
            model.schedule,
            model.prediction,
            (*model.shape[:place], length, *model.shape[place + 1 :]),
            prompts=model.prompts,
            codec=codec,
            backgrounds=model.backgrounds,
            views=model.views,
            name=model.name,
            device=model.device,
            dtype=model.dtype,
        )
        self.model, self.starts = model, windows(length, self.width, overlap)
        middle = torch.arange(1, self.width + 1)
        tent = torch.minimum(middle, middle.flip(0)).double()
        total = torch.zeros(length, dtype=torch.float64)
        for start in self.starts:
            total[start : start + self.width] += tent
        beyond = (-1, *(1,) * (len(model.shape) - place - 1))
        self._shares = [(tent / total[start : start + self.width]).reshape(beyond) for start in self.starts]

    def output(self, x: Tensor, level: Level, fields: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """The average of what the network says in all windows of x (B, ...), and of its learned range of the variance, if any."""
        batch, together = len(x), max(1, MOST_ROWS // len(x))
        total, ranges = torch.zeros_like(x), torch.zeros_like(x)
        learns = False
        for first in range(0, len(self.starts), together):
            starts = self.starts[first : first + together]
            many = torch.cat([x.narrow(self.axis, start, self.width) for start in starts])
            said, learned = self.model.output(many, _repeated(level, len(starts)), _spread(fields, len(starts)))
            learns = learned is not None
            for place, (start, share) in enumerate(zip(starts, self._shares[first:], strict=False)):
                rows, share = slice(place * batch, (place + 1) * batch), share.to(x)
                total.narrow(self.axis, start, self.width).add_(said[rows] * share)
                if learned is not None:
                    ranges.narrow(self.axis, start, self.width).add_(learned[rows] * share)
        return total, ranges if learns else None


def windows(length: int, width: int, overlap: int) -> list[int]:
    """Where windows begin: evenly apart, the last one at the end, neighbours sharing `overlap` places or more."""
    count = 1 + -(-(length - width) // (width - overlap))
    return [round(index * (length - width) / max(count - 1, 1)) for index in range(count)]


def _spread(fields: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    return {name: _repeat(value, count) for name, value in fields.items()}


def _repeated(level: Level, count: int) -> Level:
    """The level of each sample for all its windows; what is one for all samples stays."""

    def of(value: float | Tensor) -> float | Tensor:
        return _repeat(value, count) if isinstance(value, Tensor) and value.numel() > 1 else value

    timestep = level.timestep if level.timestep.numel() == 1 else _repeat(level.timestep, count)
    return Level(of(level.t), of(level.alpha), of(level.sigma), timestep)


def _repeat(value: Tensor, count: int) -> Tensor:
    return value.repeat(count, *(1,) * (value.ndim - 1))

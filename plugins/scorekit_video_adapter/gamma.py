"""The strength of a prior: a number, or a curve over log-SNR. No torch at import: parameters are read with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

NOISE, DATA = -6.0, 6.0  # log-SNR between which "a..b" runs: below, x is noise to the eye, above, it is data
MOST = 100.0
FIT: Literal["fit"] = "fit"


@dataclass(frozen=True)
class Curve:
    """gamma as a function of log-SNR = 2 ln(alpha / sigma): linear between its knots, constant beyond them.

    log_snr  increasing, at least one
    value    gamma at each of them, from 0 to 100

    Raises ValueError for knots that do not increase and values out of range.
    """

    log_snr: tuple[float, ...]
    value: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.log_snr or len(self.log_snr) != len(self.value):
            raise ValueError("gamma must have one value at each log-SNR, and at least one.")
        if any(not low < high for low, high in zip(self.log_snr, self.log_snr[1:], strict=False)):
            raise ValueError("gamma must be given at log-SNRs that increase.")
        for value in self.value:
            checked(value)

    @classmethod
    def ramp(cls, noise: float, data: float) -> Curve:
        """From `noise`, where there is nothing but noise, to `data`, where there is none."""
        return cls((NOISE, DATA), (noise, data))

    def __call__(self, log_snr: Tensor) -> Tensor:
        """gamma at log-SNRs of any shape, infinite ones included; float64."""
        import torch

        knots = torch.tensor(self.log_snr, dtype=torch.float64, device=log_snr.device)
        values = torch.tensor(self.value, dtype=torch.float64, device=log_snr.device)
        if len(knots) == 1:
            return values[0].expand(log_snr.shape)
        at = log_snr.to(torch.float64).clamp(knots[0], knots[-1])
        right = torch.searchsorted(knots, at.contiguous()).clamp(1, len(knots) - 1)
        share = (at - knots[right - 1]) / (knots[right] - knots[right - 1])
        return torch.lerp(values[right - 1], values[right], share)


Gamma = float | Curve


def parse(text: str) -> Gamma | Literal["fit"]:
    """gamma of "0.5"; of "1..0.2", a ramp from noise to data; of "fit", which is left to be fitted.

    Raises ValueError for anything else.
    """
    word = text.strip().lower()
    if word == FIT:
        return FIT
    parts = word.split("..")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise ValueError(
            f'gamma must be a number such as 0.5, "a..b" from noise to data such as 1..0.2, or fit, not {text!r}'
        )
    if len(numbers) == 1:
        return checked(numbers[0])
    return Curve.ramp(*numbers)


def checked(value: float) -> float:
    """The value, where gamma may have it. Raises ValueError otherwise."""
    if not (math.isfinite(value) and 0 <= value <= MOST):
        raise ValueError(f"gamma must lie in [0, {MOST:g}], not {value}")
    return float(value)


def spelled(gamma: Gamma | Sequence[Gamma]) -> str:
    """As `parse` reads it, for labels; curves with more than two knots by their ends."""
    if isinstance(gamma, Curve):
        return f"{gamma.value[0]:g}..{gamma.value[-1]:g}"
    if isinstance(gamma, int | float):
        return f"{gamma:g}"
    return ", ".join(spelled(one) for one in gamma)

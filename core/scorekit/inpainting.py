"""Known parts of a sample: held at their place at every level, as in RePaint (Lugmayr et al. 2022, arXiv:2201.09865)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scorekit.noise import Noise


@dataclass(frozen=True)
class Known:
    """x0 where the mask is 1; the model fills in where it is 0, and between is a mixture of both.

    mask  broadcasts against x (B, ...), values in [0, 1]
    x0    broadcasts against x, in the model's space (`denoiser.encode` of a picture)
    """

    mask: Tensor
    x0: Tensor

    @staticmethod
    def of(mask: Tensor | None, known: Tensor | None, shape: Sequence[int], like: Tensor) -> Known | None:
        """From what a caller gave: both or neither. Raises ValueError where they do not fit the shape (B, ...)."""
        if mask is None and known is None:
            return None
        if mask is None or known is None:
            raise ValueError("mask and known must be given together.")
        for name, value in (("mask", mask), ("known", known)):
            sizes = zip(reversed(value.shape), reversed(shape), strict=False)
            if value.ndim > len(shape) or any(size not in (1, whole) for size, whole in sizes):
                raise ValueError(f"{name} must broadcast to the shape {tuple(shape)}, not be {tuple(value.shape)}.")
        mask = mask.to(like.device, like.dtype)
        if not ((mask >= 0) & (mask <= 1)).all():
            raise ValueError("mask must lie in [0, 1]: 1 where known is kept, 0 where the model fills in.")
        return Known(mask, known.to(like.device, like.dtype))

    def at(self, alpha: float, sigma: float, noise: Noise) -> Tensor:
        """The known part at a level, with fresh noise."""
        return self.x0 if sigma == 0 else alpha * self.x0 + sigma * noise()

    def put(self, x: Tensor, part: Tensor) -> Tensor:
        """x with its known places taken from `part`."""
        return torch.lerp(x, part.expand_as(x), self.mask.expand_as(x))

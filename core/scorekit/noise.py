"""Where samplers take their noise from: one generator for the batch, or one for each sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Generators = torch.Generator | Sequence[torch.Generator] | None


class Noise:
    """Standard normal noise of one shape, draw after draw.

    shape      (B, ...)
    generator  for all samples together; or a sequence of B, one each, with which a sample does not depend on the batch it is in. A
               generator of another device than `device` draws there, and the noise is moved

    Raises ValueError for a sequence that is not B long.
    """

    def __init__(
        self,
        shape: Sequence[int],
        generator: Generators = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.shape, self.device, self.dtype = tuple(shape), torch.device(device), dtype
        if generator is not None and not isinstance(generator, torch.Generator):
            generator = list(generator)
            if len(generator) != self.shape[0]:
                raise ValueError(
                    f"generator must be one, or {self.shape[0]}, one for each sample, not {len(generator)}."
                )
        self._each = generator if isinstance(generator, list) else None
        self._one = None if isinstance(generator, list) else generator

    def __call__(self) -> Tensor:
        """The next draw, of the shape (B, ...)."""
        return self._draw(torch.randn, self.shape[1:])

    def uniform(self) -> Tensor:
        """A number in [0, 1) for each sample, (B,)."""
        return self._draw(torch.rand, ())

    def signs(self) -> Tensor:
        """-1 or 1 with equal chance in every place, (B, ...)."""
        return 2.0 * (self._draw(torch.rand, self.shape[1:]) < 0.5).to(self.dtype) - 1

    def _draw(self, draw: Callable[..., Tensor], one: tuple[int, ...]) -> Tensor:
        if self._each is not None:
            return torch.cat([self._from(draw, generator, (1, *one)) for generator in self._each])
        return self._from(draw, self._one, (self.shape[0], *one))

    def _from(self, draw: Callable[..., Tensor], generator: torch.Generator | None, shape: tuple[int, ...]) -> Tensor:
        where = self.device if generator is None else generator.device
        drawn = draw(shape, generator=generator, device=where, dtype=self.dtype)
        if where.type == "cpu" and self.device.type == "cuda":
            # From pinned memory the copy waits for nothing.
            return drawn.pin_memory().to(self.device, non_blocking=True)
        return drawn.to(self.device)

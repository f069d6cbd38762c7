"""The picture of a run without files: a render, and its true parts."""

from __future__ import annotations

import torch
from torch import Tensor


def picture(kind: str = "mushroom", color: str = "red", azimuth: float = 30.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A rendered object (3, 32, 32) on white, and its parts (32, 32) int64: 0 is the background, then the object's own order."""
    from scorekit.zoo.objects import sample_object
    from scorekit.zoo.render import look, render

    one = sample_object(kind, color, torch.Generator().manual_seed(seed))
    seen = render(one, look(azimuth, 20.0), 32, supersample=4)
    return seen.rgb[0], seen.part[0, 0] + 1

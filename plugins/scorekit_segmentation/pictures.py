"""Pictures from outside, read with care; masks as pictures."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scorekit.host.pictures import open_picture


def read_picture(path: Path) -> Tensor:
    """A picture (3, H, W) in [0, 1], transparency laid over white.

    Raises ValueError for files that are no pictures, damaged, smaller than 8 px or larger than 50 megapixels.
    """
    return torch.from_numpy(np.array(open_picture(path, "image"))).permute(2, 0, 1).float() / 255


def colours(count: int) -> Tensor:
    """(count, 3) in [0, 1]: hues a golden angle apart, in two brightnesses."""
    return torch.tensor(
        [colorsys.hsv_to_rgb((0.02 + 0.61803 * i) % 1, 0.8, 1.0 - 0.25 * (i % 2)) for i in range(count)]
    )


def overlay(picture: Tensor, labels: Tensor) -> Tensor:
    """Masks (H, W) in their colours over a gray picture (3, H, W), with white borders."""
    paint = colours(int(labels.max()) + 1)[labels].permute(2, 0, 1)
    mixed = 0.55 * paint + 0.45 * picture.mean(0, keepdim=True)
    edge = torch.zeros(labels.shape, dtype=torch.bool)
    edge[1:] |= labels[1:] != labels[:-1]
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    return torch.where(edge, torch.ones(()), mixed)

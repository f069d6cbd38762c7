"""Motions in the picture plane: where a picture stands in each frame of a clip, and the picture put there, exactly resampled.

A path is (T, 3): the side of the picture as a share of the frame's, and the place of its middle, right and down, in [-1, 1] from edge to
edge of the frame.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SMALL, LARGE = 0.45, 0.85  # sides of the pictures: always reduced, never enlarged


def draw_path(motion: str, frames: int, generator: torch.Generator) -> Tensor:
    """A random path (frames, 3) of one of `captions.MOTIONS`; what turns or is orbited stands still in the plane."""
    u, v, w = torch.rand(3, generator=generator).tolist()
    time = torch.linspace(0, 1, frames)
    still = torch.zeros(frames)
    if motion in ("growing", "shrinking"):
        first, last = SMALL * (1 + 0.15 * u), LARGE * (1 - 0.1 * v)
        side = first * (last / first) ** (time if motion == "growing" else 1 - time)
        place = (2 * w - 1) * (1 - LARGE)
        return torch.stack([side, still + place, still], 1)
    if motion == "bouncing":
        side = SMALL + 0.15 * u
        # A ball of constant energy: parabolas over the floor, between one and two of them in a clip.
        phase = (time * (1.1 + 0.9 * v) + w) % 1
        height = 4 * phase * (1 - phase)
        return torch.stack([still + side, still + (2 * u - 1) * (1 - side), (1 - side) * (1 - 1.9 * height)], 1)
    if motion.startswith("sliding"):
        side = SMALL + 0.2 * u
        along = (2 * time - 1) * (1 - side) * (0.7 + 0.3 * v)
        across = still + (2 * w - 1) * 0.6 * (1 - side)
        direction = motion.split()[1]
        if direction in ("left", "up"):
            along = -along
        x, y = (along, across) if direction in ("left", "right") else (across, along)
        return torch.stack([still + side, x, y], 1)
    side = 0.6 + (LARGE - 0.6) * u
    places = [still + (2 * value - 1) * (1 - side) * 0.5 for value in (v, w)]
    return torch.stack([still + side, *places], 1)


def place(pictures: Tensor, path: Tensor, size: int) -> Tensor:
    """Pictures (T, C, S, S), premultiplied with their coverage among the channels, at the places of a path: (T, C, size, size).

    Separable resampling with a tent as wide as a pixel of the result, which is exact for edges along the axes and keeps the sum of the
    coverage; beyond the pictures everything is 0.
    Raises ValueError where a picture would be enlarged.
    """
    source = pictures.shape[-1]
    if float(path[:, 0].max()) * size > source:
        raise ValueError(f"path enlarges pictures of {source} px; its sides must be at most {source / size:.3g}")
    across, down = (_weights(path[:, 0], path[:, axis], source, size) for axis in (1, 2))
    return down[:, None] @ pictures @ across[:, None].mT


def _weights(side: Tensor, middle: Tensor, source: int, size: int) -> Tensor:
    """(T, size, source): how much of each row of the source is in each row of the frame."""
    target = (torch.arange(size) + 0.5) * (2 / size) - 1
    scale = side * size / source  # frame pixels to a source pixel
    where = ((target - middle[:, None]) / side[:, None] + 1) * (source / 2) - 0.5
    # The tent is normalised over an endless row of pixels: at the picture's edge the coverage falls, as it must.
    margin = math.ceil(1 / float(scale.min())) + 1
    tent = (
        1
        - (where[..., None] - where[..., None].round() - torch.arange(-margin, margin + 1)).abs() * scale[:, None, None]
    )
    total = tent.clamp_min(0).sum(-1, keepdim=True)
    weights = (1 - (where[..., None] - torch.arange(source)).abs() * scale[:, None, None]).clamp_min(0)
    return weights / total

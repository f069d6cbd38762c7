"""The descriptors that are compared, all on one grid and matched alike."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from scorekit.denoiser import Denoiser
from scorekit_dift.descriptors import Descriptors, Reading, describe_pair

Describe = Callable[[Tensor, Tensor], tuple[Descriptors, Descriptors]]
STRIDE = 4


def diffusion(model: Denoiser, reading: Reading) -> Describe:
    """Features of a denoiser, as the plugin takes them."""
    return lambda source, target: describe_pair(model, source, target, reading, torch.Generator().manual_seed(0))


def patches(source: Tensor, target: Tensor) -> tuple[Descriptors, Descriptors]:
    """17 x 17 px of RGB, less their mean."""
    return _each(source, target, _patches)


def root_sift(source: Tensor, target: Tensor) -> tuple[Descriptors, Descriptors]:
    """Upright SIFT on the grid, its square roots (Arandjelovic and Zisserman 2012), in patches of two sizes, 8 and 16 px a keypoint."""
    return _each(source, target, _root_sift)


def join(
    one: tuple[Descriptors, Descriptors], other: tuple[Descriptors, Descriptors]
) -> tuple[Descriptors, Descriptors]:
    """Two descriptors of a pair put together, each of length 1, on the grid of the first."""
    return _join(one[0], other[0]), _join(one[1], other[1])


def _join(a: Descriptors, b: Descriptors) -> Descriptors:
    finer = F.interpolate(b.values[None], a.values.shape[1:], mode="bilinear", align_corners=False)[0]
    return Descriptors(torch.cat([F.normalize(a.values, dim=0), F.normalize(finer, dim=0)]), a.size)


def _each(source: Tensor, target: Tensor, describe: Callable[[Tensor], Tensor]) -> tuple[Descriptors, Descriptors]:
    one, other = (Descriptors(describe(p), (p.shape[1], p.shape[2])) for p in (source, target))
    return one, other


def _grid(picture: Tensor) -> tuple[int, int]:
    return picture.shape[1] // STRIDE, picture.shape[2] // STRIDE


def _patches(picture: Tensor, side: int = 17) -> Tensor:
    h, w = _grid(picture)
    fitted = F.interpolate(picture[None], (h * STRIDE, w * STRIDE), mode="bilinear", antialias=True)
    columns = F.unfold(F.pad(fitted, [side // 2] * 4, mode="replicate"), side)
    columns = columns.view(1, -1, h * STRIDE, w * STRIDE)[..., STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    values = columns.view(3, side * side, h, w)
    centred: Tensor = (values - values.mean(1, keepdim=True)).flatten(0, 1)
    return centred


def _root_sift(picture: Tensor) -> Tensor:
    h, w = _grid(picture)
    gray = cv2.cvtColor((picture.permute(1, 2, 0).numpy() * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    cell = (picture.shape[1] / h, picture.shape[2] / w)
    parts = []
    for size in (8.0, 16.0):
        points = [
            cv2.KeyPoint((x + 0.5) * cell[1] - 0.5, (y + 0.5) * cell[0] - 0.5, size, 0)
            for y in range(h)
            for x in range(w)
        ]
        _, found = cv2.SIFT_create().compute(gray, points)
        root = torch.from_numpy(found).clamp_min(0)
        parts.append((root / root.sum(1, keepdim=True).clamp_min(1e-6)).sqrt().T.reshape(128, h, w))
    return torch.cat(parts)

"""What a generated picture suffers and a true render does not: blur, displacement, noise and a low resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE = 0.18  # the object is drawn larger or smaller by up to this share
SHIFT = 0.10  # and moved by up to this share of the picture's side
TURN = 8.0  # degrees in the picture plane
BLUR = 1.8  # largest standard deviation in pixels at 64 x 64
NOISE = 0.07  # largest standard deviation of pixel noise
COARSE = (24, 32, 40)  # sides through which half of the pictures are resampled


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Disturb pictures (N, 3, S, S) in [0, 1] on white; the background stays white but for the noise."""
    images = _place(images, generator)
    n = len(images)
    order = torch.randperm(n, generator=generator)
    # One strength per quarter of the batch: a blur per picture would cost a convolution with N kernels.
    quarters = [_soften(images[part], generator) for part in order.chunk(4)]
    images = torch.cat(quarters)[order.argsort()]
    noisy = (torch.rand(n, 1, 1, 1, generator=generator) - 0.4).clamp_min(0) / 0.6 * NOISE
    return (images + noisy * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def _place(images: Tensor, generator: torch.Generator) -> Tensor:
    """Scale, shift, turn and mirror each picture. Kind and colour do not depend on handedness."""
    n = len(images)
    draw = 2 * torch.rand(4, n, generator=generator) - 1
    mirror = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    zoom, angle = 1 + SCALE * draw[0], torch.deg2rad(TURN * draw[1])
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    rows = [
        torch.stack([cos * mirror, -sin, 2 * SHIFT * draw[2]], 1),
        torch.stack([sin * mirror, cos, 2 * SHIFT * draw[3]], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return 1 - F.grid_sample(1 - images, grid, align_corners=False)  # what enters from outside is white


def _soften(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blur by one random strength and, half of the time, pass through one low resolution."""
    draw = torch.rand(3, generator=generator).tolist()
    side = images.shape[-1]
    if draw[0] < 0.5:
        coarse = COARSE[int(draw[1] * len(COARSE))]
        images = F.interpolate(images, (coarse, coarse), mode="bilinear", antialias=True, align_corners=False)
        images = F.interpolate(images, (side, side), mode="bilinear", align_corners=False)
    sigma = BLUR * draw[2] ** 2  # mostly weak
    if sigma < 0.2:
        return images
    reach = int(3 * sigma) + 1
    kernel = torch.exp(-torch.arange(-reach, reach + 1).float().square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(3, 1, -1)
    images = F.pad(images, (reach,) * 4, value=1.0)
    return F.conv2d(F.conv2d(images, kernel[:, :, None], groups=3), kernel[..., None], groups=3)

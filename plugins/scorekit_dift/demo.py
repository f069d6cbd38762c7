"""What the applications show without files: a photograph and its warp, and a turning object, both with known truth."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from scorekit_dift.geometry import Homography, warp_by_homography

TURN = torch.tensor([[0.80, -0.24, 118.0], [0.30, 0.86, -46.0], [4.0e-4, -1.5e-4, 1.0]], dtype=torch.float64)


def pair() -> tuple[Tensor, Tensor, Homography]:
    """A photograph (3, 384, 384) of NASA's that is in the public domain, the same turned, tilted and darker, and the homography."""
    from skimage import data

    photograph = torch.from_numpy(np.asarray(data.astronaut())).permute(2, 0, 1)[None].float() / 255
    source = torch.nn.functional.interpolate(photograph, (384, 384), mode="bilinear", antialias=True)[0].clamp(0, 1)
    truth = Homography(TURN, torch.ones(0, dtype=torch.bool))
    opaque = torch.cat([source, torch.ones(1, 384, 384)])
    seen = warp_by_homography(opaque, truth, (384, 384))
    target = (seen[:3] * seen[3:] + 0.9 * (1 - seen[3:])) ** 1.2 * 0.9
    return source, target, truth


def sticker(size: tuple[int, int]) -> Tensor:
    """An edit: a yellow star with a dark rim (4, H, W), a little left of the middle."""
    from PIL import Image, ImageDraw

    height, width = size
    scale = 4  # drawn large and made smaller: soft edges
    picture = Image.new("RGBA", (width * scale, height * scale), (255, 214, 10, 0))
    cx, cy, radius = 0.30 * width * scale, 0.72 * height * scale, 0.12 * min(size) * scale
    spikes = [
        (cx + r * math.sin(math.pi * i / 5), cy - r * math.cos(math.pi * i / 5))
        for i, r in enumerate([radius, 0.42 * radius] * 5)
    ]
    ImageDraw.Draw(picture).polygon(spikes, fill=(255, 214, 10, 255), outline=(60, 30, 0, 255), width=2 * scale)
    small = picture.resize((width, height), Image.Resampling.BOX)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255


def clip(frames: int = 24, size: int = 192) -> tuple[Tensor, Tensor]:
    """A rendered object that turns by 60 degrees: frames (F, 3, size, size), and its parts (F, size, size) int64, 0 where it is not."""
    from scorekit.zoo.objects import Object, sample_object
    from scorekit.zoo.render import Camera, look, render

    one = sample_object("car", "yellow", torch.Generator().manual_seed(3))
    many = Object(one.kind, one.params.expand(frames, -1), one.colors.expand(frames, -1, -1))
    camera = look(0.0, n=frames)
    turned = Camera(torch.linspace(-30, 30, frames), camera.elevation, camera.distance, camera.fov)
    seen = render(many, turned, size)
    return seen.rgb, seen.part[:, 0] + 1

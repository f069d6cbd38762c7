"""Pictures from outside, read with care; masks as pictures."""

from __future__ import annotations

import colorsys
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

MOST_PIXELS = 50_000_000
SMALLEST = 8  # pixels of a side


def read_picture(path: Path) -> Tensor:
    """A picture (3, H, W) in [0, 1], transparency laid over white.

    Raises ValueError for files that are no pictures, damaged, smaller than 8 px or larger than 50 megapixels.
    """
    from PIL import Image, ImageOps

    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(path) as opened,
        ):  # the size is in the header: a picture that is too large is never decoded
            if opened.width * opened.height > MOST_PIXELS:
                raise ValueError(
                    f"image: {path.name} has {opened.width * opened.height / 1e6:.0f} megapixels; at most "
                    f"{MOST_PIXELS / 1e6:.0f} are read."
                )
            rgba = ImageOps.exif_transpose(opened).convert("RGBA")
    except Image.DecompressionBombError:
        raise ValueError(f"image: {path.name} has more than {MOST_PIXELS / 1e6:.0f} megapixels.") from None
    except (OSError, SyntaxError):
        reason = "is empty" if path.is_file() and not path.stat().st_size else "is no picture, or damaged"
        raise ValueError(f"image: {path.name} {reason}; PNG, JPEG and WebP are read.") from None
    if min(rgba.size) < SMALLEST:
        raise ValueError(
            f"image: {path.name} is {rgba.width} x {rgba.height} px; at least {SMALLEST} a side are needed."
        )
    white = Image.new("RGBA", rgba.size, "white")
    flat = Image.alpha_composite(white, rgba).convert("RGB")
    return torch.from_numpy(np.array(flat)).permute(2, 0, 1).float() / 255


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

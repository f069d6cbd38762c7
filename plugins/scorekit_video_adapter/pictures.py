"""A picture from outside, read with care, at the size of a model's frames."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

MOST_PIXELS = 50_000_000
SMALLEST = 8  # pixels of a side


def read_picture(path: Path, name: str, size: tuple[int, int]) -> Tensor:
    """A picture (3, H, W) in [0, 1], transparency laid over white, cropped in the middle to the proportions of `size` and scaled to it.

    name  the parameter that gave the path, for messages

    Raises ValueError for files that are no pictures, damaged, smaller than 8 px or larger than 50 megapixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        # Sizes are in the header: a picture that is too large is never decoded.
        with warnings.catch_warnings(action="ignore"), Image.open(path) as opened:
            width, height = opened.size
            if width * height > MOST_PIXELS:
                raise ValueError(
                    f"{name}: {path.name} has {width * height / 1e6:.0f} megapixels; at most {MOST_PIXELS / 1e6:.0f} are read."
                )
            rgba = ImageOps.exif_transpose(opened).convert("RGBA")
    except Image.DecompressionBombError:
        raise ValueError(f"{name}: {path.name} has more than {MOST_PIXELS / 1e6:.0f} megapixels.") from None
    except (OSError, SyntaxError, UnidentifiedImageError):
        reason = "is empty" if path.is_file() and not path.stat().st_size else "is no picture, or damaged"
        raise ValueError(f"{name}: {path.name} {reason}; PNG, JPEG and WebP are read.") from None
    if min(rgba.size) < SMALLEST:
        raise ValueError(
            f"{name}: {path.name} is {rgba.width} x {rgba.height} px; at least {SMALLEST} a side are needed."
        )
    flat = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    fitted = ImageOps.fit(flat, (size[1], size[0]), Image.Resampling.BOX)
    return torch.from_numpy(np.array(fitted)).permute(2, 0, 1).float() / 255

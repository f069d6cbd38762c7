"""Pictures from outside: decoded with size limits, laid on a background, cut square, as tensors."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

MOST_PIXELS = 50_000_000
FORMATS = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg"), "WEBP": (".webp",), "BMP": (".bmp",), "TIFF": (".tif", ".tiff")}
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
MOST_ASPECT = 20


class PictureError(ValueError):
    """A file that is no picture that can be classified, in one sentence."""


def read_picture(path: Path, side: int, background: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Tensor:
    """A picture (3, side, side) in [0, 1]: turned as its camera says, laid on `background` where it is transparent, its middle cut out.

    Raises PictureError for what is missing, empty, damaged, in another format, or of more than MOST_PIXELS pixels, which is refused
    before it is decoded.
    """
    try:
        if not path.stat().st_size:
            raise PictureError(f"image {path} is empty.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=list(FORMATS)) as opened:
                width, height = opened.size
                if width * height > MOST_PIXELS:
                    raise PictureError(
                        f"image {path} has {width * height / 1e6:.0f} megapixels; at most {MOST_PIXELS // 1_000_000} are read."
                    )
                if max(width, height) > MOST_ASPECT * min(width, height):
                    raise PictureError(
                        f"image {path} is {width} x {height} pixels: one side is over {MOST_ASPECT} times the other."
                    )
                opened.draft("RGB", (2 * side, 2 * side))  # lets a JPEG decode at a fraction of its size
                picture = ImageOps.exif_transpose(opened).convert("RGBA")
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"image {path} is no picture in a known format ({', '.join(FORMATS)}).") from None
    except Image.DecompressionBombError:
        raise PictureError(
            f"image {path} is too large; at most {MOST_PIXELS // 1_000_000} megapixels are read."
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        reason = (str(error).splitlines() or ["unreadable"])[0].rstrip(".")
        raise PictureError(f"image {path} cannot be read: {reason}.") from None
    ground = Image.new("RGBA", picture.size, tuple(round(255 * c) for c in background))
    flat = Image.alpha_composite(ground, picture).convert("RGB")
    square = ImageOps.fit(flat, (side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(square).copy()).permute(2, 0, 1).float() / 255


def side_of(shape: tuple[int, ...]) -> int:
    """Side of the square picture in which a model that diffuses `shape` gets what it sees: latents are eight times smaller."""
    return shape[-1] * (8 if shape[0] > 3 else 1)

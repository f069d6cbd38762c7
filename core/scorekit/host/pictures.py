"""Pictures from outside, read with care: for applications that take some."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 50_000_000


def open_picture(path: Path, name: str, *, smallest: int = 8, alpha: bool = False) -> "Image":
    """A picture of 8 bits, turned as its camera says: RGB, transparency laid over white; with `alpha` RGBA as it is.

    name      the parameter that gave the path, for messages
    smallest  side in pixels that is taken

    Raises ValueError, in one sentence, for files that are no pictures, damaged, smaller, or larger than 50 megapixels; these are never
    decoded.
    """
    from PIL import Image, ImageOps

    try:
        # Sizes are in the header.
        with warnings.catch_warnings(action="ignore"), Image.open(path) as opened:
            width, height = opened.size
            if width * height > MOST_PIXELS:
                raise ValueError(
                    f"{name}: {path.name} has {width * height / 1e6:.0f} megapixels; at most {MOST_PIXELS / 1e6:.0f} are read."
                )
            rgba = ImageOps.exif_transpose(opened).convert("RGBA")
    except Image.DecompressionBombError:
        raise ValueError(f"{name}: {path.name} has more than {MOST_PIXELS / 1e6:.0f} megapixels.") from None
    except (OSError, SyntaxError):  # PIL's UnidentifiedImageError is an OSError
        reason = "is empty" if path.is_file() and not path.stat().st_size else "is no picture, or damaged"
        raise ValueError(f"{name}: {path.name} {reason}; PNG, JPEG and WebP are read.") from None
    if min(rgba.size) < smallest:
        raise ValueError(
            f"{name}: {path.name} is {rgba.width} x {rgba.height} px; at least {smallest} a side are needed."
        )
    if alpha:
        return rgba
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")

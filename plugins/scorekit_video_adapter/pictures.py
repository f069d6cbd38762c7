"""A picture from outside, read with care, at the size of a model's frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scorekit.host.pictures import open_picture


def read_picture(path: Path, name: str, size: tuple[int, int]) -> Tensor:
    """A picture (3, H, W) in [0, 1], transparency laid over white, cropped in the middle to the proportions of `size` and scaled to it.

    name  the parameter that gave the path, for messages

    Raises ValueError for files that are no pictures, damaged, smaller than 8 px or larger than 50 megapixels.
    """
    from PIL import Image, ImageOps

    picture = open_picture(path, name)
    fitted = ImageOps.fit(picture, (size[1], size[0]), Image.Resampling.BOX)
    return torch.from_numpy(np.array(fitted)).permute(2, 0, 1).float() / 255

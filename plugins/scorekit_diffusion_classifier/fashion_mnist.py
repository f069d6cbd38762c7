"""Fashion-MNIST (Xiao et al. 2017) from its four idx files, with a calibration part that is kept from training.

28 x 28 grey pictures of ten kinds of clothes: 60,000 for training, 10,000 for the test. Debian's package dataset-fashion-mnist has them.
"""

from __future__ import annotations

import gzip
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
CLASSES = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
CALIBRATION = 5000  # of the 60,000
SPLIT_SEED = 0
_FILES = {"train": "train", "calibration": "train", "test": "t10k"}

Part = Literal["train", "calibration", "test"]


@dataclass(frozen=True)
class Labelled:
    """images (N, 28, 28) uint8, 0 the background; labels (N,) int64, indices into CLASSES."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def pictures(self, chosen: Tensor) -> Tensor:
        """(n, 1, 28, 28) in [0, 1]."""
        return self.images[chosen, None].float() / 255


def load_part(part: Part, folder: Path | None = None) -> Labelled:
    """ "train" and "calibration" are the official training pictures without and with the held-back ones; "test" is the official test part.

    folder  holds train-images-idx3-ubyte and its three companions, plain or as .gz; None: where Debian's package puts them

    Raises ValueError, in one sentence, for a folder or file that is not that.
    """
    folder = DEBIAN if folder is None else folder
    stem = _FILES[part]
    images = read_idx(_file(folder, f"{stem}-images-idx3-ubyte"))
    labels = read_idx(_file(folder, f"{stem}-labels-idx1-ubyte"))
    if images.ndim != 3 or labels.shape != images.shape[:1] or int(labels.max()) >= len(CLASSES):
        raise ValueError(f"data {folder}: the {stem} files are no pictures with labels from 0 to {len(CLASSES) - 1}.")
    data = Labelled(images, labels.long())
    if part == "test":
        return data
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(SPLIT_SEED))
    held = min(CALIBRATION, len(data) // 4)
    chosen = order[:held] if part == "calibration" else order[held:]
    return Labelled(data.images[chosen], data.labels[chosen])


def read_idx(path: Path) -> Tensor:
    """An idx file of unsigned bytes, gzipped or not, as a uint8 tensor. Raises ValueError where it is damaged."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zero, kind, dimensions = struct.unpack(">HBB", raw[:4])
        shape = struct.unpack(f">{dimensions}I", raw[4 : 4 + 4 * dimensions])
        body = raw[4 + 4 * dimensions :]
        if (zero, kind) != (0, 8) or not dimensions or len(body) != math.prod(shape) or not body:
            raise ValueError("its header and its length do not fit")
    except (OSError, EOFError, struct.error, ValueError) as error:
        raise ValueError(f"data: {path} is no idx file of bytes: {error}.") from None
    return torch.from_numpy(np.frombuffer(body, np.uint8).reshape(shape).copy())


def _file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise ValueError(
        f"data must be a folder with {name} or {name}.gz, as Debian's package dataset-fashion-mnist installs it; {folder} has none."
    )

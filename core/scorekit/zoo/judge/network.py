"""The judge's network: a small residual classifier (He et al. 2016), one head for the kind, one for the colour."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor, nn

from scorekit.zoo.objects import COLORS, KINDS

SIDE = 64  # pixels; pictures of any other size are resampled to it
WEIGHTS = "model.safetensors"
WIDTHS = (16, 32, 64, 128)


class _Block(nn.Module):
    """Two convolutions with a residual connection, halving the resolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(8, outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(8, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm2(self.second(F.relu(self.norm1(self.first(x)))))
        return F.relu(self.skip(F.avg_pool2d(x, 2)) + inner)


class Judge(nn.Module):
    """Names the kind and the main colour of the object in a picture on white.

    Trained on true renders of all pairs, the held-out ones too: it measures models and is no part of any.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        # Group norm and no batch statistics: a picture's verdict does not depend on its neighbours in the batch.
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 5, stride=2, padding=2, bias=False), nn.GroupNorm(8, widths[0]), nn.ReLU()
        )
        self.blocks = nn.Sequential(*(_Block(a, b) for a, b in pairwise(widths)))
        self.kind = nn.Linear(widths[-1], len(KINDS))
        self.color = nn.Linear(widths[-1], len(COLORS))

    @classmethod
    def load(cls, folder: str | Path | None = None, device: torch.device | str = "cpu") -> Self:
        """The trained judge, from the package or from a folder that the training command wrote.

        Raises ValueError where the folder holds no weights.
        """
        path = Path(folder or Path(__file__).parent) / WEIGHTS
        if not path.exists():
            raise ValueError(
                f"folder must hold {WEIGHTS}, written by `python -m scorekit.zoo.judge`; got {path.parent}"
            )
        judge = cls()
        judge.load_state_dict({name: value.float() for name, value in load_file(path).items()})
        return judge.to(device).eval().requires_grad_(False)

    def save(self, folder: Path) -> None:
        """Write the weights in float16, whole or not at all."""
        weights = {name: value.half().contiguous() for name, value in self.state_dict().items()}
        temporary = folder / f"{WEIGHTS}.tmp"
        temporary.write_bytes(save(weights))
        temporary.replace(folder / WEIGHTS)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the kind (N, 16) and of the colour (N, 10), in the order of KINDS and COLORS.

        images (N, 3, H, W), floating point, in [0, 1] (values beyond are clamped), on a white background.
        Differentiable in the images. Raises ValueError for other shapes and types, and where a value is not finite.
        """
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise ValueError(
                f"images must be floating point of shape (N, 3, H, W); got {images.dtype} {tuple(images.shape)}"
            )
        if not torch.isfinite(images).all():
            raise ValueError("images must be finite; got NaN or infinity")
        x = images.to(self.kind.weight.dtype).clamp(0, 1)
        if x.shape[-2:] != (SIDE, SIDE):
            x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
        # White becomes zero, so that the zeros a convolution pads with are background.
        features = self.blocks(self.stem((1 - x) * 2)).mean((2, 3))
        return F.log_softmax(self.kind(features).float(), 1), F.log_softmax(self.color(features).float(), 1)

    @torch.no_grad()
    def decide(self, views: Tensor) -> tuple[str, str]:
        """The kind and colour with the greatest mean log-probability over views (N, 3, H, W) of one object."""
        kind, color = (scores.mean(0).argmax() for scores in self(views))
        return KINDS[int(kind)], list(COLORS)[int(color)]

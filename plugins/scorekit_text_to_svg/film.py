"""The film of a drawing's making. While it is made its values are kept, a few kilobytes a frame; pictures are rendered in the end."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from scorekit_text_to_svg.drawing import Drawing, Topology
from scorekit_text_to_svg.rasterise import render

if TYPE_CHECKING:
    from scorekit_text_to_svg.optimise import Painter

SECONDS = 4.0
REST = 1.5  # seconds for which the last picture stands


def shot(painter: "Painter") -> list[dict[str, Any]]:
    """What a frame is rendered from: each drawing as it stands, as plain tensors."""
    return [asdict(painter.drawing(index)) for index in range(len(painter.art))]


@torch.no_grad()
def film(path: Path, shots: Sequence[list[dict[str, Any]]], index: int, last: Tensor, size: int) -> None:
    """Write an H.264 MP4 of drawing `index` through its shots, ending on the picture `last` (3, size, size); `size` even, in pixels."""
    import imageio.v2 as imageio

    fps = max(1, round(max(len(shots), 1) / SECONDS))
    with imageio.get_writer(
        path, format="FFMPEG", fps=fps, codec="libx264", quality=8, macro_block_size=2, pixelformat="yuv420p"
    ) as writer:
        for one in shots:
            writer.append_data(_bytes(_picture(one[index], size)))  # type: ignore[attr-defined]
        for _ in range(max(1, round(REST * fps))):
            writer.append_data(_bytes(last))  # type: ignore[attr-defined]


def _picture(values: dict[str, Any], size: int) -> Tensor:
    drawing = Drawing(**{**values, "topology": Topology(**values["topology"])})
    return render(drawing, size, torch.ones(3))[0]


def _bytes(picture: Tensor) -> np.ndarray:
    array: np.ndarray = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return array

"""The film of a drawing's making. While it is made its values are kept, a few kilobytes a frame; pictures are rendered in the end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scorekit_text_to_svg.art import Art
from scorekit_text_to_svg.rasterise import over

SECONDS = 4.0
REST = 1.5  # seconds for which the last picture stands


def shot(art: Art) -> dict[str, Any]:
    """What a frame is rendered from."""
    state = art.state()
    state.pop("optimiser")
    return {**state, "values": {name: value.clone() for name, value in state["values"].items()}}


@torch.no_grad()
def film(path: Path, art: Art, shots: Sequence[dict[str, Any]], index: int, last: Tensor, size: int) -> None:
    """Write an H.264 MP4 of drawing `index` through its shots, ending on the picture `last` (3, size, size); `size` even, in pixels."""
    import imageio.v2 as imageio

    fps = max(1, round(max(len(shots), 1) / SECONDS))
    kept = art.state()
    with imageio.get_writer(
        path, format="FFMPEG", fps=fps, codec="libx264", quality=8, macro_block_size=2, pixelformat="yuv420p"
    ) as writer:
        for one in shots:
            art.show(one)
            picture = over(art.layers(size), torch.ones(3, device=art.values["colour"].device))[index]
            writer.append_data(_bytes(picture))  # type: ignore[attr-defined]
        for _ in range(max(1, round(REST * fps))):
            writer.append_data(_bytes(last))  # type: ignore[attr-defined]
    art.show(kept)


def _bytes(picture: Tensor) -> np.ndarray:
    array: np.ndarray = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return array

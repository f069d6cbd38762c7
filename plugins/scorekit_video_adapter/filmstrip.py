"""Clips as a film, as a strip of frames, and as a grid of strips with words beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

Enlarging = Literal["nearest", "bicubic"]
FILM_SIDE, FRAME_SIDE = 256, 96  # pixels below which the frames of a film and of a strip are enlarged
GAP, MARGIN, WORDS = 4, 8, 15  # pixels between frames, around the page, and of the letters' height
Picture = npt.NDArray[np.uint8]


def enlarged(video: Tensor, side: int, how: Enlarging) -> Tensor:
    """Frames (T, 3, H, W) in [0, 1], enlarged by the least whole factor that makes their shorter side `side` px or more."""
    factor = -(-side // min(video.shape[-2:]))
    if factor <= 1:
        return video
    options = {} if how == "nearest" else {"align_corners": False}
    grown: Tensor = F.interpolate(video, scale_factor=factor, mode=how, **options).clamp(0, 1)
    return grown


def strip(video: Tensor, most: int = 16, how: Enlarging = "nearest") -> Tensor:
    """Frames (T, 3, H, W) side by side: (3, h, w). Of more than `most` some are left out, evenly."""
    if len(video) > most:
        video = video[torch.linspace(0, len(video) - 1, most).round().long()]
    frames = enlarged(video, FRAME_SIDE, how)
    padded = F.pad(frames, (0, GAP), value=1.0)
    return torch.cat(list(padded), 2)[..., :-GAP]


def grid(videos: Sequence[Tensor], labels: Sequence[str], how: Enlarging = "nearest") -> Tensor:
    """Strips below each other, each clip (T, 3, H, W) under its label: (3, h, w)."""
    rows = [strip(video, how=how) for video in videos]
    width = max(row.shape[2] for row in rows) + 2 * MARGIN
    pages = []
    for row, label in zip(rows, labels, strict=True):
        head = _written(label, width)
        body = F.pad(row, (MARGIN, width - MARGIN - row.shape[2], 0, MARGIN), value=1.0)
        pages += [head, body]
    return torch.cat(pages, 1)


def film(path: Path, video: Tensor, fps: float, *, rounds: int = 1, how: Enlarging = "nearest") -> None:
    """Write clips (N, T, 3, H, W) in [0, 1], side by side, as an H.264 MP4 that shows them `rounds` times."""
    import imageio.v2 as imageio

    tiles = torch.cat([enlarged(one, FILM_SIDE, how) for one in video], 3)
    height, width = (side // 2 * 2 for side in tiles.shape[-2:])  # H.264 halves the colours
    frames = (tiles[..., :height, :width] * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    with imageio.get_writer(
        path, format="FFMPEG", fps=fps, codec="libx264", quality=9, macro_block_size=2, pixelformat="yuv420p"
    ) as writer:
        for _ in range(rounds):
            for frame in frames:
                writer.append_data(frame)  # type: ignore[attr-defined]


def _written(text: str, width: int) -> Tensor:
    """A line of text on white: (3, h, width)."""
    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("RGB", (width, WORDS + MARGIN + 2), "white")
    font = ImageFont.load_default(WORDS)
    ImageDraw.Draw(page).text((MARGIN, 3), text, fill=(40, 40, 40), font=font)
    return torch.from_numpy(np.array(page)).permute(2, 0, 1).float() / 255

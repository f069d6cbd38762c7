"""The film of a patch's making: spectrograms, the sample of the model above the patch, where there is one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scorekit_text_to_audio.pictures import coloured

SECONDS, REST = 4.0, 1.5  # of the film, and for which its last picture stands
MOST_FRAMES = 48
SCALE = 4  # pixels for a cell of the spectrogram
LINE = 2  # cells between the two


def shot(x: Tensor, target: Tensor | None) -> Tensor:
    """x (B, C, F, T) or (B, C, L) and its targets as grey pictures (B, H, W), uint8, low frequencies below."""
    planes = [p[:, 0] if p.ndim == 4 else p for p in (target, x) if p is not None]
    grey = [((p.detach().cpu().float().flip(1).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8) for p in planes]
    if len(grey) == 1:
        return grey[0]
    line = torch.full((len(x), LINE, grey[0].shape[2]), 255, dtype=torch.uint8)
    return torch.cat([grey[0], line, grey[1]], 1)


def film(path: Path, shots: Sequence[Tensor], index: int) -> None:
    """Write an H.264 MP4 of one of the patches."""
    import imageio.v2 as imageio

    fps = max(1, round(len(shots) / SECONDS))
    with imageio.get_writer(
        path, format="FFMPEG", fps=fps, codec="libx264", quality=8, macro_block_size=2, pixelformat="yuv420p"
    ) as writer:
        for one in [*shots, *[shots[-1]] * max(1, round(REST * fps))]:
            writer.append_data(_large(one[index]))  # type: ignore[attr-defined]


def _large(grey: Tensor) -> np.ndarray:
    picture = coloured(grey.numpy()).repeat(SCALE, 0).repeat(SCALE, 1)
    return np.ascontiguousarray(picture[: len(picture) // 2 * 2, : picture.shape[1] // 2 * 2])

"""Clips that are drawn where no folder is given: discs of three colours that slide in four directions, with their captions."""

from __future__ import annotations

from itertools import product

import numpy as np

from scorekit_video_adapter.clips import ClipFolder

COLOURS = {"red": (214, 40, 40), "green": (44, 140, 60), "blue": (40, 80, 200)}
DIRECTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}


def discs(frames: int, size: int) -> ClipFolder:
    """Twelve clips of `frames` frames of `size` px; each disc goes from one side of the middle to the other."""
    clips, captions = [], []
    rows, columns = np.mgrid[:size, :size] + 0.5
    for (colour, rgb), (direction, (down, right)) in product(COLOURS.items(), DIRECTIONS.items()):
        clip = np.full((3, frames, size, size), 255, np.uint8)
        for frame in range(frames):
            way = (frame / max(frames - 1, 1) - 0.5) * size / 2
            distance = np.hypot(rows - size / 2 - down * way, columns - size / 2 - right * way)
            clip[:, frame][:, distance < size / 6] = np.array(rgb, np.uint8)[:, None]
        clips.append(clip)
        captions.append(f"a {colour} disc sliding {direction}")
    return ClipFolder(np.stack(clips), captions, [caption.replace(" ", "-") for caption in captions])

"""Recorded episodes as MP4, as a grid of MP4s and as a filmstrip, with each plan drawn over the frames that follow it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scorekit_diffusion_policy.drawing import BAD, GOOD, framed, resized, sheet, with_plans, with_words

MOST_FPS = 30.0
REST = 1.0  # seconds for which the last frame stands
GRID_SIDE = 192  # px of one episode in the grid


@dataclass(frozen=True)
class Reel:
    """One episode as pictures: frames (H, W, 3) uint8 with everything drawn, how it ended, and how it is called."""

    seed: int
    success: bool
    score: float
    frames: list[np.ndarray]

    @property
    def colour(self) -> tuple[int, int, int]:
        return GOOD if self.success else BAD


def reel(
    seed: int,
    success: bool,
    score: float,
    frames: Sequence[np.ndarray],
    plans: Sequence[tuple[int, np.ndarray | None]],
    *,
    size: int,
    action_steps: int,
) -> Reel:
    """Draw an episode.

    frames  one before each step, and the last
    plans   (step, line): the plan that is followed from that step on, (horizon, 2) in pixels of the frames; None: not to be drawn
    """
    starts = dict(plans)
    made: list[np.ndarray] = []
    line, began = None, 0
    for step, frame in enumerate(frames):
        if step in starts:
            line, began = starts[step], step
        shown = resized(frame, size)
        last = step == len(frames) - 1
        if line is not None and not last:
            scale = np.array([shown.shape[1] / frame.shape[1], shown.shape[0] / frame.shape[0]])
            done = min(step - began, len(line) - 1)
            shown = with_plans(shown, [line[done:] * scale], executed=max(0, action_steps - done))
        words = f"seed {seed}   step {step}"
        if last:
            words += f"   {'success' if success else 'failure'}, best {score:.3f}"
        made.append(with_words(shown, words, (GOOD if success else BAD) if last else (40, 40, 40)))
    return Reel(seed, success, score, made)


def write_mp4(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    """Frames (H, W, 3) uint8 with even sides as H.264; above 30 frames a second some are left out."""
    import imageio.v2 as imageio

    stride = max(1, math.ceil(fps / MOST_FPS))
    with imageio.get_writer(
        path, format="FFMPEG", fps=fps / stride, codec="libx264", quality=8, macro_block_size=2, pixelformat="yuv420p"
    ) as writer:
        last = None
        for index, frame in enumerate(frames):
            last = frame
            if index % stride == 0:
                writer.append_data(frame)  # type: ignore[attr-defined]
        for _ in range(max(1, round(REST * fps / stride))):
            writer.append_data(last)  # type: ignore[attr-defined]


def grid(reels: Sequence[Reel]) -> Iterator[np.ndarray]:
    """Episodes side by side; one that is over stands still, in a green or a red frame."""
    columns = math.ceil(math.sqrt(len(reels)))
    small = [[resized(frame, GRID_SIDE) for frame in one.frames] for one in reels]
    for step in range(max(len(frames) for frames in small)):
        tiles = [
            frames[step] if step < len(frames) - 1 else framed(frames[-1], one.colour)
            for one, frames in zip(reels, small, strict=True)
        ]
        page = sheet([tiles[i : i + columns] for i in range(0, len(tiles), columns)])
        yield page[: page.shape[0] // 2 * 2, : page.shape[1] // 2 * 2]


def filmstrip(reels: Sequence[Reel], columns: int = 7) -> np.ndarray:
    """One row an episode, evenly spaced in its time, the first and the last frame included."""
    rows = []
    for one in reels:
        places = np.linspace(0, len(one.frames) - 1, columns).round().astype(int)
        row = [resized(one.frames[place], GRID_SIDE) for place in places]
        rows.append([*row[:-1], framed(row[-1], one.colour)])
    return sheet(rows)

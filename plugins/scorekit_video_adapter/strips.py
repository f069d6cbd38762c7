"""Strips: the frames of a thing that turns, or that a camera flies around, rendered one by one and kept in shards.

A strip is rendered the way `scorekit.zoo.dataset` renders pictures. A shard is an `.npz` of 128 strips: `rgba` (m, T, S, S, 4) uint8, rgb
on white and a the coverage, `kind` and `color` (m,) uint8, `orbit` (m,) bool, and the cameras' `azimuth` and `elevation` (m, T) in degrees.
It depends on the seed and its index alone, is written whole or not at all, and is skipped where it exists.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from scorekit.zoo.captions import HELD_OUT
from scorekit.zoo.objects import COLORS, KINDS, sample_object
from scorekit.zoo.render import Camera, look, render_rgba
from scorekit_video_adapter.captions import TURNING_KINDS

SHARD_SIZE = 128
FRAMES, SIDE, SUPERSAMPLE = 8, 32, 2
TURN = (95.0, 150.0)  # degrees that a thing turns in a clip
ORBIT_TURN = (30.0, 80.0)  # degrees of azimuth that an orbiting camera passes,
ORBIT_RISE = (50.0, 75.0)  # while it rises by this much from eye level
ORBIT_SHARE = 1 / 3

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Strips:
    """N strips: rgba (N, T, S, S, 4), kind, color, orbit (N,), azimuth, elevation (N, T). Azimuth always grows."""

    rgba: Array
    kind: Array
    color: Array
    orbit: Array
    azimuth: Array
    elevation: Array

    def __len__(self) -> int:
        return len(self.kind)


def make_shard(index: int, count: int, seed: int) -> dict[str, Array]:
    """Render the strips of one shard; the arrays are those named at the top of this module. Pairs held out are left out."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
    names = list(COLORS)
    rgba = np.zeros((count, FRAMES, SIDE, SIDE, 4), np.uint8)
    labels = np.zeros((2, count), np.uint8)
    orbits = np.zeros(count, bool)
    angles = np.zeros((2, count, FRAMES), np.float32)
    time = torch.linspace(0, 1, FRAMES)
    for i in range(count):
        start, turn, level, rise, orbit = torch.rand(5, generator=generator).tolist()
        orbits[i] = orbit < ORBIT_SHARE
        kinds = KINDS if orbits[i] else TURNING_KINDS
        while True:
            kind = kinds[int(torch.randint(len(kinds), (), generator=generator))]
            color = names[int(torch.randint(len(names), (), generator=generator))]
            if (color, kind) not in HELD_OUT:
                break
        lowest, most = ORBIT_TURN if orbits[i] else TURN
        azimuth = start * 360 - 180 + (lowest + turn * (most - lowest)) * time
        elevation = 5 + 30 * level + 0 * time
        if orbits[i]:
            elevation = -5 + 10 * level + (ORBIT_RISE[0] + rise * (ORBIT_RISE[1] - ORBIT_RISE[0])) * time
        middle = look(0.0, n=FRAMES)
        one = sample_object(kind, color, generator)[torch.zeros(FRAMES, dtype=torch.long)]
        with torch.no_grad():
            rgb, alpha = render_rgba(one, Camera(azimuth, elevation, middle.distance, middle.fov), SIDE, SUPERSAMPLE)
        picture = torch.cat([rgb + 1 - alpha, alpha], 1).permute(0, 2, 3, 1)
        rgba[i] = (picture.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        labels[:, i] = KINDS.index(kind), names.index(color)
        angles[0, i], angles[1, i] = azimuth.numpy(), elevation.numpy()
    return {
        "rgba": rgba, "kind": labels[0], "color": labels[1], "orbit": orbits, "azimuth": angles[0], "elevation": angles[1],
    }  # fmt: skip


def build(folder: Path, n: int, seed: int = 0, progress: Callable[[int, int], None] = lambda done, n: None) -> Path:
    """Render n strips into `folder`, going on where an earlier build stopped, and return it. progress: called as (done, n)."""
    if n < 1:
        raise ValueError(f"n must be at least 1; got {n}")
    folder.mkdir(parents=True, exist_ok=True)
    for index, start in enumerate(range(0, n, SHARD_SIZE)):
        count = min(SHARD_SIZE, n - start)
        target = folder / f"strips-{seed}-{index:04d}-{count}.npz"
        if not target.exists():
            temporary = target.with_suffix(f".{os.getpid()}.tmp")
            with temporary.open("wb") as file:
                np.savez_compressed(file, **make_shard(index, count, seed))  # type: ignore[arg-type]
            temporary.replace(target)
        progress(start + count, n)
    return folder


def load(folder: Path) -> Strips:
    """Read every shard in `folder`. Raises ValueError where there is none."""
    paths = sorted(Path(folder).glob("strips-*.npz"))
    if not paths:
        raise ValueError(f"folder must hold strips-*.npz, written by build; found none in {folder}")
    parts: dict[str, list[Array]] = {}
    for path in paths:
        with np.load(path, allow_pickle=False) as shard:
            for name in shard.files:
                parts.setdefault(name, []).append(shard[name])
    return Strips(**{name: np.concatenate(arrays) for name, arrays in parts.items()})

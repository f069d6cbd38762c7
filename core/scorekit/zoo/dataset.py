"""Sets of captioned pictures for training and testing the embedded models, rendered to shards on disk.

A shard is an `.npz` of 1024 pictures with all kinds and colours mixed: `rgba` (m, S, S, 4) uint8, where rgb is
already composited on white and a is the coverage, `kind` and `color` (m,) uint8 indices into KINDS and COLORS, and
the camera: `azimuth`, `elevation`, `fov` in degrees and `distance`, (m,) float32. A shard depends on the seed and its
index alone, is written whole or not at all, and is skipped where it exists, so a build can be stopped and resumed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from scorekit.zoo.captions import HELD_OUT, describe
from scorekit.zoo.objects import COLORS, KINDS, sample_object
from scorekit.zoo.render import render_rgba, sample_camera

SHARD_SIZE = 1024
SUPERSAMPLE = 3
RENDERER_VERSION = 1  # raise it whenever a change alters pictures, so that old and new shards never mix

Array = npt.NDArray[Any]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ImageSet:
    """N pictures: images (N, 3, S, S) uint8 on white, alpha (N, S, S) uint8, labels and cameras (N,) as in a shard."""

    images: Array
    alpha: Array
    kind: Array
    color: Array
    azimuth: Array
    elevation: Array
    distance: Array
    fov: Array

    def __len__(self) -> int:
        return len(self.kind)

    def names(self, index: int) -> tuple[str, str]:
        """Kind and colour of one picture."""
        return KINDS[int(self.kind[index])], list(COLORS)[int(self.color[index])]

    def caption(self, index: int, generator: torch.Generator | None = None, background: str | None = None) -> str:
        """A random training caption of one picture, before a background that may be named."""
        angles = float(self.azimuth[index]), float(self.elevation[index])
        return describe(*self.names(index), *angles, generator, background)

    def captions(self, generator: torch.Generator | None = None) -> Iterator[str]:
        """Random training captions of all pictures, in order."""
        return (self.caption(i, generator) for i in range(len(self)))


def make_shard(index: int, count: int, size: int = 32, seed: int = 0, held_out: bool = False) -> dict[str, Array]:
    """Render the pictures of one shard; the arrays are those named at the top of this module."""
    generator = torch.Generator().manual_seed((seed * 2 + held_out) * 1_000_003 + index)
    colors = list(COLORS)
    pairs = torch.tensor([[(color, kind) in HELD_OUT for color in colors] for kind in KINDS])
    kind = torch.randint(len(KINDS), (count,), generator=generator)
    allowed = (pairs if held_out else ~pairs)[kind].float()
    color = torch.multinomial(allowed, 1, generator=generator).squeeze(1)
    camera = sample_camera(count, generator)
    rgba = torch.zeros(count, size, size, 4, dtype=torch.uint8)
    with torch.no_grad():
        for k, name in enumerate(KINDS):
            chosen = (kind == k).nonzero().squeeze(1)
            if chosen.numel() == 0:
                continue
            objects = sample_object(name, [colors[c] for c in color[chosen].tolist()], generator, chosen.numel())
            rgb, alpha = render_rgba(objects, camera[chosen], size, SUPERSAMPLE)
            picture = torch.cat([rgb + 1 - alpha, alpha], 1).permute(0, 2, 3, 1)
            rgba[chosen] = (picture.clamp(0, 1) * 255).round().to(torch.uint8)
    labels = {"kind": kind.to(torch.uint8), "color": color.to(torch.uint8)}
    views = {field.name: getattr(camera, field.name) for field in fields(camera)}
    return {name: value.numpy() for name, value in {"rgba": rgba, **labels, **views}.items()}


def build(
    folder: str | Path,
    n: int,
    size: int = 32,
    seed: int = 0,
    workers: int = 1,
    held_out: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Render n pictures into `folder`, resuming where an earlier build stopped, and return the folder.

    held_out: draw only the pairs in HELD_OUT, which a training set never holds. progress: called as (done, n).
    Raises ValueError for numbers out of range and for a folder that holds more pictures or was built with other settings.
    """
    for name, value, least in (("n", n, 1), ("size", size, 8), ("workers", workers, 1), ("seed", seed, 0)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}; got {value}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, {"renderer": RENDERER_VERSION, "size": size, "seed": seed, "held_out": held_out})
    counts = [min(SHARD_SIZE, n - start) for start in range(0, n, SHARD_SIZE)]
    # A set is all that its folder holds: fewer pictures than are there cannot be had without deleting some.
    present = sum(_count(path) for path in folder.glob("shard-*.npz"))
    if present > n:
        raise ValueError(f"n must be at least the {present} pictures that {folder} holds; got {n}")
    missing = [i for i, count in enumerate(counts) if _count(_shard(folder, i)) != count]
    done = n - sum(counts[i] for i in missing)
    report = progress or _silent
    report(done, n)
    jobs = [(folder, i, counts[i], size, seed, held_out) for i in missing]
    if workers == 1:
        for job in jobs:
            done += _write_shard(job)
            report(done, n)
        return folder
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for future in as_completed([pool.submit(_write_shard, job) for job in jobs]):
            done += future.result()
            report(done, n)
    return folder


def load(folder: str | Path) -> ImageSet:
    """Read every shard in `folder`. Raises ValueError when there is none."""
    paths = sorted(Path(folder).glob("shard-*.npz"))
    if not paths:
        raise ValueError(f"folder must hold shard-*.npz files written by build; found none in {folder}")
    parts: dict[str, list[Array]] = {}
    for path in paths:
        with np.load(path, allow_pickle=False) as shard:
            for name in shard.files:
                parts.setdefault(name, []).append(shard[name])
    whole = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    rgba = whole.pop("rgba")
    return ImageSet(np.ascontiguousarray(rgba[..., :3].transpose(0, 3, 1, 2)), rgba[..., 3].copy(), **whole)


def _silent(_done: int, _n: int) -> None:
    """Report nothing."""


def _shard(folder: Path, index: int) -> Path:
    return folder / f"shard-{index:05d}.npz"


def _count(path: Path) -> int:
    if not path.exists():
        return 0
    with np.load(path, allow_pickle=False) as shard:
        return len(shard["kind"])


def _write_shard(job: tuple[Path, int, int, int, int, bool]) -> int:
    folder, index, count, size, seed, held_out = job
    target = _shard(folder, index)
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        arrays: dict[str, Any] = make_shard(index, count, size, seed, held_out)
        np.savez_compressed(file, **arrays)
    temporary.replace(target)
    return count


def _claim(folder: Path, settings: dict[str, int | bool]) -> None:
    """Record the settings of a build, or check them against those of an earlier one."""
    record = folder / "dataset.json"
    if not record.exists():
        temporary = record.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(settings))
        temporary.replace(record)
        return
    found = json.loads(record.read_text())
    if found != settings:
        raise ValueError(f"folder {folder} holds a set built with {found}; asked for {settings}: choose another folder")


def _main() -> int:
    parser = argparse.ArgumentParser(description="Render a set of captioned pictures.")
    parser.add_argument("--out", required=True, help="folder for the shards")
    parser.add_argument("--n", type=int, required=True, help="number of pictures")
    parser.add_argument("--size", type=int, default=32, help="side in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--held-out", action="store_true", help="only pairs of colour and kind kept from training")
    args = parser.parse_args()
    start = time.monotonic()

    def progress(done: int, n: int) -> None:
        print(f"{done}/{n} pictures, {time.monotonic() - start:.0f} s", flush=True)

    try:
        build(args.out, args.n, args.size, args.seed, args.workers, args.held_out, progress)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(_main())

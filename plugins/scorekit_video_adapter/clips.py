"""Clips from files, read with care: as frames at even times, of the size that is wanted; and folders of them with captions.

Nothing is trusted but what was decoded: the times are those of the decoded frames, so a clip of variable rate is sampled evenly in time.
Only local files in common containers are opened; playlists, which may name other files and hosts, are not.
"""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

SUFFIXES = (".mp4", ".mov", ".webm", ".mkv", ".avi", ".gif", ".m4v")
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif"
READ = "MP4, MOV, WebM, MKV, AVI and GIF are read"
MOST_FRAMES, MOST_SIDE = 3000, 4096
MOST_SECONDS = 600.0
MOST_BYTES = 2**32  # of a folder's clips in memory
UNEVEN = 1.2  # ratio of the longest to the shortest time between frames, from which a rate is called variable
PATIENCE = 300.0  # seconds for one pass over a file

Clips = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Clip:
    """frames (3, T, H, W) uint8; seconds from the first to the last; whether the file's rate varies."""

    frames: Clips
    seconds: float
    uneven: bool


@dataclass(frozen=True)
class ClipFolder:
    """clips (N, 3, T, H, W) uint8, a caption each, and the names of their files."""

    clips: Clips
    captions: list[str]
    names: list[str]


def read_clip(path: Path, name: str, *, frames: int, size: tuple[int, int]) -> Clip:
    """A clip as `frames` frames evenly over its time, cropped in the middle to the proportions of `size` (H, W) and scaled to it.

    name  the parameter that gave the path, for messages

    Raises ValueError for files that are no clips, damaged, longer than 3000 frames or ten minutes, larger than 4096 px a side, or with
    fewer frames than are wanted.
    """
    _, width, height = _shown(path, name, 1, [])
    if max(width, height) > MOST_SIDE:
        raise ValueError(f"{name}: {path.name} is {width} x {height} px; at most {MOST_SIDE} a side are read.")
    times, _, _ = _shown(path, name, MOST_FRAMES + 1, ["-vf", "scale=16:16"])
    if len(times) < max(frames, 2):
        raise ValueError(f"{name}: {path.name} has {len(times)} frames; at least {max(frames, 2)} are needed.")
    seconds = float(times[-1] - times[0])
    if len(times) > MOST_FRAMES or seconds > MOST_SECONDS:
        raise ValueError(
            f"{name}: {path.name} is too long; at most {MOST_FRAMES} frames and {MOST_SECONDS / 60:.0f} minutes are read: cut out a part."
        )
    gaps = np.diff(times)
    moments = np.linspace(times[0], times[-1], frames)
    chosen = np.abs(times[None] - moments[:, None]).argmin(1)
    pictures = _pictures(path, name, sorted(set(chosen.tolist())), size)
    stack = np.stack([pictures[index] for index in chosen.tolist()], 1)
    uneven = bool(gaps.max() > UNEVEN * max(float(gaps.min()), 1e-9)) and len(gaps) > 1
    return Clip(stack, seconds, uneven)


def read_folder(
    folder: Path,
    captions: Path | None,
    *,
    frames: int,
    size: tuple[int, int],
    report: Callable[[int, int], None] = lambda done, total: None,
) -> ClipFolder:
    """The clips of a folder, whose captions are in a CSV with the columns `file` and `caption`; None: captions.csv in the folder.

    report  called after every clip

    Raises ValueError for what `read_clip` refuses, a folder without clips, and clips and captions that do not belong together.
    """
    rows = _captions(folder, captions)
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"clips: {folder.name} holds no clip; {READ}.")
    bare = [path.name for path in files if path.name not in rows]
    if bare:
        raise ValueError(f"captions: {_counted(bare)} of {folder.name} {'have' if len(bare) > 1 else 'has'} no row.")
    absent = [name for name in rows if not (folder / name).is_file()]
    if absent:
        raise ValueError(
            f"captions: {_counted(absent)} {'are' if len(absent) > 1 else 'is'} named and not in {folder.name}."
        )
    total = len(files) * 3 * frames * size[0] * size[1]
    if total > MOST_BYTES:
        raise ValueError(f"clips: {len(files)} clips would take {total / 2**30:.1f} GiB of memory; at most 4 are used.")
    clips = np.empty((len(files), 3, frames, *size), np.uint8)
    for index, path in enumerate(files):
        clips[index] = read_clip(path, "clips", frames=frames, size=size).frames
        report(index + 1, len(files))
    return ClipFolder(clips, [rows[path.name] for path in files], [path.name for path in files])


def _captions(folder: Path, captions: Path | None) -> dict[str, str]:
    if not folder.is_dir():
        raise ValueError(f"clips: {folder.name} is no folder.")
    path = folder / "captions.csv" if captions is None else captions
    if not path.is_file():
        raise ValueError(
            f"captions: {folder.name} has no captions.csv; give a CSV with the columns file and caption, one row for each clip."
        )
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            columns = {(column or "").strip().lower(): column for column in reader.fieldnames or ()}
            if not {"file", "caption"} <= columns.keys():
                raise ValueError(f"captions: {path.name} must have the columns file and caption in its first line.")
            found: dict[str, str] = {}
            for row in reader:
                name, text = ((row[columns[column]] or "").strip() for column in ("file", "caption"))
                if not name or not text:
                    raise ValueError(
                        f"captions: line {reader.line_num} of {path.name} has no {'caption' if name else 'file'}."
                    )
                if name in found:
                    raise ValueError(f"captions: {name} has two rows in {path.name}.")
                found[name] = text
    except (csv.Error, UnicodeDecodeError):
        raise ValueError(f"captions: {path.name} is no CSV in UTF-8.") from None
    return found


def _counted(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} clips, such as {names[0]},"


def _shown(path: Path, name: str, frames: int, filters: list[str]) -> tuple[npt.NDArray[np.float64], int, int]:
    """When each of the first decoded frames is shown, in seconds; and their width and height behind the filters.

    They come as checksums, so that they cost no memory, and are decoded, so that a damaged one is found.
    """
    said = _ffmpeg(
        path, name, [*filters, "-enc_time_base", "demux", "-frames:v", str(frames), "-f", "framecrc", "-"]
    ).decode(errors="replace")
    heads = dict(line[1:].split(": ", 1) for line in said.splitlines() if line.startswith("#") and ": " in line)
    above, below = (float(part) for part in heads["tb 0"].split("/"))
    width, height = (int(part) for part in heads["dimensions 0"].split("x"))
    ticks = [int(line.split(",")[2]) for line in said.splitlines() if line and not line.startswith("#")]
    times = np.array(ticks, np.float64) * above / below
    if not len(times) or (np.diff(times) < 0).any():
        raise ValueError(f"{name}: {path.name} is no clip, or damaged; {READ}.")
    return times, width, height


def _pictures(path: Path, name: str, chosen: list[int], size: tuple[int, int]) -> dict[int, Clips]:
    """The chosen frames (3, H, W) by their number."""
    height, width = size
    wanted = "+".join(f"eq(n\\,{index})" for index in chosen)
    shape = f"crop=min(iw\\,ih*{width}/{height}):min(ih\\,iw*{height}/{width})"
    filters = f"select={wanted},{shape},scale={width}:{height}:flags=area"
    said = _ffmpeg(path, name, ["-vf", filters, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"])
    if len(said) != len(chosen) * height * width * 3:
        raise ValueError(f"{name}: {path.name} is damaged.")
    found = np.frombuffer(said, np.uint8).reshape(len(chosen), height, width, 3).transpose(0, 3, 1, 2)
    return dict(zip(chosen, found, strict=True))


def _ffmpeg(path: Path, name: str, output: list[str]) -> bytes:
    """What ffmpeg makes of the file's first video stream, frame for frame."""
    import imageio_ffmpeg

    if not path.is_file() or not path.stat().st_size:
        raise ValueError(f"{name}: {path.name} is {'empty' if path.is_file() else 'no file'}; {READ}.")
    before = ["-nostdin", "-v", "error", "-xerror", "-threads", "1"]
    safe = ["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS, "-i", f"file:{path.resolve()}"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *before, *safe, "-map", "0:v:0", "-fps_mode", "passthrough", *output]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise ValueError(f"{name}: {path.name} takes too long to read; cut out a part, or make it smaller.") from None
    if done.returncode or not done.stdout:
        raise ValueError(f"{name}: {path.name} is no clip, or damaged; {READ}.")
    return done.stdout

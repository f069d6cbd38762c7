"""A run, or one thing of it, as a file to take home."""

import io
import os
import re
import zipfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from scorekit.host import artifacts
from scorekit.host.record import Run

LEFT_OUT = {"checkpoint.pt", "cancel", "pause"}  # of no use elsewhere, or large
STORED = {".png", ".jpg", ".jpeg", ".webp", ".mp4", ".glb", ".safetensors", ".zip"}  # not made smaller by packing


def artifact(run: Run, name: str) -> Path:
    """The file of an artifact. ValueError for any name that is not one of the run's artifacts."""
    if name not in run.artifacts:
        raise ValueError(
            f"the run {run.folder.name} has no artifact {name!r}; it has {', '.join(run.artifacts) or 'none'}"
        )
    path = artifacts.inside(run.folder, name)
    if not path.is_file():
        raise ValueError(f"the artifact {name!r} is no longer in the folder of the run {run.folder.name}")
    return path


def download_name(run: Run, name: str | None = None) -> str:
    """A file name for a download: letters, digits, dots, hyphens and underscores only, never hidden."""
    wanted = f"{run.folder.name}.zip" if name is None else f"{run.folder.name}-{PurePosixPath(name).name}"
    return re.sub(r"[^A-Za-z0-9._-]+", "_", wanted).lstrip(".") or "run.zip"


def zip_run(run: Run, target: BinaryIO | None = None) -> BinaryIO:
    """Write the run folder as a zip into `target`, a file or by default memory, and return it, rewound.

    Names in it are FOLDER/artifact with forward slashes, relative, and never lead out; links and hidden files stay behind.
    The record, the progress and the log come along, so that the folder can be read and repeated elsewhere.
    """
    out: BinaryIO = io.BytesIO() if target is None else target
    root = download_name(run).removesuffix(".zip")
    with zipfile.ZipFile(
        out, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False
    ) as packed:  # a clock may be before 1980
        for path in sorted(_files(run.folder)):
            name = path.relative_to(run.folder).as_posix()
            kind = zipfile.ZIP_STORED if path.suffix.lower() in STORED else zipfile.ZIP_DEFLATED
            packed.write(path, f"{root}/{safe_name(name)}", compress_type=kind)
    out.seek(0)
    return out


def safe_name(name: str) -> str:
    """A path that every system unpacks below the current folder: no drive, no backslash, no `..`, no control characters."""
    words = [re.sub(r'[\x00-\x1f<>:"\\|?*]+', "_", part).rstrip(". ") for part in name.split("/")]
    return "/".join(word or "_" for word in words)


def _files(folder: Path) -> list[Path]:
    found = []
    for place, folders, files in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(place) / name
            top = path.parent == folder and name in LEFT_OUT
            if not name.startswith(".") and not top and not path.is_symlink() and path.is_file():
                found.append(path)
    return found

"""Sets of labelled pictures on disk: a folder of class folders, or a CSV with the columns path and label."""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from pathlib import Path

from scorekit_diffusion_classifier.pictures import SUFFIXES

MOST_FILES = 1_000_000


@dataclass(frozen=True)
class PictureSet:
    """paths of pictures; labels of each, or None where a CSV leaves it empty; classes, the labels that occur, sorted."""

    paths: tuple[Path, ...]
    labels: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({label for label in self.labels if label is not None}))

    def some(self, count: int | None, seed: int) -> PictureSet:
        """At most `count` pictures, drawn by `seed`, in the order of the set."""
        if count is None or count >= len(self):
            return self
        chosen = sorted(random.Random(seed).sample(range(len(self)), count))
        return PictureSet(tuple(self.paths[i] for i in chosen), tuple(self.labels[i] for i in chosen))


def read_set(path: Path, name: str = "data") -> PictureSet:
    """The pictures of a folder or CSV file. `name` is the parameter, for messages.

    Raises ValueError, in one sentence, for a folder without pictures in class folders and for a CSV that is none.
    """
    found = _folder(path, name) if path.is_dir() else _csv(path, name)
    if not found.paths:
        raise ValueError(f"{name} {path} holds no picture.")
    return found


def _folder(folder: Path, name: str) -> PictureSet:
    classes = sorted(part for part in folder.iterdir() if part.is_dir() and not part.name.startswith("."))
    if not classes:
        raise ValueError(
            f"{name} must be a folder with one folder of pictures for each class, or a CSV with the columns path and label; "
            f"{folder} has no folder in it."
        )
    pairs = [
        (picture, part.name.replace("_", " "))
        for part in classes
        for picture in sorted(part.iterdir())
        if picture.suffix.lower() in SUFFIXES and not picture.name.startswith(".")
    ]
    if not pairs:
        raise ValueError(
            f"{name} {folder} holds no picture in its {len(classes)} class folders ({', '.join(SUFFIXES)})."
        )
    return PictureSet(tuple(p for p, _ in pairs), tuple(label for _, label in pairs))


def _csv(path: Path, name: str) -> PictureSet:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not {"path", "label"} <= set(reader.fieldnames or ()):
                raise ValueError(f"{name} {path} must have the columns path and label in its first line.")
            paths: list[Path] = []
            labels: list[str | None] = []
            for line in reader:
                if not (line["path"] or "").strip():
                    raise ValueError(f"{name} {path} has no path in line {reader.line_num}.")
                if len(paths) >= MOST_FILES:
                    raise ValueError(f"{name} {path} has more than {MOST_FILES} lines.")
                paths.append(path.parent / line["path"].strip())
                labels.append((line["label"] or "").strip() or None)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{name} {path} cannot be read as CSV: {error}.") from None
    return PictureSet(tuple(paths), tuple(labels))

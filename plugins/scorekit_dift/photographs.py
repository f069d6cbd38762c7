r"""Photographs for pico-photo out of Debian packages, with who made each of them and under which licence.

    apt-get download gcompris-qt-data plasma-workspace-wallpapers mate-backgrounds \
        lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 palapeli-data
    python -m scorekit_dift.photographs --packages . --out photographs

Only photographs are taken, no paintings and drawings, by the lists below. The pictures of the benchmarks (the package opencv-doc, and
scikit-image's data) are in none of these packages.
"""

from __future__ import annotations

import argparse
import json
import re
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path, PurePosixPath

LONGEST = 512  # a larger copy has nothing that a crop of 64 px would show
WALLPAPERS = "usr/share/wallpapers/*/contents/images/*"  # named after their folder
PHOTOGRAPHS: dict[str, tuple[str, ...]] = {
    "gcompris-qt-data": (
        "*/categorization/resource/images/[fmort]*/*",
        "*/clickgame/resource/sea?.webp",
        "*/details/resource/image/*_background.webp",
        "*/erase/resource/*.webp",
        "*/explore_*/resource/*/*.webp",
    ),
    "lomiri-wallpapers-16.04": ("*/backgrounds/*_by_*.jpg",),
    "lomiri-wallpapers-20.04": ("*/Kleiber_by_*.jpg", "*/Painting-Colors_by_*.jpg"),
    "mate-backgrounds": ("*/nature/*.jpg",),
    "palapeli-data": ("*/palapeli/collection/*.jpg",),
    "plasma-workspace-wallpapers": tuple(
        f"usr/share/wallpapers/{name}/contents/images/2560x1600.jpg"
        for name in (
            "Autumn", "BytheWater", "ColdRipple", "ColorfulCups", "DarkestHour", "EveningGlow", "FallenLeaf", "Grey",
            "Kite", "OneStandsOut", "Path", "summer_1am",
        )
    ),
}  # fmt: skip
NO_PHOTOGRAPHS = ("*Gogh*", "*Portrait*", "*Eglise_dAuvers*", "*Vincent*", "*umang*", "*analogpattern*", "*greentock*")


@dataclass(frozen=True)
class Photograph:
    """file in the output folder; package with its version; source inside the package; author and license as the package says."""

    file: str
    package: str
    source: str
    author: str
    license: str


def collect(packages: Path, out: Path) -> list[Photograph]:
    """Write the photographs of the .deb files in `packages` to `out` as JPEG, at most LONGEST px long, and attribution.json beside.

    Needs dpkg-deb. Raises ValueError where a package is missing.
    """
    out.mkdir(parents=True, exist_ok=True)
    found: list[Photograph] = []
    for name in PHOTOGRAPHS:
        debs = sorted(packages.glob(f"{name}_*.deb"))
        if not debs:
            raise ValueError(f"packages: {packages} has no {name}_*.deb; fetch it with  apt-get download {name}")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["dpkg-deb", "-x", debs[-1], folder], check=True)
            root = Path(folder)
            stanzas = _stanzas((root / "usr/share/doc" / name / "copyright").read_text())
            for source, data in _pictures(root, PHOTOGRAPHS[name]):
                place = PurePosixPath(source)
                stem = place.parts[3] if fnmatch(source, WALLPAPERS) else f"{place.parent.name}-{place.stem}"
                file = f"{name.split('-')[0]}-{stem}.jpg"
                if _smaller(data, out / file):
                    version = debs[-1].name.removeprefix(f"{name}_").rsplit("_", 1)[0].replace("%3a", ":")
                    author, licence = _credit(source, stanzas)
                    found.append(Photograph(file, f"{name} {version}", source, author, licence))
    (out / "attribution.json").write_text(json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False))
    return found


def _pictures(root: Path, wanted: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    def chosen(path: str) -> bool:
        return (
            path.endswith((".jpg", ".webp", ".png"))
            and any(fnmatch(path, p) for p in wanted)
            and not any(fnmatch(path, p) for p in NO_PHOTOGRAPHS)
        )

    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root).as_posix()
        if path.suffix == ".rcc":
            yield from ((name, data) for name, data in resources(path.read_bytes()) if chosen(name))
        elif path.is_file() and chosen(inside):
            yield inside, path.read_bytes()


def resources(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The files in a Qt resource file (the format "qres", read up to version 3): their paths and contents."""
    magic, version, tree, contents, names = struct.unpack_from(">4sIIII", data)
    if magic != b"qres":
        raise ValueError("this is no Qt resource file.")
    row = 22 if version >= 2 else 14

    def walk(index: int, path: str) -> Iterator[tuple[str, bytes]]:
        at = tree + row * index
        offset, flags = struct.unpack_from(">IH", data, at)
        if index:
            (length,) = struct.unpack_from(">H", data, names + offset)
            begin = names + offset + 6
            path = f"{path}/{data[begin : begin + 2 * length].decode('utf-16-be')}".lstrip("/")
        if flags & 2:  # a folder
            count, first = struct.unpack_from(">II", data, at + 6)
            for child in range(first, first + count):
                yield from walk(child, path)
            return
        (offset,) = struct.unpack_from(">I", data, at + 10)
        (length,) = struct.unpack_from(">I", data, contents + offset)
        begin = contents + offset + 4
        content = data[begin : begin + length]
        if not flags & 4:  # zstd, which holds no pictures: they are compressed already
            yield path, zlib.decompress(content[4:]) if flags & 1 else content

    yield from walk(0, "")


def _smaller(data: bytes, path: Path) -> bool:
    """Write a copy of moderate size; False for what is too small to be of use."""
    from PIL import Image

    with Image.open(BytesIO(data)) as opened:
        opened.draft("RGB", (2 * LONGEST, 2 * LONGEST))
        picture = opened.convert("RGB")
    if min(picture.size) < 160:
        return False
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    picture.save(path, quality=92)
    return True


def _stanzas(text: str) -> list[tuple[list[str], str, str]]:
    """(patterns, author, licence) of a machine-readable copyright file, in its order."""
    found = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^([A-Z]\w+):[ \t]*((?:.*)(?:\n[ \t]+.*)*)", stanza, re.MULTILINE))
        if "Files" in fields and "License" in fields:
            authors = " ".join(re.sub(r"<[^>]*>|\([^)]*@[^)]*\)", "", fields.get("Copyright", "")).split())
            found.append((fields["Files"].split(), authors, fields["License"].splitlines()[0].strip()))
    return found


def _credit(source: str, stanzas: list[tuple[list[str], str, str]]) -> tuple[str, str]:
    # The last stanza that fits counts. Files may have been converted since the list was made: extensions are left aside.
    plain = str(PurePosixPath(source).with_suffix("")).removeprefix("gcompris/")
    author, licence = "", ""
    for patterns, who, under in stanzas:
        for pattern in patterns:
            stem = re.sub(r"\.\w{2,4}$", "", pattern)
            name = stem.rsplit("/", 1)[-1]  # a package may install its files elsewhere than its source has them
            if fnmatch(plain, stem) or fnmatch(plain, f"*/{stem}") or (len(name) > 8 and plain.endswith(f"/{name}")):
                author, licence = who, under
    if len(author) > 160:  # the package's general stanza names everybody
        author = "the package's authors"
    return author, licence


def _main() -> None:
    parser = argparse.ArgumentParser(description="Collect the photographs of pico-photo from Debian packages.")
    parser.add_argument("--packages", required=True, type=Path, help="folder with the .deb files")
    parser.add_argument("--out", required=True, type=Path, help="folder for the photographs and attribution.json")
    args = parser.parse_args()
    print(f"{len(collect(args.packages, args.out))} photographs in {args.out}")


if __name__ == "__main__":
    _main()

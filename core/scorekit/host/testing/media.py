"""Whether a file is what its name says: opened as its readers would open it."""

import csv
import io
import json
import struct
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

PARQUET = b"PAR1"
HDF5 = b"\x89HDF\r\n\x1a\n"


def fault(path: Path) -> str:
    """Why the file is not what its extension says, in one sentence that names it; "" if it is.

    Known: PNG, JPEG, WebP, GIF, GLB, OBJ, PLY, STL, SVG, HTML, MP4, WAV, JSON, JSON lines, CSV, text, Parquet, NPY, NPZ, safetensors,
    HDF5, ZIP. Of any other kind it is only asked that it is not empty. Meshes, videos and Parquet are read by trimesh, imageio-ffmpeg
    and pyarrow where those are installed, else by their structure.
    """
    if not path.is_file():
        return f"{path.name} is no file"
    if path.stat().st_size == 0:
        return f"{path.name} is empty"
    try:
        if reader := READERS.get(path.suffix.lower()):
            reader(path)
    except Exception as error:
        return (
            f"{path.name} is no valid {path.suffix[1:].upper()}: {' '.join(str(error).split()) or type(error).__name__}"
        )
    return ""


def _image(path: Path) -> None:
    import PIL.Image

    with PIL.Image.open(path) as image:
        image.load()
        known = {".jpg": "JPEG", ".jpeg": "JPEG"}.get(path.suffix.lower(), path.suffix[1:].upper())
        _demand(image.format == known, f"it is a {image.format}")


def _glb(path: Path) -> None:
    """The header and chunks of binary glTF 2.0 (its specification, section 4.4)."""
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    _demand(magic == b"glTF" and version == 2, "it does not begin as binary glTF 2")
    _demand(length == len(data), f"it says that it has {length} bytes, and has {len(data)}")
    size, kind = struct.unpack_from("<I4s", data, 12)
    _demand(kind == b"JSON", "its first chunk is not JSON")
    scene = _strict(data[20 : 20 + size].decode())
    _demand(bool(scene.get("meshes")), "it holds no mesh")
    _mesh(path)


def _mesh(path: Path) -> None:
    if find_spec("trimesh") is None:
        return
    import trimesh

    _demand(not trimesh.load(path).is_empty, "the mesh is empty")


def _svg(path: Path) -> None:
    root = ElementTree.parse(path).getroot()
    _demand(root.tag in ("svg", "{http://www.w3.org/2000/svg}svg"), f"its root is <{root.tag}>")


def _mp4(path: Path) -> None:
    boxes, data, place = set(), path.read_bytes(), 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        size = struct.unpack_from(">Q", data, place + 8)[0] if size == 1 else size or len(data) - place
        _demand(size >= 8 and place + size <= len(data), f"the box {kind!r} is cut off")
        boxes.add(kind)
        place += size
    _demand({b"ftyp", b"moov"} <= boxes, "it has no ftyp and moov box")
    if find_spec("imageio_ffmpeg") is not None:
        import imageio_ffmpeg

        frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
        _demand(frames > 0 and seconds > 0, "it has no frame")


def _wav(path: Path) -> None:
    """RIFF chunks: `wave` of the standard library reads no floating-point samples."""
    data = path.read_bytes()
    _demand(data[:4] == b"RIFF" and data[8:12] == b"WAVE", "it does not begin as RIFF WAVE")
    chunks, place = {}, 12
    while place + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, place)
        _demand(place + 8 + size <= len(data), f"the chunk {kind!r} is cut off")
        chunks[kind] = size
        place += 8 + size + size % 2
    _demand(chunks.get(b"fmt ", 0) >= 16 and chunks.get(b"data", 0) > 0, "it has no format or no sound")


def _strict(text: str) -> Any:
    """JSON without NaN and Infinity, which are none."""

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def _jsonl(path: Path) -> None:
    for line in path.read_text().splitlines():
        _strict(line)


def _csv(path: Path) -> None:
    widths = {len(row) for row in csv.reader(io.StringIO(path.read_text())) if row}
    _demand(len(widths) == 1, f"its rows have {', '.join(map(str, sorted(widths)))} cells")


def _parquet(path: Path) -> None:
    with open(path, "rb") as file:
        first = file.read(4)
        file.seek(-4, 2)
        _demand(first == PARQUET == file.read(4), "it does not begin and end as Parquet")
    if find_spec("pyarrow") is not None:
        import pyarrow.parquet

        pyarrow.parquet.read_table(path)


def _numpy(path: Path) -> None:
    import numpy as np

    found = np.load(path, allow_pickle=False)
    if isinstance(found, np.lib.npyio.NpzFile):
        with found:
            _demand(bool(found.files), "it holds no array")
            for name in found.files:
                found[name]


def _safetensors(path: Path) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        _demand(bool(list(file.keys())), "it holds no tensor")


def _obj(path: Path) -> None:
    words = {line.split(" ", 1)[0] for line in path.read_text().splitlines()}
    _demand({"v", "f"} <= words, "it has no vertices or no faces")


def _hdf5(path: Path) -> None:
    with open(path, "rb") as file:
        _demand(file.read(8) == HDF5, "it does not begin as HDF5")


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        _demand(archive.testzip() is None, "an entry is damaged")


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


READERS: dict[str, Callable[[Path], object]] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".gif"), _image),
    **dict.fromkeys((".ply", ".stl"), _mesh),
    **dict.fromkeys((".npy", ".npz"), _numpy),
    **dict.fromkeys((".h5", ".hdf5"), _hdf5),
    **dict.fromkeys((".txt", ".md", ".html"), lambda path: path.read_text(encoding="utf-8")),
    ".glb": _glb,
    ".obj": _obj,
    ".svg": _svg,
    ".mp4": _mp4,
    ".wav": _wav,
    ".json": lambda path: _strict(path.read_text()),
    ".jsonl": _jsonl,
    ".csv": _csv,
    ".parquet": _parquet,
    ".safetensors": _safetensors,
    ".zip": _zip,
}

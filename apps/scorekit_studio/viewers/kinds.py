"""Which viewer a file gets, by its name and media type."""

from pathlib import PurePosixPath
from typing import Literal

Kind = Literal["model", "vector", "picture", "film", "sound", "table", "json", "tensors", "page", "text", "other"]

_BY_KIND: dict[Kind, str] = {
    "model": "glb obj ply stl",
    "vector": "svg",
    "picture": "png jpg jpeg webp gif bmp tif tiff",
    "film": "mp4 webm m4v",
    "sound": "wav flac mp3 ogg",
    "table": "parquet csv tsv jsonl",
    "json": "json",
    "tensors": "safetensors npz npy",
    "page": "html htm",
    "text": "txt md log mtl toml yaml yml xml py",
}
SUFFIXES: dict[str, Kind] = {f".{suffix}": kind for kind, suffixes in _BY_KIND.items() for suffix in suffixes.split()}
VISIBLE: tuple[Kind, ...] = ("model", "vector", "picture", "film", "sound")  # shown at once; others on request


def kind_of(name: str, media_type: str = "") -> Kind:
    """By the extension; by the media type where that says nothing."""
    known = SUFFIXES.get(PurePosixPath(name).suffix.lower())
    if known:
        return known
    whole: dict[str, Kind] = {
        "image/svg+xml": "vector",
        "application/json": "json",
        "text/html": "page",
        "text/csv": "table",
    }
    families: dict[str, Kind] = {"image": "picture", "video": "film", "audio": "sound", "text": "text"}
    return whole.get(media_type) or families.get(media_type.partition("/")[0]) or "other"

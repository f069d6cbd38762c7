"""Arrays in safetensors, npz and npy files: what there is, and single ones, read without running anything of the file's (no pickle)."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from scorekit_studio.viewers.trouble import Unshowable

MOST_HEADER = 16_000_000
KINDS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "|b1",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1",
}  # fmt: skip
DAMAGED = "The file is damaged, or was not written to its end."


@dataclass(frozen=True)
class Tensor:
    """One array of a file: `start` is the place of its first byte in a safetensors file, None in the others."""

    name: str
    shape: tuple[int, ...]
    kind: str
    start: int | None = None

    @property
    def count(self) -> int:
        return int(np.prod(self.shape, dtype=object))


def listed(path: Path) -> list[Tensor]:
    """The arrays of a file, from its headers alone. Raises Unshowable for damaged files."""
    try:
        if path.suffix.lower() == ".safetensors":
            return _safetensors(path)
        if path.suffix.lower() == ".npy":
            with open(path, "rb") as file:
                return [Tensor(path.stem, *_header(file))]
        with zipfile.ZipFile(path) as packed:
            found = []
            for name in packed.namelist():
                with packed.open(name) as member:
                    found.append(Tensor(name.removesuffix(".npy"), *_header(member)))
            return found
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        zipfile.BadZipFile,
        RecursionError,
        NotImplementedError,
    ):
        raise Unshowable(DAMAGED) from None


def _header(file: object) -> tuple[tuple[int, ...], str]:
    version = npy.read_magic(file)  # type: ignore[arg-type]
    shape, _, kind = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)  # type: ignore[arg-type]
    return shape, str(kind)


def _safetensors(path: Path) -> list[Tensor]:
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(MOST_HEADER, size):
            raise ValueError("the header is longer than the file")
        header = json.loads(file.read(length))
    found = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        one = Tensor(name, tuple(int(side) for side in entry["shape"]), str(entry["dtype"]), 8 + length + begin)
        width = np.dtype(KINDS[one.kind]).itemsize if one.kind in KINDS else 0
        if not 0 <= begin <= end <= size - 8 - length or (width and end - begin != one.count * width):
            raise ValueError("an array lies outside the file")
        found.append(one)
    return found


def load(path: Path, name: str, most: int) -> np.ndarray:
    """One array as float32, of at most `most` values. Raises Unshowable."""
    one = next((tensor for tensor in listed(path) if tensor.name == name), None)
    if one is None or one.count > most:
        raise Unshowable(f"The file has no array {name!r} of a size that is shown.")
    if one.start is None:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return np.asarray(arrays[name], np.float32)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            raise Unshowable(DAMAGED) from None
    if one.kind not in KINDS:
        raise Unshowable(f"The array {name!r} holds {one.kind}, which is not shown here.")
    raw = np.fromfile(path, KINDS[one.kind], one.count, offset=one.start)
    if one.kind == "BF16":
        raw = (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.astype(np.float32).reshape(one.shape)

"""Replay buffers of diffusion_policy: a zarr group with arrays of all episodes end to end in `data`, and
`meta/episode_ends`, the row after the last one of each episode.
"""

from pathlib import Path
from typing import Any

import numpy as np

from scorekit_diffusion_policy.episodes import Demonstrations, Episode
from scorekit_diffusion_policy.formats.errors import DatasetError

UNKNOWN = "unknown"  # the buffer does not name the environment
NAMES = {"img": "pixels"}  # theirs: ours
BLOSC_HEADER = 16  # bytes; the last four hold the length of the compressed chunk
ACTION, ENDS = "action", "episode_ends"


def is_zarr_buffer(folder: Path) -> bool:
    """Whether `folder` is the group of such a buffer."""
    return (folder / "data" / ACTION).is_dir() and (folder / "meta" / ENDS).is_dir()


def read(folder: Path) -> Demonstrations:
    """Read the buffer in `folder`, all of it into memory. Raises DatasetError for one that is cut off."""
    import zarr

    try:
        root: Any = zarr.open_group(str(folder), mode="r")
        ends = np.asarray(root[f"meta/{ENDS}"][:], dtype=np.int64)
        if len(ends) == 0 or ends[0] <= 0 or np.any(np.diff(ends) <= 0):
            raise DatasetError(f"{folder}: meta/{ENDS} has to rise from above 0; it is {ends[:5].tolist()}...")
        arrays = {name: _whole(folder, name, array, int(ends[-1])) for name, array in root["data"].arrays()}
    except DatasetError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DatasetError(f"{folder} is no whole zarr replay buffer: {type(error).__name__}: {error}") from error
    actions = arrays.pop(ACTION).astype(np.float32)
    observations = {NAMES.get(name, name): _values(values) for name, values in arrays.items()}
    episodes = []
    for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        rows = slice(int(start), int(end))
        try:
            episodes.append(
                Episode(
                    {name: values[rows] for name, values in observations.items()},
                    actions[rows],
                    actions[rows],
                    np.zeros(int(end - start), np.float32),
                    -1,
                    True,
                    1.0,
                )
            )
        except ValueError as error:
            raise DatasetError(f"{folder}, episode {number}: {error}") from error
    return Demonstrations(UNKNOWN, actions.min(0), actions.max(0), tuple(episodes))


def _whole(folder: Path, name: str, array: Any, rows: int) -> np.ndarray:
    """The first `rows` of an array. Where a chunk's file is missing zarr would answer with zeros."""
    if array.shape[0] < rows:
        raise DatasetError(f"{folder}: data/{name} has {array.shape[0]} rows; the episodes have {rows}")
    if array.nchunks_initialized < array.nchunks:
        raise DatasetError(
            f"{folder}: data/{name} lacks {array.nchunks - array.nchunks_initialized} of {array.nchunks} chunks"
        )
    for file in (folder / "data" / name).rglob("*"):
        if file.is_file() and not file.name.startswith(".") and _cut_off(file, array):
            raise DatasetError(f"{folder}: data/{name}, chunk {file.name} is cut off")
    values: np.ndarray = np.asarray(array[:rows])
    return values


def _cut_off(file: Path, array: Any) -> bool:
    """Whether a chunk is shorter than it says. Blosc's decoder reads on past the end instead of complaining."""
    import numcodecs

    if array.metadata.zarr_format != 2 or not any(isinstance(codec, numcodecs.Blosc) for codec in array.compressors):
        return False
    with file.open("rb") as stream:
        header = stream.read(BLOSC_HEADER)
    return len(header) < BLOSC_HEADER or int.from_bytes(header[12:16], "little") != file.stat().st_size


def _values(values: np.ndarray) -> np.ndarray:
    """Pictures as uint8, everything else as vectors of float32."""
    if values.ndim == 4 and values.shape[-1] == 3:
        return values.astype(np.uint8)  # stored as float32 from 0 to 255
    return values.reshape(len(values), -1).astype(np.float32)

"""LeRobot datasets, version 3: Parquet files that hold many episodes each, MP4 files likewise, and their index in `meta`.

"observation.state" becomes "state" and a single camera "pixels"; of several cameras each keeps its name. What LeRobot
does not store is filled in: labels are the actions, and an episode without `next.success` counts as successful.
"""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from scorekit_diffusion_policy.episodes import Demonstrations, Episode
from scorekit_diffusion_policy.formats.errors import DatasetError

INFO = "meta/info.json"
OBSERVATION = "observation."
UNKNOWN = "unknown"  # LeRobot does not name the environment


def is_lerobot(folder: Path) -> bool:
    """Whether `folder` is a LeRobot dataset of any version."""
    return (folder / INFO).is_file()


def read(folder: Path) -> Demonstrations:
    """Read the dataset in `folder`. Raises DatasetError for other versions and for data that are cut off."""
    import pyarrow

    try:
        info = json.loads((folder / INFO).read_text())
        version = str(info["codebase_version"])
        if not version.startswith("v3."):
            raise DatasetError(f"{folder} is a LeRobot dataset of version {version}; only version 3 can be read")
        return _read(folder, info)
    except DatasetError:
        raise
    except (OSError, ValueError, KeyError, TypeError, pyarrow.ArrowException) as error:
        raise DatasetError(f"{folder} is no whole LeRobot dataset: {type(error).__name__}: {error}") from error


def _read(folder: Path, info: dict[str, Any]) -> Demonstrations:
    features: dict[str, dict[str, Any]] = info["features"]
    index = _table(folder, sorted((folder / "meta" / "episodes").glob("*/*.parquet")), "meta/episodes")
    index = {name: column for name, column in index.items() if not name.startswith("stats/")}
    order = np.argsort(index["episode_index"])
    if len(order) != int(info["total_episodes"]):
        raise DatasetError(f"{folder} should have {info['total_episodes']} episodes, but lists {len(order)}")
    files = sorted({(int(c), int(f)) for c, f in zip(index["data/chunk_index"], index["data/file_index"], strict=True)})
    paths = [folder / str(info["data_path"]).format(chunk_index=chunk, file_index=file) for chunk, file in files]
    columns = _table(folder, paths, "data")
    frames = len(columns["episode_index"])
    if frames != int(info["total_frames"]):
        raise DatasetError(f"{folder} should have {info['total_frames']} frames, but has {frames}")
    actions = _numbers(columns["action"])
    names = _names(features)
    videos = {key: _Videos(folder, info, key, index) for key in names if features[key]["dtype"] == "video"}
    episodes = []
    for row in order:
        start, end = int(index["dataset_from_index"][row]), int(index["dataset_to_index"][row])
        number = int(index["episode_index"][row])
        if not (0 <= start < end <= frames) or set(columns["episode_index"][start:end]) != {number}:
            raise DatasetError(f"{folder}, episode {number}: rows {start} to {end} of the data are not its own")
        observations = {}
        for key, name in names.items():
            if key in videos:
                observations[name] = videos[key].frames(int(row), end - start)
            elif features[key]["dtype"] == "image":
                observations[name] = _images(folder, columns[key][start:end])
            else:
                observations[name] = _numbers(columns[key][start:end])
        observations = _known(observations)
        success = bool(np.any(_numbers(columns["next.success"][start:end]))) if "next.success" in columns else True
        rewards = (
            _numbers(columns["next.reward"][start:end]).ravel() if "next.reward" in columns else np.zeros(end - start)
        )
        try:
            episodes.append(
                Episode(
                    observations,
                    actions[start:end],
                    actions[start:end],
                    rewards.astype(np.float32),
                    -1,
                    success,
                    float(success),
                )
            )
        except ValueError as error:
            raise DatasetError(f"{folder}, episode {number}: {error}") from error
    return Demonstrations(UNKNOWN, actions.min(0), actions.max(0), tuple(episodes))


def _names(features: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Our name of each observation, by its LeRobot name."""
    pictures = [key for key, one in features.items() if one["dtype"] in ("video", "image")]
    names = {}
    for key, one in features.items():
        if not key.startswith(OBSERVATION) or one["dtype"] in ("string", "language"):
            continue
        short = key.removeprefix(OBSERVATION)
        names[key] = "pixels" if pictures == [key] else short.removeprefix("images.")
    return names


def _known(observations: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """PushT's corners and finger are two features there and one observation here."""
    corners, finger = observations.get("environment_state"), observations.get("state")
    if corners is None or finger is None or corners.shape[1:] != (16,) or finger.shape[1:] != (2,):
        return observations
    return {**observations, "keypoints": np.concatenate([corners, finger], axis=1)}


def _table(folder: Path, paths: list[Path], what: str) -> dict[str, Any]:
    """The columns of Parquet files, one below the other."""
    import pyarrow
    import pyarrow.parquet as parquet

    if missing := [path for path in paths if not path.is_file()]:
        raise DatasetError(f"{missing[0]} is missing")
    if not paths:
        raise DatasetError(f"{folder} has no Parquet files in {what}")
    table = pyarrow.concat_tables([parquet.ParquetFile(path).read() for path in paths], promote_options="default")
    return {
        name: column.to_numpy() if pyarrow.types.is_primitive(column.type) else column.to_pylist()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _numbers(column: Any) -> np.ndarray:
    """A column of scalars or of nested lists as (N, ...) float32; scalars as (N, 1)."""
    values = np.asarray(column, dtype=np.float32)
    return values[:, None] if values.ndim == 1 else values


def _images(folder: Path, cells: list[dict[str, Any]]) -> np.ndarray:
    from PIL import Image

    pictures = []
    for cell in cells:
        source = io.BytesIO(cell["bytes"]) if cell.get("bytes") else folder / str(cell["path"])
        with Image.open(source) as picture:
            pictures.append(np.asarray(picture.convert("RGB")))
    return np.stack(pictures)


class _Videos:
    """Pictures of one camera. A file holds many episodes, and is decoded once, when its first episode is asked for."""

    def __init__(self, folder: Path, info: dict[str, Any], key: str, index: dict[str, Any]) -> None:
        self._folder, self._fps, self._key = folder, float(info["fps"]), key
        self._template = str(info["video_path"])
        self._place = [
            (int(chunk), int(file), float(start))
            for chunk, file, start in zip(
                index[f"videos/{key}/chunk_index"],
                index[f"videos/{key}/file_index"],
                index[f"videos/{key}/from_timestamp"],
                strict=True,
            )
        ]
        self._open: tuple[Path, np.ndarray] | None = None

    def frames(self, row: int, count: int) -> np.ndarray:
        """(count, H, W, 3) uint8 of the episode in `row` of the index."""
        chunk, file, start = self._place[row]
        path = self._folder / self._template.format(video_key=self._key, chunk_index=chunk, file_index=file)
        if self._open is None or self._open[0] != path:
            self._open = (path, _decode(path))
        first = round(start * self._fps)
        frames = self._open[1][first : first + count]
        if len(frames) != count:
            raise DatasetError(f"{path} ends after {len(self._open[1])} pictures; {first + count} are needed")
        return frames


def _decode(path: Path) -> np.ndarray:
    import imageio_ffmpeg

    if not path.is_file():
        raise DatasetError(f"{path} is missing")
    try:
        reader = imageio_ffmpeg.read_frames(str(path), pix_fmt="rgb24")
        width, height = next(reader)["size"]
        pictures = [np.frombuffer(data, np.uint8).reshape(height, width, 3) for data in reader]
    except (OSError, RuntimeError, StopIteration) as error:
        raise DatasetError(f"{path} cannot be decoded") from error
    return np.stack(pictures) if pictures else np.zeros((0, height, width, 3), np.uint8)

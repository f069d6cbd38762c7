"""Minari datasets, the standard of the Farama Foundation: a folder `data` with metadata.json and HDF5 or Arrow files.

Written through the library, so that `minari.load_dataset` finds them under MINARI_DATASETS_PATH. What Minari does not
know of, the labels and success, is in the infos of the steps.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from scorekit_diffusion_policy.episodes import Demonstrations, Episode
from scorekit_diffusion_policy.formats.errors import DatasetError

METADATA = "metadata.json"


def is_minari(folder: Path) -> bool:
    """Whether `folder` is the `data` folder of a Minari dataset."""
    try:
        return "data_format" in json.loads((folder / METADATA).read_text())
    except (OSError, ValueError):
        return False


def write(demonstrations: Demonstrations, folder: Path, *, dataset_id: str, description: str = "") -> None:
    """Write `demonstrations` to `folder`/data, in HDF5. Raises ValueError when something is there already.

    `minari.load_dataset(dataset_id)` finds it when `folder` is MINARI_DATASETS_PATH/dataset_id.
    Pictures are kept as they are, not as JPEG.
    """
    import minari
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    if not demonstrations.episodes:
        raise ValueError("demonstrations without episodes cannot be written")
    folder = folder.resolve()  # Minari measures the size of a relative folder in the wrong place
    folder.mkdir(parents=True, exist_ok=True)
    storage = MinariStorage.new(
        folder / "data",
        observation_space=_observation_space(demonstrations.episodes[0]),
        action_space=spaces.Box(demonstrations.action_low, demonstrations.action_high, dtype=np.float32),
        data_format="hdf5",
        jpeg_encoding=False,
    )
    storage.update_metadata(
        {
            "dataset_id": dataset_id,
            "minari_version": minari.__version__,
            "description": description,
            "task": demonstrations.task,
            "algorithm_name": "scorekit expert",
        }
    )
    storage.update_episodes(
        EpisodeBuffer(
            seed=int(episode.seed),
            observations={name: _with_final(episode, name) for name in episode.observations},
            actions=episode.actions,
            rewards=episode.rewards,
            terminations=_last(len(episode), episode.success),
            truncations=_last(len(episode), not episode.success),
            # Minari keeps infos from the reset on: the first row is the reset's.
            infos={
                "label": np.concatenate([np.zeros_like(episode.labels[:1]), episode.labels]),
                "success": np.concatenate([[False], _last(len(episode), episode.success)]),
                "score": np.concatenate([[0.0], np.full(len(episode), episode.score)]).astype(np.float32),
            },
        )
        for episode in demonstrations.episodes
    )


def read(folder: Path) -> Demonstrations:
    """Read the dataset whose `data` folder is `folder`; labels are the actions where it has none.

    Raises DatasetError for a dataset that is cut off, or that policies cannot use.
    """
    from minari.dataset.minari_storage import MinariStorage

    try:
        metadata = json.loads((folder / METADATA).read_text())
        storage: Any = MinariStorage.read(folder)
        space = storage.action_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise DatasetError(f"{folder} holds actions of the space {space}; policies need a Box of one dimension")
        count = int(metadata["total_episodes"])
        ids = range(count)
        seeds = [row.get("seed") for row in storage.get_episode_metadata(ids)]
        rows = list(storage.get_episodes(ids))
    except DatasetError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AssertionError, RuntimeError) as error:
        raise DatasetError(f"{folder} is no whole Minari dataset: {error}") from error
    episodes = tuple(
        _episode(row, seed, f"{folder}, episode {row['id']}") for row, seed in zip(rows, seeds, strict=True)
    )
    if sum(len(episode) for episode in episodes) != int(metadata["total_steps"]):
        raise DatasetError(f"{folder} should have {metadata['total_steps']} steps, but has {sum(map(len, episodes))}")
    return Demonstrations(_task(metadata), space.low.astype(np.float32), space.high.astype(np.float32), episodes)


def _episode(row: dict[str, Any], seed: int | None, where: str) -> Episode:
    actions = np.asarray(row["actions"], dtype=np.float32)
    steps = len(actions)
    observed = {name: _values(value) for name, value in _flat("", row["observations"])}
    for name, values in observed.items():
        if len(values) != steps + 1:
            raise DatasetError(
                f"{where}: {name} has {len(values)} rows for {steps} actions; there should be {steps + 1}"
            )
    infos = row.get("infos") or {}
    labels = np.asarray(infos["label"], dtype=np.float32)[-steps:] if "label" in infos else actions
    success = bool(np.any(infos["success"])) if "success" in infos else bool(np.any(row["terminations"]))
    score = float(np.max(infos["score"])) if "score" in infos else float(success)
    try:
        return Episode(
            {name: values[:steps] for name, values in observed.items()},
            actions,
            labels,
            np.asarray(row["rewards"], dtype=np.float32),
            -1 if seed is None else int(seed),
            success,
            score,
            {name: values[steps] for name, values in observed.items()},
        )
    except ValueError as error:
        raise DatasetError(f"{where}: {error}") from error


def _values(value: Any) -> np.ndarray:
    array = np.asarray(value)
    return array if array.dtype == np.uint8 and array.ndim == 4 else array.astype(np.float32)


def _flat(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        parts = [_flat(f"{prefix}/{key}" if prefix else key, part) for key, part in value.items()]
        return [pair for part in parts for pair in part]
    array = np.asarray(value)
    return [(prefix or ("pixels" if array.dtype == np.uint8 and array.ndim == 4 else "state"), array)]


def _task(metadata: dict[str, Any]) -> str:
    if "task" in metadata:
        return str(metadata["task"])
    spec = metadata.get("env_spec")
    if spec:
        return str((json.loads(spec) if isinstance(spec, str) else spec)["id"])
    return str(metadata.get("dataset_id", "unknown"))


def _observation_space(episode: Episode) -> spaces.Dict:
    return spaces.Dict(
        {
            name: spaces.Box(0, 255, values.shape[1:], np.uint8)
            if values.dtype == np.uint8
            else spaces.Box(-np.inf, np.inf, values.shape[1:], np.float32)
            for name, values in episode.observations.items()
        }
    )


def _with_final(episode: Episode, name: str) -> np.ndarray:
    values = episode.observations[name]
    last = values[-1] if episode.final is None else episode.final[name]
    return np.concatenate([values, last[None]])


def _last(steps: int, value: bool) -> np.ndarray:
    flags = np.zeros(steps, dtype=bool)
    flags[-1] = value
    return flags

"""Readers against datasets in their true formats: Minari written by its library, LeRobot's and zarr's layouts by hand."""

import json
from pathlib import Path
from typing import Any

import h5py
import imageio_ffmpeg
import minari as farama
import numcodecs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import zarr
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

from scorekit_diffusion_policy.episodes import Demonstrations, Episode
from scorekit_diffusion_policy.formats import DatasetError, load
from scorekit_diffusion_policy.formats import minari as ours

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:minari")

LENGTHS = (5, 3, 7)
STARTS = (0, 5, 8, 15)
FRAMES = 15
RANDOM = np.random.default_rng(0)
STATE = RANDOM.normal(size=(FRAMES, 2)).astype(np.float32)
CORNERS = RANDOM.normal(size=(FRAMES, 16)).astype(np.float32)
ACTIONS = RANDOM.uniform(0, 512, (FRAMES, 2)).astype(np.float32)
GREYS = np.linspace(20, 230, FRAMES).astype(np.uint8)  # each frame of a film has a grey of its own


@pytest.fixture
def demonstrations() -> Demonstrations:
    episodes = []
    for place, length in enumerate(LENGTHS):
        rows = slice(STARTS[place], STARTS[place] + length)
        episodes.append(
            Episode(
                {"state": STATE[rows], "pixels": RANDOM.integers(0, 256, (length, 6, 8, 3), dtype=np.uint8)},
                ACTIONS[rows],
                ACTIONS[rows] + 1,
                RANDOM.normal(size=length).astype(np.float32),
                1_000_000 + place,
                place != 1,
                0.25 * place,
                {"state": np.full(2, 9, np.float32), "pixels": np.zeros((6, 8, 3), np.uint8)},
            )
        )
    return Demonstrations("pusht", np.zeros(2, np.float32), np.full(2, 512, np.float32), tuple(episodes))


def assert_same(one: Demonstrations, other: Demonstrations) -> None:
    assert (one.task, len(one)) == (other.task, len(other))
    assert np.array_equal(one.action_low, other.action_low)
    assert np.array_equal(one.action_high, other.action_high)
    for a, b in zip(one.episodes, other.episodes, strict=True):
        assert (a.seed, a.success, a.score) == (b.seed, b.success, b.score)
        assert set(a.observations) == set(b.observations)
        for name in a.observations:
            assert a.observations[name].dtype == b.observations[name].dtype
            assert np.array_equal(a.observations[name], b.observations[name])
            assert a.final is not None
            assert b.final is not None
            assert np.array_equal(a.final[name], b.final[name])
        for field in ("actions", "labels", "rewards"):
            assert np.array_equal(getattr(a, field), getattr(b, field))


def test_minari_is_read_as_it_was_written(demonstrations: Demonstrations, tmp_path: Path) -> None:
    ours.write(demonstrations, tmp_path / "set", dataset_id="set")
    for place in (tmp_path, tmp_path / "set", tmp_path / "set" / "data"):
        assert_same(load(place), demonstrations)


def test_the_library_reads_what_we_write(
    demonstrations: Demonstrations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours.write(demonstrations, tmp_path / "push-v0", dataset_id="push-v0")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    dataset = farama.load_dataset("push-v0")
    assert (dataset.total_episodes, dataset.total_steps) == (3, FRAMES)
    for episode, expected in zip(dataset.iterate_episodes(), demonstrations.episodes, strict=True):
        assert np.array_equal(episode.actions, expected.actions)
        assert np.array_equal(episode.observations["pixels"][:-1], expected.observations["pixels"])
        assert np.array_equal(episode.infos["label"][1:], expected.labels)
        assert episode.terminations[-1] == expected.success
        assert episode.truncations[-1] != expected.success


def test_a_relative_folder_does(
    demonstrations: Demonstrations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ours.write(demonstrations, Path("here"), dataset_id="here")
    assert load("here").steps == FRAMES


@pytest.mark.parametrize("data_format", ["hdf5", "arrow", "parquet"])
def test_minari_of_others_is_read(data_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested observations, no labels, success by termination, JPEG pictures."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    pictures = np.repeat(GREYS[:6], 16 * 16 * 3).reshape(6, 16, 16, 3)
    farama.create_dataset_from_buffers(
        "other/arm-v0",
        [
            EpisodeBuffer(
                seed=4,
                observations={"arm": {"angle": STATE[:6]}, "camera": pictures},
                actions=ACTIONS[:5],  # type: ignore[arg-type]
                rewards=[0.0] * 5,
                terminations=[False] * 4 + [True],
                truncations=[False] * 5,
            )
        ],
        observation_space=spaces.Dict(
            {
                "arm": spaces.Dict({"angle": spaces.Box(-9, 9, (2,), np.float32)}),
                "camera": spaces.Box(0, 255, (16, 16, 3), np.uint8),
            }
        ),
        action_space=spaces.Box(0, 512, (2,), np.float32),
        data_format=data_format,
    )
    data = load(tmp_path)
    (episode,) = data.episodes
    assert (data.task, episode.seed, episode.success, data.action_high.tolist()) == (
        "other/arm-v0",
        4,
        True,
        [512, 512],
    )
    assert np.array_equal(episode.observations["arm/angle"], STATE[:5])
    assert np.array_equal(episode.labels, ACTIONS[:5])
    assert np.abs(episode.observations["camera"].astype(int) - pictures[:5]).max() < 4
    assert episode.final is not None
    assert np.array_equal(episode.final["arm/angle"], STATE[5])


def test_minari_that_is_cut_off_is_refused(demonstrations: Demonstrations, tmp_path: Path) -> None:
    ours.write(demonstrations, tmp_path / "set", dataset_id="set")
    file = tmp_path / "set" / "data" / "main_data.hdf5"
    whole = file.read_bytes()
    with h5py.File(file, "a") as data:
        del data["episode_2"]
    with pytest.raises(DatasetError, match="is no whole Minari dataset"):
        load(tmp_path)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match="is no whole Minari dataset"):
        load(tmp_path)
    file.write_bytes(whole)
    with h5py.File(file, "a") as data:
        rows = data["episode_1/observations/state"][:-1]
        del data["episode_1/observations/state"]
        data["episode_1/observations/state"] = rows
    with pytest.raises(DatasetError, match="episode 1: state has 3 rows for 3 actions; there should be 4"):
        load(tmp_path)


def test_minari_with_actions_that_policies_cannot_use_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    farama.create_dataset_from_buffers(
        "keys-v0",
        [
            EpisodeBuffer(
                observations=STATE[:3],  # type: ignore[arg-type]
                actions=np.array([0, 1]),  # type: ignore[arg-type]
                rewards=[0.0] * 2,
                terminations=[False] * 2,
                truncations=[False] * 2,
            )
        ],
        observation_space=spaces.Box(-9, 9, (2,), np.float32),
        action_space=spaces.Discrete(2),
    )
    with pytest.raises(DatasetError, match=r"actions of the space Discrete\(2\); policies need a Box"):
        load(tmp_path)


def lerobot(folder: Path, *, cameras: tuple[str, ...] = ("observation.image",), **changes: Any) -> Path:
    """A LeRobot v3 dataset: its three episodes lie in two Parquet files, their film in one MP4 (two episodes) and another."""
    files, offsets = (0, 0, 1), (0, 5, 0)
    features: dict[str, Any] = {
        "observation.state": {"dtype": "float32", "shape": [2], "names": ["x", "y"]},
        "observation.environment_state": {"dtype": "float32", "shape": [16], "names": None},
        "action": {"dtype": "float32", "shape": [2], "names": ["x", "y"]},
        "next.reward": {"dtype": "float32", "shape": [1], "names": None},
        "next.success": {"dtype": "bool", "shape": [1], "names": None},
        "episode_index": {"dtype": "int64", "shape": [1], "names": None},
        "frame_index": {"dtype": "int64", "shape": [1], "names": None},
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
        "task_index": {"dtype": "int64", "shape": [1], "names": None},
        "index": {"dtype": "int64", "shape": [1], "names": None},
    }
    features |= {name: {"dtype": "video", "shape": [32, 48, 3], "names": None} for name in cameras}
    info = {
        "codebase_version": "v3.0",
        "robot_type": "unknown",
        "total_episodes": 3,
        "total_frames": FRAMES,
        "total_tasks": 1,
        "chunks_size": 1000,
        "fps": 10,
        "splits": {"train": "0:3"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": features,
        **changes,
    }
    (folder / "meta" / "episodes" / "chunk-000").mkdir(parents=True)
    (folder / "data" / "chunk-000").mkdir(parents=True)
    (folder / "meta" / "info.json").write_text(json.dumps(info))
    number = np.repeat(np.arange(3), LENGTHS)
    last = np.isin(np.arange(FRAMES), np.array(STARTS[1:]) - 1)
    table = {
        "observation.state": list(STATE),
        "observation.environment_state": list(CORNERS),
        "action": list(ACTIONS),
        "next.reward": np.arange(FRAMES, dtype=np.float32),
        "next.success": last & (number != 1),
        "episode_index": number,
        "frame_index": np.concatenate([np.arange(n) for n in LENGTHS]),
        "timestamp": np.concatenate([np.arange(n) / 10 for n in LENGTHS]).astype(np.float32),
        "task_index": np.zeros(FRAMES, np.int64),
        "index": np.arange(FRAMES),
    }
    for file, rows in enumerate((slice(0, 8), slice(8, 15))):
        part = {name: values[rows] for name, values in table.items()}
        parquet.write_table(pa.table(part), folder / "data" / "chunk-000" / f"file-{file:03d}.parquet")
        for camera in cameras:
            write_film(folder / "videos" / camera / "chunk-000" / f"file-{file:03d}.mp4", GREYS[rows])
    index: dict[str, Any] = {
        "episode_index": np.arange(3),
        "tasks": [["push"]] * 3,
        "length": np.array(LENGTHS),
        "data/chunk_index": np.zeros(3, np.int64),
        "data/file_index": np.array(files),
        "dataset_from_index": np.array(STARTS[:3]),
        "dataset_to_index": np.array(STARTS[1:]),
        "stats/action/min": [[0.0, 0.0]] * 3,
    }
    for camera in cameras:
        index[f"videos/{camera}/chunk_index"] = np.zeros(3, np.int64)
        index[f"videos/{camera}/file_index"] = np.array(files)
        index[f"videos/{camera}/from_timestamp"] = np.array(offsets) / 10
        index[f"videos/{camera}/to_timestamp"] = (np.array(offsets) + LENGTHS) / 10
    parquet.write_table(pa.table(index), folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet")
    return folder


def write_film(path: Path, greys: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = imageio_ffmpeg.write_frames(str(path), (48, 32), fps=10, codec="libx264", macro_block_size=16)
    writer.send(None)
    for grey in greys:
        writer.send(np.full((32, 48, 3), grey, np.uint8))
    writer.close()


def test_lerobot_is_read(tmp_path: Path) -> None:
    data = load(lerobot(tmp_path / "pusht"))
    assert (data.task, len(data), data.steps) == ("unknown", 3, FRAMES)
    assert set(data.observations) == {"state", "environment_state", "keypoints", "pixels"}
    for place, episode in enumerate(data.episodes):
        rows = slice(STARTS[place], STARTS[place + 1])
        assert np.array_equal(episode.observations["state"], STATE[rows])
        assert np.array_equal(episode.observations["keypoints"], np.hstack([CORNERS[rows], STATE[rows]]))
        assert np.array_equal(episode.actions, ACTIONS[rows])
        assert np.array_equal(episode.labels, ACTIONS[rows])
        assert np.array_equal(episode.rewards, np.arange(FRAMES)[rows])
        assert episode.success == (place != 1)
        pictures = episode.observations["pixels"]
        assert pictures.shape == (LENGTHS[place], 32, 48, 3)
        assert np.abs(pictures.mean((1, 2, 3)) - GREYS[rows]).max() < 4  # neighbours differ by 15
    assert np.array_equal(data.action_low, ACTIONS.min(0))


def test_a_task_gives_lerobot_its_bounds(tmp_path: Path) -> None:
    folder = lerobot(tmp_path / "pusht", cameras=())
    data = load(folder, task="pusht")
    assert (data.task, data.action_low.tolist(), data.action_high.tolist()) == ("pusht", [0, 0], [512, 512])
    with pytest.raises(DatasetError, match=r"actions of 2 numbers, but metaworld/reach-v3 takes 4"):
        load(folder, task="metaworld/reach-v3")


def test_two_cameras_keep_their_names(tmp_path: Path) -> None:
    data = load(lerobot(tmp_path, cameras=("observation.images.top", "observation.images.wrist")))
    assert {"top", "wrist"} <= set(data.observations)
    assert "pixels" not in data.observations


def test_lerobot_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    folder = lerobot(tmp_path / "a")
    film = folder / "videos" / "observation.image" / "chunk-000" / "file-001.mp4"
    write_film(film, GREYS[:4])
    with pytest.raises(DatasetError, match="ends after 4 pictures; 7 are needed"):
        load(folder)
    film.unlink()
    with pytest.raises(DatasetError, match=r"file-001.mp4 is missing"):
        load(folder)
    file = folder / "data" / "chunk-000" / "file-001.parquet"
    parquet.write_table(parquet.read_table(file).slice(0, 6), file)
    with pytest.raises(DatasetError, match="should have 15 frames, but has 14"):
        load(folder)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DatasetError, match="is no whole LeRobot dataset"):
        load(folder)
    file.unlink()
    with pytest.raises(DatasetError, match=r"file-001.parquet is missing"):
        load(folder)
    with pytest.raises(DatasetError, match="should have 4 episodes, but lists 3"):
        load(lerobot(tmp_path / "b", total_episodes=4))
    with pytest.raises(DatasetError, match=r"version v2.1; only version 3 can be read"):
        load(lerobot(tmp_path / "c", codebase_version="v2.1"))


def replay_buffer(folder: Path) -> Any:
    """A replay buffer as diffusion_policy's, in zarr's version 2 with Blosc, in chunks of six rows."""
    root = zarr.open_group(str(folder), mode="w", zarr_format=2)
    compressor = numcodecs.Blosc(cname="lz4", clevel=5, shuffle=numcodecs.Blosc.NOSHUFFLE)

    def put(group: str, name: str, values: np.ndarray) -> None:
        array = root.require_group(group).create_array(
            name, shape=values.shape, chunks=(6, *values.shape[1:]), dtype=values.dtype, compressors=compressor
        )
        array[:] = values

    put("data", "action", ACTIONS)
    put("data", "state", np.hstack([STATE, STATE, STATE[:, :1]]))
    put("data", "keypoint", CORNERS.reshape(FRAMES, 8, 2))
    put("data", "img", np.repeat(GREYS.astype(np.float32), 8 * 8 * 3).reshape(FRAMES, 8, 8, 3))
    put("meta", "episode_ends", np.array(STARTS[1:], np.int64))
    return root


def test_a_replay_buffer_is_read(tmp_path: Path) -> None:
    replay_buffer(tmp_path / "pusht.zarr")
    for place in (tmp_path, tmp_path / "pusht.zarr"):
        data = load(place, task="pusht")
        assert (data.task, len(data), data.steps, data.action_high.tolist()) == ("pusht", 3, FRAMES, [512, 512])
        for number, episode in enumerate(data.episodes):
            rows = slice(STARTS[number], STARTS[number + 1])
            assert np.array_equal(episode.actions, ACTIONS[rows])
            assert episode.observations["state"].shape == (LENGTHS[number], 5)
            assert np.array_equal(episode.observations["keypoint"], CORNERS[rows])
            assert episode.observations["pixels"].dtype == np.uint8
            assert np.array_equal(episode.observations["pixels"][:, 0, 0, 0], GREYS[rows])


def test_a_replay_buffer_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    root = replay_buffer(tmp_path / "a.zarr")
    root["meta/episode_ends"][:] = [5, 8, 16]
    with pytest.raises(DatasetError, match="has 15 rows; the episodes have 16"):
        load(tmp_path / "a.zarr")
    root["meta/episode_ends"][:] = [5, 5, 15]
    with pytest.raises(DatasetError, match="has to rise"):
        load(tmp_path / "a.zarr")
    replay_buffer(tmp_path / "b.zarr")
    (tmp_path / "b.zarr" / "data" / "action" / "1.0").unlink()
    with pytest.raises(DatasetError, match="data/action lacks 1 of 3 chunks"):
        load(tmp_path / "b.zarr")
    replay_buffer(tmp_path / "c.zarr")
    chunk = tmp_path / "c.zarr" / "data" / "state" / "0.0"
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(DatasetError, match=r"data/state, chunk 0.0 is cut off"):
        load(tmp_path / "c.zarr")


def test_a_folder_without_or_with_several_datasets_is_refused(demonstrations: Demonstrations, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        load(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="holds no demonstrations: neither a Minari dataset"):
        load(tmp_path)
    for name in ("one", "two"):
        ours.write(demonstrations, tmp_path / name, dataset_id=name)
    with pytest.raises(DatasetError, match="holds 2 datasets; name one of them"):
        load(tmp_path)

"""Rendered sets: what they hold, and that a build is deterministic, resumable and careful."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from scorekit.zoo import dataset
from scorekit.zoo.captions import HELD_OUT, parse, pose_of, side_of
from scorekit.zoo.dataset import build, load, make_shard
from scorekit.zoo.objects import COLORS, KINDS
from scorekit.zoo.render import Camera, render_rgba


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "SHARD_SIZE", 16)
    monkeypatch.setattr(dataset, "SUPERSAMPLE", 1)


def pairs(shard: dict[str, np.ndarray]) -> set[tuple[str, str]]:
    names = list(COLORS)
    return {(names[c], KINDS[k]) for k, c in zip(shard["kind"], shard["color"], strict=True)}


def test_held_out_pairs_stay_out_of_training_and_fill_the_held_out_set() -> None:
    trained = make_shard(0, 1600, size=8)
    assert not pairs(trained) & HELD_OUT
    assert len(pairs(trained)) == len(KINDS) * len(COLORS) - len(HELD_OUT)
    assert pairs(make_shard(0, 300, size=8, held_out=True)) == HELD_OUT


def test_shards_depend_on_seed_and_index_alone() -> None:
    first, again = make_shard(1, 8, 16, seed=2), make_shard(1, 8, 16, seed=2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    for other in (make_shard(2, 8, 16, seed=2), make_shard(1, 8, 16, seed=3), make_shard(1, 8, 16, 2, True)):
        assert not np.array_equal(first["azimuth"], other["azimuth"])


def test_pictures_match_their_labels_and_cameras(tmp_path: Path) -> None:
    """Alpha is where the labelled kind, in mean proportions, appears from the labelled camera."""
    from scorekit.zoo.kinds import CATALOGUE
    from scorekit.zoo.objects import Object

    data = load(build(tmp_path, 12, size=32))
    assert data.images.shape == (12, 3, 32, 32)
    assert (data.images[:, :, 0, 0] == 255).all()
    for i in range(12):
        kind, color = data.names(i)
        spec = CATALOGUE[kind]
        mean = Object(kind, torch.tensor([[*spec.sizes.values(), spec.scale]]), torch.zeros(1, len(spec.paints), 3))
        camera = Camera(*(torch.tensor([float(v[i])]) for v in (data.azimuth, data.elevation, data.distance, data.fov)))
        _, alpha = render_rgba(mean, camera, 32, 1)
        expected, found = alpha[0, 0] > 0.5, torch.from_numpy(data.alpha[i] > 127)
        assert (expected & found).sum() / (expected | found).sum() > 0.75
        said = parse(data.caption(i, torch.Generator().manual_seed(i)))
        assert said[1] == kind
        assert said[0] in (color, None)
        angles = float(data.azimuth[i]), float(data.elevation[i])
        assert said[2] in (pose_of(*angles), side_of(*angles), None)
    assert len(list(data.captions(torch.Generator().manual_seed(0)))) == len(data)


def test_a_stopped_build_resumes_without_redoing_and_ends_the_same(tmp_path: Path) -> None:
    whole = load(build(tmp_path / "whole", 40, size=8, seed=4))

    def stop(done: int, _n: int) -> None:
        if done == 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "parts", 40, size=8, seed=4, progress=stop)
    first = tmp_path / "parts" / "shard-00000.npz"
    assert [path.name for path in sorted(first.parent.glob("shard-*"))] == [first.name]
    stamp, seen = first.stat().st_mtime_ns, []
    build(tmp_path / "parts", 40, size=8, seed=4, progress=lambda done, n: seen.append((done, n)))
    assert seen == [(16, 40), (32, 40), (40, 40)]
    assert first.stat().st_mtime_ns == stamp
    resumed = load(tmp_path / "parts")
    for name in ("images", "alpha", "kind", "color", "azimuth", "fov"):
        assert np.array_equal(getattr(whole, name), getattr(resumed, name))
    assert not list(first.parent.glob("*.tmp"))


def test_a_longer_build_keeps_what_is_there_and_a_shorter_one_is_refused(tmp_path: Path) -> None:
    short = load(build(tmp_path, 16, size=8))
    long = load(build(tmp_path, 32, size=8))
    assert len(long) == 32
    assert np.array_equal(long.images[:16], short.images)
    with pytest.raises(ValueError, match="n must be at least the 32 pictures"):
        build(tmp_path, 16, size=8)


@pytest.mark.parametrize("changed", [{"size": 16}, {"seed": 1}, {"held_out": True}])
def test_a_folder_of_other_settings_is_refused(tmp_path: Path, changed: dict[str, int]) -> None:
    build(tmp_path, 4, size=8)
    with pytest.raises(ValueError, match="choose another folder"):
        build(tmp_path, 4, **{"size": 8, **changed})
    assert json.loads((tmp_path / "dataset.json").read_text())["size"] == 8
    assert len(load(tmp_path)) == 4


@pytest.mark.parametrize(("name", "value"), [("n", 0), ("size", 4), ("workers", 0), ("seed", -1)])
def test_bad_numbers_are_named_and_write_nothing(tmp_path: Path, name: str, value: int) -> None:
    target = tmp_path / "new"
    with pytest.raises(ValueError, match=rf"{name} must be at least \d+; got {value}"):
        build(target, **{"n": 4, name: value})
    assert not target.exists()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shard"):
        load(tmp_path)

"""Rollouts of the robot, filmed."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from scorekit_video_adapter import robots
from scorekit_video_adapter.captions import TASKS

# Looked for, not imported: the renderer is chosen before mujoco is imported for the first time.
pytestmark = pytest.mark.skipif(find_spec("metaworld") is None, reason="metaworld is not installed")
TASK = "drawer-open-v3"


def test_an_episode_is_that_of_its_seed_and_shows_the_work() -> None:
    clip = robots.rollout(TASK, 3, "narrow")
    assert clip.shape == (8, 32, 32, 3)
    assert clip.dtype == np.uint8
    other = robots.rollout(TASK, 4, "narrow")
    again = robots.rollout(TASK, 3, "narrow")
    np.testing.assert_array_equal(clip, again)
    assert np.abs(clip.astype(int) - other).max() > 20
    # The arm moves over a still scene: between frames a few pixels change much, and most do not.
    change = np.abs(np.diff(clip.astype(int), axis=0)).max(-1)
    assert (change.reshape(7, -1).max(1) > 40).all()
    assert (change < 12).mean() > 0.6


def test_a_broad_camera_sees_the_same_episode_from_elsewhere() -> None:
    narrow, broad = (robots.rollout(TASK, 3, view) for view in ("narrow", "broad"))
    assert np.abs(narrow.astype(int) - broad).mean() > 10


def test_builds_go_on_and_are_labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robots, "TASKS", {TASK: TASKS[TASK]})
    robots.build(tmp_path, 2, 3, "narrow")
    written = next(tmp_path.glob("*.npz")).stat().st_mtime_ns
    robots.build(tmp_path, 2, 3, "narrow")
    assert next(tmp_path.glob("*.npz")).stat().st_mtime_ns == written
    clips, tasks = robots.load(tmp_path)
    assert clips.shape == (2, 8, 32, 32, 3)
    assert tasks.tolist() == [0, 0]
    with pytest.raises(ValueError, match="found none"):
        robots.load(tmp_path / "nothing")
    with pytest.raises(ValueError, match="episodes must be at least 1"):
        robots.build(tmp_path, 0, 3, "narrow")

"""`scorekit train pico-video` from true clips to a folder that loads."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from scorekit.host.runs import execute
from scorekit_video_adapter import robots, training_application
from scorekit_video_adapter.captions import TASKS
from scorekit_video_adapter.judge import Judge
from scorekit_video_adapter.pico_video import load
from scorekit_video_adapter.training_application import TrainPicoVideo

LITTLE: dict[str, Any] = {"pictures": 96, "strips": 48, "clips": 8, "steps": 2, "batch": 2, "cooldown": 1}


def test_a_small_model_of_sketches(tmp_path: Path) -> None:
    done = execute(TrainPicoVideo, {**LITTLE, "domain": "sketch", "tiny": True}, tmp_path / "run", device="cpu")
    assert done.status == "done", done.error
    model = load(tmp_path / "run" / "pico-video-sketch-tiny")
    assert model.shape == (3, 8, 32, 32)
    assert model.prediction == "x0"


@pytest.mark.skipif(find_spec("metaworld") is None, reason="metaworld is not installed")
def test_the_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a film of one task from either side, instead of hundreds of eight."""
    monkeypatch.setattr(robots, "TASKS", dict(list(TASKS.items())[:1]))
    monkeypatch.setattr(training_application, "JUDGE_EPISODES", 1)
    done = execute(TrainPicoVideo, {**LITTLE, "domain": "judge", "episodes": 1}, tmp_path / "run", device="cpu")
    assert done.status == "done", done.error
    Judge.load(tmp_path / "run" / "judge-weights")

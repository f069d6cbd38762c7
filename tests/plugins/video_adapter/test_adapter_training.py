"""A small model trained on a folder of clips: what it learns from, what it writes, how long it says it takes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_videos import LOSSLESS, ramp, write
from torch import Tensor, nn

from scorekit.host.errors import ParameterError
from scorekit.host.runs import execute
from scorekit_video_adapter import TrainVideoAdapter
from scorekit_video_adapter.adapter_training import words_of
from scorekit_video_adapter.demo import discs
from scorekit_video_adapter.estimate import Estimate, estimate
from scorekit_video_adapter.pico_video import load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "clips"
    path.mkdir()
    for name, count in (("a.mp4", 8), ("b.mp4", 12)):
        write(path / name, ramp(count), after=LOSSLESS)
    (path / "captions.csv").write_text('file,caption\na.mp4,"A light, growing (take 1)"\nb.mp4,a lamp: growing\n')
    return path


def test_a_folder_of_clips_becomes_a_model_that_knows_its_words(tmp_path: Path, folder: Path) -> None:
    params = {"clips": str(folder), "steps": 2, "batch": 2, "tiny": True, "frames": 4, "size": 16}
    done = execute(TrainVideoAdapter, params, tmp_path / "run", device="cpu")
    assert done.status == "done", done.error
    model = load(tmp_path / "run" / "adapter")
    assert model.shape == (3, 4, 16, 16)
    assert model.given("a lamp growing")(torch.zeros(1, *model.shape), 0.5).output.isfinite().all()
    with pytest.raises(ValueError, match=r"giraffe.*growing, lamp, light, take"):
        model.given("a giraffe")
    assert (tmp_path / "run" / "samples.png").stat().st_size > 1000
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "2 clips, 5 words: 2 steps will take about " in log
    assert done.record["metrics"]["seconds_estimated"] > 0


def test_the_time_alone_is_told_without_training(tmp_path: Path) -> None:
    params = {"estimate": True, "steps": 100_000, "batch": 1, "tiny": True, "frames": 2, "size": 16}
    done = execute(TrainVideoAdapter, params, tmp_path / "run", device="cpu")
    assert done.status == "done", done.error
    assert not (tmp_path / "run" / "adapter").exists()
    assert done.record["metrics"]["seconds_estimated"] > 100
    assert "12 clips, 10 words: 100000 steps will take about" in (tmp_path / "run" / "log.txt").read_text()


def test_clips_without_captions_are_refused_before_anything_is_written(tmp_path: Path, folder: Path) -> None:
    (folder / "captions.csv").unlink()
    params = {"clips": str(folder), "steps": 1}
    with pytest.raises(ParameterError, match=r"captions: clips has no captions\.csv"):
        execute(TrainVideoAdapter, params, tmp_path / "bad", device="cpu")
    assert not (tmp_path / "bad").exists()


def test_words_are_letters_each_once() -> None:
    assert words_of(["a red disc, sliding", "a blue disc"]) == ("a", "blue", "disc", "red", "sliding")
    with pytest.raises(ValueError, match="captions: none has a word in the letters a to z"):
        words_of(["", ","])


def test_the_discs_go_where_their_captions_say() -> None:
    found = discs(8, 32)
    assert found.clips.shape == (12, 3, 8, 32, 32)
    rows, columns = np.mgrid[:32, :32]
    for clip, caption in zip(found.clips, found.captions, strict=True):
        covered = clip.min(0) < 255  # (T, H, W)
        path = [(float(rows[one].mean()), float(columns[one].mean())) for one in covered]
        down, right = np.subtract(path[-1], path[0])
        expected = {"left": (0, -16), "right": (0, 16), "up": (-16, 0), "down": (16, 0)}[caption.split()[-1]]
        assert (down, right) == pytest.approx(expected, abs=0.6), caption
        colour = clip[:, 4][:, covered[4]].mean(1)
        assert int(colour.argmax()) == ["red", "green", "blue"].index(caption.split()[1])


def test_an_estimate_counts_the_arithmetic_and_takes_the_middle_time() -> None:
    model = nn.Linear(64, 32, bias=False)
    x = torch.randn(16, 64)
    ticks = iter([0.0, 5.0, 10.0, 10.5, 20.0, 21.0])

    def loss(network: nn.Module) -> Tensor:
        return network(x).square().mean()

    found = estimate(model, loss, 200, torch.device("cpu"), clock=lambda: next(ticks))
    assert found.seconds == 1.0  # of 5, 0.5 and 1
    assert found.flop == 2 * (2 * 16 * 64 * 32)  # forward, and the gradient of the weights; x has none
    assert found.total == 200.0
    assert found.on_gpu == pytest.approx(200 * 0.03)
    assert str(found).startswith(
        "200 steps will take about 3 min on this cpu (1.00 s a step, measured), about 6 s on a GPU"
    )
    assert "reckoned" not in str(Estimate(0.1, 1e12, 100, "cuda"))
    assert Estimate(0.1, 1e12, 100, "cpu").on_gpu == pytest.approx(20.0)
    assert (
        str(Estimate(60.0, 1e9, 600, "cuda"))
        == "600 steps will take about 10.0 h on this cuda (60.00 s a step, measured)"
    )

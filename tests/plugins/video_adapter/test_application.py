"""The application end to end on small random models: files, what the options do, refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from small_videos import LOSSLESS, ramp, tiny, write
from torch import Tensor

import scorekit_video_adapter
from scorekit.host.errors import ParameterError
from scorekit.host.runs import execute
from scorekit.host.testing.media import fault
from scorekit_video_adapter import VideoAdapter

PLUGINS = str(Path(scorekit_video_adapter.__file__).parents[1])


@pytest.fixture
def params(small: str, large: str) -> dict[str, Any]:
    return {"adapter": small, "prior": [large], "prompt": "a red mug turning", "steps": 4, "sweep": []}


def made(params: dict[str, Any], folder: Path, seed: int = 0) -> Tensor:
    """The clips (N, 3, T, H, W) of a run."""
    done = execute(VideoAdapter, params, folder, device="cpu", seed=seed)
    assert done.status == "done", done.error
    return load_file(folder / "clips.safetensors")["clips"].float()


def test_a_run_writes_a_film_a_strip_a_sweep_and_what_was_composed(tmp_path: Path, params: dict[str, Any]) -> None:
    clips = made({**params, "sweep": [0.0, 1.0], "count": 2, "gamma": ["1..0.5"]}, tmp_path / "run")
    assert clips.shape == (2, 3, 4, 16, 16)
    assert clips.min() >= 0
    assert clips.max() <= 1
    assert (clips[0] - clips[1]).abs().mean() > 0.01
    for name in ("video.mp4", "filmstrip.png", "sweep.png", "composition.json"):
        assert not fault(tmp_path / "run" / name)
    assert b"avc1" in (tmp_path / "run" / "video.mp4").read_bytes()  # H.264
    import imageio_ffmpeg

    reader = imageio_ffmpeg.read_frames(str(tmp_path / "run" / "video.mp4"))
    about = next(reader)
    frames = [np.frombuffer(frame, np.uint8).reshape(256, 512, 3) for frame in reader]
    assert (about["size"], about["fps"], len(frames)) == ((512, 256), 8.0, 12)
    first = torch.from_numpy(frames[0].copy()).permute(2, 0, 1)[:, ::16, ::16] / 255
    assert (first - torch.cat([clips[0, :, 0], clips[1, :, 0]], 2)).abs().mean() < 0.05
    record = json.loads((tmp_path / "run" / "composition.json").read_text())
    assert record["makes"] == "4 frames of 16 x 16 px (x of shape (3, 4, 16, 16))"
    assert record["priors"][0]["gamma"] == {"log_snr": [-6.0, 6.0], "gamma": [1.0, 0.5]}
    assert record["adapter"]["parameters"] > 1000


def test_gamma_zero_is_the_adapter_and_the_rows_of_a_sweep_are_runs_of_their_own(
    tmp_path: Path, params: dict[str, Any]
) -> None:
    with_none = made({**params, "prior": [], "gamma": ["0.5"]}, tmp_path / "alone")
    without = made({**params, "gamma": ["0"]}, tmp_path / "zero")
    steered = made({**params, "gamma": ["1"]}, tmp_path / "one")
    assert torch.equal(with_none, without)
    assert (steered - without).abs().mean() > 0.01
    execute(VideoAdapter, {**params, "gamma": ["0"], "sweep": [1.0]}, tmp_path / "sweep", device="cpu")
    page = np.asarray(Image.open(tmp_path / "sweep" / "sweep.png")).astype(float) / 255
    row = page[25 : 25 + 96, 8 : 8 + 96][
        3::6, 3::6
    ]  # the middle of each enlarged pixel of the first frame of the first row
    assert np.abs(row - steered[0, :, 0].permute(1, 2, 0).numpy()).max() < 0.01


def test_a_run_that_is_cancelled_half_way_ends_as_one_that_was_not(tmp_path: Path, params: dict[str, Any]) -> None:
    params = {**params, "sweep": [0.0, 1.0]}
    whole = made(params, tmp_path / "whole")

    def stop(event: Any) -> None:
        if event.kind == "progress" and event.data["step"] == 7:  # in the second clip
            (tmp_path / "broken" / "cancel").touch()

    broken = execute(VideoAdapter, params, tmp_path / "broken", device="cpu", on_event=stop)
    assert broken.status == "cancelled"
    (tmp_path / "broken" / "cancel").unlink(missing_ok=True)
    done = execute(VideoAdapter, None, tmp_path / "broken", resume=True)
    assert done.status == "done", done.error
    assert torch.equal(load_file(tmp_path / "broken" / "clips.safetensors")["clips"].float(), whole)
    for name in ("filmstrip.png", "sweep.png"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_several_priors_have_a_strength_each(tmp_path: Path, params: dict[str, Any], large: str) -> None:
    third = tiny(tmp_path / "third", seed=3)
    both = {**params, "prior": [large, third]}
    one = made({**both, "gamma": ["0.7", "0"]}, tmp_path / "a")
    assert torch.equal(one, made({**params, "gamma": ["0.7"]}, tmp_path / "b"))
    assert not torch.equal(one, made({**both, "gamma": ["0.7", "0.7"]}, tmp_path / "c"))


def test_the_first_frame_is_the_picture(tmp_path: Path, params: dict[str, Any]) -> None:
    picture = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    array = (picture * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(array).resize((64, 64), Image.Resampling.NEAREST).save(tmp_path / "first.png")
    clips = made({**params, "image": str(tmp_path / "first.png"), "resample": 2}, tmp_path / "run")
    seen = torch.from_numpy(array.copy()).permute(2, 0, 1) / 255
    assert (clips[0, :, 0] - seen).abs().max() < 2e-3
    assert (clips[0, :, 1] - seen).abs().mean() > 0.05


def test_an_edit_is_nearer_to_its_clip_the_less_it_is_noised(tmp_path: Path, params: dict[str, Any]) -> None:
    source = np.repeat(np.repeat(ramp(8, 16, 16), 2, 1), 2, 2)
    path = str(write(tmp_path / "clip.mp4", source, after=LOSSLESS))
    truth = torch.from_numpy(source[[0, 2, 5, 7]][:, 0, 0, 0].copy()).float() / 255
    gaps = []
    for strength in (0.1, 0.6):
        clips = made({**params, "video": path, "strength": strength}, tmp_path / f"run{strength}")
        gaps.append(float((clips[0] - truth[None, :, None, None]).abs().mean()))
    assert gaps[0] < 0.1
    assert gaps[0] < gaps[1] / 2


def test_longer_clips_go_over_windows(tmp_path: Path, params: dict[str, Any]) -> None:
    clips = made({**params, "frames": 9, "overlap": 2}, tmp_path / "run")
    assert clips.shape == (1, 3, 9, 16, 16)
    picture = tmp_path / "first.png"
    Image.new("RGB", (32, 32), (200, 30, 30)).save(picture)
    clamped = made({**params, "frames": 9, "image": str(picture)}, tmp_path / "clamped")
    assert (clamped[0, :, 0].mean((1, 2)) - torch.tensor([200, 30, 30]) / 255).abs().max() < 0.01


@pytest.mark.parametrize("form", ["paper", "mean", "contrast"])
def test_every_form_takes_every_solver_it_should(tmp_path: Path, params: dict[str, Any], form: str) -> None:
    for solver in ("ddpm", "euler_a", "dpm++2m_sde"):
        assert made({**params, "form": form, "solver": solver}, tmp_path / solver).isfinite().all()
    steps = {"langevin": 2, "langevin_size": 0.1, "solver": "langevin"}
    assert made({**params, "form": form, **steps}, tmp_path / "langevin").isfinite().all()


def test_gamma_is_fitted_on_a_folder_of_clips(tmp_path: Path, params: dict[str, Any]) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        write(folder / name, ramp(6, 16, 16), after=LOSSLESS)
    (folder / "captions.csv").write_text("file,caption\na.mp4,a red mug turning\nb.mp4,a blue mug\n")
    made({**params, "gamma": ["fit"], "validation": str(folder), "form": "mean"}, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "composition.json").read_text())
    fitted = record["priors"][0]["gamma"]
    assert fitted["log_snr"] == [-6.0, -4.0, -2.0, 0.0, 2.0, 4.0]
    assert all(0 <= value <= 49.01 for value in fitted["gamma"])
    assert "gamma of " in (tmp_path / "run" / "log.txt").read_text()


def test_what_does_not_fit_is_one_sentence_and_leaves_nothing(tmp_path: Path, params: dict[str, Any]) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"not a film")
    (tmp_path / "empty.png").touch()
    (tmp_path / "clips").mkdir()
    longer_one = tiny(tmp_path / "eight-frames", frames=8)
    wider_one = tiny(tmp_path / "wide", size=32)
    for wrong, sentence in (
        ({"prior": [longer_one]}, r"small makes 4 frames of 16 x 16 px .* and eight-frames 8 frames of 16 x 16 px .* must agree"),
        ({"prior": [wider_one]}, r"small makes 4 frames of 16 x 16 px .* and wide 4 frames of 32 x 32 px .* must agree"),
        ({"adapter": "pico-image"}, r"pico-image makes samples of shape \(3, 32, 32\), which are no clips"),
        ({"prior": ["pico-image"]}, r"small makes 4 frames of 16 x 16 px .* and pico-image over 4 frames 4 frames of 32 x 32 px"),
        ({"prior": ["no-such-model"]}, "no-such-model"),
        ({"prompt": "a blue giraffe"}, "small does not know 'giraffe'; it knows the words: a, blue, mug"),
        ({"prompt": ""}, "--prompt must be text of 1 to 1000 characters"),
        ({"prompt": "  "}, "--prompt: prompt must hold a word"),
        ({"gamma": ["much"]}, r'--gamma: gamma must be a number such as 0.5, "a\.\.b"'),
        ({"gamma": ["-1"]}, r"--gamma: gamma must lie in \[0, 100\]"),
        ({"gamma": ["0.5", "1"]}, "gamma must be given once, or once for each of the 1 priors, not 2 times"),
        ({"gamma": ["fit"]}, "gamma fit needs validation"),
        ({"gamma": ["fit"], "validation": str(tmp_path / "clips")}, "captions: clips has no captions.csv"),
        ({"sweep": [-1.0]}, r"--sweep: gamma must lie in \[0, 100\]"),
        ({"video": str(tmp_path / "broken.mp4")}, r"video: broken\.mp4 is no clip, or damaged"),
        ({"image": str(tmp_path / "empty.png")}, r"image: empty\.png is empty; PNG"),
        ({"image": str(tmp_path / "empty.png"), "video": str(tmp_path / "broken.mp4")}, "image and video must not be given"),
        ({"frames": 3}, "frames must be at least 4, those of small, not 3"),
        ({"frames": 9, "overlap": 4}, r"overlap must lie in \[0, 3\] for small"),
        ({"solver": "langevin"}, "solver langevin needs langevin steps"),
        ({"solver": "lcm"}, "--solver must be one of ddpm"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=sentence):
            execute(VideoAdapter, {**params, **wrong}, tmp_path / "bad", device="cpu")
        assert not (tmp_path / "bad").exists()


def test_listing_the_package_loads_no_torch() -> None:
    check = "import sys, scorekit_video_adapter; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], env={**os.environ, "PYTHONPATH": PLUGINS}).returncode == 0

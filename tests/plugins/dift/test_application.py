"""The applications end to end: files, truth, refusals."""

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
from torch import Tensor

import scorekit_dift
from scorekit.host.errors import ParameterError
from scorekit.host.runs import execute
from scorekit_dift import Dift, DiftVideo, TrainPicoPhoto
from scorekit_dift.demo import clip, pair, sticker

PLUGINS = str(Path(scorekit_dift.__file__).parents[1])


def png(path: Path, picture: Tensor) -> str:
    Image.fromarray((picture * 255).round().byte().permute(1, 2, 0).numpy()).save(path)
    return str(path)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    source, target, _ = pair()
    return {"source": png(tmp_path / "a.png", source), "target": png(tmp_path / "b.png", target)}


def test_a_run_without_arguments_finds_the_warp(tmp_path: Path) -> None:
    done = execute(Dift, {"features": "npz", "size": 256}, tmp_path / "run", device="cpu")
    assert done.status == "done", done.error
    names = {row["name"] for row in done.record["artifacts"]}
    assert names == {
        "matches.png",
        "heat.png",
        "edited.png",
        "edit.png",
        "source.png",
        "target.png",
        "matches.json",
        "matches.parquet",
        "features.npz",
    }
    found = json.loads((tmp_path / "run" / "matches.json").read_text())
    _, _, truth = pair()
    source, _, _ = pair()
    kept = torch.from_numpy(np.asarray(Image.open(tmp_path / "run" / "source.png")).copy()).permute(2, 0, 1) / 255
    assert (kept - source).abs().max() < 1 / 255
    corners = torch.tensor([[96.0, 96.0], [288.0, 96.0], [288.0, 288.0], [96.0, 288.0]])
    fitted = type(truth)(torch.tensor(found["homography"], dtype=torch.float64), truth.inliers)
    assert (fitted(corners) - truth(corners)).norm(dim=1).max() < 8
    assert done.record["metrics"]["mutual_matches"] == len(found["mutual"]) > 200
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tmp_path / "run" / "matches.parquet")
    assert table.num_rows == len(found["mutual"])
    assert table.column("target_x")[0].as_py() == pytest.approx(found["mutual"][0]["target_x"], abs=1e-3)
    with np.load(tmp_path / "run" / "features.npz") as features:
        assert features["source"].shape[0] == 320


def test_points_edit_and_settings_are_taken(tmp_path: Path, files: dict[str, str]) -> None:
    edit = sticker((384, 384))
    params = {
        **files,
        "points": ["200,90", "120.5,300"],
        "edit": png(tmp_path / "edit.png", edit),
        "warp": "field",
        "size": 192,
        "layers": ["up_blocks.2.resnets.1"],
        "scales": [1.0],
        "t": 0.05,
        "ensemble": 2,
        "whiten": 48,
        "features": "safetensors",
    }
    done = execute(Dift, params, tmp_path / "run", device="cpu")
    assert done.status == "done", done.error
    found = json.loads((tmp_path / "run" / "matches.json").read_text())
    assert [(row["x"], row["y"]) for row in found["points"]] == [(200.0, 90.0), (120.5, 300.0)]
    assert found["features"] == {"layers": ["unet.up_blocks.2.resnets.1"], "t": 0.05, "scales": [1.0], "whiten": 48}
    with Image.open(tmp_path / "run" / "edited.png") as edited:
        assert edited.size == (384, 384)
    from safetensors.torch import load_file

    assert load_file(tmp_path / "run" / "features.safetensors")["target"].shape == (48, 48, 48)


def test_labels_of_a_turning_object_are_carried_better_than_left_in_place(tmp_path: Path) -> None:
    done = execute(DiftVideo, {"frames": 6, "size": 128}, tmp_path / "run", device="cpu")
    assert done.status == "done", done.error
    film = (tmp_path / "run" / "labels.mp4").read_bytes()
    assert film[4:8] == b"ftyp"
    assert b"avc1" in film  # H.264
    with np.load(tmp_path / "run" / "labels.npz") as stored:
        assert stored["labels"].shape == (6, 192, 192)
    metrics = done.record["metrics"]
    assert metrics["mean_iou"] > metrics["mean_iou_of_labels_that_stay_put"]


def test_a_video_from_a_file_with_painted_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import imageio.v2 as imageio

    frames, truth = clip(4, 96)
    path = tmp_path / "clip.mp4"
    with imageio.get_writer(path, format="FFMPEG", fps=8, codec="libx264", macro_block_size=2) as writer:
        for frame in frames:
            writer.append_data((frame * 255).byte().permute(1, 2, 0).numpy())
    colours = torch.tensor(
        [[255, 255, 255], [255, 0, 0], [0, 0, 255], [0, 255, 0], [9, 9, 9], [70, 0, 0], [0, 90, 90], [120, 120, 0]]
    )[truth[0]]
    Image.fromarray(colours.byte().numpy()).save(tmp_path / "labels.png")
    params = {"video": str(path), "labels": str(tmp_path / "labels.png"), "frames": 3, "size": 96}
    done = execute(DiftVideo, params, tmp_path / "run", device="cpu")
    assert done.status == "done", done.error
    Image.new("RGB", (10, 10)).save(tmp_path / "small.png")
    Image.new("1", (10_000, 10_000)).save(tmp_path / "huge.png")
    Image.new("RGB", (40, 40)).save(tmp_path / "other.png")
    (tmp_path / "broken.mp4").write_bytes(b"not a film")
    for name in ("empty.mp4", "empty.png"):
        (tmp_path / name).touch()
    for wrong, sentence in (
        ({"labels": str(tmp_path / "small.png")}, "at least 16 a side"),
        ({"labels": str(tmp_path / "empty.png")}, "labels: empty.png is empty"),
        ({"labels": str(tmp_path / "huge.png")}, "labels: huge.png has 100 megapixels"),
        ({"labels": str(tmp_path / "other.png")}, "labels: they are 40 x 40 px and the video 96 x 96"),
        ({"video": str(tmp_path / "broken.mp4")}, "video: broken.mp4 has no two frames"),
        ({"video": str(tmp_path / "empty.mp4")}, "video: empty.mp4 has no two frames"),
        ({"layers": ["up_blocks.7"]}, "no layer 'up_blocks.7'; its blocks are unet.down_blocks.0"),
        ({"t": -0.1}, "t must be a number from 0 to 1"),
    ):
        with pytest.raises(ParameterError, match=sentence):
            execute(DiftVideo, {**params, **wrong}, tmp_path / "bad", device="cpu")
        assert not (tmp_path / "bad").exists()
    monkeypatch.setattr("scorekit_dift.video_application.MOST_PIXELS", 2 * 96 * 96)
    with pytest.raises(ParameterError, match=r"at 96 x 96 px at most 2 frames of clip\.mp4 can be worked on, not 3"):
        execute(DiftVideo, params, tmp_path / "bad", device="cpu")


def test_the_recipe_runs_for_two_steps(tmp_path: Path) -> None:
    done = execute(TrainPicoPhoto, {"steps": 2, "batch": 2, "crop": 32, "cooldown": 0}, tmp_path / "run", device="cpu")
    assert done.status == "done", done.error
    assert (
        tmp_path / "run" / "pico-photo" / "unet" / "diffusion_pytorch_model.safetensors"
    ).stat().st_size > 10_000_000


def test_bad_files_and_parameters_are_one_sentence_and_leave_nothing(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "corrupt.png").write_bytes(Path(files["source"]).read_bytes()[:2000])
    Image.new("1", (10_000, 10_000)).save(tmp_path / "huge.png")
    Image.new("RGBA", (20, 20)).save(tmp_path / "edit.png")
    for wrong, sentence in (
        ({"source": str(tmp_path / "empty.png")}, r"source: empty\.png is empty; PNG, JPEG and WebP are read"),
        ({"target": str(tmp_path / "corrupt.png")}, r"target: corrupt\.png is no picture, or damaged"),
        ({"target": str(tmp_path / "huge.png")}, "target: huge.png has 100 megapixels; at most 50 are read"),
        ({"layers": ["up_blocks.7"]}, "no layer 'up_blocks.7'; its blocks are unet.down_blocks.0"),
        ({"t": 1.2}, "t must be a number from 0 to 1"),
        ({"points": ["500,10"]}, r"points: \(500, 10\) lies outside the picture, whose x goes from 0 to 384"),
        ({"points": ["ten,10"]}, 'points must be "x,y" in pixels'),
        ({"edit": str(tmp_path / "edit.png")}, "edit: it is 20 x 20 px and the source 384 x 384"),
        ({"target": None}, "source and target must be given together"),
        ({"prompt": "a cat"}, "takes no prompt"),
    ):
        with pytest.raises(ParameterError, match=sentence):
            execute(Dift, {**files, **wrong}, tmp_path / "run", device="cpu")
        assert not (tmp_path / "run").exists()


def test_listing_the_applications_loads_no_torch() -> None:
    check = "import sys, scorekit_dift; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], env={**os.environ, "PYTHONPATH": PLUGINS}).returncode == 0


def test_parameters_have_a_word_for_every_wrong_number() -> None:
    params: dict[str, Any]
    for params, word in (
        ({"t": 2}, "less than or equal to 1"),
        ({"scales": [9]}, "scales must be factors"),
        ({"ensemble": 0}, "greater"),
    ):
        with pytest.raises(ValueError, match=word):
            Dift.Params(**params)

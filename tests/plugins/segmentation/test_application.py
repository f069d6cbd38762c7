"""The application end to end, and what it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import scorekit_segmentation
from scorekit.host.errors import ParameterError
from scorekit.host.runs import execute
from scorekit_segmentation import Segmentation

PLUGINS = str(Path(scorekit_segmentation.__file__).parents[1])


def test_a_run_without_arguments_writes_masks_that_tile_the_picture(tmp_path: Path) -> None:
    done = execute(Segmentation, {"steps": 4}, tmp_path / "run", device="cpu")
    assert done.status == "done", done.error
    folder = tmp_path / "run"
    labels = np.asarray(Image.open(folder / "labels.png"))
    rows = json.loads((folder / "masks.json").read_text())["masks"]
    assert labels.shape == (32, 32)
    assert sum(row["pixels"] for row in rows) == 32 * 32
    total = sum(np.asarray(Image.open(folder / "masks" / f"{row['mask']}.png")).astype(int) for row in rows)
    assert (total == 255).all()
    assert Image.open(folder / "overlay.png").size == (512, 256)
    assert 0.3 < done.record["metrics"]["mean_iou_of_true_parts"] <= 1


def test_bad_files_and_layers_are_one_sentence_and_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "corrupt.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    Image.new("1", (10_000, 10_000)).save(tmp_path / "huge.png")
    Image.new("RGB", (40, 30), "red").save(tmp_path / "fine.png")
    fine = str(tmp_path / "fine.png")
    for wrong, sentence in (
        ({"image": str(tmp_path / "empty.png")}, r"image: empty\.png is empty"),
        ({"image": str(tmp_path / "corrupt.png")}, r"image: corrupt\.png is no picture, or damaged"),
        ({"image": str(tmp_path / "huge.png")}, "image: huge.png has 100 megapixels; at most 50 are read"),
        (
            {"image": fine, "read_layer": "up_blocks.5"},
            "read_layer: there is no cross-attention 'up_blocks.5'; there are unet.up",
        ),
        ({"image": fine, "t_modulate": 1.5}, "t-modulate must be a number above 0 and up to 1"),
        ({"image": fine, "clusters": 200}, "clusters must be from 2 to 64"),
        ({"image": fine, "prompt": "a zebra"}, "zebra"),
    ):
        with pytest.raises(ParameterError, match=sentence):
            execute(Segmentation, wrong, tmp_path / "run", device="cpu")
        assert not (tmp_path / "run").exists()


def test_listing_the_application_loads_no_torch() -> None:
    check = "import sys, scorekit_segmentation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], env={**os.environ, "PYTHONPATH": PLUGINS}).returncode == 0

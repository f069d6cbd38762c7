"""`--model`: of a plugin, embedded, a folder; and what is said before anything is written when there is none."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import scorekit.models

Scorekit = Callable[..., "subprocess.CompletedProcess[str]"]


def test_a_model_of_a_plugin_is_listed_and_loaded(here: Scorekit, tmp_path: Path) -> None:
    [row] = [row for row in json.loads(here("models", "--json").stdout) if row["name"] == "toy"]
    assert (row["origin"], row["summary"]) == ("plugin", "A model of its own kind.")
    done = here("run", "look", "--device", "cpu", "--dtype", "bfloat16", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "seen.txt").read_text() == "toy on cpu in torch.bfloat16 torch.bfloat16 cpu"
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["models"]["toy"]["kind"] == "plugin"
    assert "--model=toy" in record["command"]


def test_an_unknown_model_is_one_sentence_and_nothing_is_written(here: Scorekit, tmp_path: Path) -> None:
    done = here("run", "look", "--model", "pico-imagg")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--model 'pico-imagg' is not known" in done.stderr
    assert re.search(r"Plugins bring (.*, )?toy\.", done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_cannot_be_read_is_bad_input(here: Scorekit, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    assert "without model_index.json" in here("run", "look", "--model", "./weights").stderr
    (tmp_path / "weights" / "model_index.json").write_text('{"_class_name": "NoSuchPipeline"}')
    done = here("run", "look", "--model", "./weights", "--out", "out")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif("pico-image" not in scorekit.models.embedded(), reason="its weights are not in this checkout")
def test_the_embedded_model_is_recorded_with_its_hash(here: Scorekit, tmp_path: Path) -> None:
    assert "pico-image" in here("models").stdout
    assert here("run", "look", "--model", "pico-image", "--out", "out").returncode == 0
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["models"]["pico-image"]["sha256"] == scorekit.models.identity("pico-image")["sha256"] is not None

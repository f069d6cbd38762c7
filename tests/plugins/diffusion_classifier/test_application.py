"""The application end to end on an exact model: one picture, sets, calibration, resume, budgets, refusals."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from scorekit.host.errors import ParameterError
from scorekit.host.runs import execute
from scorekit_diffusion_classifier import DiffusionClassifier
from scorekit_diffusion_classifier.classify import shipped

pytestmark = pytest.mark.usefixtures("installed")


def run(out: Path, model: str = "exact-colours", **params: Any) -> Any:
    return execute(DiffusionClassifier, params, out, seed=3, model=model, device="cpu")


def written(picture: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((picture.permute(1, 2, 0) * 255).round().byte().numpy()).save(path)
    return path


def a_set(folder: Path, colours: Any, each: int = 6, std: float = 0.9, seed: int = 0) -> Path:
    for k, caption in enumerate(colours.CAPTIONS):
        for i in range(each):
            written(colours.drawn(k, 100 * k + i + 1000 * seed, std), folder / caption.replace(" ", "_") / f"{i}.png")
    return folder


def test_one_picture_gets_its_caption_its_probabilities_and_its_figures(tmp_path: Path, colours: Any) -> None:
    image = written(colours.drawn(2, 5), tmp_path / "x.png")
    done = run(tmp_path / "run", image=image, classes=", ".join(colours.CAPTIONS), levels=32)
    assert done.status == "done", done.error
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["class"] == "a blue bar"
    assert verdict["classes"][0]["class"] == "a blue bar"
    assert sum(row["probability"] for row in verdict["classes"]) == pytest.approx(1)
    assert verdict["evaluations"] == sum(row["levels"] for row in verdict["classes"]) <= 4 * 32
    assert done.record["metrics"]["evaluations"] == verdict["evaluations"]
    assert not verdict["calibrated"]
    for name in ("probabilities.png", "race.png"):
        with Image.open(tmp_path / "run" / name) as picture:
            assert min(picture.size) > 200
            assert np.asarray(picture.convert("L")).std() > 5


def test_a_set_becomes_a_table_with_accuracy_and_confusion(tmp_path: Path, colours: Any) -> None:
    data = a_set(tmp_path / "set", colours)
    (data / "a_red_square" / "9.png").write_bytes(b"broken")
    done = run(tmp_path / "run", data=data, levels=16, group=5)
    assert done.status == "done", done.error
    table = pyarrow.parquet.read_table(tmp_path / "run" / "predictions.parquet").to_pylist()
    assert len(table) == 25
    assert [row["path"] for row in table if row["error"]] == [str(data / "a_red_square" / "9.png")]
    read = [row for row in table if not row["error"]]
    right = sum(row["label"] == row["said"] for row in read)
    assert right >= 22
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["accuracy"]["hits"] == right
    assert verdict["unreadable"] == 1
    assert np.trace(np.array(verdict["confusion"])) == right
    assert sum(map(sum, verdict["confusion"])) == 24
    assert done.record["metrics"]["accuracy"] == right / 24
    assert verdict["evaluations"] == sum(row["evaluations"] for row in read)
    for row in read:
        assert sum(value for name, value in row.items() if name.startswith("p(")) == pytest.approx(1)
    with open(tmp_path / "run" / "predictions.csv") as file:
        assert [row["said"] for row in csv.DictReader(file)] == [row["said"] or "" for row in table]
    assert (tmp_path / "run" / "confusion.png").stat().st_size > 1000


def test_a_csv_may_be_unlabelled_and_classes_may_be_named(tmp_path: Path, colours: Any) -> None:
    written(colours.drawn(0, 1), tmp_path / "a.png")
    (tmp_path / "list.csv").write_text("path,label\na.png,\na.png,something else\n")
    done = run(tmp_path / "run", data=tmp_path / "list.csv", classes="red; green", template="a {} square", levels=8)
    assert done.status == "done", done.error
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert "accuracy" not in verdict
    table = pyarrow.parquet.read_table(tmp_path / "run" / "predictions.parquet").to_pylist()
    assert [row["said"] for row in table] == ["red", "red"]
    assert not (tmp_path / "run" / "confusion.png").exists()


def test_calibration_is_learned_kept_and_used_again(tmp_path: Path, colours: Any) -> None:
    known, fresh = a_set(tmp_path / "known", colours, 10, 1.6), a_set(tmp_path / "fresh", colours, 10, 1.6, seed=1)
    first = run(tmp_path / "first", data=fresh, calibration=known, levels=16)
    assert first.status == "done", first.error
    learned = json.loads((tmp_path / "first" / "calibration.json").read_text())
    assert learned["pictures"] == 40
    assert learned["ece_after"] <= learned["ece_before"] + 0.02
    again = run(tmp_path / "again", data=fresh, calibration=tmp_path / "first" / "calibration.json", levels=16)
    assert again.status == "done", again.error
    for name in ("predictions.csv", "verdict.json"):
        one, two = ((tmp_path / folder / name).read_text() for folder in ("first", "again"))
        if name.endswith(".csv"):
            one, two = (_without_seconds(text) for text in (one, two))
        assert one == two
    assert first.record["metrics"]["expected_calibration_error"] < 0.3


def _without_seconds(text: str) -> list[dict[str, str]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(text.splitlines())]


@pytest.mark.parametrize("at", [10, 35, 50])
def test_a_resumed_run_ends_as_the_uninterrupted_one(tmp_path: Path, colours: Any, at: int) -> None:
    data = a_set(tmp_path / "set", colours, 5, 1.2)
    params = {"data": data, "calibration": a_set(tmp_path / "known", colours, 9, 1.2, seed=2), "levels": 8, "group": 5}
    whole = run(tmp_path / "whole", **params)
    assert whole.status == "done", whole.error
    cut = tmp_path / "cut"

    def cancel(event: Any) -> None:
        if event.kind == "progress" and event.data["step"] >= at:
            (cut / "cancel").touch()

    stopped = execute(DiffusionClassifier, params, cut, seed=3, model="exact-colours", device="cpu", on_event=cancel)
    assert stopped.status == "cancelled"
    (cut / "cancel").unlink(missing_ok=True)
    resumed = execute(DiffusionClassifier, out=cut, resume=True)
    assert resumed.status == "done", resumed.error
    assert whole.record["metrics"] == resumed.record["metrics"]
    for name in ("verdict.json", "calibration.json", "confusion.png"):
        assert (tmp_path / "whole" / name).read_bytes() == (cut / name).read_bytes()
    one, two = (_without_seconds((folder / "predictions.csv").read_text()) for folder in (tmp_path / "whole", cut))
    assert one == two


def test_a_budget_of_evaluations_binds(tmp_path: Path, colours: Any) -> None:
    data = a_set(tmp_path / "set", colours, 3, 2.0)
    done = run(tmp_path / "run", data=data, evaluations=18, confidence=1)
    table = pyarrow.parquet.read_table(tmp_path / "run" / "predictions.parquet").to_pylist()
    assert {row["evaluations"] for row in table} == {16}
    assert done.record["metrics"]["evaluations_per_picture"] == 16


def test_a_budget_of_seconds_ends_the_race_after_a_stage(tmp_path: Path, colours: Any) -> None:
    image = written(colours.drawn(0, 1, 2.0), tmp_path / "x.png")
    run(tmp_path / "run", image=image, classes=", ".join(colours.CAPTIONS), seconds=1e-6, confidence=1)
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["evaluations"] == 4 * len(colours.CAPTIONS)
    assert not verdict["decided"]


def test_the_embedded_model_has_its_example(tmp_path: Path) -> None:
    done = run(tmp_path / "run", model="pico-image")
    assert done.status == "done", done.error
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["class"] == "a red mushroom"
    assert len(verdict["classes"]) == 8


def test_a_shipped_calibration_is_of_its_model(model: Any) -> None:
    assert shipped(model) is None
    from scorekit.models import load

    found = shipped(load("pico-image"))
    assert found is None or (found.model == "pico-image" and found.kind == "v")


def test_bad_input_is_refused_in_one_sentence(tmp_path: Path, colours: Any) -> None:
    image = written(colours.drawn(0, 1), tmp_path / "x.png")
    empty, hollow, one = tmp_path / "empty.png", tmp_path / "hollow", tmp_path / "one"
    empty.touch()
    corrupt, huge = tmp_path / "corrupt.png", tmp_path / "huge.png"
    corrupt.write_bytes(image.read_bytes()[:60])
    Image.new("1", (10_000, 10_000)).save(huge)
    hollow.mkdir()
    written(colours.drawn(0, 1), one / "red" / "x.png")
    other = tmp_path / "calibration.json"
    record = {
        "model": "other",
        "kind": "v",
        "loss": "l2",
        "profile": {"weights": [1.0], "density": [1.0]},
        "temperature": 1.0,
    }
    other.write_text(json.dumps(record))
    both = "red, green"
    for params, message in [
        ({"image": image, "classes": "red"}, "classes must be two or more, with commas between them; got 1"),
        ({"image": image, "classes": " , "}, "classes must be two or more, with commas between them; got 0"),
        ({"image": image, "classes": "red,red"}, "classes must differ from each other"),
        ({"image": image}, "classes must be given with an image"),
        ({"image": image, "data": one}, "image and data cannot both be given"),
        ({"image": image, "classes": "red, purple"}, "no caption of exact-colours holds all the words of 'purple'"),
        ({"image": empty, "classes": both}, "is empty"),
        ({"image": corrupt, "classes": both}, "cannot be read"),
        ({"image": huge, "classes": both}, "has 100 megapixels; at most 50 are read"),
        ({"image": tmp_path / "list", "classes": both}, "image"),
        ({"data": hollow}, "data must be a folder with one folder of pictures for each class"),
        ({"data": one}, "classes must be two or more; got 1"),
        ({"image": image, "classes": both, "template": "a thing"}, "template must hold {} once"),
        (
            {"image": image, "classes": "red, green, blue", "evaluations": 5},
            "evaluations must be at least 6, two for each of the 3",
        ),
        ({"image": image, "classes": both, "first": 8, "levels": 4}, "first must be at most levels; got 8 and 4"),
        ({"image": image, "classes": both, "calibration": other}, "is of the model other, not exact-colours"),
        (
            {"image": image, "classes": both, "calibration": one},
            "calibration needs 8 or more pictures of two or more classes; got 1",
        ),
        ({"image": image, "classes": both, "calibration": other, "use_calibration": False}, "one of the two"),
    ]:
        with pytest.raises(ParameterError) as error:
            run(tmp_path / "run", **params)
        assert message in str(error.value), params
        assert str(error.value).count("\n") == 0
    record["model"] = "exact-colours"
    other.write_text(json.dumps(record))
    with pytest.raises(ParameterError, match="is of errors of kind v with loss l2: kind and loss must be the same"):
        run(tmp_path / "run", image=image, classes=both, calibration=other, loss="l1")
    with pytest.raises(ParameterError, match="--model 'no-such' is not known"):
        run(tmp_path / "run", model="no-such", image=image, classes=both)
    (one / "green").mkdir()
    for name in ("red", "green"):
        (one / name / "x.png").write_bytes(b"broken")
    failed = run(tmp_path / "failing", data=one)
    assert failed.status == "failed"
    assert str(failed.error).startswith("none of the 2 pictures can be read; the first: image ")


def test_seeds_give_the_same_verdict_twice(tmp_path: Path, colours: Any) -> None:
    image = written(colours.drawn(1, 5, 2.0), tmp_path / "x.png")
    for name in ("a", "b"):
        run(tmp_path / name, image=image, classes="; ".join(colours.CAPTIONS))
    assert (tmp_path / "a" / "verdict.json").read_bytes() == (tmp_path / "b" / "verdict.json").read_bytes()

"""The application end to end on an exact score: files, resume, refusals. No trained weights are needed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from scorekit.host.errors import ParameterError
from scorekit.host.runs import execute
from scorekit_text_to_3d import TextTo3D
from scorekit_text_to_3d.parameters import TextTo3DParams

QUICK = {
    "steps": 8,
    "resolution": 16,
    "samples": 8,
    "views": 2,
    "mesh_resolution": 24,
    "film_frames": 3,
    "picture_size": 32,
}


@pytest.fixture(autouse=True)
def exact_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the model of exact_model.py as a plugin's, and write checkpoints at every step."""
    info = tmp_path / "site" / "exact_model-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: exact-model\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[scorekit.plugins]\nexact = exact_model\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("SCOREKIT_CHECKPOINT_SECONDS", "0")


def run(out: Path, **params: Any) -> Any:
    return execute(TextTo3D, {**QUICK, **params}, out, seed=3, model="exact-pictures", device="cpu")


def test_a_run_leaves_a_mesh_a_film_and_pictures(tmp_path: Path) -> None:
    done = run(tmp_path / "run")
    assert done.status == "done", done.error
    mesh = trimesh.load(tmp_path / "run" / "mesh.glb", force="mesh")
    assert mesh.is_watertight
    assert done.record["metrics"]["faces"] == len(mesh.faces) > 100
    assert (tmp_path / "run" / "mesh.obj").read_text().startswith(("v ", "#", "o "))
    film = (tmp_path / "run" / "turntable.mp4").read_bytes()
    assert film[4:8] == b"ftyp"
    assert b"avc1" in film  # H.264
    assert {row["name"] for row in done.record["artifacts"]} == {"mesh.glb", "mesh.obj", "turntable.mp4", "views.png"}
    assert (tmp_path / "run" / "preview.jpg").stat().st_size > 500


@pytest.mark.parametrize("field", ["grid", pytest.param("hash", marks=pytest.mark.slow)])
def test_a_resumed_run_ends_as_the_uninterrupted_one(tmp_path: Path, field: str) -> None:
    whole = run(tmp_path / "whole", field=field, method="csd", lambertian=0.5)
    folder, event_count = tmp_path / "cut", 0

    def cancel_at_step_5(event: Any) -> None:
        nonlocal event_count
        event_count += event.kind == "progress"
        if event.kind == "progress" and event.data["step"] == 5:
            (folder / "cancel").touch()

    params = {**QUICK, "field": field, "method": "csd", "lambertian": 0.5}
    cut = execute(TextTo3D, params, folder, seed=3, model="exact-pictures", device="cpu", on_event=cancel_at_step_5)
    assert cut.status == "cancelled"
    (folder / "cancel").unlink(missing_ok=True)
    resumed = execute(TextTo3D, out=folder, resume=True)
    assert resumed.status == "done", resumed.error
    assert event_count == 5
    first, second = (trimesh.load(r / "mesh.glb", force="mesh") for r in (tmp_path / "whole", folder))
    np.testing.assert_array_equal(first.vertices, second.vertices)
    np.testing.assert_array_equal(first.visual.vertex_colors, second.visual.vertex_colors)
    assert whole.record["metrics"] == resumed.record["metrics"]


def test_perp_neg_and_random_backgrounds_run(tmp_path: Path) -> None:
    done = run(tmp_path / "run", perp_neg=True, background="random", textureless=0.5, w_orientation=0.01)
    assert done.status == "done", done.error
    lines = [json.loads(line) for line in (tmp_path / "run" / "progress.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 9))
    assert all(np.isfinite(line["metrics"]["loss"]) for line in lines)


def test_an_unknown_prompt_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="zebra"):
        run(tmp_path / "run", prompt="a zebra")
    assert not (tmp_path / "run").exists()


def test_a_field_that_dissolves_is_reported_and_no_mesh_is_written(tmp_path: Path) -> None:
    gone = run(tmp_path / "run", w_sparsity=1000.0, lr=2.0, steps=20, guidance=0.0)
    assert gone.status == "failed"
    assert "the field is empty" in gone.error
    assert not (tmp_path / "run" / "mesh.glb").exists()


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"prompt": " "}, "prompt must not be empty"),
        ({"t_min": 0.5}, "t_min must be below"),
        ({"lambertian": 0.7, "textureless": 0.7}, "together at most 1"),
        ({"views": 0}, "greater than or equal to 1"),
        ({"field": "mesh"}, "'grid' or 'hash'"),
    ],
)
def test_bad_parameters_are_named(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TextTo3DParams(**params)

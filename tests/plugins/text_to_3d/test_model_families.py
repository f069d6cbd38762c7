"""The same command on the classes of Stable Diffusion and DeepFloyd IF: small, random, saved to and loaded from disk."""

from pathlib import Path

import pytest
import torch
from small_models import deepfloyd, saved, stable_diffusion

from scorekit.host.runs import execute
from scorekit.models import load
from scorekit.zoo.judge import Judge
from scorekit_text_to_3d import TextTo3D
from scorekit_text_to_3d.cameras import orbit
from scorekit_text_to_3d.optimise import Sculptor
from scorekit_text_to_3d.parameters import TextTo3DParams
from scorekit_text_to_3d.raster import rasterise

SHORT = {
    "steps": 3,
    "resolution": 16,
    "samples": 8,
    "views": 2,
    "mesh_resolution": 24,
    "film_frames": 2,
    "picture_size": 32,
}


@pytest.mark.parametrize("family", ["epsilon", "v_prediction", "deepfloyd"])
def test_a_model_folder_of_the_family_makes_a_mesh(family: str, tmp_path: Path) -> None:
    pipe = deepfloyd() if family == "deepfloyd" else stable_diffusion(family)
    _, folder = saved(pipe, tmp_path / family)
    done = execute(TextTo3D, {**SHORT, "prompt": "a red mushroom"}, tmp_path / "run", model=str(folder), device="cpu")
    assert done.status == "done", done.error
    assert (tmp_path / "run" / "mesh.glb").stat().st_size > 1000
    assert done.record["models"][str(folder)]["sha256"]


def test_the_gradient_reaches_the_field_through_the_vae(tmp_path: Path) -> None:
    _, folder = saved(stable_diffusion("epsilon"), tmp_path / "sd")
    params = TextTo3DParams(
        prompt="a red mushroom", w_entropy=0, w_density_tv=0, w_colour_tv=0, **{**SHORT, "steps": 10}
    )
    sculptor = Sculptor(load(folder), params, 0, torch.Generator().manual_seed(0))
    before = [p.detach().clone() for p in sculptor.field.parameters()]
    sculptor.step(0)
    assert any(not torch.equal(a, b) for a, b in zip(before, sculptor.field.parameters(), strict=True))


@pytest.mark.slow
def test_the_embedded_model_makes_what_was_asked_for() -> None:
    from scorekit_text_to_3d.mesh import extract

    params = TextTo3DParams(prompt="a red mushroom", steps=250)
    sculptor = Sculptor(load("pico-image"), params, 0, torch.Generator().manual_seed(0))
    for step in range(params.steps):
        sculptor.step(step)
    assert Judge.load().decide(rasterise(extract(sculptor.field), orbit(8), 64)[0]) == ("mushroom", "red")

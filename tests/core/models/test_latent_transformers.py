"""SD3, Flux, PixArt and DiT sample what the pipelines of diffusers sample, from the same seed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import dit, flux, pixart, saved, sd3, sdxl
from torch import Tensor

from scorekit.models import load
from scorekit.models.prompts import with_guidance
from scorekit.sampling import sample
from scorekit.schedule import Flow

PROMPTS = ["a red mushroom", "a blue cube"]


def guided(model: Any, prompts: Any, scale: float) -> Any:
    null = model.given(None)
    return null + scale * (model.given(prompts) - null)


def levels(schedule: Flow, sigmas: Tensor) -> Tensor:
    """The t of the sigmas that a scheduler visited."""
    sigmas = sigmas.double()
    return schedule.at_log_snr(2 * ((1 - sigmas) / sigmas).log())


@pytest.mark.parametrize("with_t5", [True, False])
def test_sd3_is_its_pipeline(with_t5: bool, tmp_path: Path) -> None:
    pipe, folder = saved(sd3(with_t5), tmp_path / "tiny-sd3")
    model = load(str(folder))
    assert (model.shape, model.prediction, model.schedule) == ((4, 8, 8), "flow", Flow(shift=3.0))
    assert model.prompts(PROMPTS).fields["text"].shape == (2, 16 + 256, 48)
    options = {"num_inference_steps": 5, "guidance_scale": 4.0}
    theirs = pipe(PROMPTS, generator=torch.manual_seed(1), output_type="pt", **options).images
    # This scheduler shifts twice: its levels are not those of one shift, so they are handed over.
    visited = levels(model.schedule, pipe.scheduler.sigmas)
    noise = torch.randn(2, 4, 8, 8, generator=torch.manual_seed(1))
    ours = sample(guided(model, PROMPTS, 4.0), 2, solver="euler", levels=visited, x_T=noise)
    # float32 on both sides; the scheduler's sigmas are float32.
    assert (model.decode(ours) - theirs).abs().max() < 1e-4
    assert (ours[0] - ours[1]).abs().max() > 1e-3


@pytest.mark.parametrize("guidance", [True, False], ids=["dev", "schnell"])
def test_flux_is_its_pipeline(guidance: bool, tmp_path: Path) -> None:
    """A wide picture: blocks in reading order, and a shift that follows their number."""
    pipe, folder = saved(flux(guidance), tmp_path / "tiny-flux")
    model = load(str(folder), size=(16, 24))
    assert (model.shape, model.prediction) == ((4, 8, 12), "flow")
    # The tiny autoencoder halves the side; the pipeline's own conversion from pixels to latents uses the same factor.
    scale = 3.5 if guidance else 0.0
    options = {"num_inference_steps": 5, "guidance_scale": scale, "height": 16, "width": 24}
    theirs = pipe(PROMPTS, generator=torch.manual_seed(1), output_type="pt", **options).images
    noise = torch.randn(2, 4, 8, 12, generator=torch.manual_seed(1))
    # Flux's pipeline hands its scheduler even levels, which it shifts once: the schedule's own grid.
    ours = sample(model.given(PROMPTS), 2, solver="euler", steps=5, spacing="uniform", x_T=noise)
    assert (model.decode(ours) - theirs).abs().max() < 1e-4
    assert (ours[0] - ours[1]).abs().max() > 1e-3


def test_flux_with_another_guidance(tmp_path: Path) -> None:
    pipe, folder = saved(flux(), tmp_path / "tiny-flux")
    model = load(str(folder), size=(16, 16))
    options = {"num_inference_steps": 2, "guidance_scale": 2.0, "height": 16, "width": 16}
    theirs = pipe(PROMPTS, generator=torch.manual_seed(1), output_type="pt", **options).images
    noise = torch.randn(2, 4, 8, 8, generator=torch.manual_seed(1))
    score = model.given(with_guidance(model.prompts(PROMPTS), 2.0))
    ours = sample(score, 2, solver="euler", steps=2, spacing="uniform", x_T=noise)
    assert (model.decode(ours) - theirs).abs().max() < 1e-4
    plain = sample(model.given(PROMPTS), 2, solver="euler", steps=2, spacing="uniform", x_T=noise)
    assert (ours - plain).abs().max() > 1e-4
    assert load(str(folder)).shape == (4, 128, 128)  # Flux names no size; its pipeline makes 128 latents


@pytest.mark.parametrize(("kind", "size", "patch"), [("alpha", 8, 2), ("sigma", 8, 2), ("alpha", 128, 16)])
def test_pixart_is_its_pipeline(kind: str, size: int, patch: int, tmp_path: Path) -> None:
    """Of size 128 the network is told resolution and aspect ratio, as the pipeline does for that size alone."""
    pipe, folder = saved(pixart(kind, size, patch), tmp_path / "tiny-pixart")
    model = load(str(folder))
    condition = model.prompts(["A Red cube "])
    assert condition.fields["text"].shape == (1, 120 if kind == "alpha" else 300, 16)
    assert ("resolution" in condition.fields) is (size == 128)
    options = {"num_inference_steps": 4, "guidance_scale": 4.5, "clean_caption": False, "use_resolution_binning": False}
    theirs = pipe([" A Red mushroom", "a blue cube"], generator=torch.manual_seed(1), output_type="latent", **options)
    ours = sample(guided(model, PROMPTS, 4.5), 2, solver="ddim", steps=4, generator=torch.manual_seed(1))
    # The linear betas end at alpha = .0064: x0 there magnifies float32's rounding 150 times.
    assert (ours - theirs.images).abs().max() < 1e-3 * theirs.images.abs().max()
    assert (ours[0] - ours[1]).abs().max() > 1e-3


def test_dit_is_its_pipeline(tmp_path: Path) -> None:
    pipe, folder = saved(dit(), tmp_path / "tiny-dit")
    model = load(str(folder))
    options = {"num_inference_steps": 5, "guidance_scale": 4.0}
    theirs = pipe([1, 879], generator=torch.manual_seed(1), output_type="pt", **options).images
    ours = sample(guided(model, ["Goldfish", "879"], 4.0), 2, solver="ddim", steps=5, generator=torch.manual_seed(1))
    assert (model.decode(ours) - theirs).abs().max() < 1e-4
    assert (ours[0] - ours[1]).abs().max() > 1e-3


def test_classes_have_names_and_numbers(tmp_path: Path) -> None:
    _, folder = saved(dit(), tmp_path / "tiny-dit")
    model = load(str(folder))
    assert model.prompts(["Tinca tinca", " 879 ", "umbrella"]).fields["classes"].tolist() == [0, 879, 879]
    assert model.prompts(["0"]).key == model.prompts(["tench"]).key
    assert model.prompts(None).fields["classes"].tolist() == [1000]
    with pytest.raises(
        ValueError, match="takes a number from 0 to 999, or a name of a class such as 'goldfish', not 'gold'"
    ):
        model.given("gold")
    with pytest.raises(ValueError, match="not '1000'"):
        model.given("1000")
    with pytest.raises(ValueError, match="makes pictures of one size only"):
        load(str(folder), size=(16, 16))


@torch.no_grad()
@pytest.mark.parametrize("make", [sdxl, sd3, flux, pixart])
def test_half_precision(make: Any, tmp_path: Path) -> None:
    """Fields of every kind are handed over in the network's dtype; results keep the caller's."""
    folder = str(saved(make(), tmp_path / "model")[1])
    full, half = (load(folder, size=(16, 16), dtype=dtype) for dtype in (None, torch.bfloat16))
    assert {p.dtype for p in half.network.parameters()} == {torch.bfloat16}
    x = torch.randn(1, *full.shape)
    a, b = full.given(PROMPTS[0])(x, 0.5).output, half.given(PROMPTS[0])(x, 0.5).output
    assert b.dtype == torch.float32
    assert (a - b).abs().max() < 0.05 * a.abs().max()


def test_sd3_has_a_largest_picture(tmp_path: Path) -> None:
    folder = str(saved(sd3(False), tmp_path / "tiny-sd3")[1])
    assert load(folder, size=(32, 16)).shape == (4, 16, 8)
    with pytest.raises(ValueError, match=r"^size: tiny-sd3 makes pictures of at most 32 pixels a side, not \(16, 36\)"):
        load(folder, size=(16, 36))

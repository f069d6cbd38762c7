"""SDXL and LCM: what their unets are told beside the text."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import saved, sdxl, stable_diffusion

from scorekit.models import load
from scorekit.models.prompts import with_guidance, with_sizes
from scorekit.sampling import sample

PROMPTS = ["a red mushroom", "a blue cube"]


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    return saved(sdxl(), tmp_path_factory.mktemp("xl") / "tiny-xl")


@pytest.fixture(scope="module")
def lcm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    return saved(stable_diffusion("epsilon", time_cond_proj_dim=16), tmp_path_factory.mktemp("lcm") / "tiny-lcm")


def guided(model: Any, scale: float) -> Any:
    null = model.given(None)
    return null + scale * (model.given(PROMPTS) - null)


@pytest.mark.parametrize("forced", [True, False])
def test_it_is_the_pipeline(forced: bool, tmp_path: Path) -> None:
    """The null condition is zeros where the pipeline says so, and the empty text where it does not."""
    pipe, folder = saved(sdxl(forced), tmp_path / "xl")
    model = load(str(folder))
    assert (model.shape, model.prediction) == ((4, 8, 8), "eps")
    assert bool((model.prompts(None).fields["text"] == 0).all()) is forced
    theirs = pipe(
        PROMPTS, num_inference_steps=5, guidance_scale=5.0, generator=torch.manual_seed(1), output_type="pt"
    ).images
    ours = sample(guided(model, 5.0), 2, solver="ddim", steps=5, generator=torch.manual_seed(1))
    # diffusers keeps alpha_bar in float32; nothing else differs.
    assert (model.decode(ours) - theirs).abs().max() < 1e-4
    assert (ours[0] - ours[1]).abs().max() > 1e-3


def test_turbo_is_one_step(xl: tuple[Any, Path], tmp_path: Path) -> None:
    """SDXL-Turbo is the same network on the Euler scheduler, without guidance, in one step from t = 1."""
    from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionXLPipeline

    pipe = StableDiffusionXLPipeline.from_pretrained(xl[1], add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = EulerAncestralDiscreteScheduler.from_config(pipe.scheduler.config)
    pipe.save_pretrained(tmp_path / "turbo")
    model = load(str(tmp_path / "turbo"))
    options = {"num_inference_steps": 1, "guidance_scale": 0.0, "generator": torch.manual_seed(2)}
    theirs = pipe(PROMPTS, output_type="latent", **options).images
    noise = torch.randn(2, 4, 8, 8, generator=torch.manual_seed(2))
    # The pipeline starts from its highest noise alone, sigma in our variables.
    start = noise * float(model.schedule.sigma(1.0))
    ours = sample(model.given(PROMPTS), 2, solver="euler", steps=1, x_T=start)
    # One step from alpha = .068: x0 is the difference of two numbers 15 times its size.
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


def test_sizes_are_those_of_the_pipeline(xl: tuple[Any, Path]) -> None:
    pipe, folder = xl
    model = load(str(folder))
    condition = with_sizes(model.prompts(PROMPTS), (512, 384), crop=(8, 0), target=(24, 20))
    noise = torch.randn(2, 4, 8, 8, generator=torch.manual_seed(3))
    options = {"original_size": (512, 384), "crops_coords_top_left": (8, 0), "target_size": (24, 20)}
    theirs = pipe(
        PROMPTS, num_inference_steps=2, guidance_scale=1.0, latents=noise.clone(), output_type="latent", **options
    ).images
    ours = sample(model.given(condition), 2, solver="ddim", steps=2, x_T=noise)
    assert (ours - theirs).abs().max() < 2e-5 * theirs.abs().max()
    plain = sample(model.given(PROMPTS), 2, solver="ddim", steps=2, x_T=noise)
    assert (ours - plain).abs().max() > 1e-4


def test_other_sizes_than_its_own(xl: tuple[Any, Path]) -> None:
    """A wide picture: the latents are as large as asked for, and the network is told so."""
    pipe, folder = xl
    model = load(str(folder), size=(8, 24))
    assert model.shape == (4, 4, 12)
    assert model.prompts(None).fields["sizes"].tolist() == [[8, 24, 0, 0, 8, 24]]
    assert model.decode(torch.zeros(1, 4, 4, 12)).shape == (1, 3, 8, 24)
    noise = torch.randn(1, 4, 4, 12, generator=torch.manual_seed(3))
    options = {"height": 8, "width": 24, "num_inference_steps": 2, "guidance_scale": 1.0, "latents": noise.clone()}
    theirs = pipe(PROMPTS[:1], output_type="latent", **options).images
    ours = sample(model.given(PROMPTS[0]), 1, solver="ddim", steps=2, x_T=noise)
    assert (ours - theirs).abs().max() < 2e-5 * theirs.abs().max()


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((9, 24), "multiples of 2 pixels for tiny-xl, not (9, 24)"),
        ((0, 8), "multiples of 2"),
        (8, "must be (height, width)"),
    ],
)
def test_sizes_that_it_cannot_make(xl: tuple[Any, Path], size: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"^size must be") as error:
        load(str(xl[1]), size=size)
    assert said in str(error.value)


def test_refiner_is_refused(xl: tuple[Any, Path], tmp_path: Path) -> None:
    index = json.loads((xl[1] / "model_index.json").read_text())
    index |= {
        "_class_name": "StableDiffusionXLImg2ImgPipeline",
        "text_encoder": [None, None],
        "tokenizer": [None, None],
    }
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"is SDXL's refiner, .* it is not supported"):
        load(str(tmp_path))


def test_distilled_guidance_is_the_pipeline(lcm: tuple[Any, Path]) -> None:
    """One call per step: the guidance scale is told to the network."""
    pipe, folder = lcm
    model = load(str(folder))
    for scale, condition in ((8.0, model.prompts(PROMPTS)), (3.0, with_guidance(model.prompts(PROMPTS), 3.0))):
        theirs = pipe(
            PROMPTS,
            num_inference_steps=5,
            guidance_scale=scale,
            generator=torch.manual_seed(1),
            output_type="latent",
        ).images
        ours = sample(model.given(condition), 2, solver="ddim", steps=5, generator=torch.manual_seed(1))
        assert (ours - theirs).abs().max() < 2e-5 * theirs.abs().max()


def test_what_a_model_was_not_trained_with_is_refused(sd_eps: tuple[Any, Path], lcm: tuple[Any, Path]) -> None:
    condition = load(str(sd_eps[1])).prompts(["a cube"])
    with pytest.raises(ValueError, match="the model of the prompt 'a cube' has no guidance distilled into it"):
        with_guidance(condition, 4.0)
    with pytest.raises(ValueError, match="the model of the prompt 'a cube' is not conditioned by sizes"):
        with_sizes(condition, (8, 8))
    with pytest.raises(ValueError, match="guidance scale must be 0 or more, not -1"):
        with_guidance(load(str(lcm[1])).prompts(None), -1)

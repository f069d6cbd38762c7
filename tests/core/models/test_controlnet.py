"""A ControlNet's picture is a part of the condition."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import control_for, saved, sdxl

from scorekit.models import load
from scorekit.models.controlnet import with_control
from scorekit.sampling import sample

PROMPTS = ["a red mushroom", "a blue cube"]


@pytest.fixture
def picture() -> torch.Tensor:
    return torch.rand(1, 3, 16, 16, generator=torch.manual_seed(6))


@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_it_is_the_pipeline(
    sd_eps: tuple[Any, Path], control: tuple[Any, Path], picture: torch.Tensor, scale: float
) -> None:
    from diffusers import StableDiffusionControlNetPipeline

    pipe = StableDiffusionControlNetPipeline.from_pretrained(sd_eps[1], controlnet=control[0], safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 4, "guidance_scale": 5.0, "controlnet_conditioning_scale": scale}
    options |= {"height": 16, "width": 16, "generator": torch.manual_seed(1)}
    theirs = pipe(PROMPTS, image=picture, output_type="latent", **options).images
    model = load(str(sd_eps[1]), controlnet=control[1])
    null, cond = (model.given(with_control(model.prompts(texts), picture, scale)) for texts in (None, PROMPTS))
    ours = sample(null + 5.0 * (cond - null), 2, solver="ddim", steps=4, generator=torch.manual_seed(1))
    assert (ours - theirs).abs().max() < 2e-5 * theirs.abs().max()


@torch.no_grad()
def test_it_is_the_network_of_sdxl(tmp_path: Path, picture: torch.Tensor) -> None:
    """The ControlNet, too, is told pooled text and sizes."""
    pipe, folder = saved(sdxl(), tmp_path / "xl")
    network, path = control_for(pipe.unet, tmp_path / "edges")
    model = load(str(folder), controlnet=str(path))
    condition = with_control(model.prompts(PROMPTS[:1]), picture)
    x, fields = torch.randn(1, 4, 8, 8), condition.fields
    given = {
        "encoder_hidden_states": fields["text"],
        "added_cond_kwargs": {"text_embeds": fields["pooled"], "time_ids": fields["sizes"]},
    }
    down, middle = network(x, 499, controlnet_cond=picture, return_dict=False, **given)
    expected = pipe.unet(
        x, 499, down_block_additional_residuals=down, mid_block_additional_residual=middle, **given
    ).sample
    torch.testing.assert_close(model.given(condition)(x, 0.5).output, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_scale_zero_is_the_model_without_it(
    sd_eps: tuple[Any, Path], control: tuple[Any, Path], picture: torch.Tensor
) -> None:
    model, plain, x = load(str(sd_eps[1]), controlnet=control[1]), load(str(sd_eps[1])), torch.randn(1, 4, 8, 8)
    followed, ignored = (with_control(model.prompts(["a cube"]), picture, scale) for scale in (1.0, 0.0))
    expected = plain.given("a cube")(x, 0.5).output
    torch.testing.assert_close(model.given(ignored)(x, 0.5).output, expected)
    torch.testing.assert_close(model.given("a cube")(x, 0.5).output, expected)  # and so it is without a picture
    # One expression may hold both.
    part = (model.given(followed) - model.given(ignored))(x, 0.5).eps
    torch.testing.assert_close(part, model.given(followed)(x, 0.5).output - expected, rtol=1e-3, atol=1e-5)
    assert part.abs().max() > 1e-3


def test_what_it_cannot_follow_is_refused(sd_eps: tuple[Any, Path], control: tuple[Any, Path], tmp_path: Path) -> None:
    model = load(str(sd_eps[1]), controlnet=control[1])
    null = model.prompts(None)
    with pytest.raises(ValueError, match=r"picture must be \(B, 3, H, W\), not \(1, 1, 16, 16\)"):
        with_control(null, torch.rand(1, 1, 16, 16))
    with pytest.raises(ValueError, match=r"picture must lie in \[0, 1\]; its values go from -1 to -1"):
        with_control(null, -torch.ones(1, 3, 16, 16))
    small = model.given(with_control(null, torch.rand(1, 3, 8, 8)))
    with pytest.raises(ValueError, match=r"the control picture must be \(B, 3, 16, 16\)"):
        small(torch.randn(1, 4, 8, 8), 0.5)
    without = load(str(sd_eps[1]))
    score = without.given(with_control(without.prompts(None), torch.rand(1, 3, 16, 16)))
    with pytest.raises(ValueError, match=r"was loaded without a ControlNet"):
        score(torch.randn(1, 4, 8, 8), 0.5)
    config = json.loads((control[1] / "config.json").read_text())
    other = Path(shutil.copytree(control[1], tmp_path / "other"))
    for change, said in (
        ({"_class_name": "SD3ControlNetModel"}, "other is a SD3ControlNetModel; it must be a ControlNetModel"),
        ({"global_pool_conditions": True}, "pools its picture"),
    ):
        (other / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(ValueError, match=said):
            load(str(sd_eps[1]), controlnet=other)
    with pytest.raises(ValueError, match=r"is neither a folder with config.json nor a hub id"):
        load(str(sd_eps[1]), controlnet="no where")


def test_another_models_controlnet_is_refused(
    floyd: tuple[Any, Path], control: tuple[Any, Path], tmp_path: Path
) -> None:
    with pytest.raises(
        ValueError, match="edges was made for another unet than tiny-xl's: cross_attention_dim is 16, not 40"
    ):
        load(str(saved(sdxl(), tmp_path / "tiny-xl")[1]), controlnet=control[1])
    with pytest.raises(ValueError, match="tiny-if is of a family that takes no ControlNet"):
        load(str(floyd[1]), controlnet=control[1])

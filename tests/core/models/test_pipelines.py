"""A loaded model samples what the diffusers pipeline of the same folder samples, from the same noise."""

from pathlib import Path
from typing import Any

import pytest
import torch

from scorekit.models import load
from scorekit.sampling import sample

GUIDANCE = 5.0
STEPS = 8  # divides 1000: for other numbers the DDIM of diffusers steps past the levels it then evaluates


def guided(model: Any, prompts: Any) -> Any:
    null = model.given(None)
    return null + GUIDANCE * (model.given(prompts) - null)


@pytest.mark.parametrize("spacing", ["trailing", "leading"])
@pytest.mark.parametrize("kind", ["sd_eps", "sd_v"])
def test_latent_model_is_stable_diffusion(kind: str, spacing: str, request: pytest.FixtureRequest) -> None:
    pipe, folder = request.getfixturevalue(kind)
    pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, timestep_spacing=spacing)
    model = load(str(folder))
    assert model.prediction == {"sd_eps": "eps", "sd_v": "v"}[kind]
    assert model.shape == (4, 8, 8)
    assert model.name == folder.name
    noise, prompts = torch.randn(2, 4, 8, 8, generator=torch.manual_seed(1)), ["a red mushroom", "a blue cube"]
    options = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "latents": noise.clone()}
    theirs = pipe(prompts, output_type="latent", **options).images
    ours = sample(guided(model, prompts), 2, solver="ddim", steps=STEPS, spacing=spacing, x_T=noise)
    # diffusers keeps alpha_bar in float32; nothing else differs.
    assert (ours - theirs).abs().max() < 2e-5 * theirs.abs().max()
    pictures = pipe(prompts, output_type="pt", **options).images
    assert (model.decode(ours) - pictures).abs().max() < 1e-4
    assert (ours[0] - ours[1]).abs().max() > 1e-3  # the two prompts matter


def test_pixel_model_is_deepfloyd(floyd: tuple[Any, Path]) -> None:
    pipe, folder = floyd
    model = load(str(folder))
    assert (model.shape, model.prediction) == ((3, 8, 8), "eps")
    generator = torch.manual_seed(3)
    state = generator.get_state()
    prompts = ["  A Red mushroom ", "a blue cube"]  # IF strips and lowers its prompts
    options = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "clean_caption": False, "generator": generator}
    theirs = pipe(prompts, output_type="pt", **options).images
    noise = torch.randn(2, 3, 8, 8, generator=generator.set_state(state))
    # The pipeline starts at the cosine schedule's last step, where alpha is 5e-5: x0 there magnifies float32's rounding.
    ours = sample(guided(model, prompts), 2, solver="ddim", steps=STEPS, x_T=noise)
    assert (ours - theirs).abs().max() < 1e-3 * theirs.abs().max()
    assert (ours[0] - ours[1]).abs().max() > 1e-3 * ours.abs().max()


def test_deepfloyd_takes_the_noise_that_it_learned(floyd: tuple[Any, Path], tmp_path: Path) -> None:
    """The pipeline's own DDPM: every reverse step has the variance that the network answers."""
    from diffusers import DDPMScheduler

    pipe, before = floyd[0], floyd[0].scheduler
    # Betas that leave some data at the end: a random network's x0 in pure noise would dwarf what is tested.
    # "leading" ends at timestep 0: elsewhere diffusers adds noise of its clamped variance to the finished picture.
    pipe.scheduler = DDPMScheduler(
        beta_end=0.002, variance_type="learned_range", timestep_spacing="leading", clip_sample=False
    )
    pipe.save_pretrained(tmp_path / "floyd")
    generator = torch.manual_seed(3)
    state = generator.get_state()
    options = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "clean_caption": False, "generator": generator}
    theirs = pipe(["a red mushroom"], output_type="pt", **options).images
    pipe.scheduler = before

    def ours(model: Any) -> torch.Tensor:
        generator.set_state(state)
        noise = torch.randn(1, 3, 8, 8, generator=generator)
        score = guided(model, ["a red mushroom"])
        return sample(score, 1, solver="ddpm", steps=STEPS, spacing="leading", x_T=noise, generator=generator)

    model = load(str(tmp_path / "floyd"))
    assert (ours(model) - theirs).abs().max() < 1e-5 * theirs.abs().max()
    model.network.forward = _mean_only(model.network.forward)
    assert (ours(model) - theirs).abs().max() > 1e-2 * theirs.abs().max()  # what is learned matters


def _mean_only(forward: Any) -> Any:
    return lambda x, *args, **fields: forward(x, *args, **fields)[:, : x.shape[1]]


def test_latents_of_two_autoencoders_do_not_add(sd_eps: tuple[Any, Path], tmp_path: Path) -> None:
    pipe, folder = sd_eps
    here, again = load(str(folder)), load(str(folder))
    x = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close((here.given() + again.given())(x, 0.5).eps, 2 * here.given()(x, 0.5).eps)
    weight = next(pipe.vae.parameters())
    kept = weight.detach().clone()
    with torch.no_grad():
        weight += 0.01
    pipe.save_pretrained(tmp_path / "other")
    with torch.no_grad():
        weight.copy_(kept)
    other = load(str(tmp_path / "other"))
    with pytest.raises(
        ValueError, match=rf"^{here.name} and other diffuse in different spaces .*: their scores cannot be added\.$"
    ):
        (here.given() + other.given())(x, 0.5)


def test_unconditional_model_is_ddpm(tmp_path: Path) -> None:
    from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel

    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
        attention_head_dim=8,
    )
    pipe = DDIMPipeline(unet, DDIMScheduler(clip_sample=False, timestep_spacing="trailing"))
    pipe.set_progress_bar_config(disable=True)
    pipe.save_pretrained(tmp_path / "ddpm")
    model = load(str(tmp_path / "ddpm"))
    noise = torch.randn(2, 3, 8, 8, generator=torch.manual_seed(4))
    theirs = torch.from_numpy(pipe(2, generator=torch.manual_seed(4), num_inference_steps=5, output_type="np").images)
    ours = model.decode(sample(model.given(None), 2, solver="ddim", steps=5, x_T=noise))
    assert (ours.permute(0, 2, 3, 1) - theirs).abs().max() < 1e-4
    with pytest.raises(ValueError, match="takes no prompt"):
        model.given("a cube")


@torch.no_grad()
def test_pico_is_the_network_that_was_trained(pico: tuple[Any, Path]) -> None:
    from scorekit.zoo.captions import WORDS
    from scorekit.zoo.words import make_tokenizer

    trained, folder = pico
    model = load(str(folder))
    assert (model.shape, model.prediction) == ((3, 16, 16), "v")
    assert model.schedule.alpha(1.0) == 0  # zero terminal SNR
    x, tokenizer = torch.randn(2, 3, 16, 16), make_tokenizer(WORDS)
    tokens = tokenizer(["a red mushroom", "a blue cube"], padding="max_length", return_tensors="pt").input_ids
    for t, k in ((1.0, 999.0), (0.25, 249.0)):
        expected = trained(x, torch.full((2,), k), tokens)
        torch.testing.assert_close(
            model.given(["a red mushroom", "a blue cube"])(x, t).output, expected, rtol=1e-4, atol=1e-5
        )
    empty = tokenizer([""] * 2, padding="max_length", return_tensors="pt").input_ids
    torch.testing.assert_close(
        model.given(None)(x, 1.0).output, trained(x, torch.full((2,), 999.0), empty), rtol=1e-4, atol=1e-5
    )


@torch.no_grad()
def test_half_precision_and_back(pico: tuple[Any, Path]) -> None:
    """Weights stored as fp16 run in the dtype that is asked for; results keep the caller's."""
    _, folder = pico
    full, half = load(str(folder)), load(str(folder), dtype=torch.bfloat16)
    assert {p.dtype for p in full.network.parameters()} == {torch.float32}
    assert {p.dtype for p in half.network.parameters()} == {torch.bfloat16}
    assert not any(p.requires_grad for p in full.network.parameters())
    assert not full.network.training
    x = torch.randn(2, 3, 16, 16)
    a, b = full.given("a red cube")(x, 0.5).output, half.given("a red cube")(x, 0.5).output
    assert b.dtype == torch.float32
    assert (a - b).abs().max() < 0.05 * a.abs().max()


def test_gradient_reaches_x(pico: tuple[Any, Path]) -> None:
    x = torch.randn(1, 3, 16, 16, requires_grad=True)
    load(str(pico[1])).given("a red cube")(x, 0.5).output.square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0

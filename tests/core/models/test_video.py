"""Video models sample what their diffusers pipelines sample, from the same noise; their codecs and sizes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import saved
from small_video_audio import cog_video_x, model_scope, wan
from torch import Tensor

from scorekit.models import load
from scorekit.models.video import FrameCodec, VideoCodec, at_size
from scorekit.sampling import sample
from scorekit.schedule import Flow

GUIDANCE = 5.0
STEPS = 4
PROMPTS = ["a red mushroom", "a blue cube"]


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Any, Path]]:
    """The pipeline that `make` builds, and its folder; saved once for all tests that ask for the same."""
    made: dict[tuple[Any, ...], tuple[Any, Path]] = {}

    def folder(make: Callable[..., Any], size: dict[str, int] | None = None, **options: Any) -> tuple[Any, Path]:
        key = (make, *sorted(options.items()), *sorted((size or {}).items()))
        if key not in made:
            pipe, path = saved(make(**options), tmp_path_factory.mktemp(make.__name__) / "tiny")
            if size:
                (path / "scorekit.json").write_text(json.dumps({"video": size}))
            made[key] = pipe, path
        return made[key]

    return folder


def guided(model: Any) -> Any:
    null = model.given(None)
    return null + GUIDANCE * (model.given(PROMPTS) - null)


def noise(model: Any) -> Tensor:
    return torch.randn(2, *model.shape, generator=torch.manual_seed(1))


def agree(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < tolerance * theirs.abs().max()
    assert (ours[0] - ours[1]).abs().max() > 1e-3 * theirs.abs().max()  # the two prompts matter


def call(pipe: Any, model: Any, latents: Tensor, **options: Any) -> Tensor:
    codec = model.codec
    size = {"num_frames": codec.frames, "height": codec.height, "width": codec.width}
    options = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE} | options
    frames: Tensor = pipe(PROMPTS, latents=latents.clone(), **size, **options).frames
    return frames


def test_model_scope(folder_of: Callable[..., tuple[Any, Path]]) -> None:
    pipe, folder = folder_of(model_scope, {"frames": 3})
    model = load(str(folder))
    assert (model.shape, model.prediction) == ((4, 3, 8, 8), "eps")
    x = noise(model)
    ours = sample(guided(model), 2, solver="ddim", steps=STEPS, x_T=x)
    # diffusers keeps alpha_bar in float32; nothing else differs.
    agree(ours, call(pipe, model, x, output_type="latent"), 2e-5)
    pictures = call(pipe, model, x, output_type="pt")  # (B, T, C, H, W)
    assert (model.decode(ours).transpose(1, 2) - pictures).abs().max() < 1e-4


@pytest.mark.parametrize(("shift", "solver"), [(1.0, "euler"), (3.0, "euler"), (3.0, "unipc")])
def test_wan(folder_of: Callable[..., tuple[Any, Path]], shift: float, solver: str) -> None:
    size = {"frames": 9, "height": 16, "width": 32}
    pipe, folder = folder_of(wan, size, shift=shift, solver=solver)
    model = load(str(folder))
    assert (model.shape, model.prediction) == ((4, 3, 2, 4), "flow")
    assert model.schedule == Flow(shift=shift)
    x = noise(model)
    theirs = call(pipe, model, x, output_type="latent")
    # FlowMatchEuler applies its shift twice to the last steps, UniPC begins a little below 1: the comparison is on their own grids.
    sigmas = pipe.scheduler.sigmas.double()
    levels = model.schedule.at_log_snr(2 * ((1 - sigmas) / sigmas).log())
    if solver == "unipc":  # the UniPC of diffusers tells the network whole timesteps, cut off
        network = model.network
        model.network = lambda x, timestep, **fields: network(x, timestep.floor(), **fields)
    ours = sample(guided(model), 2, solver=solver, levels=levels, x_T=x)
    # The sigmas of diffusers are float32, and so are the timesteps that the network is told.
    agree(ours, theirs, 2e-5)
    pictures = call(pipe, model, x, output_type="pt")
    assert (model.decode(ours).transpose(1, 2) - pictures).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("rotary", "time_patch", "size"),
    [
        (False, None, {}),
        (False, None, {"frames": 17, "height": 48, "width": 32}),
        (True, None, {}),
        (True, None, {"frames": 17, "height": 48, "width": 32}),
        (True, 2, {}),
        (True, 2, {"frames": 17, "height": 16}),
    ],
)
def test_cog_video_x(
    folder_of: Callable[..., tuple[Any, Path]], rotary: bool, time_patch: int | None, size: dict[str, int]
) -> None:
    pipe, folder = folder_of(cog_video_x, size, rotary=rotary, time_patch=time_patch)
    model = load(str(folder))
    assert model.prediction == "v"
    assert model.schedule.alpha(1.0) == 0
    torch.testing.assert_close(model.schedule.alpha_bar, pipe.scheduler.alphas_cumprod, rtol=1e-6, atol=1e-9)
    x = noise(model)
    # The pipeline wants frames before channels, and to be told how many tokens the network takes.
    text = {"max_sequence_length": 16}
    ours = sample(guided(model), 2, solver="ddim", steps=STEPS, x_T=x)
    agree(ours, call(pipe, model, x.transpose(1, 2), output_type="latent", **text).transpose(1, 2), 2e-5)
    decoded = model.decode(ours)
    assert decoded.shape == (2, 3, model.codec.frames, model.codec.height, model.codec.width)
    pictures = call(pipe, model, x.transpose(1, 2), output_type="pt", **text)
    assert (decoded.transpose(1, 2) - pictures).abs().max() < 1e-4


MAKERS = [(model_scope, {"frames": 3}), (wan, {"frames": 9, "height": 16, "width": 32}), (cog_video_x, {})]


@pytest.mark.parametrize(("make", "size"), MAKERS)
def test_codec_is_the_autoencoder(
    folder_of: Callable[..., tuple[Any, Path]], make: Callable[..., Any], size: dict[str, int]
) -> None:
    pipe, folder = folder_of(make, size)
    codec = load(str(folder)).codec
    video = torch.rand(2, 3, codec.frames, codec.height, codec.width, generator=torch.manual_seed(2))
    x = codec.encode(video)
    assert x.shape == (2, *codec.shape)
    config = pipe.vae.config
    with torch.no_grad():
        for at in range(2):
            clip = video[at : at + 1] * 2 - 1
            if isinstance(codec, FrameCodec):
                latents = torch.stack(
                    [pipe.vae.encode(f[None]).latent_dist.mean[0] for f in clip[0].transpose(0, 1)], 1
                )
                expected = latents * config.scaling_factor
            else:
                expected = pipe.vae.encode(clip).latent_dist.mean[0]
                if make is wan:
                    mean, std = (
                        torch.tensor(v).reshape(-1, 1, 1, 1) for v in (config.latents_mean, config.latents_std)
                    )
                    expected = (expected - mean) / std
                else:
                    expected = expected * config.scaling_factor
            torch.testing.assert_close(x[at], expected, rtol=1e-4, atol=1e-5)
    smaller = torch.rand(1, 3, codec.frames, 20, 24)
    assert codec.encode(smaller).shape == (1, *codec.shape)
    with pytest.raises(ValueError, match="video must be"):
        codec.encode(video[:, :, 1:])


@pytest.mark.parametrize(("make", "size"), MAKERS)
def test_codec_gradient_is_the_slope(
    folder_of: Callable[..., tuple[Any, Path]], make: Callable[..., Any], size: dict[str, int]
) -> None:
    """Against a central difference in float64, there and back; Wan's decoder enlarges in float32 whatever it is given."""
    codec = load(str(folder_of(make, size)[1])).codec
    codec.vae.double()
    codec.mean, codec.std = codec.mean.double(), codec.std.double()
    g = torch.manual_seed(0)
    starts = {
        codec.encode: torch.rand(1, 3, codec.frames, codec.height, codec.width, dtype=torch.float64, generator=g),
        codec.decode: 0.1 * torch.randn(1, *codec.shape, dtype=torch.float64, generator=g),
    }
    for way, start in starts.items():
        start.requires_grad_()
        direction = torch.randn(start.shape, dtype=torch.float64, generator=g)
        tolerance = 1e-2 if make is wan and way == codec.decode else 1e-4
        way(start).square().sum().backward()
        with torch.no_grad():
            ends = [float(way(start + h * direction).square().sum()) for h in (1e-4, -1e-4)]
        assert float((start.grad * direction).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=tolerance)


def test_padded_latents_are_dropped_again(folder_of: Callable[..., tuple[Any, Path]]) -> None:
    codec = load(str(folder_of(cog_video_x, rotary=True, time_patch=2)[1])).codec
    assert (codec.frames, codec.shape[1], codec.padding) == (9, 4, 1)
    x = codec.encode(torch.rand(1, 3, 9, 32, 48))
    torch.testing.assert_close(x[:, :, 0], x[:, :, 1])
    assert codec.decode(x).shape == (1, 3, 9, 32, 48)


@torch.no_grad()
def test_other_sizes_share_the_weights(folder_of: Callable[..., tuple[Any, Path]]) -> None:
    folder = folder_of(model_scope, {"frames": 3})[1]
    model = load(str(folder))
    other = at_size(model, frames=5, width=32)
    assert (model.shape, other.shape) == ((4, 3, 8, 8), (4, 5, 8, 16))
    assert other.network is model.network
    x = torch.randn(1, *other.shape)
    assert other.given("a cube")(x, 0.5).x0.shape == x.shape
    assert other.decode(x).shape == (1, 3, 5, 16, 32)
    # Frames see each other: another last frame changes the first one's noise.
    changed = torch.cat([x[:, :, :4], -x[:, :, 4:]], 2)
    first, again = (other.given("a cube")(y, 0.5).eps[:, :, 0] for y in (x, changed))
    assert (first - again).abs().max() > 1e-3


def test_sizes_that_cannot_be(
    folder_of: Callable[..., tuple[Any, Path]], floyd: tuple[Any, Path], tmp_path: Path
) -> None:
    pictures, video = load(str(floyd[1])), load(str(folder_of(wan, {"frames": 9, "height": 16, "width": 32})[1]))
    with pytest.raises(ValueError, match="model must be a video model, which tiny-if is not"):
        at_size(pictures, frames=5)
    with pytest.raises(ValueError, match="frames must be a multiple of 4, and one, not 8"):
        at_size(video, frames=8)
    with pytest.raises(ValueError, match="height must be a multiple of 16 pixels, not 24"):
        at_size(video, height=24)
    stretched = load(str(folder_of(cog_video_x, rotary=True, time_patch=2)[1]))
    with pytest.raises(ValueError, match=r"height and width must be at most \(32, 48\), not \(32, 64\)"):
        at_size(stretched, width=64)
    for asked, said in (({"frames": 8}, "frames must be"), ({"size": 8}, "must give whole numbers"), (8, "must give")):
        broken = Path(shutil.copytree(folder_of(cog_video_x)[1], tmp_path / f"broken{said[-3:]}", dirs_exist_ok=True))
        (broken / "scorekit.json").write_text(json.dumps({"video": asked}))
        with pytest.raises(ValueError, match=f"^broken.*: .*{said}"):
            load(str(broken))


@pytest.mark.parametrize(
    ("make", "file", "change", "said"),
    [
        (wan, "model_index.json", {"boundary_ratio": 0.9}, "two transformers"),
        (wan, "model_index.json", {"transformer_2": ["diffusers", "WanTransformer3DModel"]}, "which is not supported"),
        (wan, "model_index.json", {"image_encoder": ["transformers", "CLIPVisionModel"]}, "which is not supported"),
        (wan, "vae/config.json", {"z_dim": 8}, "vae/"),
        (cog_video_x, "scheduler/scheduler_config.json", {"prediction_type": "odd"}, "prediction_type must be"),
        (cog_video_x, "scheduler/scheduler_config.json", {"beta_schedule": "odd"}, "beta_schedule must be"),
        (cog_video_x, "scheduler/scheduler_config.json", {"_class_name": "FlowMatchX"}, "must be one with betas"),
        (cog_video_x, "transformer/config.json", {"sample_frames": 12}, "frames must be a multiple of 8, and one"),
        (model_scope, "unet/config.json", {"sample_size": None}, "sample_size is missing"),
    ],
)
def test_what_is_not_understood_is_refused(
    folder_of: Callable[..., tuple[Any, Path]], tmp_path: Path, make: Any, file: str, change: dict[str, Any], said: str
) -> None:
    broken = Path(shutil.copytree(folder_of(make)[1], tmp_path / "broken"))
    (broken / file).write_text(json.dumps(json.loads((broken / file).read_text()) | change))
    with pytest.raises(ValueError, match=said) as error:
        load(str(broken))
    assert str(error.value).startswith("broken")
    assert "\n" not in str(error.value)


def test_defaults_are_those_of_the_pipelines(folder_of: Callable[..., tuple[Any, Path]]) -> None:
    codecs = [load(str(folder_of(make)[1])).codec for make in (model_scope, wan, cog_video_x)]
    assert all(isinstance(codec, VideoCodec) for codec in codecs)
    assert [(c.frames, c.height, c.width) for c in codecs] == [(16, 16, 16), (81, 480, 832), (9, 32, 48)]


def test_captions_are_cleaned_as_wan_saw_them(folder_of: Callable[..., tuple[Any, Path]]) -> None:
    model = load(str(folder_of(wan)[1]))
    plain, escaped = (model.prompts([text]).fields["text"] for text in ("a & red cube", "  a &amp;amp; red \n cube "))
    torch.testing.assert_close(plain, escaped)
    assert plain.shape == (1, 512, 16)
    assert not plain[0, -1].any()  # padding is silent


@pytest.mark.parametrize(("make", "size"), MAKERS[1:])
@torch.no_grad()
def test_lora(tmp_path: Path, make: Any, size: dict[str, int]) -> None:
    """The model with a LoRA in its weights is the diffusers network with the LoRA beside them."""
    from peft import LoraConfig, get_peft_model_state_dict

    pipe, folder = saved(make(), tmp_path / "tiny")
    (folder / "scorekit.json").write_text(json.dumps({"video": size}))
    pipe.transformer.add_adapter(
        LoraConfig(r=2, lora_alpha=2, target_modules=["to_q", "to_v"], init_lora_weights=False)
    )
    pipe.save_lora_weights(tmp_path, transformer_lora_layers=get_peft_model_state_dict(pipe.transformer))
    plain = load(str(folder))
    model = load(str(folder), lora=tmp_path / "pytorch_lora_weights.safetensors")
    x, fields = noise(model), model.prompts(PROMPTS).fields
    timestep = torch.full((2,), 300.0)
    bare = plain.network(x, timestep, **fields)
    plain.network.transformer = pipe.transformer
    expected = plain.network(x, timestep, **fields)
    torch.testing.assert_close(model.network(x, timestep, **fields), expected, rtol=1e-4, atol=1e-5)
    assert (bare - expected).abs().max() > 1e-3 * expected.abs().max()


@torch.no_grad()
def test_size_and_half_precision_at_loading(folder_of: Callable[..., tuple[Any, Path]]) -> None:
    folder = str(folder_of(wan, {"frames": 9, "height": 16, "width": 32})[1])
    model = load(folder, size=(32, 16), dtype=torch.bfloat16)
    assert model.shape == (4, 3, 4, 2)
    full = load(folder, size=(32, 16))
    x = noise(model)
    a, b = (m.given("a red cube")(x, 0.5).output for m in (full, model))
    assert b.dtype == torch.float32
    assert (a - b).abs().max() < 0.05 * a.abs().max()
    assert {p.dtype for p in model.codec.vae.parameters()} == {torch.float32}
    with pytest.raises(ValueError, match="width must be a multiple of 16 pixels, not 20"):
        load(folder, size=(32, 20))

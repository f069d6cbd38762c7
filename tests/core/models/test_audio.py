"""A Stable Audio model samples what its diffusers pipeline samples, from the same noise; its schedule, prompts and codec."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import saved
from small_video_audio import stable_audio
from torch import Tensor

from scorekit.models import load
from scorekit.models.audio import WaveCodec
from scorekit.models.cosine import Cosine
from scorekit.sampling import sample
from scorekit.schedule import VP

pytest.importorskip("torchsde", reason="the scheduler of diffusers' StableAudioPipeline needs it; scorekit does not")

GUIDANCE = 5.0
STEPS = 6
PROMPTS = ["a red mushroom", "a blue cube"]


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    return saved(stable_audio(), tmp_path_factory.mktemp("audio") / "tiny-audio")


@pytest.fixture
def same_noise(monkeypatch: pytest.MonkeyPatch) -> torch.Generator:
    """The noise of the pipeline's steps comes from this generator, instead of from a Brownian path of its own."""
    from diffusers.schedulers import scheduling_cosine_dpmsolver_multistep as module

    generator = torch.Generator().manual_seed(7)

    class Source:
        def __init__(self, x: Tensor, **_: Any) -> None:
            self.shape = x.shape

        def __call__(self, *_: Any) -> Tensor:
            return torch.randn(self.shape, generator=generator)

    monkeypatch.setattr(module, "BrownianTreeNoiseSampler", Source)
    return generator


@pytest.mark.parametrize("seconds", [None, (1.0, 4.5)])
@pytest.mark.parametrize(("order", "solver"), [(1, "ddpm"), (2, "dpm++2m_sde")])
def test_stable_audio(
    audio: tuple[Any, Path],
    same_noise: torch.Generator,
    seconds: tuple[float, float] | None,
    order: int,
    solver: str,
) -> None:
    pipe, folder = audio
    pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, solver_order=order)
    model = load(str(folder))
    assert (model.shape, model.prediction) == ((4, 12), "v")
    x = torch.randn(2, 4, 12, generator=torch.manual_seed(1))
    options: dict[str, Any] = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE}
    prompts = model.prompts
    if seconds is not None:
        options |= {"audio_start_in_s": seconds[0], "audio_end_in_s": seconds[1]}
        prompts = model.prompts.between(*seconds)
    theirs = pipe(PROMPTS, latents=x.clone(), output_type="latent", **options).audios
    null, cond = model.given(prompts(None)), model.given(prompts(PROMPTS))
    levels = model.schedule.sampler_levels(STEPS)
    generator = same_noise.manual_seed(7)
    ours = sample(null + GUIDANCE * (cond - null), 2, solver=solver, levels=levels, x_T=x, generator=generator)
    # The scheduler computes its sigmas, up to 500, and their logarithms in float32.
    assert (ours - theirs).abs().max() < 2e-4 * theirs.abs().max()
    assert (ours[0] - ours[1]).abs().max() > 1e-3 * ours.abs().max()  # the two prompts matter
    with torch.no_grad():
        wave = pipe.vae.decode(theirs).sample
    assert (model.decode(ours) - wave).abs().max() < 1e-3 * wave.abs().max()


def test_schedule_is_that_of_the_scheduler(audio: tuple[Any, Path]) -> None:
    scheduler, schedule = audio[0].scheduler, load(str(audio[1])).schedule
    assert isinstance(schedule, Cosine)
    scheduler.set_timesteps(9)
    t = schedule.sampler_levels(9)
    sigmas = schedule.sigma(t) / schedule.alpha(t)
    torch.testing.assert_close(sigmas, scheduler.sigmas.double(), rtol=1e-5, atol=0)
    torch.testing.assert_close(schedule.timestep(t)[:-1], scheduler.timesteps.double(), rtol=1e-6, atol=0)
    # Their preconditioning of v, in the variables x / alpha, is v prediction in ours.
    x, out = torch.randn(2, 9, 5, dtype=torch.float64)
    alpha, sigma = schedule.alpha(t[:-1])[:, None], schedule.sigma(t[:-1])[:, None]
    theirs = scheduler.precondition_outputs(x / alpha, out, sigmas[:-1, None])
    torch.testing.assert_close(alpha * x - sigma * out, theirs)
    torch.testing.assert_close(scheduler.precondition_inputs(x / alpha, sigmas[:-1, None]), x)


def test_cosine_is_a_schedule() -> None:
    schedule, t = Cosine(), torch.linspace(0, 1, 101, dtype=torch.float64)
    torch.testing.assert_close(schedule.alpha(t).square() + schedule.sigma(t).square(), torch.ones_like(t))
    assert (float(schedule.alpha(1.0)), float(schedule.sigma(1.0))) == (0.0, 1.0)
    assert (float(schedule.alpha(0.0)), float(schedule.sigma(0.0))) == (1.0, 0.0)
    torch.testing.assert_close(schedule.at_log_snr(schedule.log_snr(t)), t)
    assert float(schedule.alpha(1 / 3)) == pytest.approx(math.sqrt(3) / 2)
    assert schedule == Cosine(100.0, 0.1)
    assert schedule != VP.cosine()
    assert hash(schedule) == hash(Cosine(100.0, 0.1))
    with pytest.raises(ValueError, match="sigma_min must lie between 0 and sigma_max"):
        Cosine(1.0, 2.0)


def test_null_is_silent_and_keeps_the_seconds(audio: tuple[Any, Path]) -> None:
    model = load(str(audio[1]))
    null, cond = model.prompts(None).fields, model.prompts(["a cube"]).fields
    assert cond["text"].shape == (1, 16 + 2, 8)
    assert not null["text"].any()
    torch.testing.assert_close(null["seconds"], cond["seconds"])
    later = model.prompts.between(1.0, 5.0)(["a cube"]).fields
    torch.testing.assert_close(later["text"][:, :16], cond["text"][:, :16])
    assert (later["seconds"] - cond["seconds"]).abs().max() > 1e-3
    words = int((cond["text"][0, :16] != 0).any(1).sum())
    assert words == 3  # a, cube, the end: padding has no states, not even the projection's bias
    for start, end in ((0, 7.0), (-1, 1), (2, 2), (3, 1)):
        with pytest.raises(ValueError, match="at most 6 between them"):
            model.prompts.between(start, end)


def test_codec_is_the_autoencoder(audio: tuple[Any, Path]) -> None:
    pipe, folder = audio
    codec = load(str(folder)).codec
    assert isinstance(codec, WaveCodec)
    assert (codec.sample_rate, codec.channels, codec.samples, codec.seconds) == (16, 2, 96, 6.0)
    wave = torch.rand(3, 2, 96, generator=torch.manual_seed(2)) * 2 - 1
    with torch.no_grad():
        expected = pipe.vae.encode(wave).latent_dist.mean
        torch.testing.assert_close(codec.encode(wave), expected)
        torch.testing.assert_close(codec.decode(expected), pipe.vae.decode(expected).sample)
        assert codec.decode(expected).shape == wave.shape
        silence = torch.cat([wave[..., :40], torch.zeros(3, 2, 56)], -1)
        torch.testing.assert_close(codec.encode(wave[..., :40]), codec.encode(silence))
        torch.testing.assert_close(codec.encode(torch.cat([wave, wave], -1)), expected)
        mono = wave[:, :1]
        torch.testing.assert_close(codec.encode(mono), codec.encode(mono.expand(-1, 2, -1)))
        long = codec.at(30)
        assert (long.samples, long.seconds, long.space == codec.space) == (240, 15.0, True)
        longer = wave.repeat(1, 1, 3)
        torch.testing.assert_close(long.encode(longer), pipe.vae.encode(longer[..., :240]).latent_dist.mean)
        assert long.decode(long.encode(wave)).shape == (3, 2, 240)
    for bad in (wave[0], wave.repeat(1, 2, 1)):
        with pytest.raises(ValueError, match=r"wave must be \(B, 2, samples\)"):
            codec.encode(bad)


def test_codec_gradient_is_the_slope(audio: tuple[Any, Path]) -> None:
    """Against a central difference in float64, there and back."""
    codec = load(str(audio[1])).codec
    codec.vae.double()
    g = torch.manual_seed(0)
    for way, shape in ((codec.encode, (1, 2, 96)), (codec.decode, (1, 4, 12))):
        start = torch.randn(shape, dtype=torch.float64, generator=g).requires_grad_()
        direction = torch.randn(shape, dtype=torch.float64, generator=g)
        way(start).square().sum().backward()
        with torch.no_grad():
            ends = [float(way(start + h * direction).square().sum()) for h in (1e-6, -1e-6)]
        assert float((start.grad * direction).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("scheduler/scheduler_config.json", {"sigma_data": 0.5}, "sigma_data 1"),
        ("scheduler/scheduler_config.json", {"prediction_type": "epsilon"}, "v_prediction"),
        ("scheduler/scheduler_config.json", {"_class_name": "DDIMScheduler"}, "not a DDIMScheduler"),
        ("scheduler/scheduler_config.json", {"sigma_min": 600}, "sigma_min must lie between"),
        ("model_index.json", {"projection_model": ["x", "Other"]}, "projection_model Other.*which is not supported"),
    ],
)
def test_what_is_not_understood_is_refused(
    audio: tuple[Any, Path], tmp_path: Path, file: str, change: dict[str, Any], said: str
) -> None:
    broken = Path(shutil.copytree(audio[1], tmp_path / "broken"))
    (broken / file).write_text(json.dumps(json.loads((broken / file).read_text()) | change))
    with pytest.raises(ValueError, match=said) as error:
        load(str(broken))
    assert str(error.value).startswith("broken")
    assert "\n" not in str(error.value)


@torch.no_grad()
def test_half_precision(audio: tuple[Any, Path]) -> None:
    full, half = load(str(audio[1])), load(str(audio[1]), dtype=torch.bfloat16)
    x = torch.randn(2, *full.shape, generator=torch.manual_seed(3))
    a, b = (model.given("a red cube")(x, 0.5).output for model in (full, half))
    assert b.dtype == torch.float32
    assert (a - b).abs().max() < 0.05 * a.abs().max()
    assert {p.dtype for p in half.codec.vae.parameters()} == {torch.float32}

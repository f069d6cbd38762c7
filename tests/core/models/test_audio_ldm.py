"""An AudioLDM 2 model samples what its diffusers pipeline samples, from the same noise; its prompts and its codec."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import saved
from small_video_audio import audio_ldm_2

from scorekit.models import load
from scorekit.models.spectrogram import SpectrogramCodec
from scorekit.sampling import sample
from scorekit.score import Score

GUIDANCE = 3.5
STEPS = 5
PROMPTS = ["a red mushroom", "a blue cube"]
TOKENS = 4  # of each of them, its end included


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    return saved(audio_ldm_2(), tmp_path_factory.mktemp("audio") / "tiny-audio")


def guided(model: Any) -> Score:
    null, cond = model.given(model.prompts.padded([""], TOKENS)), model.given(PROMPTS)
    return null + GUIDANCE * (cond - null)


def test_audio_ldm_2(audio: tuple[Any, Path]) -> None:
    pipe, folder = audio
    model = load(str(folder))
    assert (model.shape, model.prediction) == ((4, 4, 16), "eps")
    x = torch.randn(2, 4, 4, 16, generator=torch.manual_seed(1))
    options: dict[str, Any] = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "max_new_tokens": 8}
    theirs = pipe(PROMPTS, latents=x.mT.clone(), output_type="latent", **options).audios.mT
    ours = sample(guided(model), 2, steps=STEPS, solver="ddim", x_T=x)
    assert (ours - theirs).abs().max() < 2e-4 * theirs.abs().max()
    assert (ours[0] - ours[1]).abs().max() > 1e-3 * ours.abs().max()  # the two prompts matter
    wave = pipe(PROMPTS, latents=x.mT.clone(), output_type="pt", **options).audios
    heard = model.decode(ours)
    assert heard.shape == (2, 1, 256)
    assert wave.shape == (2, 256)
    assert (heard[:, 0] - wave).abs().max() < 1e-3 * wave.abs().max()


def test_a_language_model_without_its_head(audio: tuple[Any, Path], tmp_path: Path) -> None:
    """As the published folders have it, for which diffusers' own pipeline fails with newer transformers."""
    from transformers import GPT2Model

    pipe, folder = audio
    other = Path(shutil.copytree(folder, tmp_path / "headless"))
    shutil.rmtree(other / "language_model")
    pipe.language_model.transformer.save_pretrained(other / "language_model")
    index = json.loads((other / "model_index.json").read_text())
    (other / "model_index.json").write_text(json.dumps(index | {"language_model": ["transformers", "GPT2Model"]}))
    a, b = (load(str(path)) for path in (folder, other))
    assert isinstance(b.prompts.language, GPT2Model)
    for name, value in a.prompts(PROMPTS).fields.items():
        torch.testing.assert_close(b.prompts(PROMPTS).fields[name], value)


def test_prompts(audio: tuple[Any, Path]) -> None:
    prompts = load(str(audio[1])).prompts
    texts = ["a cube", "a red mushroom a blue cube"]
    fields = prompts(texts).fields
    assert {name: value.shape[1:] for name, value in fields.items()} == {
        "generated": (8, 20),
        "text": (128, 16),
        "mask": (128,),
    }
    assert fields["mask"].sum(1).tolist() == [3, 7]
    # Each is read as if it were alone.
    for at, text in enumerate(texts):
        for name, value in prompts([text]).fields.items():
            torch.testing.assert_close(fields[name][at : at + 1], value)
    null, empty = prompts(None).fields, prompts([""]).fields
    for name, value in null.items():
        torch.testing.assert_close(value, empty[name])
    padded = prompts.padded([""], 7).fields
    torch.testing.assert_close(padded["text"], null["text"])
    assert (padded["generated"] - null["generated"]).abs().max() > 1e-4  # the language model counts places
    with pytest.warns(UserWarning, match="tiny-audio reads (64|128) tokens"):
        prompts(["a " * 130])


def test_what_is_not_read_does_not_matter(audio: tuple[Any, Path]) -> None:
    """The network looks at no padding of the text."""
    model = load(str(audio[1]))
    condition = model.prompts(PROMPTS)
    x = torch.randn(2, *model.shape, generator=torch.manual_seed(2))
    fields = dict(condition.fields)
    noise = torch.randn(fields["text"].shape, generator=torch.manual_seed(3))
    fields["text"] = torch.where(fields["mask"][..., None] > 0, fields["text"], noise)
    timestep = torch.tensor([400, 400])
    with torch.no_grad():
        before, after = (model.network(x, timestep, **given) for given in (condition.fields, fields))
    torch.testing.assert_close(before, after)


def test_codec_is_the_autoencoder_and_the_vocoder(audio: tuple[Any, Path]) -> None:
    pipe, folder = audio
    codec = load(str(folder)).codec
    assert isinstance(codec, SpectrogramCodec)
    assert (codec.sample_rate, codec.channels, codec.samples, codec.seconds) == (16000, 1, 256, 0.016)
    wave = torch.rand(3, 1, 256, generator=torch.manual_seed(2)) * 2 - 1
    with torch.no_grad():
        latents = codec.encode(wave)
        mean = pipe.vae.encode(codec.spectrogram(wave[:, 0])).latent_dist.mean
        torch.testing.assert_close(latents, mean.mT * pipe.vae.config.scaling_factor)
        assert latents.shape == (3, 4, 4, 16)
        spectrogram = pipe.vae.decode(latents.mT / pipe.vae.config.scaling_factor).sample
        torch.testing.assert_close(codec.decode(latents)[:, 0], pipe.vocoder(spectrogram[:, 0])[:, :256])
        silence = torch.cat([wave[..., :50], torch.zeros(3, 1, 206)], -1)
        torch.testing.assert_close(codec.encode(wave[..., :50]), codec.encode(silence))
        torch.testing.assert_close(codec.encode(torch.cat([wave, wave], -1)), latents)
        torch.testing.assert_close(codec.encode(torch.cat([wave, -wave], 1)), codec.encode(torch.zeros_like(wave)))
        long = codec.at(40)
        assert (long.samples, long.space == codec.space) == (640, True)
        assert long.decode(long.encode(wave)).shape == (3, 1, 640)
    for bad in (wave[0], wave.repeat(1, 3, 1)):
        with pytest.raises(ValueError, match=r"wave must be \(B, 1, samples\) or \(B, 2, samples\)"):
            codec.encode(bad)


def test_spectrogram_is_that_of_a_tone() -> None:
    """At the published sizes: a sine of amplitude a is a N / 4 in its bin of a Hann window, and bands weigh bins by Slaney's area."""
    from types import SimpleNamespace

    vocoder = SimpleNamespace(
        config=SimpleNamespace(sampling_rate=16000, model_in_dim=64, upsample_rates=[5, 4, 2, 2, 2])
    )
    vae = SimpleNamespace(config=SimpleNamespace(block_out_channels=[0, 0, 0], scaling_factor=1.0))
    codec = SpectrogramCodec(vae, vocoder, (8, 16, 256))
    assert (codec.hop, codec.window, codec.seconds) == (160, 1024, 10.24)
    frequency = 64 * 16000 / 1024  # the middle of bin 64: 1000 Hz
    time = torch.arange(codec.samples, dtype=torch.float64) / 16000
    mel = codec.spectrogram((0.5 * torch.sin(2 * torch.pi * frequency * time))[None])[0, 0]
    assert mel.shape == (1024, 64)
    middle = mel[200:800].exp()
    # Slaney's scale is linear below 1000 Hz (15 mels there) and has 6.4 as the base of 27 mels above: 66 edges from 0 to 8000 Hz.
    top = 15 + 27 * torch.log(torch.tensor(8.0)) / torch.log(torch.tensor(6.4))
    mels = torch.linspace(0, float(top), 66)
    edges = torch.where(mels < 15, mels * 200 / 3, 1000 * torch.exp((mels - 15) * torch.log(torch.tensor(6.4)) / 27))
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    expected = torch.zeros(64)
    for bin_, share in ((63, 0.5), (64, 1.0), (65, 0.5)):
        hertz = bin_ * 15.625
        triangle = torch.minimum((hertz - low) / (centre - low), (high - hertz) / (high - centre)).clamp_min(0)
        expected += 0.5 * 1024 / 4 * share * triangle * 2 / (high - low)
    torch.testing.assert_close(middle.mean(0), expected.double().clamp_min(1e-5), rtol=1e-4, atol=1e-5)
    silent = codec.spectrogram(torch.zeros(1, codec.samples))
    torch.testing.assert_close(silent.exp(), torch.full_like(silent, 1e-5))


def test_codec_gradient_is_the_slope(audio: tuple[Any, Path]) -> None:
    """Against a central difference in float64, there and back."""
    codec = load(str(audio[1])).codec
    codec.vae.double()
    codec.vocoder.double()
    g = torch.manual_seed(0)
    for way, shape in ((codec.encode, (1, 1, 256)), (codec.decode, (1, 4, 4, 16))):
        start = torch.randn(shape, dtype=torch.float64, generator=g).requires_grad_()
        direction = torch.randn(shape, dtype=torch.float64, generator=g)
        way(start).square().sum().backward()
        with torch.no_grad():
            ends = [float(way(start + h * direction).square().sum()) for h in (1e-6, -1e-6)]
        assert float((start.grad * direction).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (
            "model_index.json",
            {"text_encoder_2": ["transformers", "VitsModel"]},
            "text_encoder_2 VitsModel.*not supported",
        ),
        ("scheduler/scheduler_config.json", {"prediction_type": "other"}, "prediction_type must be"),
        ("unet/config.json", {"sample_size": None}, "takes 4 channels and None frames"),
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
    assert {p.dtype for part in (half.codec.vae, half.codec.vocoder) for p in part.parameters()} == {torch.float32}

"""The application's ways with models of the core's loader: a small random Stable Audio, stereo, whose prompts are told the seconds, and a
small random AudioLDM 2."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import saved
from small_video_audio import audio_ldm_2, stable_audio

from scorekit.models import load
from scorekit.sampling import sample
from scorekit_text_to_audio.generate import generate
from scorekit_text_to_audio.parameters import TextToAudioParams

RATE = 16  # samples per second of the small model, whose sounds last six seconds
PROMPT = "a red mushroom"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(str(saved(stable_audio(), tmp_path_factory.mktemp("audio") / "tiny-audio")[1]))


@pytest.fixture(scope="module")
def spectral(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(str(saved(audio_ldm_2(), tmp_path_factory.mktemp("audio") / "tiny-ldm")[1]))


def params(**values: Any) -> TextToAudioParams:
    return TextToAudioParams(**{"prompt": PROMPT, "count": 1, "steps": 3, "guidance": 5.0} | values)


@pytest.mark.parametrize(("seconds", "samples"), [(None, 96), (2.5, 40), (9.0, 144)])
def test_lengths(model: Any, seconds: float | None, samples: int) -> None:
    made = generate(model, params(seconds=seconds), generator=torch.manual_seed(0))
    assert (made.waves.shape, made.rate) == ((1, 2, samples), RATE)
    assert made.waves.isfinite().all()


def test_the_seconds_reach_the_prompt(model: Any) -> None:
    """What is made of 2.5 s is the model's own sample for these seconds, cut."""
    prompts = model.prompts.between(0, 2.5)
    null, cond = model.given(prompts(None)), model.given(prompts([PROMPT]))
    x = sample(null + 5.0 * (cond - null), 1, steps=3, generator=torch.manual_seed(0))
    with torch.no_grad():
        wave = model.decode(x)[..., :40]
    made = generate(model, params(seconds=2.5), generator=torch.manual_seed(0)).waves
    torch.testing.assert_close(made, wave)
    other = generate(model, params(), generator=torch.manual_seed(0)).waves[..., :40]
    assert (other - made).abs().max() > 1e-3


def test_stereo_recordings_are_edited_and_repaired(model: Any) -> None:
    recording = 0.3 * torch.randn(2, 150, generator=torch.manual_seed(1))
    path = Path("recording.wav")
    edited = generate(model, params(audio=path, strength=0.5), recording, torch.manual_seed(0))
    assert edited.waves.shape == (1, 2, 150)
    repaired = generate(model, params(audio=path, gap="3..4"), recording, torch.manual_seed(0)).waves[0]
    outside = torch.ones(150, dtype=torch.bool)
    outside[48:64] = False
    assert torch.equal(repaired[:, outside], recording[:, outside])
    assert (repaired[:, ~outside] - recording[:, ~outside]).abs().max() > 1e-3


@pytest.mark.parametrize("samples", [256, 100, 600])  # of an AudioLDM 2 of 256: its own length, cut, by windows
def test_audio_ldm_2(spectral: Any, samples: int) -> None:
    made = generate(spectral, params(seconds=samples / 16000, and_="a blue cube"), generator=torch.manual_seed(0))
    assert (made.waves.shape, made.rate) == ((1, 1, samples), 16000)
    assert made.waves.isfinite().all()


def test_audio_ldm_2_edits_and_repairs(spectral: Any) -> None:
    recording = 0.3 * torch.randn(1, 256, generator=torch.manual_seed(1))
    path = Path("recording.wav")
    edited = generate(spectral, params(audio=path, strength=0.5), recording, torch.manual_seed(0))
    assert edited.waves.shape == (1, 1, 256)
    repaired = generate(spectral, params(audio=path, gap="0.008..0.009"), recording, torch.manual_seed(0)).waves[0]
    assert torch.equal(repaired[:, :60], recording[:, :60])
    assert (repaired - recording)[:, 128:144].abs().max() > 1e-4

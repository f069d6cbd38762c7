"""Sounds from scores that are known exactly: what is asked for is what is heard, in time, pitch and length."""

import math
from pathlib import Path
from typing import Any

import exact_sounds
import psutil
import pytest
import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.schedule import Flow
from scorekit_text_to_audio.editing import loudest
from scorekit_text_to_audio.generate import generate, with_length
from scorekit_text_to_audio.parameters import TextToAudioParams

RATE = 16000
FILE = Path("recording.wav")


def params(**values: Any) -> TextToAudioParams:
    return TextToAudioParams(**{"prompt": "a low pluck", "count": 1, "steps": 8, "guidance": 1.0} | values)


def power(wave: Tensor, hertz: float) -> float:
    """Share of the power of (1, n) within 3 % of a frequency."""
    spectrum = torch.fft.rfft(wave[0] * torch.hann_window(wave.shape[1])).abs().square()
    frequency = torch.fft.rfftfreq(wave.shape[1], 1 / RATE)
    return float(spectrum[(frequency / hertz - 1).abs() < 0.03].sum() / spectrum.sum())


def onset(wave: Tensor, share: float = 0.1) -> float:
    """Seconds until (1, n) first has a share of its loudest 10 ms."""
    level = wave[0].square().unfold(0, 160, 16).mean(1).sqrt()
    return float((level > share * level.max()).nonzero()[0, 0]) * 16 / RATE


def test_a_prompt_is_heard(exact: Any) -> None:
    low = generate(exact, params(), generator=torch.manual_seed(0))
    high = generate(exact, params(prompt="a high tone"), generator=torch.manual_seed(0))
    assert low.waves.shape == high.waves.shape == (1, 1, 16384)
    assert power(low.waves[0], 196) + power(low.waves[0], 392) > 0.5
    assert power(high.waves[0], 880) > 0.5 > 10 * power(low.waves[0], 880)
    assert onset(low.waves[0]) == pytest.approx(0.08, abs=0.03)
    assert onset(high.waves[0]) == pytest.approx(0.2, abs=0.05)


def test_steps_are_reported_and_equal_seeds_are_equal_sounds(exact: Any) -> None:
    said: list[tuple[int, int]] = []
    first = generate(
        exact, params(count=9, steps=2), None, torch.manual_seed(3), lambda done, total, x0: said.append((done, total))
    )
    again = generate(exact, params(count=9, steps=2), None, torch.manual_seed(3))
    assert first.waves.shape[0] == 9
    assert torch.equal(first.waves, again.waves)
    assert said[-1][0] == said[-1][1] == len(said) == 4  # two batches of two steps
    assert [done for done, _ in said] == [1, 2, 3, 4]


@pytest.mark.parametrize("seconds", [0.3, 1.7])
def test_any_length(exact: Any, seconds: float) -> None:
    made = generate(exact, params(seconds=seconds), generator=torch.manual_seed(0))
    assert made.waves.shape == (1, 1, round(seconds * RATE))
    assert made.waves.abs().max() > 0.05
    assert made.waves[..., -1].abs().max() < 0.02  # a cut fades


def test_a_gap_is_filled_and_nothing_else_is_touched(exact: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pluck whose middle is gone: the model, which knows the pluck, puts it back."""
    with torch.no_grad():
        truth = exact_sounds.waves(["a low pluck"])[0]
    monkeypatch.setattr(
        exact.codec, "level", 20 * math.log10(loudest(truth, RATE))
    )  # this pluck is known at one level only
    broken = truth.clone()
    broken[:, 5600:8000] = 0
    made = generate(exact, params(audio=FILE, gap="0.35..0.5", steps=12), broken, torch.manual_seed(0))
    wave = made.waves[0]
    assert torch.equal(wave[:, : 5600 - 64], broken[:, : 5600 - 64])
    assert torch.equal(wave[:, 8000 + 64 :], broken[:, 8000 + 64 :])
    through = exact.decode(exact.encode(truth[None]))[0]  # Griffin and Lim's algorithm has a level of its own
    middle, true = wave[:, 5800:7800], through[:, 5800:7800]
    assert float(middle.square().mean().sqrt()) == pytest.approx(float(true.square().mean().sqrt()), rel=0.3)
    assert power(middle, 196) + power(middle, 392) > 0.4
    # A recording of another loudness is brought to the model's and back.
    quiet = generate(exact, params(audio=FILE, gap="0.35..0.5", steps=12), 0.05 * broken, torch.manual_seed(0))
    torch.testing.assert_close(quiet.waves, 0.05 * made.waves, rtol=2e-2, atol=1e-4)


def test_an_edit_keeps_what_its_strength_leaves(exact: Any) -> None:
    with torch.no_grad():
        recording = exact_sounds.waves(["a high tone"])[0]
    kept = generate(exact, params(strength=0.02, prompt="a high tone"), recording, torch.manual_seed(0))
    assert kept.waves.shape == (1, *recording.shape)
    assert onset(kept.waves[0]) == pytest.approx(onset(recording), abs=0.02)
    changed = generate(exact, params(strength=1.0), recording, torch.manual_seed(0))
    assert power(changed.waves[0], 880) < 0.1 < power(changed.waves[0], 196)


def test_what_cannot_be_done_is_said_in_a_sentence(exact: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Denoiser(lambda x, t: x, Flow(), "flow", (3, 8, 8), name="pico-image")
    for model in (
        picture,
        Denoiser(lambda x, t: x, Flow(), "flow", (3, 8), codec=exact_codec_without_sound(), name="p"),
    ):
        with pytest.raises(ValueError, match="makes no sound"):
            generate(model, params())
    with pytest.raises(ValueError, match="prompt: no caption"):
        generate(exact, params(prompt="a dog"))
    with pytest.raises(ValueError, match=r"gap must lie within the recording, which lasts 0.5 s"):
        generate(exact, params(audio=FILE, gap="0.3..0.6"), torch.zeros(1, 8000))
    free = psutil.virtual_memory()._replace(available=10_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(
        ValueError, match=r"seconds: 3600 s of sound need about .* GB of memory, .* at most \d+ s would fit"
    ) as error:
        generate(exact, params(seconds=3600))
    assert "\n" not in str(error.value)


def exact_codec_without_sound() -> Any:
    class Pictures:
        def encode(self, data: Tensor) -> Tensor:
            return data

        def decode(self, x: Tensor) -> Tensor:
            return x

    return Pictures()


def test_a_codec_of_one_length_is_refused_beyond_it(exact: Any) -> None:
    class Fixed:
        sample_rate, samples, seconds = RATE, 2048, 2048 / RATE

        def encode(self, data: Tensor) -> Tensor:
            return data

        def decode(self, x: Tensor) -> Tensor:
            return x

    model = Denoiser(lambda x, t: x, Flow(), "flow", (1, 8), codec=Fixed(), name="fixed")
    assert with_length(model, 8) is model
    with pytest.raises(ValueError, match=r"fixed makes sounds of its own length only, 0.128 s"):
        with_length(model, 9)
    assert with_length(exact, 100).shape == (1, 64, 100)

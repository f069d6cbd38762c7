"""Loudness: the meter of the recommendation, a target that is met, and peaks that are never cut."""

import math

import pytest
import torch
from torch import Tensor

from scorekit_text_to_audio.loudness import PEAK, faded, loudness, normalised
from scorekit_text_to_audio.wav import wav_bytes

RATE = 48000


def sine(hertz: float, seconds: float, amplitude: float = 1.0, rate: int = RATE) -> Tensor:
    return amplitude * (2 * math.pi * hertz * torch.arange(round(seconds * rate)) / rate).sin()[None]


def test_the_meter_reads_what_the_recommendation_says() -> None:
    """A sine of 997 Hz at full scale in one channel reads -3.01 LKFS (ITU-R BS.1770-4, annex 1)."""
    assert loudness(sine(997, 3.0), RATE) == pytest.approx(-3.01, abs=0.05)
    assert loudness(sine(997, 3.0, 0.1), RATE) == pytest.approx(-23.01, abs=0.05)
    both = sine(997, 3.0, 0.1).expand(2, -1)
    assert loudness(both, RATE) == pytest.approx(-20.0, abs=0.05)


def test_short_sounds_are_measured_by_their_power() -> None:
    assert loudness(sine(1000, 0.2, 0.5), RATE) == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=0.01)
    assert loudness(torch.zeros(1, 100), RATE) == -math.inf
    assert loudness(torch.zeros(1, RATE), RATE) == -math.inf


@pytest.mark.parametrize("seconds", [0.1, 0.4, 0.5, 2.0])
@pytest.mark.parametrize("amplitude", [0.02, 0.3, 3.0])
def test_the_target_is_met(seconds: float, amplitude: float) -> None:
    made, gain = normalised(sine(500, seconds, amplitude), RATE, -23.0)
    assert loudness(made, RATE) == pytest.approx(-23.0, abs=0.1)
    torch.testing.assert_close(made, gain * sine(500, seconds, amplitude))


def test_peaks_are_lowered_by_a_gain_and_never_cut() -> None:
    """Clicks in quiet noise: at the target they would pass full scale, and the whole sound is made quieter instead."""
    quiet = 0.003 * torch.randn(1, RATE, generator=torch.manual_seed(0))
    quiet[0, ::7000] = 0.8
    loud, gain = normalised(quiet * 40, RATE, -14.0)
    assert float(loud.abs().max()) == pytest.approx(PEAK, rel=1e-5)
    torch.testing.assert_close(loud / gain, quiet * 40)  # one gain: the form is kept
    assert loudness(loud, RATE) < -14.0
    wav_bytes(loud, RATE)
    as_it_comes, _ = normalised(quiet * 40, RATE, None)
    assert float(as_it_comes.abs().max()) == pytest.approx(PEAK, rel=1e-5)
    torch.testing.assert_close(normalised(quiet, RATE, None)[0], quiet)


def test_random_sounds_never_clip() -> None:
    generator = torch.manual_seed(1)
    for trial in range(40):
        shape = int(torch.randint(1, 20000, (), generator=generator))
        wave = torch.randn(1 + trial % 2, shape, generator=generator) * 10 ** float(
            torch.rand((), generator=generator) * 8 - 5
        )
        made, _ = normalised(wave, 16000, -5.0)
        assert float(made.abs().max()) <= PEAK * (1 + 1e-6)
        wav_bytes(made, 16000)


def test_silence_stays_silent() -> None:
    hum = 1e-6 * torch.randn(1, RATE, generator=torch.manual_seed(0))
    assert normalised(torch.zeros(1, RATE), RATE)[1] == 1.0
    assert float(normalised(hum, RATE)[0].abs().max()) < 1e-3


def test_a_cut_fades() -> None:
    made = faded(torch.ones(1, 1000), 16000)
    assert float(made[0, -1]) < 0.02
    assert float(made[0, 0]) < 0.02
    assert (made[0, 64:-64] == 1).all()
    assert faded(torch.ones(1, 1), 16000).shape == (1, 1)

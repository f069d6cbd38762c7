"""The measures of edits and compositions, on sounds whose answers are known."""

import math

import pytest
import torch

from scorekit_text_to_audio.measures import DECIBELS, bridged, gap_error, heard, onset_seconds
from scorekit_text_to_audio.mel import Mel
from scorekit_text_to_audio.recogniser import SOUNDS

RATE = 16000


@pytest.mark.parametrize("begin", [0.0, 0.123, 0.4])
@pytest.mark.parametrize("amplitude", [0.01, 0.8])
def test_an_onset_is_found(begin: float, amplitude: float) -> None:
    time = torch.arange(RATE) / RATE
    wave = amplitude * (2 * math.pi * 440 * time).sin() * (time >= begin)
    wave = wave + 1e-4 * amplitude * torch.randn(RATE, generator=torch.manual_seed(0))
    assert onset_seconds(wave[None], RATE) == pytest.approx(begin, abs=0.006)
    assert onset_seconds(torch.zeros(1, RATE), RATE) == 0


def test_an_edit_that_keeps_the_time_has_no_error() -> None:
    time = torch.arange(RATE) / RATE
    at = (time >= 0.2).float()
    one, other = (at * (2 * math.pi * hertz * time).sin() for hertz in (220, 900))
    assert onset_seconds(one[None], RATE) == pytest.approx(onset_seconds(other[None], RATE), abs=0.003)


def test_what_is_heard_is_read_by_name() -> None:
    presence = torch.linspace(0, 0.1, len(SOUNDS)).repeat(3, 1)
    presence[0, [SOUNDS.index("organ"), SOUNDS.index("seven")]] = torch.tensor([0.9, 0.8])
    presence[1, SOUNDS.index("organ")] = 0.05
    presence[2, SOUNDS.index("seven")] = 0.2
    assert heard(presence, ["organ", "organ", "seven"]).tolist() == [True, False, True]
    assert heard(presence, ["seven", "seven", "seven"], 2).tolist() == [True, False, True]
    assert heard(presence, ["seven", "seven", "seven"], 1).tolist() == [False, False, True]


def test_the_error_of_a_gap_is_in_decibels() -> None:
    """A sound ten times as loud differs by 20 dB, where the spectrogram holds both."""
    wave = 0.02 * torch.randn(1, 16384, generator=torch.manual_seed(0))
    quiet, loud = (Mel()(gain * wave)[0] for gain in (1.0, 10.0))
    known = torch.ones(64)
    known[20:30] = 0
    assert gap_error(loud, quiet, known) == pytest.approx(20.0, abs=0.3)
    assert pytest.approx(36.99, abs=0.01) == DECIBELS
    assert gap_error(torch.where(known == 1, loud, quiet), quiet, known) == 0


def test_straight_lines_bridge_a_gap() -> None:
    ramp = torch.linspace(0, 1, 64).expand(1, 4, 64)
    known = torch.ones(64)
    known[10:20] = 0
    torch.testing.assert_close(bridged(torch.where(known == 1, ramp, -1.0), known), ramp)
    known[:10] = 0  # a gap at the edge takes what is beside it
    assert (bridged(ramp, known)[..., :20] == ramp[..., 20:21]).all()

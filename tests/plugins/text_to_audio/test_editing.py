"""Gaps and levels: what is known stays as it is, to the sample."""

import pytest
import torch

from scorekit_text_to_audio.editing import CROSSFADE_SECONDS, MARGIN, Gap, at_level, loudest

RATE, HOP, MODEL = 16000, 256, 16384


@pytest.mark.parametrize("samples", [8000, 16384, 40000, 200000])
@pytest.mark.parametrize("times", [(0.0, 0.1), (0.2, 0.45), (0.3, 0.5)])
def test_outside_of_the_gap_the_recording_is_itself(samples: int, times: tuple[float, float]) -> None:
    recording = torch.randn(2, samples, generator=torch.manual_seed(0))
    gap = Gap.of(times, RATE, samples, MODEL)
    made = torch.full((2, gap.end - gap.begin), 7.0)
    out = gap.spliced(recording, made, RATE)
    place, fade = torch.arange(samples), round(CROSSFADE_SECONDS * RATE)
    outside = (place < gap.first - fade) | (place >= gap.last + fade)
    assert torch.equal(out[:, outside], recording[:, outside])
    assert (out[:, gap.first : gap.last] == 7.0).all()
    assert (gap.first, gap.last) == tuple(round(at * RATE) for at in times)


@pytest.mark.parametrize("times", [(0.0, 0.2), (1.0, 1.5), (5.0, 9.0), (11.9, 12.0)])
def test_the_model_sees_what_is_around_the_gap(times: tuple[float, float]) -> None:
    samples = 12 * RATE
    gap = Gap.of(times, RATE, samples, MODEL)
    assert 0 <= gap.begin <= gap.first < gap.last <= gap.end <= samples
    assert gap.end - gap.begin >= MODEL
    frames = -(-(gap.end - gap.begin) // HOP)
    known = gap.known(frames, HOP)
    # A frame hears 512 samples on either side of its middle: none that is kept hears the gap.
    middle = torch.arange(frames) * HOP + HOP // 2 + gap.begin
    hears = (middle + 512 > gap.first) & (middle - 512 < gap.last)
    assert not known[hears].any()
    assert known.sum() >= frames - (gap.last - gap.first) / HOP - 2 * MARGIN - 2


def test_a_gap_beyond_the_recording_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gap must lie within the recording, which lasts 1 s, not at 0.5..1.2"):
        Gap.of((0.5, 1.2), RATE, RATE, MODEL)


def test_a_recording_is_brought_to_the_models_level() -> None:
    wave = torch.zeros(1, 3 * RATE)
    wave[:, 5000:9000] = 0.01 * torch.randn(1, 4000, generator=torch.manual_seed(0))
    levelled, gain = at_level(wave, RATE, -20.0)
    assert loudest(levelled, RATE) == pytest.approx(0.1, rel=1e-4)
    torch.testing.assert_close(levelled, gain * wave)
    # The silence around it plays no part.
    assert at_level(wave[:, 4000:10000], RATE, -20.0)[1] == pytest.approx(gain, rel=1e-4)
    assert at_level(torch.zeros(1, 100), RATE, -20.0)[1] == 1.0
    assert at_level(wave, RATE, None)[1] == 1.0

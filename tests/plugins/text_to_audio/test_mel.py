"""Log-mel spectrograms, and the two ways back to waves."""

from __future__ import annotations

import math

import pytest
import torch

from scorekit_text_to_audio.codec import MelCodec
from scorekit_text_to_audio.mel import CEILING, FLOOR, HOP, RATE, Mel, griffin_lim
from scorekit_text_to_audio.vocoder import Recipe, Vocoder, overlap_add


def tones(seconds: float = 1.024) -> torch.Tensor:
    """Three sounds (3, n) that begin after 0.2 s: a low and a high tone of three harmonics, and a sweep."""
    t = torch.arange(int(seconds * RATE)) / RATE
    waves = [sum(torch.sin(2 * math.pi * n * hertz * t) / n for n in (1, 2, 3)) for hertz in (220.0, 700.0)]
    waves.append(torch.sin(2 * math.pi * (200 * t + 800 * t.square())))
    return 0.2 * torch.stack(waves) * (t > 0.2)


def test_a_tone_lies_in_its_band_and_frame() -> None:
    t = torch.arange(16384) / RATE
    x = Mel()((0.5 * torch.sin(2 * math.pi * 1000 * t) * (t >= 0.512))[None])
    assert x.shape == (1, 1, 64, 64)
    # Mel of 1 kHz between those of 40 Hz and 8 kHz, in 65 steps (O'Shaughnessy 1987).
    mel = [2595 * math.log10(1 + hertz / 700) for hertz in (40.0, 1000.0, 8000.0)]
    band = (mel[1] - mel[0]) / (mel[2] - mel[0]) * 65 - 1
    assert abs(x[0, 0, :, 50].argmax().item() - band) <= 1
    # The tone begins where frame 32 does; a window reaches two frames to either side.
    assert (x[..., :29] == -1).all()
    assert (x[0, 0, round(band), 35:] > 0.7).all()


def test_the_scale_is_that_of_the_logarithm() -> None:
    mel, wave = Mel(), tones()
    louder = (mel(0.5 * wave) - mel(0.25 * wave))[mel(0.25 * wave) > -0.9]
    assert torch.allclose(louder, torch.full_like(louder, math.log(2) * 2 / math.log(CEILING / FLOOR)), atol=1e-3)


def test_silence_is_the_floor_and_has_a_gradient() -> None:
    wave = torch.zeros(1, 16384, requires_grad=True)
    x = Mel()(wave)
    assert (x == -1).all()
    x.sum().backward()
    assert wave.grad is not None
    assert torch.isfinite(wave.grad).all()


@pytest.mark.parametrize("shape", [(16384,), (1, 1000), (1, 16385), (1, 1, 16384)])
def test_other_waves_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"waves must be \(B, n\)"):
        Mel()(torch.zeros(shape))


def test_overlap_add_inverts_the_transform() -> None:
    from scorekit_text_to_audio.mel import WINDOW, centred

    mel, wave = Mel(), tones()
    spectrum = torch.stft(centred(wave), WINDOW, HOP, window=mel.window, center=False, return_complex=True)
    back = overlap_add(torch.fft.irfft(spectrum, n=WINDOW, dim=1), mel.window)
    assert torch.allclose(back, wave, atol=1e-5)


def test_griffin_lim_sounds_like_the_spectrogram_at_the_same_time() -> None:
    mel, wave = Mel(), tones()
    x = mel(wave)
    back = griffin_lim(mel, x)
    assert back.shape == wave.shape
    assert torch.equal(back, griffin_lim(mel, x))
    assert (mel(back) - x).abs().mean() < 0.15
    # The onset at 0.2 s stays where it is, to within a frame and a half.
    onset = (back.abs() > 0.2 * back.abs().amax(1, keepdim=True)).float().argmax(1) / RATE
    assert ((onset - 0.2).abs() < 0.024).all()


def test_the_codec_has_its_lengths_and_channels() -> None:
    codec = MelCodec(None)
    assert (codec.sample_rate, codec.channels, codec.samples, codec.seconds) == (16000, 1, 16384, 1.024)
    wave = tones()[:, None]
    x = codec.encode(wave)
    assert x.shape == (3, 1, 64, 64)
    assert torch.allclose(codec.encode(wave.expand(-1, 2, -1)), x, atol=1e-5)
    assert torch.equal(codec.encode(wave[..., :8000])[..., 36:], torch.full((3, 1, 64, 28), -1.0))
    assert codec.decode(x).shape == (3, 1, 16384)
    longer = codec.at(100)
    assert longer.encode(wave).shape == (3, 1, 64, 100)
    assert longer.samples == 25600
    assert longer.space == codec.space
    with pytest.raises(ValueError, match="wave must be"):
        codec.encode(wave[:, 0])
    with pytest.raises(ValueError, match="frames must be at least 4"):
        codec.at(2)


def test_a_long_spectrogram_is_decoded_in_pieces_without_seams() -> None:
    torch.manual_seed(0)
    vocoder = Vocoder(Recipe(width=16, blocks=2)).eval()
    x = torch.rand(1, 1, 64, 1300)
    with torch.no_grad():
        whole, pieces = vocoder(x), MelCodec(vocoder, 1300).decode(x)[:, 0]
    assert pieces.shape == whole.shape == (1, 1300 * HOP)
    assert torch.allclose(whole, pieces, atol=1e-5)


def test_decoding_has_a_gradient() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 1, 64, 16, requires_grad=True)
    MelCodec(Vocoder(Recipe(width=16, blocks=2)), 16).decode(x).square().sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().sum() > 0

"""Sound files: what is written is what is read back, and files of every sort are read as the sound they hold."""

import math
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from scorekit_text_to_audio import wav
from scorekit_text_to_audio.wav import read_recording, resampled, wav_bytes

RATE = 16000


def sine(hertz: float, rate: int, seconds: float = 1.0) -> Tensor:
    return 0.5 * (2 * math.pi * hertz * torch.arange(round(seconds * rate), dtype=torch.float64) / rate).sin()


def pitch_of(wave: Tensor, rate: int) -> float:
    """The frequency at which the spectrum is largest, between the bins by a parabola."""
    spectrum = (wave * torch.hann_window(len(wave), dtype=wave.dtype)).to(torch.float64)
    power = torch.fft.rfft(spectrum).abs().log()
    at = int(power.argmax())
    left, middle, right = power[at - 1 : at + 2].tolist()
    return (at + 0.5 * (left - right) / (left - 2 * middle + right)) * rate / len(wave)


@pytest.mark.parametrize(("kind", "step"), [("pcm16", 1 / 32767), ("float", 0.0)])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_file_is_read_back(tmp_path: Path, kind: str, step: float, channels: int) -> None:
    wave = torch.rand(channels, 1001, generator=torch.manual_seed(0)) * 2 - 1
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(wave, 44100, kind))  # type: ignore[arg-type]
    found, rate = soundfile.read(path, dtype="float64", always_2d=True)
    assert rate == 44100
    assert found.shape == (1001, channels)
    assert soundfile.info(path).subtype == {"pcm16": "PCM_16", "float": "FLOAT"}[kind]
    # libsndfile divides by 32768.
    assert np.abs(found.T - wave.numpy()).max() <= (0.5 * step + 1 / 32768 if step else 1e-7)


def test_what_would_clip_is_not_written() -> None:
    for wave in (torch.tensor([[0.0, 1.01]]), torch.tensor([[0.0, float("nan")]]), torch.zeros(3), torch.zeros(1, 0)):
        with pytest.raises(ValueError, match="wave must"):
            wav_bytes(wave, RATE)


@pytest.mark.parametrize(
    ("name", "subtype", "rate", "channels"),
    [
        ("eight bits.wav", "PCM_U8", 11025, 1),
        ("studio.wav", "PCM_24", 192000, 8),
        ("disc.flac", "PCM_16", 44100, 2),
        ("net.ogg", "VORBIS", 48000, 1),
        ("float.wav", "DOUBLE", 22050, 2),
        ("telephone.wav", "ULAW", 8000, 1),
        ("odd.wav", "PCM_16", 44101, 1),
    ],
)
def test_files_of_every_sort_are_the_same_sound(
    tmp_path: Path, name: str, subtype: str, rate: int, channels: int
) -> None:
    tone = sine(440.0, rate).numpy()
    soundfile.write(tmp_path / name, np.stack([tone] * channels, 1), rate, subtype=subtype)
    found = read_recording(tmp_path / name, RATE, 1)
    assert found.shape[0] == 1
    assert abs(found.shape[1] - RATE) <= 2
    assert found.dtype == torch.float32
    middle = found[0, 2000:-2000]
    assert pitch_of(middle, RATE) == pytest.approx(440.0, rel=2e-4)
    assert float(middle.square().mean().sqrt()) == pytest.approx(0.5 / math.sqrt(2), rel=0.02)


def test_channels_are_mixed_or_kept(tmp_path: Path) -> None:
    left, right = sine(300.0, RATE), sine(500.0, RATE)
    soundfile.write(tmp_path / "stereo.wav", torch.stack([left, right], 1).numpy(), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "mono.wav", left.numpy(), RATE, subtype="FLOAT")
    both = torch.stack([left, right]).float()
    torch.testing.assert_close(read_recording(tmp_path / "stereo.wav", RATE, 2), both)
    torch.testing.assert_close(read_recording(tmp_path / "stereo.wav", RATE, 1), both.mean(0, keepdim=True))
    torch.testing.assert_close(read_recording(tmp_path / "mono.wav", RATE, 2), both[:1].expand(2, -1))


def test_resampling_keeps_what_both_rates_can_hold() -> None:
    wave = sine(1000.0, 48000).float()
    there = resampled(resampled(wave, 48000, 16000), 16000, 48000)
    assert (there - wave)[2000:-2000].abs().max() < 5e-3
    too_high = resampled(sine(12000.0, 48000).float(), 48000, 16000)
    assert too_high[2000:-2000].abs().max() < 0.02
    assert resampled(wave, 16000, 16000) is wave


def header(frames: int, rate: int = 16000) -> bytes:
    """A WAV file of 8 bits whose header promises so many frames, without them."""
    form = struct.pack("<HHIIHH", 1, 1, rate, rate, 1, 8)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + frames)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", frames)
    )


def test_bad_files_are_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=r"^audio: ") as error:
            read_recording(tmp_path / name, RATE, 1)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "cannot be read as sound" in refused("text.wav", b"this is no sound")
    assert "cannot be read as sound" in refused("nothing.wav", b"")
    assert "holds no sound" in refused("no frames.wav", header(0))
    assert "3 samples per second; 1000 to 768000 are read" in refused("slow.wav", header(10, 3) + b"\x80" * 10)
    broken = np.zeros(100, np.float32)
    broken[7] = np.nan
    soundfile.write(tmp_path / "nan.wav", broken, RATE, subtype="FLOAT")
    assert "not finite" in refused("nan.wav", (tmp_path / "nan.wav").read_bytes())
    with pytest.raises(ValueError, match=r"audio: .* is no file"):
        read_recording(tmp_path, RATE, 1)

    ten_hours = 36000 * 16000
    path = tmp_path / "long.wav"
    with open(path, "wb") as file:  # a sparse file: its length is real, its blocks are not
        file.write(header(ten_hours))
        file.truncate(44 + ten_hours)

    def read(*_: object, **__: object) -> None:
        raise AssertionError("a file that is too long was decoded")

    monkeypatch.setattr(soundfile.SoundFile, "read", read)
    with pytest.raises(ValueError, match=r"audio: long.wav lasts 10.0 hours; 10 minutes at most are read"):
        read_recording(path, RATE, 1)


def test_a_long_recording_is_mixed_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Block by block: the result is that of one read, whatever the block."""
    samples = np.random.default_rng(0).uniform(-1, 1, (5000, 6))
    soundfile.write(tmp_path / "six.wav", samples, RATE, subtype="FLOAT")
    whole = read_recording(tmp_path / "six.wav", RATE, 1)
    monkeypatch.setattr(wav, "BLOCK", 1000)
    torch.testing.assert_close(read_recording(tmp_path / "six.wav", RATE, 1), whole)
    torch.testing.assert_close(whole[0].double(), torch.from_numpy(samples.mean(1)), atol=1e-6, rtol=0)

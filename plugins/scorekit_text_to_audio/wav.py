"""Sound files: recordings from outside, read with care, and WAV files as they are written; resampling between them."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

MOST_SECONDS = 600.0  # of a recording
RATES = (1_000, 768_000)  # samples per second that are read
BLOCK = 1 << 20  # numbers decoded at a time
LARGEST_RATIO = 2000  # terms of the ratio of two sample rates: the resampling kernel has about as many rows

Format = Literal["pcm16", "float"]


def read_recording(path: Path, rate: int, channels: int, name: str = "audio") -> Tensor:
    """A recording as (channels, n), float32, resampled to `rate` per second: WAV, FLAC, OGG, MP3 and what else libsndfile reads, of any
    depth.

    channels  1: the mean of the file's channels. 2: left and right of a stereo file, the mean of any other on both sides
    name      how messages call the parameter

    The length is known from the header before anything is decoded, and channels are mixed while it is: a long file takes no memory.
    Raises ValueError, in one sentence, for what is no sound file, is empty, lasts more than MOST_SECONDS, or holds numbers that are not
    finite.
    """
    import soundfile

    if not path.is_file():
        raise ValueError(f"{name}: {path} is no file")
    try:
        with soundfile.SoundFile(path) as file:
            _refuse(file.frames, file.samplerate, f"{name}: {path.name}")
            stereo = channels == 2 and file.channels == 2
            blocks = []
            left = int(MOST_SECONDS * file.samplerate)  # a header may say less than there is
            while left > 0 and len(
                block := file.read(min(left, BLOCK // file.channels + 1), "float32", always_2d=True)
            ):
                found = torch.from_numpy(block).T
                blocks.append(found.clone() if stereo else found.mean(0, keepdim=True))
                left -= len(block)
            source = file.samplerate
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(f"{name}: {path.name} cannot be read as sound ({_short(error)})") from error
    if not blocks:
        raise ValueError(f"{name}: {path.name} holds no sound")
    wave = torch.cat(blocks, 1)
    if not wave.isfinite().all():
        raise ValueError(f"{name}: {path.name} holds values that are not finite")
    return resampled(wave, source, rate).expand(channels, -1).contiguous()


def resampled(wave: Tensor, source: int, rate: int) -> Tensor:
    """(..., n) at `source` per second, as (..., about n rate / source) at `rate` per second, by torchaudio's windowed sinc."""
    from torchaudio.functional import resample

    # Rates without a common factor would need a kernel of gigabytes: the nearest ratio of small numbers is within a millionth of theirs.
    ratio = Fraction(rate, source).limit_denominator(LARGEST_RATIO)
    if ratio == 1 or not wave.shape[-1]:
        return wave
    made: Tensor = resample(wave, ratio.denominator, ratio.numerator)
    return made


def wav_bytes(wave: Tensor, rate: int, kind: Format = "pcm16") -> bytes:
    """A RIFF WAVE file of (channels, n): integers of 16 bits, or floats of 32. The same wave gives the same bytes.

    Raises ValueError for samples outside [-1, 1] or not finite: whoever writes lowers them by a gain first, nothing is clipped here.
    """
    wave = wave.detach().cpu().float()
    if wave.ndim != 2 or not wave.numel():
        raise ValueError(f"wave must be (channels, samples), not {tuple(wave.shape)}")
    if not wave.isfinite().all():
        raise ValueError("wave must be finite")
    if float(wave.abs().max()) > 1:
        raise ValueError(f"wave must lie in [-1, 1]; its peak is {float(wave.abs().max()):.3g}")
    channels = len(wave)
    frames = wave.T.contiguous()
    if kind == "pcm16":
        code, width, data = 1, 2, (frames * 32767).round().to(torch.int16).numpy().astype("<i2").tobytes()
    else:
        code, width, data = 3, 4, frames.numpy().astype("<f4").tobytes()
    form = struct.pack("<HHIIHH", code, channels, rate, rate * channels * width, channels * width, 8 * width)
    chunks = [(b"fmt ", form if code == 1 else form + struct.pack("<H", 0))]
    if code == 3:  # formats other than PCM say how many frames there are
        chunks.append((b"fact", struct.pack("<I", len(frames))))
    chunks.append((b"data", data))
    body = b"".join(key + struct.pack("<I", len(chunk)) + chunk + b"\0" * (len(chunk) % 2) for key, chunk in chunks)
    if len(body) + 4 > 0xFFFFFFFF:
        raise ValueError(f"a WAV file holds 4 GiB at most; this one would be {len(body) >> 20} MiB")
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


def _refuse(frames: int, rate: int, what: str) -> None:
    """Raise ValueError for what a header says."""
    if not RATES[0] <= rate <= RATES[1]:
        raise ValueError(f"{what} has {rate} samples per second; {RATES[0]} to {RATES[1]} are read")
    if frames > MOST_SECONDS * rate:
        raise ValueError(f"{what} lasts {_duration(frames / rate)}; {_duration(MOST_SECONDS)} at most are read")


def _duration(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.1f} seconds"


def _short(error: Exception) -> str:
    """What a library says, without the path, which it may name in full."""
    return str(error).rstrip(".").rpartition(": ")[2] or type(error).__name__

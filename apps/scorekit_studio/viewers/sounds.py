"""Sound: decoded here, so that its waveform and spectrogram can be drawn and a damaged file is noticed."""

import io
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scorekit_studio.viewers.envelope import pack
from scorekit_studio.viewers.trouble import Unshowable, read

MOST_BYTES = 48_000_000
MOST_SECONDS = 1200
WINDOW = 1024  # samples of a Fourier window
BANDS, COLUMNS, PEAKS = 160, 800, 1000
LOWEST = 40.0  # Hz, of the lowest band
RANGE = 80.0  # dB from the brightest colour, a sine of full scale, to the darkest
TYPES = {".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".ogg": "audio/ogg"}
TICKS = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)


@dataclass(frozen=True)
class Sound:
    """samples (N,) float32, the mean of all channels; rate in Hz."""

    samples: np.ndarray
    rate: int
    channels: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def sound(path: Path, alt: str, *, small: bool = False) -> bytes:
    """The message for the component `sound`. Raises Unshowable for what cannot be decoded."""
    content = read(path, MOST_BYTES)
    heard = decode(content)
    levels, edges = spectrogram(heard.samples, heard.rate)
    places = np.log(np.array(TICKS) / edges[0]) / np.log(edges[-1] / edges[0])
    ticks = [[hz, round(float(place), 4)] for hz, place in zip(TICKS, places, strict=True) if 0.02 < place < 0.93]
    words = "mono" if heard.channels == 1 else "stereo" if heard.channels == 2 else f"{heard.channels} channels"
    peak = float(np.abs(heard.samples).max())
    loud = f"peak {20 * np.log10(peak):.1f} dB" if peak > 1e-6 else "silent"
    return pack(
        {
            "sound": (TYPES.get(path.suffix.lower(), "audio/wav"), content),
            "spectrum": ("application/octet-stream", levels.tobytes()),
            "wave": ("application/octet-stream", peaks(heard.samples).tobytes()),
        },
        alt=alt,
        small=small,
        rate=heard.rate,
        seconds=heard.seconds,
        spectrum=list(levels.shape),
        ticks=ticks,
        note=f"{heard.seconds:.2f} s, {heard.rate / 1000:g} kHz, {words}, {loud}",
    )


def decode(content: bytes) -> Sound:
    """By soundfile where it is installed, which reads WAV, FLAC, MP3 and Ogg; else WAV of 8, 16, 24 or 32 bit."""
    try:
        import soundfile
    except ImportError:
        return _wav(content)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            _refuse_long(file.frames / file.samplerate)
            samples = file.read(frames=MOST_SECONDS * file.samplerate, dtype="float32", always_2d=True)
            return _checked(samples, file.samplerate)
    except (soundfile.SoundFileError, RuntimeError, ZeroDivisionError, TypeError) as error:
        raise Unshowable("The file is no sound that can be decoded, or is damaged.") from error


def _wav(content: bytes) -> Sound:
    try:
        with wave.open(io.BytesIO(content)) as file:
            _refuse_long(file.getnframes() / file.getframerate())
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            raw = file.readframes(file.getnframes())
    except (wave.Error, EOFError, ZeroDivisionError) as error:
        raise Unshowable("The file is no WAV of whole numbers, or is damaged; soundfile reads more kinds.") from error
    raw = raw[: len(raw) // (width * channels) * width * channels]
    if width == 1:
        values = np.frombuffer(raw, np.uint8).astype(np.float32) / 128 - 1
    elif width == 3:
        parts = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        padded = np.concatenate([np.zeros((len(parts), 1), np.uint8), parts], 1)
        values = padded.view("<i4")[:, 0].astype(np.float32) / 2**31
    else:
        values = np.frombuffer(raw, f"<i{width}").astype(np.float32) / 2 ** (8 * width - 1)
    return _checked(values.reshape(-1, channels), rate)


def _refuse_long(seconds: float) -> None:
    if seconds > MOST_SECONDS:
        raise Unshowable(
            f"The sound lasts {seconds / 60:.0f} minutes; up to {MOST_SECONDS // 60} are shown. It can be downloaded."
        )


def _checked(samples: np.ndarray, rate: int) -> Sound:
    if not len(samples):
        raise Unshowable("The file holds no sound.")
    return Sound(np.nan_to_num(samples.mean(1, dtype=np.float32)).clip(-8, 8), rate, samples.shape[1])


def spectrogram(samples: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Levels (BANDS, columns) uint8, low frequencies first, and the edges (BANDS + 1,) of the bands in Hz.

    Windows of Hann's shape; bands are evenly spaced in the logarithm of the frequency from 40 Hz to half the rate; a band has the largest
    amplitude of the frequencies in it. 255 is a sine of amplitude 1, 0 is 80 dB below and less.
    """
    hop = max(WINDOW // 4, -(-len(samples) // COLUMNS))
    # Mirrored at its ends: a tone that breaks off there is no click.
    mirrored = np.pad(samples, WINDOW // 2, mode="reflect" if len(samples) > WINDOW else "constant")
    padded = np.pad(mirrored, (0, WINDOW))
    starts = np.arange(0, len(samples), hop)
    shape = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    amplitude = np.empty((WINDOW // 2 + 1, len(starts)), np.float32)
    for place, start in enumerate(starts):
        amplitude[:, place] = np.abs(np.fft.rfft(padded[start : start + WINDOW] * shape)) * (2 / shape.sum())
    edges = np.geomspace(min(LOWEST, rate / 8), rate / 2, BANDS + 1)
    bins = edges / (rate / WINDOW)
    bands = np.empty((BANDS, len(starts)), np.float32)
    for band in range(BANDS):
        first, last = int(np.ceil(bins[band])), int(np.floor(bins[band + 1]))
        if first <= last:
            bands[band] = amplitude[first : last + 1].max(0)
        else:  # narrower than one bin: between its two neighbours
            middle = (bins[band] + bins[band + 1]) / 2
            low = int(middle)
            bands[band] = amplitude[low] + (amplitude[low + 1] - amplitude[low]) * (middle - low)
    decibel = 20 * np.log10(np.maximum(bands, 1e-9))
    return (255 * (1 + decibel / RANGE).clip(0, 1)).round().astype(np.uint8), edges


def peaks(samples: np.ndarray) -> np.ndarray:
    """(n, 2) int8: lowest and highest sample of each of at most PEAKS stretches, 127 for 1."""
    count = min(PEAKS, len(samples))
    starts = (np.arange(count) * len(samples)) // count
    both = np.stack([np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)], 1)
    return np.asarray((both.clip(-1, 1) * 127).round(), np.int8)

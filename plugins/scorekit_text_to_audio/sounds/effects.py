"""Simple sound effects by synthesis: beeps, sweeps, bursts of noise, sirens, clicks and bubbles."""

from __future__ import annotations

import math

import numpy as np

from scorekit_text_to_audio.sounds.captions import Sound
from scorekit_text_to_audio.sounds.speech import RATE

SECONDS = {"short": (0.22, 0.34), "long": (0.72, 0.88)}
HERTZ = {"low": (180.0, 320.0), "middle": (560.0, 900.0), "high": (1600.0, 2600.0)}  # of the pitched effects


def synthesise(sound: Sound, random: np.random.Generator) -> np.ndarray:
    """A fully named effect as float32 samples at 16 kHz; its free parameters are drawn within the ranges above."""
    assert sound.length is not None
    seconds = float(random.uniform(*SECONDS[sound.length]))
    t = np.arange(int(seconds * RATE)) / RATE
    low, high = HERTZ[sound.pitch] if sound.pitch else (200.0, 3000.0)
    hertz = float(np.exp(random.uniform(math.log(low), math.log(high))))
    match sound.name:
        case "beep":
            wave = _tone(np.full_like(t, hertz), int(random.integers(1, 4)))
        case "rising sweep" | "falling sweep":
            start, stop = float(random.uniform(200, 350)), float(random.uniform(2200, 3400))
            glide = start * (stop / start) ** (t / seconds)
            wave = _tone(glide if sound.name == "rising sweep" else glide[::-1], 1)
        case "siren":
            rate = float(random.uniform(3.0, 5.0))
            wave = _tone(hertz * 2 ** (0.5 * np.sin(2 * np.pi * rate * t)), 3)
        case "noise burst":
            wave = _band(random.standard_normal(len(t)), hertz)
        case "clicks":
            wave = _repeated(t, hertz, float(random.uniform(9.0, 14.0)), rise=0.0, decay=0.006)
        case "bubbles":
            wave = _repeated(t, hertz, float(random.uniform(6.0, 9.0)), rise=0.9, decay=0.03, random=random)
        case _:
            raise ValueError(f"{sound.name!r} is no effect.")
    faded: np.ndarray = (wave * _faded(len(t))).astype(np.float32)
    return faded


def _tone(hertz: np.ndarray, harmonics: int) -> np.ndarray:
    """Harmonics n of amplitude 1 / n under a frequency that may change; those above 7.5 kHz are left out."""
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    wave: np.ndarray = sum(
        (np.sin(n * phase) * (n * hertz < 7500) / n for n in range(1, harmonics + 1)), np.zeros_like(hertz)
    )
    return wave


def _band(noise: np.ndarray, hertz: float) -> np.ndarray:
    """Noise within half an octave of a frequency, with Gaussian flanks."""
    spectrum = np.fft.rfft(noise)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(noise), 1 / RATE), 1.0) / hertz)
    return np.fft.irfft(spectrum * np.exp(-0.5 * (octaves / 0.5) ** 2), len(noise))


def _repeated(
    t: np.ndarray, hertz: float, rate: float, rise: float, decay: float, random: np.random.Generator | None = None
) -> np.ndarray:
    """Decaying tones, `rate` a second; each rises by `rise` octaves in four time constants, its frequency spread by `random`."""
    wave = np.zeros_like(t)
    for i in range(max(int(t[-1] * rate), 2)):
        own = hertz * 2 ** float(random.uniform(-0.3, 0.3)) if random is not None else hertz
        local = t - i / rate
        inside = local >= 0
        local = local[inside]
        bend = 2 ** (rise * np.minimum(local / (4 * decay), 1.0))
        wave[inside] += np.exp(-local / decay) * np.sin(2 * np.pi * np.cumsum(own * bend) / RATE)
    return wave


def _faded(count: int, seconds: float = 0.008) -> np.ndarray:
    """Raised-cosine fades at both ends."""
    ramp = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, int(seconds * RATE)))
    envelope = np.ones(count)
    envelope[: len(ramp)] = ramp
    envelope[-len(ramp) :] = ramp[::-1]
    return envelope

"""Single words spoken by espeak-ng (GPL-3.0; a program that is run, not linked; its output carries no licence)."""

from __future__ import annotations

import io
import math
import shutil
import subprocess
import wave
from dataclasses import dataclass

import numpy as np
import torch
import torchaudio

from scorekit_text_to_audio.sounds.captions import Sound

RATE = 16000

# espeak-ng's voice variants. The held-out ones speak in no training set.
TRAINED: dict[str, tuple[str, ...]] = {
    "male": ("m1", "m2", "m3", "m4", "m6", "m7"),
    "female": ("f1", "f2", "f4", "f5", "linda"),
}
UNHEARD: dict[str, tuple[str, ...]] = {"male": ("m5", "Michael"), "female": ("f3", "steph")}
ACCENTS = ("en-us", "en-gb", "en-gb-scotland")

# espeak-ng's pitch (0 to 99, 50 is usual) and speed (words per minute, 175 is usual) for the words of a caption.
PITCH: dict[str, tuple[int, int]] = {"low": (0, 20), "middle": (42, 58), "high": (80, 99)}
SPEED: dict[str | None, tuple[int, int]] = {"slowly": (105, 125), None: (155, 185), "quickly": (235, 280)}


@dataclass(frozen=True)
class Utterance:
    """How a word is said: espeak-ng's voice, pitch and speed."""

    word: str
    voice: str
    pitch: int
    speed: int


def utter(sound: Sound, random: np.random.Generator, *, unheard: bool = False) -> Utterance:
    """Draw voice, accent, pitch and speed for a fully named word. unheard: of the voices that are held out."""
    assert sound.voice is not None
    assert sound.pitch is not None
    variants = (UNHEARD if unheard else TRAINED)[sound.voice]
    variant, accent = variants[random.integers(len(variants))], ACCENTS[random.integers(len(ACCENTS))]
    low, high = PITCH[sound.pitch]
    slow, fast = SPEED[sound.length]
    return Utterance(
        sound.name,
        f"{accent}+{variant}",
        int(random.integers(low, high + 1)),
        int(random.integers(slow, fast + 1)),
    )


def available() -> bool:
    """Whether espeak-ng is installed."""
    return shutil.which("espeak-ng") is not None


def speak(utterance: Utterance) -> np.ndarray:
    """The word as float32 samples at 16 kHz, without the silence before and after it.

    Raises RuntimeError where espeak-ng is missing or fails.
    """
    if not available():
        raise RuntimeError("espeak-ng is not installed: the spoken words are made by it.")
    command = ["espeak-ng", "-v", utterance.voice, "-p", str(utterance.pitch), "-s", str(utterance.speed)]
    done = subprocess.run([*command, "--stdout", utterance.word], capture_output=True, check=False)
    if done.returncode or not done.stdout:
        raise RuntimeError(f"espeak-ng failed on {utterance}: {done.stderr.decode(errors='replace').strip()}")
    with wave.open(io.BytesIO(done.stdout)) as file:
        rate = file.getframerate()
    # espeak-ng cannot know the length when it writes the header to a pipe, so it is not believed.
    samples = np.frombuffer(done.stdout[44 : len(done.stdout) // 2 * 2], np.int16).astype(np.float32) / 32768
    divisor = math.gcd(rate, RATE)
    resampled = torchaudio.functional.resample(torch.from_numpy(samples), rate // divisor, RATE // divisor).numpy()
    return trimmed(resampled)


def trimmed(samples: np.ndarray, threshold: float = 0.01) -> np.ndarray:
    """Without what lies before and after all samples above `threshold` of the peak, but for 10 ms."""
    loud = np.flatnonzero(np.abs(samples) > threshold * np.abs(samples).max())
    if loud.size == 0:
        raise RuntimeError("a sound of silence only has no part to keep.")
    pad = RATE // 100
    return samples[max(loud[0] - pad, 0) : loud[-1] + pad]

"""Single notes of sampled instruments, played by fluidsynth from the FluidR3 General MIDI soundfont (MIT licence)."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scorekit_text_to_audio.sounds.captions import INSTRUMENTS, NOTES, PERCUSSION, Sound
from scorekit_text_to_audio.sounds.midi import Note, midi_file
from scorekit_text_to_audio.sounds.speech import RATE

SOUNDFONTS = tuple(
    Path("/usr/share") / path
    for path in ("sounds/sf2/FluidR3_GM.sf2", "sounds/sf3/FluidR3_GM.sf3", "soundfonts/FluidR3_GM.sf2")
)
SPACING = 1.5  # seconds from note to note
SECONDS = {"short": (0.14, 0.24), "long": (0.75, 0.85)}  # from note-on to note-off
DAMPING = 0.03  # time constant in seconds with which a short note is damped after note-off, as by a hand


def note_of(sound: Sound, random: np.random.Generator) -> Note:
    """Draw key, velocity and duration for a fully named note or drum."""
    velocity = int(random.integers(70, 121))
    if sound.name in PERCUSSION:
        return Note(None, PERCUSSION[sound.name], velocity, 0.3)
    assert sound.pitch is not None
    assert sound.length is not None
    key = int(random.choice(NOTES[sound.pitch]))
    return Note(INSTRUMENTS[sound.name], key, velocity, float(random.uniform(*SECONDS[sound.length])))


def soundfont() -> Path | None:
    """The soundfont where a distribution's package puts it, or None."""
    return next((path for path in SOUNDFONTS if path.exists()), None)


def available() -> bool:
    """Whether fluidsynth and the soundfont are installed."""
    return shutil.which("fluidsynth") is not None and soundfont() is not None


def play(notes: Sequence[Note]) -> list[np.ndarray]:
    """Each note as float32 samples at 16 kHz from its note-on, 1.2 s long, without reverberation and chorus.

    Raises RuntimeError where fluidsynth or the soundfont is missing, or fluidsynth fails.
    """
    if not notes:
        return []
    font = soundfont()
    if font is None or not available():
        raise RuntimeError(
            "fluidsynth or its soundfont FluidR3_GM is not installed (Debian: fluidsynth, fluid-soundfont-gm)."
        )
    with tempfile.TemporaryDirectory() as folder:
        score, raw = Path(folder) / "notes.mid", Path(folder) / "notes.raw"
        score.write_bytes(midi_file(notes, SPACING))
        command = ["fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.6", "-r", str(RATE)]
        options = [
            "-o",
            "audio.file.endian=little",
            "-o",
            "synth.cpu-cores=1",
            "-O",
            "s16",
            "-T",
            "raw",
            "-F",
            str(raw),
        ]
        done = subprocess.run([*command, *options, str(font), str(score)], capture_output=True, check=False)
        if done.returncode or not raw.exists():
            raise RuntimeError(f"fluidsynth failed: {done.stderr.decode(errors='replace').strip()}")
        samples = np.fromfile(raw, np.int16).reshape(-1, 2).mean(1).astype(np.float32) / 32768
    length, step = int(1.2 * RATE), int(SPACING * RATE)
    if len(samples) < (len(notes) - 1) * step + length:
        raise RuntimeError("fluidsynth wrote fewer samples than the notes take.")
    return [damped(samples[i * step : i * step + length], note) for i, note in enumerate(notes)]


def damped(samples: np.ndarray, note: Note) -> np.ndarray:
    """A short note is damped after note-off: without it, plucked and struck notes would ring alike, short or long."""
    if note.program is None or note.seconds > SECONDS["short"][1]:
        return samples
    late = np.maximum(np.arange(len(samples)) / RATE - note.seconds, 0)
    out: np.ndarray = (samples * np.exp(-late / DAMPING)).astype(np.float32)
    return out

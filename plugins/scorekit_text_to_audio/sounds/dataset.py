"""Sets of captioned sounds for training and testing, rendered to shards on disk.

A shard is an `.npz` of up to 512 sounds, all families mixed: `waves` (m, 16384) int16 at 16 kHz, `captions` (m,) full captions, and `onset`
(m,) float32, the seconds before the sound begins. A shard depends on the seed, its index and the kind of set alone, is written whole or not
at all, and is skipped where it exists, so a build can be stopped and resumed.

    python -m scorekit_text_to_audio.sounds.dataset --out DIR --n 20000
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scorekit_text_to_audio.sounds import instruments, speech
from scorekit_text_to_audio.sounds.captions import SHARES, Sound, caption, draw, parse
from scorekit_text_to_audio.sounds.effects import synthesise
from scorekit_text_to_audio.sounds.midi import Note

RATE = speech.RATE
SAMPLES = 16384  # of every sound: 1.024 s
SHARD_SIZE = 512
LATEST_ONSET = 0.1  # seconds
LOUDNESS = -20.0  # dB of full scale: the root mean square of the loudest 200 ms
SPREAD = 3.0  # dB by which it is spread, either way
PEAK = 0.95  # no sample is above
VERSION = 1  # raise it whenever a change alters sounds, so that old and new shards never mix


class Choice(NamedTuple):
    """Which sounds a set holds.

    unseen    whether held-out combinations; None: these and the others
    unheard   whether its voices are those held out
    families  of sounds
    """

    unseen: bool | None = False
    unheard: bool = False
    families: tuple[str, ...] = tuple(SHARES)


SETS: dict[str, Choice] = {
    "train": Choice(),
    "unseen": Choice(unseen=True),
    "voices": Choice(unheard=True),
    "all": Choice(unseen=None),
    "effects": Choice(families=("effect",)),
}


@dataclass(frozen=True)
class SoundSet:
    """N sounds: waves (N, 16384) int16 at 16 kHz, what they are, and when they begin, in seconds."""

    waves: np.ndarray
    sounds: tuple[Sound, ...]
    onset: np.ndarray

    def __len__(self) -> int:
        return len(self.sounds)

    def split(self, every: int) -> tuple[SoundSet, SoundSet]:
        """Two sets: all but every so-manieth sound, and those."""
        chosen = np.arange(len(self)) % every == every - 1
        return self.where(~chosen), self.where(chosen)

    def where(self, chosen: np.ndarray) -> SoundSet:
        """The sounds at which a mask (N,) is true."""
        return SoundSet(
            self.waves[chosen],
            tuple(s for s, keep in zip(self.sounds, chosen, strict=True) if keep),
            self.onset[chosen],
        )


def make_shard(index: int, count: int, seed: int = 0, kind: str = "train") -> dict[str, np.ndarray]:
    """Make the sounds of one shard; the arrays are those named at the top of this module.

    Raises RuntimeError where espeak-ng, fluidsynth or the soundfont is missing, and ValueError for an unknown kind.
    """
    if kind not in SETS:
        raise ValueError(f"kind must be one of {', '.join(SETS)}; got {kind!r}")
    choice = SETS[kind]
    random = np.random.default_rng([seed, list(SETS).index(kind), index])
    sounds = [draw(random, unseen=choice.unseen, families=choice.families) for _ in range(count)]
    notes: dict[int, Note] = {
        i: instruments.note_of(sound, random)
        for i, sound in enumerate(sounds)
        if sound.family in ("instrument", "percussion")
    }
    played = dict(zip(notes, instruments.play(list(notes.values())), strict=True))
    waves, onsets = np.zeros((count, SAMPLES), np.int16), np.zeros(count, np.float32)
    for i, sound in enumerate(sounds):
        if i in played:
            raw = played[i]
        elif sound.family == "word":
            raw = speech.speak(speech.utter(sound, random, unheard=choice.unheard))
        else:
            raw = synthesise(sound, random)
        onsets[i] = random.uniform(0, LATEST_ONSET)
        waves[i] = placed(raw, float(onsets[i]), LOUDNESS + float(random.uniform(-SPREAD, SPREAD)))
    return {"waves": waves, "captions": np.array([caption(sound) for sound in sounds]), "onset": onsets}


def placed(samples: np.ndarray, onset: float, loudness: float) -> np.ndarray:
    """A sound in its place: int16 (16384,), silent for `onset` seconds, at a loudness in dB of full scale; the end is faded out."""
    start = int(onset * RATE)
    wave = np.zeros(SAMPLES, np.float32)
    part = samples[: SAMPLES - start].astype(np.float32)
    wave[start : start + len(part)] = part
    fade = RATE // 50
    wave[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    wave *= 10 ** (loudness / 20) / loudest(wave)
    wave *= min(1.0, PEAK / float(np.abs(wave).max()))
    return np.round(wave * 32767).astype(np.int16)


def loudest(wave: np.ndarray, seconds: float = 0.2) -> float:
    """The root mean square of the loudest stretch of so many seconds."""
    window = int(seconds * RATE)
    power = np.concatenate([[0.0], np.cumsum(wave.astype(np.float64) ** 2)])
    return float(np.sqrt(max((power[window:] - power[:-window]).max() / window, 1e-12)))


def build(
    folder: Path,
    n: int,
    seed: int = 0,
    kind: str = "train",
    progress: Callable[[int, int], None] = lambda done, n: None,
) -> Path:
    """Make n sounds in `folder`, resuming where an earlier build stopped, and return the folder.

    kind      "train"; "unseen": words and notes of held-out combinations; "voices": seen combinations in voices that are held out; "all":
              combinations of both kinds, for the recogniser; "effects": effects only, which need no other program
    progress  called as (done, n)

    Raises ValueError for a folder that was built with other settings.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1; got {n}")
    folder.mkdir(parents=True, exist_ok=True)
    claim, settings = folder / "set.json", {"version": VERSION, "seed": seed, "kind": kind}
    if claim.exists() and json.loads(claim.read_text()) != settings:
        raise ValueError(f"{folder} was built with other settings: {claim.read_text().strip()}")
    claim.write_text(json.dumps(settings) + "\n")
    for index, start in enumerate(range(0, n, SHARD_SIZE)):
        count, path = min(SHARD_SIZE, n - start), folder / f"shard-{index:05d}.npz"
        if not path.exists() or _count(path) != count:
            temporary = path.with_suffix(f".{os.getpid()}.tmp")
            with temporary.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **make_shard(index, count, seed, kind))
            temporary.replace(path)
        progress(start + count, n)
    return folder


def load(folder: Path) -> SoundSet:
    """Read every shard in `folder`. Raises ValueError when there is none."""
    paths = sorted(folder.glob("shard-*.npz"))
    if not paths:
        raise ValueError(f"folder must hold shard-*.npz files written by build; found none in {folder}")
    parts: dict[str, list[np.ndarray]] = {"waves": [], "captions": [], "onset": []}
    for path in paths:
        with np.load(path, allow_pickle=False) as shard:
            for name, arrays in parts.items():
                arrays.append(shard[name])
    known: dict[str, Sound] = {}
    captions = np.concatenate(parts["captions"]).tolist()
    sounds = tuple(known.setdefault(text, parse(text)) for text in captions)
    return SoundSet(np.concatenate(parts["waves"]), sounds, np.concatenate(parts["onset"]))


def _count(path: Path) -> int:
    with np.load(path, allow_pickle=False) as shard:
        return len(shard["onset"])


def _main() -> None:
    parser = argparse.ArgumentParser(description="Make a set of captioned sounds.")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--n", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=list(SETS), default="train")
    args = parser.parse_args()
    build(args.out, args.n, args.seed, args.kind, lambda done, n: print(done, n, flush=True))


if __name__ == "__main__":
    _main()

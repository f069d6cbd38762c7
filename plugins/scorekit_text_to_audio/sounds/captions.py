"""Captions of the training sounds: "a low male voice says seven, slowly", "a high nylon guitar, short note", "low bubbles, long sound".

The vocabulary is closed and a caption is exact by construction: the sound is made from the attributes that it names. `parse` inverts every
caption that `caption` writes. `held_out` tells which combinations no training set holds, so that a model's grasp of new ones can be
measured.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

PITCHES = ("low", "middle", "high")
VOICES = ("male", "female")
PACES = ("slowly", "quickly")  # of speech; a word at the usual pace has none
LENGTHS = ("short", "long")  # of notes and effects

SPOKEN: tuple[str, ...] = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "yes", "no", "stop", "go", "left", "right", "up", "down", "red", "green", "blue", "hello", "dog", "cat",
)  # fmt: skip

# General MIDI programs, counted from 0.
INSTRUMENTS: dict[str, int] = {
    "piano": 0, "music box": 10, "marimba": 12, "organ": 19, "accordion": 21, "nylon guitar": 24,
    "distorted guitar": 30, "violin": 40, "cello": 42, "harp": 46, "choir": 52, "trumpet": 56,
    "saxophone": 65, "clarinet": 71, "flute": 73, "sitar": 104,
}  # fmt: skip
# Keys of the General MIDI percussion channel.
PERCUSSION: dict[str, int] = {
    "kick drum": 36, "snare drum": 38, "hand clap": 39, "hi hat": 42, "crash cymbal": 49, "cowbell": 56,
}  # fmt: skip
# Which effects have a pitch.
EFFECTS: dict[str, bool] = {
    "beep": True, "rising sweep": False, "falling sweep": False, "noise burst": True,
    "siren": True, "clicks": True, "bubbles": True,
}  # fmt: skip

# MIDI keys of the notes by the name of their pitch. Four keys between the bands keep the names apart. The key is what is played: the
# organ's 16-foot pipes sound an octave below it.
NOTES: dict[str, range] = {"low": range(43, 53), "middle": range(57, 67), "high": range(71, 81)}

SHARES: dict[str, float] = {"word": 0.52, "instrument": 0.29, "percussion": 0.05, "effect": 0.14}
UNNAMED = 0.08  # share of training captions that leave one attribute out, for each attribute
HELD_OUT_SHARE = 6  # one in so many combinations is held out

WORDS: tuple[str, ...] = tuple(
    sorted(
        {
            "a", "an", "voice", "says", "note", "sound", *PITCHES, *VOICES, *PACES, *LENGTHS, *SPOKEN,
            *(word for names in (INSTRUMENTS, PERCUSSION, EFFECTS) for name in names for word in name.split()),
        }
    )
)  # fmt: skip


@dataclass(frozen=True)
class Sound:
    """What a caption says.

    name    of SPOKEN, INSTRUMENTS, PERCUSSION or EFFECTS
    pitch   of PITCHES: of a voice relative to its usual pitch, of a note as in NOTES; None where the sound has none, or none is named
    voice   of VOICES, of words only
    length  of LENGTHS for notes and effects; of PACES for words, where None is the usual pace
    """

    name: str
    pitch: str | None = None
    voice: str | None = None
    length: str | None = None

    @property
    def family(self) -> str:
        """One of "word", "instrument", "percussion" and "effect"."""
        return next(family for family, names in NAMES.items() if self.name in names)


NAMES: dict[str, tuple[str, ...]] = {
    "word": SPOKEN,
    "instrument": tuple(INSTRUMENTS),
    "percussion": tuple(PERCUSSION),
    "effect": tuple(EFFECTS),
}


def combinations() -> Iterator[Sound]:
    """Every sound with all its attributes named, the words at three paces each."""
    for name in SPOKEN:
        for voice in VOICES:
            for pitch in PITCHES:
                for pace in (None, *PACES):
                    yield Sound(name, pitch, voice, pace)
    for name in INSTRUMENTS:
        for pitch in PITCHES:
            for length in LENGTHS:
                yield Sound(name, pitch, None, length)
    for name in PERCUSSION:
        yield Sound(name)
    for name, pitched in EFFECTS.items():
        for tone in PITCHES if pitched else (None,):
            for length in LENGTHS:
                yield Sound(name, tone, None, length)


def held_out(sound: Sound) -> bool:
    """Whether no training set holds this combination: word x voice x pitch, or instrument x pitch x length."""
    match sound.family:
        case "word":
            key = f"{sound.name} {sound.voice} {sound.pitch}"
        case "instrument":
            key = f"{sound.name} {sound.pitch} {sound.length}"
        case _:
            return False
    return zlib.crc32(key.encode()) % HELD_OUT_SHARE == 0


def draw(random: np.random.Generator, *, unseen: bool | None = False, families: Sequence[str] = tuple(SHARES)) -> Sound:
    """A fully named sound: its family by SHARES, all else alike.

    unseen    False: none that is held out; True: a word or note that is held out, and no other; None: any
    families  of which it is one
    """
    if unseen:
        families = [family for family in families if family in ("word", "instrument")]
    while True:
        family = list(SHARES)[random.choice(len(SHARES), p=list(SHARES.values()))]
        if family not in families:
            continue
        choices = [sound for sound in _BY_FAMILY[family] if unseen is None or held_out(sound) == unseen]
        return choices[random.integers(len(choices))]


def caption(sound: Sound) -> str:
    """The caption; attributes that are None are left out. Raises ValueError for unknown names."""
    for name, value, allowed in (
        ("pitch", sound.pitch, PITCHES),
        ("voice", sound.voice, VOICES),
        ("length", sound.length, PACES if sound.name in SPOKEN else LENGTHS),
    ):
        if value is not None and value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
    if all(sound.name not in names for names in NAMES.values()):
        raise ValueError(
            f"name must be one of {', '.join(n for names in NAMES.values() for n in names)}; got {sound.name!r}"
        )
    if sound.name in SPOKEN:
        noun = " ".join(filter(None, (sound.pitch, sound.voice, "voice")))
        return f"a {noun} says {sound.name}" + (f", {sound.length}" if sound.length else "")
    noun = " ".join(filter(None, (sound.pitch, sound.name)))
    article = "" if sound.name in ("clicks", "bubbles") else "an " if noun[0] in "aeiou" else "a "
    what = "sound" if sound.name in EFFECTS else "note"
    return article + noun + (f", {sound.length} {what}" if sound.length else "")


def describe(sound: Sound, random: np.random.Generator) -> str:
    """A training caption of a fully named sound: rarely its pitch, voice or length is left out, at random."""
    skip = random.random(3) < UNNAMED
    return caption(
        replace(
            sound,
            pitch=None if skip[0] else sound.pitch,
            voice=None if skip[1] else sound.voice,
            length=None if skip[2] else sound.length,
        )
    )


def parse(text: str) -> Sound:
    """What a prompt names; attributes that it does not name are None.

    Case, punctuation and unknown words are ignored; of several names the one that comes last wins, of words in the same place the longest.
    Raises ValueError where it names no sound.
    """
    words = "".join(ch if ch.isalpha() else " " for ch in text.lower()).split()
    spaced = f" {' '.join(words)} "
    found = [(spaced.rfind(f" {name} "), len(name), name) for names in NAMES.values() for name in names]
    place, _, name = max(found)
    if place < 0:
        raise ValueError(f"the prompt names no sound that the model knows: {text!r}")
    lengths = PACES if name in SPOKEN else LENGTHS

    def first(allowed: tuple[str, ...]) -> str | None:
        return next((word for word in words if word in allowed), None)

    return Sound(name, first(PITCHES), first(VOICES) if name in SPOKEN else None, first(lengths))


_BY_FAMILY: dict[str, list[Sound]] = {
    family: [sound for sound in combinations() if sound.family == family] for family in SHARES
}

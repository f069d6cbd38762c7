"""Recordings kept beside this file, of which the captions are known, before the models that ship.

In true/: words by espeak-ng, notes by fluidsynth from the FluidR3 General MIDI soundfont (MIT licence, Frank Wen and contributors), made by
scorekit_text_to_audio.sounds with a seed of no training set. These tests run where neither program is installed.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from test_sounds import pitch_of

from scorekit_text_to_audio import pico_audio, recogniser, vocoder
from scorekit_text_to_audio.codec import MelCodec
from scorekit_text_to_audio.sounds.captions import NOTES, Sound, caption, held_out, parse
from scorekit_text_to_audio.sounds.dataset import LOUDNESS, RATE, SAMPLES, SPREAD, loudest

FILES = sorted((Path(__file__).parent / "true").glob("*.flac"))
needs_recogniser = pytest.mark.skipif(not recogniser.SHIPPED.exists(), reason="the recogniser's weights are not here")
needs_vocoder = pytest.mark.skipif(not vocoder.SHIPPED.exists(), reason="the vocoder's weights are not here")
needs_model = pytest.mark.skipif(not pico_audio.FOLDER.exists(), reason="pico-audio's weights are not here")


@pytest.fixture(scope="module")
def true() -> dict[Sound, np.ndarray]:
    """The recordings (16384,) by what they are."""
    read = {parse(path.stem): soundfile.read(path, dtype="float32") for path in FILES}
    assert all(rate == RATE for _, rate in read.values())
    return {sound: wave for sound, (wave, _) in read.items()}


def test_they_are_as_the_recipe_says(true: dict[Sound, np.ndarray]) -> None:
    assert len(true) == 10
    for sound, wave in true.items():
        assert held_out(sound)
        assert wave.shape == (SAMPLES,)
        assert abs(20 * math.log10(loudest(wave)) - LOUDNESS) < SPREAD + 0.1


def test_the_notes_have_the_pitch_of_their_caption(true: dict[Sound, np.ndarray]) -> None:
    notes = {sound: wave for sound, wave in true.items() if sound.family == "instrument"}
    assert len(notes) == 5
    for sound, wave in notes.items():
        if sound.name == "organ":
            continue  # its 16-foot pipes sound an octave below the key
        key = 69 + 12 * math.log2(pitch_of(wave[4000:12000]) / 440)
        assert sound.pitch is not None
        assert min(abs(key - k) for k in NOTES[sound.pitch]) < 0.5, (sound, key)


@needs_recogniser
def test_the_recogniser_knows_them(true: dict[Sound, np.ndarray]) -> None:
    judge = recogniser.load()
    waves = torch.from_numpy(np.stack(list(true.values())))
    heard = recogniser.listen(judge, waves)
    right = [got.name == want.name for got, want in zip(heard.sounds, true, strict=True)]
    assert sum(right) >= 9
    # Two of them at once are both heard more often than not.
    pairs = [(0, 5), (1, 6), (2, 7), (3, 8), (4, 9)]
    both = recogniser.listen(judge, torch.stack([waves[a] + waves[b] for a, b in pairs]))
    names = [sound.name for sound in true]
    found = [
        float(both.presence[row, recogniser.SOUNDS.index(names[one])]) for row, pair in enumerate(pairs) for one in pair
    ]
    assert sum(p > 0.3 for p in found) >= 6


@needs_vocoder
def test_the_vocoder_gives_them_back(true: dict[Sound, np.ndarray]) -> None:
    waves = torch.from_numpy(np.stack(list(true.values())))[:, None]
    codec = MelCodec.shipped()
    x = codec.encode(waves)
    with torch.no_grad():
        back = codec.encode(codec.decode(x))
    assert (back - x)[x > -0.95].abs().mean() < 0.1


@needs_model
def test_the_model_that_ships_is_loaded_and_hears_the_prompt(true: dict[Sound, np.ndarray]) -> None:
    """What it makes of a noisy spectrogram is nearer to the truth under the right caption than under another."""
    model = pico_audio.load()
    assert model.prompts is not None
    x0 = model.encode(torch.from_numpy(np.stack(list(true.values())))[:, None])
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    captions = [caption(sound) for sound in true]
    others = captions[5:] + captions[:5]
    level = model.schedule.level(0.7, x0)
    x = level.alpha * x0 + level.sigma * eps
    with torch.no_grad():
        right, wrong = (
            (model.predict(x, level, model.prompts(texts).fields).x0 - x0).square().mean((1, 2, 3))
            for texts in (captions, others)
        )
    assert right.mean() < 0.85 * wrong.mean()

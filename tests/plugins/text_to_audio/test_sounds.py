"""The training sounds against what their captions say."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scorekit.zoo.words import make_tokenizer
from scorekit_text_to_audio.sounds import instruments, speech
from scorekit_text_to_audio.sounds.captions import (
    EFFECTS,
    NAMES,
    NOTES,
    SPOKEN,
    WORDS,
    Sound,
    caption,
    combinations,
    describe,
    draw,
    held_out,
    parse,
)
from scorekit_text_to_audio.sounds.dataset import (
    LOUDNESS,
    PEAK,
    RATE,
    SAMPLES,
    SPREAD,
    build,
    load,
    loudest,
    make_shard,
    placed,
)
from scorekit_text_to_audio.sounds.effects import HERTZ, SECONDS, synthesise
from scorekit_text_to_audio.sounds.midi import Note, midi_file

needs_espeak = pytest.mark.skipif(not speech.available(), reason="espeak-ng is not installed")
needs_fluidsynth = pytest.mark.skipif(
    not instruments.available(), reason="fluidsynth or the FluidR3 soundfont is not installed"
)


def pitch_of(wave: np.ndarray, lowest: float = 60.0, highest: float = 1200.0, near: float = 0.9) -> float:
    """Fundamental frequency in Hz: the first peak of the autocorrelation with at least `near` of the highest, refined by a parabola."""
    wave = wave - wave.mean()
    spectrum = np.fft.rfft(wave, 2 * len(wave))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: len(wave)]
    low, high = int(RATE / highest), int(RATE / lowest)
    part = correlation[: high + 2]
    peaks = [k for k in range(low, high + 1) if part[k] >= part[k - 1] and part[k] > part[k + 1]]
    best = max(part[k] for k in peaks)
    lag = next(k for k in peaks if part[k] >= near * best)
    before, here, after = part[lag - 1 : lag + 2]
    return float(RATE / (lag + 0.5 * (before - after) / (before - 2 * here + after)))


def test_captions_are_read_back() -> None:
    every = list(combinations())
    assert len({caption(sound) for sound in every}) == len(every) == 568
    for sound in every:
        assert parse(caption(sound)) == sound
    assert caption(Sound("seven", "low", "male", "slowly")) == "a low male voice says seven, slowly"
    assert caption(Sound("organ", None, None, "short")) == "an organ, short note"
    assert parse("PLAY: high clicks!") == Sound("clicks", "high")


def test_captions_use_the_vocabulary_and_fit_the_tokens() -> None:
    tokenizer = make_tokenizer(WORDS, 12)
    for sound in combinations():
        tokens = tokenizer(caption(sound)).input_ids
        assert len(tokens) <= 12
        assert len(tokens) == 2 + len(caption(sound).replace(",", " ,").split())


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (Sound("piano", "deep"), "pitch must be one of low, middle, high"),
        (Sound("seven", "low", "child"), "voice must be one of male, female"),
        (Sound("seven", "low", "male", "short"), "length must be one of slowly, quickly"),
        (Sound("kazoo"), "name must be one of zero, one"),
    ],
)
def test_unknown_names_are_refused(sound: Sound, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        caption(sound)


def test_a_prompt_without_a_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="names no sound"):
        parse("something nice")


def test_training_captions_never_say_more_or_other_than_the_sound() -> None:
    random = np.random.default_rng(0)
    sound, left_out = Sound("harp", "low", None, "long"), 0
    for _ in range(300):
        said = parse(describe(sound, random))
        assert said.name == "harp"
        assert said.pitch in (None, "low")
        assert said.length in (None, "long")
        left_out += said != sound
    assert 10 < left_out < 90


def test_no_training_draw_is_held_out_and_every_test_draw_is() -> None:
    random = np.random.default_rng(1)
    assert not any(held_out(draw(random)) for _ in range(300))
    unseen = [draw(random, unseen=True) for _ in range(300)]
    assert all(held_out(sound) for sound in unseen)
    assert {sound.family for sound in unseen} == {"word", "instrument"}
    # Of every word and every instrument something remains to learn from.
    for name in (*NAMES["word"], *NAMES["instrument"]):
        assert any(not held_out(sound) for sound in combinations() if sound.name == name)


def test_midi_file_holds_the_notes_at_their_times() -> None:
    """Read back by the rules of the format: variable-length times, and messages by their status byte."""
    data = midi_file([Note(24, 60, 100, 0.2), Note(None, 38, 90, 0.3)], spacing=1.5)
    assert data[:4] == b"MThd"
    assert data[14:18] == b"MTrk"
    track, tick, found, i = data[22:], 0, [], 0
    assert int.from_bytes(data[18:22], "big") == len(track)
    while i < len(track):
        delta = 0
        while True:
            delta, more, i = delta << 7 | track[i] & 0x7F, track[i] & 0x80, i + 1
            if not more:
                break
        tick += delta
        status = track[i]
        if status == 0xFF:
            i += 3 + track[i + 2]
            continue
        size = 2 if status & 0xF0 == 0xC0 else 3
        found.append((tick, *track[i : i + size]))
        i += size
    assert (0, 0xC0, 24) in found
    assert (0, 0x90, 60, 100) in found
    assert (200, 0x80, 60, 0) in found
    assert (1500, 0x99, 38, 90) in found
    assert (1800, 0x89, 38, 0) in found
    assert tick >= 3000  # the last note, too, has its whole spacing


@needs_fluidsynth
def test_notes_have_their_pitch_and_length() -> None:
    notes = [Note(program, key, 100, 0.8) for program in (24, 73, 40) for key in (57, 64, 72)]
    for note, wave in zip(notes, instruments.play(notes), strict=True):
        cents = 1200 * np.log2(pitch_of(wave[3200:11200]) / note.hertz)
        assert abs(cents) < 50, (note, cents)
    short, long = instruments.play([Note(73, 64, 100, 0.2), Note(73, 64, 100, 0.8)])
    assert loudest(short[int(0.5 * RATE) :]) < 0.01 * loudest(short)
    assert loudest(long[int(0.5 * RATE) : int(0.75 * RATE)]) > 0.3 * loudest(long)


@needs_espeak
def test_voices_differ_in_pitch_and_pace() -> None:
    def median(pitch: str, voice: str) -> float:
        """Over the voices of training; of a single one the estimate may be an octave off."""
        found = []
        for variant in speech.TRAINED[voice]:
            wave = speech.speak(speech.Utterance("no", f"en-us+{variant}", sum(speech.PITCH[pitch]) // 2, 150))
            spectrum = np.fft.rfft(wave)
            spectrum[np.fft.rfftfreq(len(wave), 1 / RATE) > 400] = 0  # formants
            middle = int(0.45 * len(wave))
            part = np.fft.irfft(spectrum, len(wave))[middle - 1200 : middle + 1200]
            found.append(pitch_of(part, 50, 400, near=1.0))
        return float(np.median(found))

    for voice in ("male", "female"):
        low, usual, high = (median(pitch, voice) for pitch in ("low", "middle", "high"))
        assert 1.2 * low < usual < high / 1.2
    assert 1.5 * median("middle", "male") < median("middle", "female")

    def seconds(pace: str | None) -> float:
        speed = sum(speech.SPEED[pace]) // 2
        return len(speech.speak(speech.Utterance("green", "en-us+m1", 50, speed))) / RATE

    assert 1.15 * seconds("quickly") < seconds(None) < seconds("slowly") / 1.15
    assert seconds("slowly") < 1.0


@needs_espeak
def test_held_out_voices_are_others() -> None:
    random = np.random.default_rng(0)
    for voice in ("male", "female"):
        assert not set(speech.TRAINED[voice]) & set(speech.UNHEARD[voice])
        drawn = {speech.utter(Sound("yes", "low", voice), random, unheard=True).voice.split("+")[1] for _ in range(30)}
        assert drawn == set(speech.UNHEARD[voice])
    # A voice that espeak-ng did not know would sound like its usual one.
    usual = speech.speak(speech.Utterance("hello", "en-us", 50, 170))
    for variant in (v for voices in (speech.TRAINED, speech.UNHEARD) for names in voices.values() for v in names):
        own = speech.speak(speech.Utterance("hello", f"en-us+{variant}", 50, 170))
        assert len(own) != len(usual) or not np.allclose(own, usual)


@pytest.mark.parametrize("name", list(EFFECTS))
def test_effects_last_as_long_as_they_say(name: str) -> None:
    random = np.random.default_rng(4)
    for length in ("short", "long"):
        wave = synthesise(Sound(name, "middle" if EFFECTS[name] else None, None, length), random)
        low, high = SECONDS[length]
        assert low - 0.01 <= len(wave) / RATE <= high
        assert np.isfinite(wave).all()
        assert np.abs(wave).max() > 0.1


def test_beeps_and_sweeps_have_their_frequency() -> None:
    random = np.random.default_rng(5)
    for pitch, (low, high) in HERTZ.items():
        wave = synthesise(Sound("beep", pitch, None, "long"), random)
        spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
        assert low - 5 < spectrum.argmax() * RATE / len(wave) < high + 5
    for name, rises in (("rising sweep", True), ("falling sweep", False)):
        wave = synthesise(Sound(name, None, None, "long"), random)
        early, late = (np.abs(np.fft.rfft(part)).argmax() for part in np.array_split(wave[: len(wave) // 2 * 2], 2))
        assert (early < late) == rises


def test_placed_sounds_have_their_onset_and_loudness_and_never_clip() -> None:
    random = np.random.default_rng(6)
    for loudness in (LOUDNESS - SPREAD, LOUDNESS + SPREAD, 0.0):
        wave = placed(random.standard_normal(40000).astype(np.float32), 0.05, loudness) / 32767
        assert wave.shape == (SAMPLES,)
        assert np.abs(wave).max() <= PEAK + 1e-4
        assert not wave[: int(0.05 * RATE)].any()
        assert wave[int(0.05 * RATE) :][:10].any()
        if loudness < 0:
            assert 20 * np.log10(loudest(wave)) == pytest.approx(loudness, abs=0.1)


def test_a_set_is_built_resumed_and_read(tmp_path: Path) -> None:
    build(tmp_path, 20, seed=3, kind="effects")
    first = load(tmp_path)
    assert len(first) == 20
    assert first.waves.shape == (20, SAMPLES)
    assert all(sound.family == "effect" for sound in first.sounds)
    written = (tmp_path / "shard-00000.npz").stat().st_mtime_ns
    build(tmp_path, 20, seed=3, kind="effects")
    assert (tmp_path / "shard-00000.npz").stat().st_mtime_ns == written
    again = make_shard(0, 20, seed=3, kind="effects")
    assert np.array_equal(again["waves"], first.waves)
    with pytest.raises(ValueError, match="other settings"):
        build(tmp_path, 20, seed=4, kind="effects")
    with pytest.raises(ValueError, match="kind must be one of"):
        make_shard(0, 4, kind="music")
    most, rest = first.split(4)
    assert (len(most), len(rest)) == (15, 5)
    assert rest.sounds[0] == first.sounds[3]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must hold shard"):
        load(tmp_path)


@needs_espeak
@needs_fluidsynth
def test_a_shard_of_all_families_is_the_same_twice() -> None:
    one, two = make_shard(7, 24, seed=5), make_shard(7, 24, seed=5)
    for name in one:
        assert np.array_equal(one[name], two[name])
    families = {parse(text).family for text in one["captions"].tolist()}
    assert {"word", "instrument"} <= families
    for wave, onset in zip(one["waves"], one["onset"], strict=True):
        assert not wave[: int(onset * RATE)].any()
        assert -26 < 20 * np.log10(loudest(wave / 32767)) < -16


def test_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="espeak-ng is not installed"):
        speech.speak(speech.Utterance("yes", "en-us", 50, 160))
    with pytest.raises(RuntimeError, match="fluidsynth"):
        instruments.play([Note(0, 60, 100, 0.2)])


def test_every_word_and_pitch_has_its_range() -> None:
    keys = [set(band) for band in NOTES.values()]
    assert all(max(a) + 4 < min(b) for a, b in itertools.pairwise(keys))
    assert len(set(SPOKEN)) == len(SPOKEN)
    assert replace(Sound("yes", "low", "male"), length="quickly") in set(combinations())

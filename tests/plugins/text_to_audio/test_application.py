"""Both applications as the host runs them, on the exact score of a few sounds: files, lengths, and refusals in one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import soundfile

from scorekit.host.errors import ParameterError
from scorekit.host.plugin import Application
from scorekit.host.record import Run
from scorekit.host.registry import Registry
from scorekit.host.runs import execute
from scorekit.host.testing.media import fault
from scorekit_text_to_audio import TextToAudio, TextToSynth

RATE = 16000
QUICK: dict[str, Any] = {"prompt": "a low pluck", "count": 1, "steps": 3, "guidance": 1}
SMALL: dict[str, Any] = {
    "prompt": "a low pluck",
    "patches": 2,
    "search": 4,
    "sample_steps": 2,
    "fit_steps": 3,
    "steps": 2,
}
Start = Callable[..., Run]


@pytest.fixture
def run(tmp_path: Path, isolated_registry: Callable[..., Registry]) -> Start:
    isolated_registry("scorekit_text_to_audio", "exact_sounds")

    def start(
        values: dict[str, Any], app: type[Application] = TextToAudio, model: str = "exact-sounds", name: str = "run"
    ) -> Run:
        return execute(app, values, tmp_path / name, model=model, device="cpu")

    return start


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """1.5 s of a tone of 440 Hz that begins after half a second: stereo, 48 kHz, 24 bits."""
    time = np.arange(72000) / 48000
    tone = 0.3 * np.sin(2 * np.pi * 440 * time) * (time > 0.5)
    soundfile.write(tmp_path / "tone.wav", np.stack([tone, tone], 1), 48000, subtype="PCM_24")
    return tmp_path / "tone.wav"


def test_sounds_and_their_pictures(run: Start) -> None:
    done = run(QUICK | {"count": 2})
    assert done.status == "done", done.error
    names = {row["name"] for row in done.record["artifacts"]}
    assert names == {"sound.wav", "sound-2.wav", "spectrogram.png", "waveform.png", "summary.json"}
    assert not [reason for name in names if (reason := fault(done.folder / name))]
    summary = json.loads((done.folder / "summary.json").read_text())
    for row in summary["sounds"]:
        info = soundfile.info(done.folder / row["file"])
        assert (info.samplerate, info.channels, info.subtype, info.frames) == (RATE, 1, "PCM_16", 16384)
        samples, _ = soundfile.read(done.folder / row["file"])
        assert np.abs(samples).max() == pytest.approx(row["peak"], abs=1e-3)
        assert np.abs(samples).max() < 1
        assert row["loudness"] == pytest.approx(-20, abs=0.2) or row["peak"] == pytest.approx(0.891, abs=1e-3)
    assert done.record["metrics"]["seconds_of_sound"] == pytest.approx(2.048)
    for name in ("spectrogram.png", "waveform.png"):
        with PIL.Image.open(done.folder / name) as picture:
            assert picture.width == 700
            assert len(np.unique(np.asarray(picture.convert("L")))) > 30


def test_the_file_is_written_as_asked(run: Start) -> None:
    done = run(QUICK | {"format": "float", "sample_rate": 44100, "seconds": 0.5, "loudness": -30})
    info = soundfile.info(done.folder / "sound.wav")
    assert (info.samplerate, info.subtype) == (44100, "FLOAT")
    assert info.frames == pytest.approx(22050, abs=2)
    (row,) = json.loads((done.folder / "summary.json").read_text())["sounds"]
    assert row["loudness"] == pytest.approx(-30, abs=0.2)


def test_a_recording_is_edited_and_repaired(run: Start, recording: Path) -> None:
    edited = run(QUICK | {"audio": str(recording), "strength": 0.1}, name="edited")
    assert edited.status == "done", edited.error
    assert soundfile.info(edited.folder / "sound.wav").frames == 24000  # as long as the recording
    kept, _ = soundfile.read(edited.folder / "recording.wav")
    repaired = run(QUICK | {"audio": str(recording), "gap": "0.8..1.0", "steps": 4}, name="repaired")
    assert repaired.status == "done", repaired.error
    made, _ = soundfile.read(repaired.folder / "sound.wav")
    changed = np.abs(made - kept) > 1e-4
    place = np.arange(len(made)) / RATE
    assert changed[(place > 0.8) & (place < 1.0)].mean() > 0.5
    assert not changed[(place < 0.8 - 0.005) | (place > 1.0 + 0.005)].any()


def test_two_prompts_and_one_to_avoid(run: Start) -> None:
    done = run(QUICK | {"and_": "a high tone", "weight": 0.5, "avoid": "a rush"})
    assert done.status == "done", done.error
    said = json.loads((done.folder / "summary.json").read_text())
    assert (said["prompt"], said["and"], said["avoid"]) == ("a low pluck", "a high tone", "a rush")


def test_a_patch_is_found_edited_and_played_again(run: Start, tmp_path: Path) -> None:
    done = run(SMALL, TextToSynth)
    assert done.status == "done", done.error
    names = {row["name"] for row in done.record["artifacts"]}
    pictures = {"spectrogram.png", "waveform.png", "film.mp4"}
    assert names == pictures | {"patch.json", "patch-2.json", "patch.wav", "patch-2.wav", "sample.wav", "summary.json"}
    assert not [reason for name in names if (reason := fault(done.folder / name))]
    content = json.loads((done.folder / "patch.json").read_text())
    errors = [row["error"] for row in json.loads((done.folder / "summary.json").read_text())["patches"]]
    assert errors == sorted(errors)

    again = run(
        {"prompt": "a low pluck", "patch": str(done.folder / "patch.json"), "steps": 0}, TextToSynth, name="again"
    )
    assert again.status == "done", again.error
    assert (again.folder / "patch.wav").read_bytes() == (done.folder / "patch.wav").read_bytes()

    content["controls"]["pitch"]["value"] = 700
    (tmp_path / "edited.json").write_text(json.dumps(content))
    edited = run(
        {"prompt": "a low pluck", "patch": str(tmp_path / "edited.json"), "steps": 0}, TextToSynth, name="edited"
    )
    assert json.loads((edited.folder / "patch.json").read_text())["controls"]["pitch"]["value"] == 700
    assert (edited.folder / "patch.wav").read_bytes() != (done.folder / "patch.wav").read_bytes()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"prompt": " "}, "prompt: a prompt must say something"),
        ({"prompt": "a dog"}, "no caption of exact-sounds holds all the words of 'a dog'"),
        ({"and_": ""}, "and: a prompt must say something"),
        ({"seconds": 0}, "seconds must be a number"),
        ({"seconds": 1e9}, "seconds must be a number"),
        ({"gap": "0.3..0.6"}, "gap needs audio"),
        ({"gap": "0.6..0.3", "audio": "tone.wav"}, "gap must be two times in seconds"),
        ({"gap": "middle", "audio": "tone.wav"}, "gap must be two times in seconds"),
        ({"gap": "1..2", "audio": "tone.wav"}, "gap must lie within the recording, which lasts 1.5 s"),
        ({"seconds": 2, "audio": "tone.wav"}, "seconds cannot be used with audio"),
        ({"audio": "absent.wav"}, "audio must be an existing path"),
        ({"audio": "text.wav"}, "audio: text.wav cannot be read as sound"),
        ({"solver": "magic"}, "solver must be one of"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(run: Start, recording: Path, values: dict[str, Any], said: str) -> None:
    (recording.parent / "text.wav").write_text("no sound at all")
    if "audio" in values:
        values = values | {"audio": str(recording.parent / values["audio"])}
    with pytest.raises(ParameterError) as error:
        run(QUICK | values)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not list((recording.parent / "run").glob("*.wav"))


def test_a_model_of_pictures_is_refused(run: Start) -> None:
    for app, values in ((TextToAudio, {"count": 1}), (TextToSynth, {})):
        with pytest.raises(ParameterError, match="makes no sound: text-to-audio needs a model such as pico-audio"):
            run({"prompt": "a red mushroom"} | values, app, model="pico-image", name=app.name)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"prompt": ""}, "prompt: a prompt must say something"),
        ({"t_min": 0.5}, "t_min must be below t_max"),
        ({"search": 1}, "search must be at least patches"),
        ({"patch": "patch.json"}, "patch: patch.json cannot be read as JSON"),
    ],
)
def test_bad_patches_are_refused(run: Start, tmp_path: Path, values: dict[str, Any], said: str) -> None:
    (tmp_path / "patch.json").write_text("{")
    if "patch" in values:
        values = {"patch": str(tmp_path / "patch.json")}
    with pytest.raises(ParameterError) as error:
        run(SMALL | values, TextToSynth)
    assert said in str(error.value)

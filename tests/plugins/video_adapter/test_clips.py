"""Clips from files: which frames are taken, and what is refused in which words."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_videos import LOSSLESS, SIDE, ramp, write

import scorekit_video_adapter.clips as clips_module
from scorekit_video_adapter.clips import read_clip, read_folder


def greys(frames: np.ndarray) -> list[int]:
    return [int(value) for value in frames.mean((0, 2, 3)).round()]


def test_frames_are_taken_evenly_from_the_first_to_the_last(tmp_path: Path) -> None:
    source = ramp(21)
    clip = read_clip(write(tmp_path / "a.mp4", source, after=LOSSLESS), "video", frames=5, size=(SIDE, SIDE))
    assert clip.frames.shape == (3, 5, SIDE, SIDE)
    assert greys(clip.frames) == [int(source[index, 0, 0, 0]) for index in (0, 5, 10, 15, 20)]
    assert clip.seconds == pytest.approx(2.0)
    assert not clip.uneven


def test_of_a_clip_whose_rate_varies_frames_are_taken_by_their_times(tmp_path: Path) -> None:
    """Frames at 0, .1, .2, .3 and then 1, 2, 3 seconds: four even moments are those of frames 0, 4, 5 and 6."""
    source = ramp(7)
    times = "if(lt(N\\,4)\\,N\\,10*(N-3))"  # in tenths of a second
    path = write(tmp_path / "a.mkv", source, after=["-vf", f"setpts={times}", "-fps_mode", "passthrough", *LOSSLESS])
    clip = read_clip(path, "video", frames=4, size=(SIDE, SIDE))
    assert clip.uneven
    assert greys(clip.frames) == [int(source[index, 0, 0, 0]) for index in (0, 4, 5, 6)]


def test_a_wide_clip_is_cropped_in_the_middle_and_scaled_by_areas(tmp_path: Path) -> None:
    source = ramp(8, width=96, height=64)
    source[:, :, :16] = 0  # what the crop takes away
    source[:, :, 80:] = 255
    clip = read_clip(write(tmp_path / "a.mp4", source, after=LOSSLESS), "video", frames=8, size=(16, 16))
    assert clip.frames.shape == (3, 8, 16, 16)
    assert np.ptp(clip.frames[0], (1, 2)).max() <= 1
    assert np.abs(clip.frames.mean((0, 2, 3)) - source[:, 0, 48, 0]).max() <= 1


def test_gifs_are_read(tmp_path: Path) -> None:
    source = ramp(9)
    clip = read_clip(write(tmp_path / "a.gif", source), "video", frames=9, size=(SIDE, SIDE))
    assert np.abs(np.array(greys(clip.frames)) - source[:, 0, 0, 0]).max() <= 6  # its palette


def refused(path: Path, sentence: str, frames: int = 4) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        read_clip(path, "video", frames=frames, size=(SIDE, SIDE))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_clips_are_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write(tmp_path / "whole.mp4", np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3), np.uint8))
    data = whole.read_bytes()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no film")
    (tmp_path / "half.mp4").write_bytes(data[: len(data) // 2])
    damaged = bytearray(data)
    for place in range(len(data) // 3, len(data) // 2, 7):
        damaged[place] ^= 0xFF
    (tmp_path / "damaged.mp4").write_bytes(bytes(damaged))
    (tmp_path / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:4,\nfile://{whole}\n#EXT-X-ENDLIST\n")
    refused(tmp_path / "none.mp4", r"video: none\.mp4 is no file; MP4, MOV")
    refused(tmp_path / "empty.mp4", r"video: empty\.mp4 is empty")
    for name in ("text", "half", "damaged", "list"):
        refused(tmp_path / f"{name}.mp4", rf"video: {name}\.mp4 is no clip, or damaged; MP4, MOV")
    refused(whole, r"video: whole\.mp4 has 40 frames; at least 48 are needed", frames=48)
    monkeypatch.setattr(clips_module, "MOST_FRAMES", 30)
    refused(whole, r"video: whole\.mp4 is too long; at most 30 frames and 10 minutes")
    monkeypatch.setattr(clips_module, "MOST_SIDE", 48)
    refused(whole, r"video: whole\.mp4 is 64 x 64 px; at most 48 a side")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, count in (("b.mp4", 12), ("a.mp4", 8)):
        write(tmp_path / name, ramp(count), after=LOSSLESS)
    (tmp_path / "notes.txt").write_text("not a clip")
    (tmp_path / "captions.csv").write_text('file,caption\na.mp4,"a light, growing"\nb.mp4,the same slower\n')
    return tmp_path


def test_a_folder_has_its_clips_and_captions_in_the_order_of_names(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = read_folder(folder, None, frames=4, size=(16, 16), report=lambda done, total: seen.append((done, total)))
    assert found.clips.shape == (2, 3, 4, 16, 16)
    assert found.clips.dtype == np.uint8
    assert found.captions == ["a light, growing", "the same slower"]
    assert found.names == ["a.mp4", "b.mp4"]
    assert seen == [(1, 2), (2, 2)]
    with_marks = folder / "other.csv"
    with_marks.write_text("﻿Caption,File\nx,b.mp4\ny,a.mp4\n", encoding="utf-8")
    assert read_folder(folder, with_marks, frames=4, size=(16, 16)).captions == ["y", "x"]


def rewritten(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "captions.csv").write_text(text)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: (f / "captions.csv").unlink(), "has no captions.csv; give a CSV with the columns file and caption"),
        (rewritten("file,caption\na.mp4,x\n"), r"captions: b\.mp4 of .* has no row"),
        (rewritten("file,caption\n"), r"captions: 2 clips, such as a\.mp4, of .* have no row"),
        (rewritten("file,caption\na.mp4,x\nb.mp4,y\nc.mp4,z\n"), r"captions: c\.mp4 is named and not in"),
        (rewritten("file,caption\na.mp4,x\nb.mp4,\n"), r"captions: line 3 of captions\.csv has no caption"),
        (rewritten("file,caption\na.mp4,x\nb.mp4\n"), r"captions: line 3 of captions\.csv has no caption"),
        (rewritten("file,caption\na.mp4,x\na.mp4,y\n"), r"captions: a\.mp4 has two rows"),
        (rewritten("name,text\na.mp4,x\n"), "must have the columns file and caption in its first line"),
        (rewritten(""), "must have the columns file and caption in its first line"),
        (lambda f: (f / "captions.csv").write_bytes(b"\xff\xfe\x00"), "is no CSV in UTF-8"),
        (lambda f: [path.unlink() for path in f.glob("*.mp4")], "holds no clip; MP4, MOV"),
        (lambda f: (f / "a.mp4").write_bytes(b"broken"), r"clips: a\.mp4 is no clip, or damaged"),
    ],
)
def test_clips_and_captions_that_do_not_belong_together_are_refused(
    folder: Path, change: Callable[[Path], object], sentence: str
) -> None:
    change(folder)
    with pytest.raises(ValueError, match=sentence):
        read_folder(folder, None, frames=4, size=(16, 16))


def test_a_folder_that_does_not_fit_into_memory_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips_module, "MOST_BYTES", 5000)
    with pytest.raises(ValueError, match=r"clips: 2 clips would take .* GiB of memory; at most"):
        read_folder(folder, None, frames=4, size=(16, 16))

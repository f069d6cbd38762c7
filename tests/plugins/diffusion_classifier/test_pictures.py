"""Pictures and sets of them from outside: what is read, and what is refused in a sentence."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scorekit_diffusion_classifier.labelled import read_set
from scorekit_diffusion_classifier.pictures import PictureError, read_picture, side_of


def saved(path: Path, array: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def test_the_middle_is_cut_out_and_transparency_lies_on_the_background(tmp_path: Path) -> None:
    array = np.zeros((10, 30, 4), np.uint8)
    array[:, 10:20] = (255, 0, 0, 255)  # the middle is red, the rest transparent
    wide = saved(tmp_path / "wide.png", array)
    red = torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(3, 10, 10)
    torch.testing.assert_close(read_picture(wide, 10), red)
    clear = saved(tmp_path / "clear.png", np.zeros((8, 8, 4), np.uint8))
    assert read_picture(clear, 8).min() == 1
    assert read_picture(clear, 8, (0.0, 0.0, 0.0)).max() == 0


def test_a_picture_of_the_wanted_size_is_taken_as_it_is_and_grey_becomes_three_channels(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    found = read_picture(saved(tmp_path / "grey.png", array), 28)
    assert torch.equal(found, (torch.from_numpy(array).float() / 255).expand(3, 28, 28))


def test_the_turn_of_a_camera_is_undone(tmp_path: Path) -> None:
    array = np.zeros((16, 16, 3), np.uint8)
    array[:8] = 255
    image = Image.fromarray(array)
    exif = image.getexif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "turned.png", exif=exif)
    found = read_picture(tmp_path / "turned.png", 16)
    assert found[:, :8].max() == 0
    assert found[:, 8:].min() == 1


def bomb(path: Path, width: int, height: int) -> Path:
    """A PNG whose header promises that many pixels, in a few bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    return path


def test_what_is_no_picture_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    whole = saved(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bad.png").write_bytes(whole[:60] + b"\0" * 40 + whole[100:])
    saved(tmp_path / "strip.png", np.zeros((4, 100, 3), np.uint8))
    bomb(tmp_path / "huge.png", 10_000, 10_000)
    bomb(tmp_path / "vast.png", 100_000, 100_000)
    for name, message in [
        ("missing.png", "cannot be read: .*No such file"),
        ("empty.png", "is empty"),
        ("text.png", "is no picture in a known format"),
        ("cut.png", "cannot be read"),
        ("bad.png", "cannot be read"),
        ("strip.png", "is 100 x 4 pixels: one side is over 20 times the other"),
        ("huge.png", "has 100 megapixels; at most 50 are read"),
        ("vast.png", "at most 50"),
    ]:
        with pytest.raises(PictureError, match=message) as error:
            read_picture(tmp_path / name, 8)
        assert name in str(error.value)
        assert str(error.value).count("\n") == 0


def test_latents_are_of_pictures_eight_times_as_large() -> None:
    assert side_of((4, 64, 64)) == 512
    assert side_of((3, 32, 32)) == 32
    assert side_of((1, 28, 28)) == 28


def test_a_folder_of_class_folders(tmp_path: Path) -> None:
    for name in ("cat/b.png", "cat/a.JPG", "hot_dog/c.webp", "cat/.hidden.png"):
        saved(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    found = read_set(tmp_path)
    assert [path.name for path in found.paths] == ["a.JPG", "b.png", "c.webp"]
    assert found.labels == ("cat", "cat", "hot dog")
    assert found.classes == ("cat", "hot dog")
    assert len(found.some(2, seed=0)) == 2
    assert found.some(2, seed=0) == found.some(2, seed=0)
    assert found.some(9, seed=0) == found


def test_a_csv_with_paths_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("\ufefflabel,path,more\ncat,a.png,1\n,sub/b.png,2\n", encoding="utf-8")
    found = read_set(file)
    assert found.paths == (tmp_path / "a.png", tmp_path / "sub" / "b.png")
    assert found.labels == ("cat", None)
    assert found.classes == ("cat",)


def test_sets_without_pictures_are_refused_in_a_sentence(tmp_path: Path) -> None:
    bare, hollow = tmp_path / "bare", tmp_path / "hollow"
    bare.mkdir()
    (hollow / "cat").mkdir(parents=True)
    files = {
        "columns.csv": ("file,class\na.png,cat\n", "must have the columns path and label"),
        "none.csv": ("path,label\n", "holds no picture"),
        "blank.csv": ("path,label\n,cat\n", "has no path in line 2"),
        "bytes.csv": ("", "must have the columns path and label"),
    }
    for name, (text, message) in files.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=message):
            read_set(tmp_path / name)
    (tmp_path / "bytes.csv").write_bytes(b"path,label\n\xff\xfe,cat\n")
    with pytest.raises(ValueError, match="cannot be read as CSV"):
        read_set(tmp_path / "bytes.csv")
    with pytest.raises(ValueError, match="data must be a folder with one folder of pictures for each class, or a CSV"):
        read_set(bare)
    with pytest.raises(ValueError, match=r"data .* holds no picture in its 1 class folders"):
        read_set(hollow)

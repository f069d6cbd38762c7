"""Pictures from outside: what is taken as it is, and what is refused before it is decoded."""

import struct
import zlib
from pathlib import Path

import PIL.Image
import pytest

from scorekit.host.pictures import open_picture


def test_transparency_lies_over_white_unless_it_is_asked_for(tmp_path: Path) -> None:
    PIL.Image.new("RGBA", (12, 9), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    flat = open_picture(tmp_path / "clear.png", "image")
    assert (flat.mode, flat.size, flat.getpixel((3, 3))) == ("RGB", (12, 9), (255, 255, 255))
    assert open_picture(tmp_path / "clear.png", "image", alpha=True).getpixel((3, 3)) == (255, 0, 0, 0)


def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    picture = PIL.Image.new("RGB", (20, 10), "blue")
    exif = picture.getexif()
    exif[0x0112] = 6  # orientation: a quarter turn
    picture.save(tmp_path / "turned.jpg", exif=exif)
    assert open_picture(tmp_path / "turned.jpg", "image").size == (10, 20)


def header_of(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and ends where its pixels would begin."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + body
        + struct.pack(">I", zlib.crc32(body))
        + struct.pack(">I", 99)
        + b"IDAT"
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"^first: x\.png is empty; PNG, JPEG and WebP are read\.$"),
        (b"<svg/>", r"^first: x\.png is no picture, or damaged; PNG, JPEG and WebP are read\.$"),
        (header_of(10_000, 10_000), r"^first: x\.png has 100 megapixels; at most 50 are read\.$"),
        (header_of(30_000, 30_000), r"^first: x\.png has more than 50 megapixels\.$"),
        (header_of(100, 100), r"^first: x\.png is no picture, or damaged"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        open_picture(tmp_path / "x.png", "first")


def test_a_small_one_is_refused_by_its_sides(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (30, 15)).save(tmp_path / "x.png")
    assert open_picture(tmp_path / "x.png", "first").size == (30, 15)
    with pytest.raises(ValueError, match=r"^first: x\.png is 30 x 15 px; at least 16 a side are needed\.$"):
        open_picture(tmp_path / "x.png", "first", smallest=16)

"""What uploads may be, and that what is stored is pixels."""

import asyncio
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from scorekit.host.errors import ParameterError
from scorekit_studio import uploads
from scorekit_studio.bodies import BoundedBodies
from scorekit_studio.limits import LimitError, Limits
from scorekit_studio.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 6), **options: object) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", size, "red").save(buffer, kind, **options)
    return buffer.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that says it has side x side pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_picture_is_decoded_and_written_anew(store: Store) -> None:
    exif = PIL.Image.Exif()
    exif[0x010E] = "secret place"
    exif[0x0112] = 6  # the camera was held upright
    content = picture("JPEG", exif=exif) + b"<script>alert(1)</script>"
    path = uploads.keep(store, Limits(), "ann", "../../photo.JPG", content)
    assert path.suffix == ".png"
    assert path.parent == uploads.place(store, "ann")
    assert b"secret" not in path.read_bytes()
    assert b"script" not in path.read_bytes()
    assert PIL.Image.open(path).size == (6, 8)
    assert uploads.keep(store, Limits(), "ann", "other.jpg", content) == path
    assert uploads.keep(store, Limits(), "bob", "photo.jpg", content) != path


def test_too_large_is_refused_before_it_is_decoded(store: Store) -> None:
    limits = Limits(upload_bytes=1000, upload_pixels=100)
    with pytest.raises(LimitError, match=r"'a.txt' has 0.0 MB; a file may have at most"):
        uploads.keep(store, limits, "ann", "a.txt", b"x" * 1001)
    with pytest.raises(LimitError, match="has 11 x 10 pixels"):
        uploads.keep(store, limits, "ann", "a.png", picture(size=(11, 10)))
    for side in (1_000, 10_000, 60_000):  # Pillow itself warns of the second and refuses the third
        with pytest.raises(LimitError, match="pixels"):
            uploads.keep(store, limits, "ann", "bomb.png", bomb(side))
    assert not uploads.place(store, "ann").exists()


def test_what_is_no_picture_or_of_another_kind_is_refused(store: Store) -> None:
    for content in (b"GIF89a", b"", picture()[:40]):
        with pytest.raises(ParameterError, match="is not a picture that can be read"):
            uploads.keep(store, Limits(), "ann", "a.png", content)
    for name in ("a.pt", "a.html", "a.pkl", "a", "a.py", ".png/x"):
        with pytest.raises(ParameterError, match="must be a file of one of the kinds"):
            uploads.keep(store, Limits(), "ann", name, b"x")


def test_a_file_counts_as_ones_own_only_where_it_really_lies(store: Store, tmp_path: Path) -> None:
    mine = uploads.keep(store, Limits(), "ann", "a.txt", b"mine")
    assert uploads.owned(store, "ann", mine)
    assert not uploads.owned(store, "bob", mine)
    secret = tmp_path / "secret"
    secret.write_text("x")
    (mine.parent / "link.txt").symlink_to(secret)
    for path in (
        mine.parent / "link.txt",
        mine.parent / ".." / ".." / ".." / "secret",
        mine.parent,
        Path("/etc/passwd"),
    ):
        assert not uploads.owned(store, "ann", path)


def test_transparency_survives(store: Store) -> None:
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.array([[[255, 0, 0, 0], [0, 255, 0, 255]]], np.uint8)).save(buffer, "PNG")
    path = uploads.keep(store, Limits(), "ann", "a.png", buffer.getvalue())
    assert np.asarray(PIL.Image.open(path))[..., 3].tolist() == [[0, 255]]


@pytest.mark.parametrize(("chunks", "status"), [(40, 200), (400, 413)])
def test_a_body_that_names_no_length_is_cut_off_at_the_limit(chunks: int, status: int) -> None:
    """Real Starlette around a form that takes everything, fed with 1 MB at a time."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def take(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    app = Starlette(routes=[Route("/", take, methods=["PUT"])], middleware=[Middleware(BoundedBodies, 64 << 20)])
    block, asked, replies = bytes(1 << 20), 0, list[Any]()

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": block, "more_body": asked < chunks}

    async def send(message: Any) -> None:
        replies.append(message)

    scope = {"type": "http", "method": "PUT", "path": "/", "headers": [], "query_string": b"", "http_version": "1.1"}
    asyncio.run(app(scope, receive, send))
    assert replies[0]["status"] == status
    assert asked == min(chunks, 65)

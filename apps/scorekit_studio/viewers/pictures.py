"""Pictures and films for their components: decoded with care before a browser gets them."""

import io
from pathlib import Path

from scorekit_studio.viewers.envelope import Part, pack
from scorekit_studio.viewers.trouble import Unshowable, read

MOST_BYTES = 64_000_000
MOST_PIXELS = 50_000_000
LONGEST, LONGEST_SMALL = 2400, 560  # side in pixels of what is sent
AS_THEY_ARE = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
MOST_FILM_BYTES = 48_000_000
FILMS = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm"}


def picture(path: Path, alt: str, *, small: bool = False) -> bytes:
    """The message for the component `picture`. Raises Unshowable for what is no whole picture, or too large a one."""
    part, (width, height), transparent = decoded(path, LONGEST_SMALL if small else LONGEST)
    return pack({"picture": part}, alt=alt, small=small, transparent=transparent, note=f"{width} × {height} px")


def compared(left: Path, right: Path, names: tuple[str, str]) -> bytes:
    """The message for the component `compare`. Raises Unshowable as `picture` does."""
    one, other = _either(left), _either(right)
    note = "" if one[1] == other[1] else f"{one[1][0]} × {one[1][1]} px beside {other[1][0]} × {other[1][1]} px"
    return pack({"left": one[0], "right": other[0]}, names=list(names), note=note)


def _either(path: Path) -> tuple[Part, tuple[int, int]]:
    if path.suffix.lower() == ".svg":
        from scorekit_studio.viewers.svg_clean import MOST_BYTES as MOST_SVG
        from scorekit_studio.viewers.svg_clean import clean

        drawing = clean(read(path, MOST_SVG))
        return ("image/svg+xml", drawing.text.encode()), (round(drawing.width), round(drawing.height))
    part, size, _ = decoded(path, LONGEST)
    return part, size


def decoded(path: Path, longest: int = LONGEST) -> tuple[Part, tuple[int, int], bool]:
    """A picture that has been decoded once, made smaller if a side is longer than `longest`; its own (width, height), and whether
    parts of it are transparent."""
    from PIL import Image, ImageOps

    content = read(path, MOST_BYTES)
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MOST_PIXELS:
                megapixels = image.width * image.height / 1e6
                raise Unshowable(
                    f"The picture has {megapixels:.0f} megapixels; up to {MOST_PIXELS / 1e6:.0f} are shown here."
                )
            known = AS_THEY_ARE.get(image.format or "")
            moving = getattr(image, "n_frames", 1) > 1
            image.load()
            size = image.size
            transparent = image.has_transparency_data
            if known and (moving or max(size) <= longest):
                return (known, content), size, transparent
            upright = ImageOps.exif_transpose(image)
            shown = upright.convert("RGBA" if transparent else "RGB")
    except Unshowable:
        raise
    except Image.DecompressionBombError:
        raise Unshowable(f"The picture has more than {MOST_PIXELS / 1e6:.0f} megapixels.") from None
    except Exception:  # decoders of many formats raise what they like on damaged files
        raise Unshowable("The file is no picture that can be decoded, or is damaged.") from None
    size = shown.size
    shown.thumbnail((longest, longest))
    out = io.BytesIO()
    shown.save(out, "PNG" if transparent else "WEBP", **({} if transparent else {"quality": 92}))
    return ("image/png" if transparent else "image/webp", out.getvalue()), size, transparent


def film(path: Path, alt: str, *, small: bool = False) -> bytes:
    """The message for the component `film`. Raises Unshowable for what is no film, half a film, or too large."""
    content = read(path, MOST_FILM_BYTES)
    if content[4:8] not in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip") and not content.startswith(
        b"\x1aE\xdf\xa3"
    ):
        raise Unshowable("The file is no film that a browser plays (MP4 or WebM), or is damaged.")
    kind = "video/webm" if content.startswith(b"\x1aE\xdf\xa3") else "video/mp4"
    if kind == "video/mp4" and not _whole(content):
        raise Unshowable("This film cannot be played: it is damaged, or cut off.")
    return pack({"film": (kind, content)}, alt=alt, small=small)


def _whole(content: bytes) -> bool:
    """Whether an MP4's boxes (ISO/IEC 14496-12, 4.2) end where the file ends, with an index among them. A browser waits for the rest."""
    place, names = 0, set[bytes]()
    while place + 8 <= len(content):
        size, name = int.from_bytes(content[place : place + 4]), content[place + 4 : place + 8]
        if size == 1:
            size = int.from_bytes(content[place + 8 : place + 16])
        elif size == 0:  # to the end of the file
            size = len(content) - place
        if size < 8:
            return False
        names.add(name)
        place += size
    return place == len(content) and b"moov" in names

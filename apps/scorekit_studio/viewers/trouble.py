"""What every viewer shares: the sentence for a file that is not shown, and text that no Markdown is read from."""

import re
from pathlib import Path


class Unshowable(ValueError):
    """Why a file is not drawn: one sentence for the person who looks at it."""


def read(path: Path, most: int) -> bytes:
    """The content of a file of at most `most` bytes. Raises Unshowable for larger, empty and unreadable files."""
    try:
        size = path.stat().st_size
        if size > most:
            raise Unshowable(f"The file has {sized(size)}; up to {sized(most)} are shown here. It can be downloaded.")
        content = path.read_bytes()[: most + 1]
    except OSError:
        raise Unshowable("The file is not there, or cannot be read.") from None
    if not content:
        raise Unshowable("The file is empty.")
    return content


def sized(count: float) -> str:
    """A number of bytes for people: 4,200 bytes, 1.3 MB."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e4)):
        if count >= size:
            return f"{count / (1000 if unit == 'kB' else size):.1f} {unit}"
    return f"{count:,.0f} byte{'s' * (count != 1)}"


def plain(text: str) -> str:
    """Text for Streamlit's Markdown that is shown as it is: no link, picture, formula, icon or HTML comes of it."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&^@/])", r"\\\1", " ".join(text.split()))

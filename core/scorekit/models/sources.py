"""What a model name means: an embedded model, a local folder, or a hub id.

No torch here: the command line asks before anything heavy.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ZOO = Path(__file__).resolve().parent.parent / "zoo"
INDEX = "model_index.json"
# The hub's own rule: letters, digits, "-", "_" and "."; neither beginning nor ending in "-" or ".".
_HUB_WORD = r"\w(?:[\w.-]{0,94}\w)?"
# A branch, a tag (both may hold "/"), or a commit.
_HUB_ID = re.compile(f"({_HUB_WORD}/{_HUB_WORD})(?:@({_HUB_WORD}(?:/{_HUB_WORD}){{0,4}}))?", re.ASCII)


@dataclass(frozen=True)
class Source:
    """Where a model is. `location` is a folder, or the hub id with its revision; `str()` gives it, and `load` understands it."""

    kind: Literal["embedded", "folder", "hub"]
    name: str
    location: str

    def __str__(self) -> str:
        return self.location


def embedded() -> list[str]:
    """The names of the models that ship with the package, sorted."""
    return sorted(index.parent.name for index in ZOO.glob(f"*/{INDEX}"))


def resolve(name: str) -> Source:
    """What `name` stands for; reads no file and asks no hub, so a hub id may still turn out not to exist.

    An embedded name comes before a folder of that name (write ./name for the folder), and a folder before a hub id.

    Raises ValueError, in one sentence, for what is none of the three.
    """
    name = str(name)
    known = embedded()
    if name in known:
        return Source("embedded", name, str(ZOO / name))
    folder = Path(name).expanduser()
    if name.strip() and folder.is_dir():
        if not (folder / INDEX).is_file():
            raise ValueError(
                f"--model {name!r} is a folder without {INDEX}: it must be a model in the diffusers format."
            )
        folder = folder.resolve()
        return Source("folder", folder.name, str(folder))
    if hub_id(name):
        return Source("hub", name, name)
    close = difflib.get_close_matches(name, known, 1)
    raise ValueError(
        f"--model {name!r} is not known: it must be an embedded model ({', '.join(known) or 'none is installed'}), "
        f"a folder with {INDEX}, or a hub id like owner/name." + (f" Did you mean {close[0]}?" if close else "")
    )


def hub_id(name: str) -> tuple[str, str | None] | None:
    """The hub id and the revision in "owner/name" or "owner/name@revision"; None for other texts."""
    match = _HUB_ID.fullmatch(name)
    return (match[1], match[2]) if match and ".." not in name and "--" not in match[1] else None

"""Docstrings of this project describe arguments in columns, "name  what it is". Here those columns become lists."""

import re
from typing import Any

import griffe

ENTRY = re.compile(r"^(?P<names>[A-Za-z_][\w.]*(?:=\"[^\"]*\")?(?:,\s[A-Za-z_]\w*)*)\s{2,}(?P<text>\S.*)$")
APART = re.compile(r";\s{2}(?=[A-Za-z_]\w*(?:,\s[A-Za-z_]\w*)*\s{2,}\S)")  # "name  text;  other  text" on one line


def listed(text: str) -> str:
    """The text with its columns as a Markdown list, continuation lines joined to their entry; all else as it was."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        pieces = APART.split(line) if ENTRY.match(line) else [line]
        for piece in pieces:
            if found := ENTRY.match(piece):
                if not inside and lines and lines[-1].strip():
                    lines.append("")  # Markdown wants an empty line before a list
                lines.append(f"- `{found['names']}`: {found['text']}")
                inside = True
            elif inside and piece.startswith(" ") and piece.strip():
                lines.append("    " + piece.strip())
            else:
                if inside and piece.strip():
                    lines.append("")
                lines.append(piece)
                inside = False
    return "\n".join(lines)


class Columns(griffe.Extension):
    """Rewrites each docstring as it is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = listed(obj.docstring.value)

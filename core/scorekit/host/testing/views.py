"""Whether a viewer keeps to its part: it is asked about every artifact of every application, and must harm none."""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from scorekit.host.artifacts import media_type
from scorekit.host.plugin import Artifact, View
from scorekit.host.record import Run

PIXEL = bytes.fromhex(  # a PNG of one pixel
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000000000200010"
    "00005fe02fedccc59e70000000049454e44ae426082"
)
SAMPLES: dict[str, bytes] = {
    "numbers.json": json.dumps({"points": [[0, 1], [2, 3]], "name": "sample"}).encode(),
    "list.json": b"[]",
    "damaged.json": b'{"points": [[0, ',
    "table.csv": b"x,y\n0,1\n2,3\n",
    "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>',
    "picture.png": PIXEL,
    "damaged.png": PIXEL[:20],
    "notes.txt": "a line, and another one\nwith \u00e4 in it\n".encode(),
    "not-text.txt": bytes(range(256)),
    "unknown.bin": bytes(16),
    "empty.dat": b"",
}
REMOTE = re.compile(  # what makes a browser load something: attributes, CSS, scripts
    r"""(?:src|href|action)\s*=\s*["']?\s*(?:https?:)?//|url\(\s*["']?(?:https?:)?//|@import\s+["']|fetch\(\s*["']http""",
    re.IGNORECASE,
)


def fault(plugin: Any) -> str:
    """What is wrong with the viewer of a plugin's module, asked about artifacts of common kinds; "" if nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), _record())
        run.update()
        for name, content in SAMPLES.items():
            (run.folder / name).write_bytes(content)
        for name in (*SAMPLES, "gone.json"):
            try:
                view = plugin.scorekit_view(artifact=Artifact(run, name, media_type(name)))
            except Exception as error:
                return f"asked about {name} it raises {type(error).__name__}: {str(error)[:120]}"
            if view is not None and (reason := view_fault(view)):
                return f"its view of {name} {reason}"
    return ""


def view_fault(view: Any) -> str:
    """Why a view cannot be shown, as the end of a sentence; "" if it can."""
    if not isinstance(view, View):
        return f"is {type(view).__name__}, not a View"
    if not isinstance(view.html, str) or not view.html.strip():
        return "has no HTML"
    if not isinstance(view.height, int) or view.height <= 0:
        return f"has the height {view.height!r}"
    if found := REMOTE.search(view.html):
        return f"loads from the network, which its frame has not: {view.html[found.start() :][:60]!r}"
    return ""


def _record() -> dict[str, Any]:
    return {
        "schema": 1, "application": "sample", "title": "Sample", "kind": "application", "status": "done", "error": None, "parameters": {},
        "seed": 0, "model": None, "artifacts": [], "metrics": {}, "time": {}, "process": None,
    }  # fmt: skip

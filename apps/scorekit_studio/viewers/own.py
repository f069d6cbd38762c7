"""A plugin's own view of an artifact, in a frame without network; and web pages that a run saved, in the same frame without scripts."""

import logging
from pathlib import Path
from typing import Any

from scorekit.host.plugin import Artifact, View
from scorekit_studio.viewers.envelope import pack
from scorekit_studio.viewers.trouble import Unshowable, read

MOST_BYTES = 8_000_000
HEIGHTS = (40, 2000)  # CSS pixels

log = logging.getLogger(__name__)


def view(artifact: Artifact, hooks: Any) -> View | None:
    """What the plugins say; None if none has a view of it, or the one that has fails (which is logged)."""
    try:
        found = hooks.scorekit_view(artifact=artifact)
    except Exception:  # a plugin's code
        log.exception("scorekit_view failed for %s of the run %s", artifact.name, artifact.run.folder.name)
        return None
    if found is None:
        return None
    if not isinstance(found, View) or not isinstance(found.html, str) or not isinstance(found.height, int):
        log.error("scorekit_view of %s returned no View", artifact.run.application)
        return None
    return found


def message(found: View, alt: str) -> bytes:
    """The message for the component `frame`. Raises Unshowable for more than 8 MB."""
    content = found.html.encode()
    if len(content) > MOST_BYTES:
        raise Unshowable(f"The plugin's view has {len(content) / 1e6:.0f} MB; up to {MOST_BYTES / 1e6:.0f} are shown.")
    height = min(max(found.height, HEIGHTS[0]), HEIGHTS[1])
    return pack({"html": ("text/html", content)}, alt=alt, height=height, scripts=True)


def page(path: Path, alt: str, *, small: bool = False) -> bytes:
    """The message for a saved web page, whose scripts do not run. Raises Unshowable."""
    content = read(path, MOST_BYTES)
    return pack({"html": ("text/html", content)}, alt=alt, height=200 if small else 560, scripts=False)

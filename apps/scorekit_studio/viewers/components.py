"""The viewers' own components: bundles of `frontend/`, served from this package, mounted by name.

Streamlit finds a package's components by a pyproject.toml beside the module that bears the distribution's name. This package is one of
several in its distribution, so it says what it has itself. The scripts are then files that a browser loads once and keeps, and
not part of every message.
"""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamlit.components.v2.component_manager import BidiComponentManager

FAMILY = "scorekit_studio"
NAMES = ("model", "vector", "picture", "compare", "film", "sound", "matches", "frame")
BUNDLE = "bundle"


def mount(name: str, message: bytes, *, key: str) -> None:
    """Draw the component `name` with a message of `envelope.pack`."""
    from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager

    _component(name, get_bidi_component_manager())(data=message, key=f"{key}-{name}")


@functools.cache
def _declare(manager: "BidiComponentManager") -> None:
    from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

    parts = [ComponentConfig(name, asset_dir=BUNDLE) for name in NAMES]
    manager.register_from_manifest(ComponentManifest(FAMILY, "1", parts), Path(__file__).parent)


@functools.cache
def _component(name: str, manager: "BidiComponentManager") -> Any:
    import streamlit as st

    _declare(manager)
    return st.components.v2.component(f"{FAMILY}.{name}", js=f"{name}-*.js")

"""Plugins installed the way importlib.metadata sees it: a folder on the import path with modules and a dist-info."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path


def install(
    folder: Path,
    distribution: str,
    entry_points: Mapping[str, str],
    requires: Sequence[str] = (),
    version: str = "1.0",
    **modules: str,
) -> None:
    """Write modules and the metadata that makes `folder`, on the import path, hold an installed distribution."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, code in modules.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(code))
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    asked = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n{asked}")
    lines = "".join(f"{name} = {value}\n" for name, value in entry_points.items())
    (info / "entry_points.txt").write_text(f"[scorekit.plugins]\n{lines}")

"""The broken plugins of tests/plugins/broken, installed together with a sound one."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from plugin_site import install

BROKEN = Path(__file__).parent / "plugins" / "broken"
REQUIRES = {"newer_scorekit": ["scorekit>=9"]}  # what a package asks for, where that matters


def install_broken(folder: Path) -> list[str]:
    """Install each module of tests/plugins/broken into `folder` as a distribution of its own; returns their names."""
    names = sorted(path.stem for path in BROKEN.glob("*.py"))
    for name in names:
        code = (BROKEN / f"{name}.py").read_text()
        plugin = name.replace("_", "-")
        install(folder, plugin, {plugin: f"broken_{name}"}, REQUIRES.get(name, ()), **{f"broken_{name}": code})
    return [name.replace("_", "-") for name in names]


def lines() -> dict[str, str]:
    """By plugin, what `scorekit plugins` says in its line; the seconds of a slow import are written as 1.5."""
    with tempfile.TemporaryDirectory() as folder:
        names = install_broken(Path(folder))
        command = [sys.executable, "-m", "scorekit.host.cli", "plugins", "--json"]
        done = subprocess.run(command, env=environment(Path(folder)), capture_output=True, text=True, check=True)
    rows = {row["plugin"]: row for row in json.loads(done.stdout)}
    said = {}
    for name in names:
        row = rows[name]
        line = row["summary"] if row["status"] == "ok" else f"NOT USABLE: {row['reason']}"
        said[name] = f"{line} NOTE: {'; '.join(row['notes'])}" if row["notes"] else line
    return {name: re.sub(r"takes [\d.]+ s", "takes 1.5 s", line) for name, line in said.items()}


def environment(folder: Path, **extra: str) -> dict[str, str]:
    """This process's, with `folder` on the import path in place of what other tests have put there."""
    return {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", **extra}

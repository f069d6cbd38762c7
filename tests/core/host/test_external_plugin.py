"""A stranger's plugin: built as a wheel, installed, listed and run; and broken ones beside it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Scorekit = Callable[..., "subprocess.CompletedProcess[str]"]

PYPROJECT = """
[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"
[project]
name = "stranger"
version = "0.3"
[project.entry-points."scorekit.plugins"]
stranger = "stranger_plugin"
broken = "stranger_broken"
[tool.setuptools]
py-modules = ["stranger_plugin", "stranger_broken"]
"""
PLUGIN = """
from pydantic import Field
from scorekit.host.plugin import Application, Params, hookimpl

class Circle(Application):
    name, title, summary = "circle", "Circle", "Draws a circle."
    artifacts = ("circle.svg",)
    class Params(Params):
        radius: float = Field(10, gt=0, description="Its radius.", json_schema_extra={"unit": "px"})
    def run(self, params, ctx):
        ctx.progress(1, 1)
        ctx.save("circle.svg", f'<svg xmlns="http://www.w3.org/2000/svg"><circle r="{params.radius:g}"/></svg>')

@hookimpl
def scorekit_applications():
    return [Circle]
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel was installed into, with nothing from the network."""
    source, wheels, target = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "target"))
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "stranger_plugin.py").write_text(PLUGIN)
    (source / "stranger_broken.py").write_text("import a_library_that_is_absent")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    [wheel] = wheels.glob("*.whl")
    import zipfile

    # Into a target folder a pure wheel is installed by unpacking it; this needs no installer at hand.
    zipfile.ZipFile(wheel).extractall(target)
    return target


def test_it_is_listed_and_runs(scorekit: Scorekit, installed: Path, tmp_path: Path) -> None:
    listing = scorekit("plugins", "--json", PYTHONPATH=str(installed))
    assert listing.returncode == 0
    rows = {row["name"]: row for row in json.loads(listing.stdout)}
    assert rows["circle"]["status"] == "ok"
    assert (rows["circle"]["distribution"], rows["circle"]["version"]) == ("stranger", "0.3")
    done = scorekit("run", "circle", "--radius", "3.5", "--out", "out", PYTHONPATH=str(installed))
    assert done.returncode == 0, done.stderr
    assert '<circle r="3.5"/>' in (tmp_path / "out" / "circle.svg").read_text()
    assert json.loads((tmp_path / "out" / "run.json").read_text())["plugin"]["version"] == "0.3"


def test_a_broken_one_beside_it_is_a_row_with_its_reason(scorekit: Scorekit, installed: Path) -> None:
    text = scorekit("plugins", PYTHONPATH=str(installed)).stdout
    [line] = [line for line in text.splitlines() if line.startswith("broken ")]
    assert (
        "NOT USABLE: ModuleNotFoundError: No module named 'a_library_that_is_absent' (stranger_broken.py, line 1)"
        in line
    )
    refused = scorekit("run", "broken", PYTHONPATH=str(installed))
    assert refused.returncode == 2
    assert refused.stderr.startswith("scorekit: broken cannot be used: ModuleNotFoundError")


def test_strict_mode_ends_with_the_reasons(scorekit: Scorekit, installed: Path) -> None:
    done = scorekit("plugins", PYTHONPATH=str(installed), SCOREKIT_PLUGINS_STRICT="1")
    assert done.returncode == 1
    assert "a_library_that_is_absent" in done.stderr
    assert "Traceback" not in done.stderr

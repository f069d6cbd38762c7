"""Two plugins of strangers: built as wheels, installed into a fresh environment, listed, run and tested there.

They live outside the three roots, and know of scorekit what docs/ says.
"""

import ast
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_environment import fresh, install, run, wheel

HERE = Path(__file__).parent
PLUGINS = {"planning": "scorekit_planning", "crystals": "scorekit_crystals"}
RUNS = {"maze-planner": ("plans.png", "results.json"), "crystals": ("crystals.json", "crystals.png")}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with both plugins, from their wheels."""
    made = fresh(tmp_path_factory.mktemp("environment"))
    for name in PLUGINS:
        source = tmp_path_factory.mktemp("source") / name
        shutil.copytree(HERE / name, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
        install(made, wheel(source, tmp_path_factory.mktemp("wheel")))
    return made


def test_both_are_listed_with_what_they_bring(python: Path, tmp_path: Path) -> None:
    listed = run(python, "scorekit", "plugins", "--json", cwd=tmp_path)
    rows = {(row["name"], row["kind"]): row for row in json.loads(listed.stdout)}
    for key in (
        ("maze-planner", "application"),
        ("maze-planner", "training"),
        ("crystals", "application"),
        ("crystals", "training"),
    ):
        assert rows[key]["status"] == "ok", rows[key]["reason"]
        assert rows[key]["distribution"] in ("scorekit-planning", "scorekit-crystals")
    models = json.loads(run(python, "scorekit", "models", "--json", cwd=tmp_path).stdout)
    assert {"pico-maze", "pico-crystals"} <= {row["name"] for row in models}


@pytest.mark.parametrize("name", RUNS)
def test_each_runs_at_demo_size(name: str, python: Path, tmp_path: Path) -> None:
    done = run(python, "scorekit", "run", name, "--demo", "--device", "cpu", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "done"
    assert set(RUNS[name]) <= {artifact["name"] for artifact in record["artifacts"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLUGINS)
def test_its_own_tests_pass_there(name: str, python: Path, tmp_path: Path) -> None:
    shutil.copytree(HERE / name / "tests", tmp_path / "tests")
    done = run(python, "-m", "pytest", "-q", "tests", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", PLUGINS)
def test_each_is_under_three_hundred_lines(name: str) -> None:
    """Lines of code: neither empty ones, nor comments, nor docstrings; tests aside."""
    files = sorted((HERE / name / PLUGINS[name]).glob("*.py"))
    assert sum(sum(1 for _ in code(path)) for path in files) < 300


@pytest.mark.parametrize("name", PLUGINS)
def test_each_imports_documented_api_only(name: str) -> None:
    """Every name that a plugin takes from scorekit is written in docs/, as a name of its own."""
    docs = "\n".join(path.read_text() for path in sorted((HERE.parents[2] / "docs").glob("*.md")))
    for path in (HERE / name / PLUGINS[name]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "scorekit":
                for alias in node.names:
                    assert re.search(rf"\b{alias.name}\b", docs), f"{path.name} takes {alias.name} from {node.module}"
                assert node.module == "scorekit" or re.search(
                    rf"\b{node.module.removeprefix('scorekit.').split('.')[0]}\b", docs
                )


def code(path: Path) -> Iterator[str]:
    text = path.read_text()
    prose: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            prose.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.strip().startswith("#") and number not in prose:
            yield line

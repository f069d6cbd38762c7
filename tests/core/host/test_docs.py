"""The plugin guide names every hook, every argument and everything a RunContext offers; and its example runs."""

import inspect
import re
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
from docs_tables import written

from scorekit.host.plugin import PLUGIN_API, Application, Hooks, RunContext
from scorekit.host.registry import discover
from scorekit.host.runs import execute
from scorekit.host.testing import CHECKS, fixtures

ROOT = Path(__file__).parents[3]
GUIDE = (Path(__file__).parents[3] / "docs" / "plugins.md").read_text()


def hooks() -> list[str]:
    return [name for name in vars(Hooks) if name.startswith("scorekit_")]


@pytest.mark.parametrize("hook", hooks())
def test_every_hook_and_argument_is_documented(hook: str) -> None:
    arguments = list(inspect.signature(getattr(Hooks, hook)).parameters)[1:]
    assert f"`{hook}({', '.join(arguments)})`" in GUIDE
    assert inspect.getdoc(getattr(Hooks, hook))


def test_no_hook_is_documented_that_does_not_exist() -> None:
    assert set(re.findall(r"`(scorekit_\w+)\(", GUIDE)) == set(hooks())


HOSTS = {"close", "keep_state"}


@pytest.mark.parametrize("name", [n for n in vars(RunContext) if not n.startswith("_") and n not in HOSTS])
def test_everything_a_context_offers_is_documented(name: str) -> None:
    assert f"ctx.{name}" in GUIDE


@pytest.mark.parametrize("name", list(inspect.get_annotations(Application)))
def test_every_class_attribute_is_documented(name: str) -> None:
    assert re.search(rf"`{name}`", GUIDE), name


def test_the_example_runs(tmp_path: Path) -> None:
    """The first Python block of the guide is a whole plugin."""
    match = re.search(r"```python\n(.*?)```", GUIDE, re.S)
    assert match
    module = ModuleType("example")
    exec(compile(match[1], "docs/plugins.md", "exec"), module.__dict__)
    [app] = module.scorekit_applications()
    run = execute(app, None, tmp_path / "run", device="cpu")
    assert run.status == "done", run.error
    assert [*run.artifacts] == ["walk.png"]
    assert discover([], strict=True).rows == ()


def test_what_is_made_from_the_program_is_up_to_date() -> None:
    """The help of commands, the checks, the lines of broken plugins; written by docs_tables.py."""
    pinned = re.search(r"^typer==(.+)$", (ROOT / "constraints.txt").read_text(), re.M)
    if pinned is None or version("typer") != pinned[1]:
        pytest.skip("another typer says help in other words")
    assert written(GUIDE) == GUIDE, "run python tests/docs_tables.py"


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_is_documented(name: str) -> None:
    assert f"\n| {name} | " in GUIDE


def test_every_fixture_is_documented() -> None:
    found = [name for name, value in vars(fixtures).items() if "FixtureFunctionDefinition" in type(value).__name__]
    assert len(found) == 4
    assert all(f"\n| `{name}` | " in GUIDE for name in found)


def test_the_plugin_api_is_the_one_of_the_guide() -> None:
    assert f"`PLUGIN_API` is {PLUGIN_API}." in GUIDE
    assert f"\n| {PLUGIN_API} | " in GUIDE

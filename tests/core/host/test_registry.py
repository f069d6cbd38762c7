"""Discovery: one bad plugin is a row with its reason, and harms no other."""

import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from scorekit.host.errors import ParameterError, PluginError
from scorekit.host.plugin import Artifact, ModelSpec, View
from scorekit.host.registry import Registry, discover

GOOD = """
from scorekit.host.plugin import Application, ModelSpec, Params, View, hookimpl
class Good(Application):
    name, title, summary = "good", "Good", "Does good."
    def run(self, params, ctx): pass
"""
HOOKS = """
@hookimpl
def scorekit_applications(): return [Good]
"""
# name of the module: (code, what the reason says)
BAD: dict[str, tuple[str, str]] = {
    "bad_import": (
        "import a_module_that_is_not_there",
        r"ModuleNotFoundError: No module named 'a_module.*bad_import.py",
    ),
    "bad_syntax": ("def (", "SyntaxError"),
    "bad_exit": ("raise SystemExit('go away')", "SystemExit: go away"),
    "bad_nothing": ("x = 1", "bad_nothing is neither an Application class nor a module with a hook implementation"),
    "bad_hook": (GOOD + HOOKS.replace("applications", "aplications"), "unknown hook 'scorekit_aplications'"),
    "bad_argument": (GOOD + HOOKS.replace("()", "(colour)"), "colour"),
    "bad_class": (GOOD + HOOKS.replace("[Good]", "[3]"), "3 is no Application class"),
    "bad_api": (
        GOOD + "    api = '>=2'" + HOOKS,
        "it is written for plugin API >=2; this scorekit has 1.1, which is too old: pip install --upgrade scorekit",
    ),
    "bad_specifier": (GOOD + "    api = 'two'" + HOOKS, "its api 'two' is not a version specifier"),
    "bad_name": (GOOD.replace('"good"', '"Good One"') + HOOKS, "the name 'Good One' is not lower-case words"),
    "bad_title": (GOOD.replace('"Good"', '""') + HOOKS, "class Good does not say its title"),
    "bad_kind": (GOOD + "    kind = 'game'" + HOOKS, "its kind is 'game'"),
    "bad_run": (GOOD.replace("def run", "def walk") + HOOKS, "class Good does not define run"),
    "bad_params": (GOOD + "    Params = dict" + HOOKS, "its Params is not a pydantic model"),
    "bad_option": (
        GOOD + "    class Params(Params):\n        seed: int = 1" + HOOKS,
        "its parameters cannot be used: parameter 'seed': --seed is already taken",
    ),
    "bad_default": (
        GOOD + "    class Params(Params):\n        n: int = 'x'" + HOOKS,
        "its parameters cannot be used: --n must be a whole number; got 'x'",
    ),
    "bad_requires": (
        GOOD + "    requires, extra = ('json', 'not_here.sub'), 'text-to-3d'" + HOOKS,
        r'it needs not_here\.sub; install by: pip install "scorekit\[text-to-3d\]"',
    ),
}


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(module: str, code: str, attribute: str = "") -> EntryPoint:
        (tmp_path / f"{module}.py").write_text(code)
        sys.modules.pop(module, None)
        return EntryPoint(module, module + attribute, "scorekit.plugins")

    return make


@pytest.mark.parametrize("name", BAD)
def test_a_bad_plugin_is_a_row_with_its_reason(name: str, entry: Any) -> None:
    code, reason = BAD[name]
    registry = discover([entry("aa_fine", GOOD.replace('"good"', '"fine"') + HOOKS), entry(name, code)], strict=False)
    assert list(registry.applications()) == ["fine"]
    [row] = [r for r in registry.rows if not r.usable]
    assert row.plugin == name
    assert re.search(reason, row.reason), row.reason
    assert "\n" not in row.reason
    assert row.as_json()["status"] == "broken"


def test_strict_raises_with_all_reasons(entry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [entry(name, BAD[name][0]) for name in ("bad_exit", "bad_api")]
    with pytest.raises(PluginError, match=r"written for plugin API.*go away"):
        discover(bad, strict=True)
    monkeypatch.setenv("SCOREKIT_PLUGINS_STRICT", "1")
    with pytest.raises(PluginError):
        discover(bad)
    assert discover([entry("fine", GOOD + HOOKS)]).applications()


def test_the_second_of_a_name_is_told_who_has_it(entry: Any) -> None:
    registry = discover([entry("first", GOOD + HOOKS), entry("second", GOOD + HOOKS)], strict=False)
    assert [r.usable for r in registry.rows] == [True, False]
    assert registry.rows[1].reason == "the name 'good' is already taken by first (first)"
    assert registry.get("good").__module__ == "first"


def test_an_application_and_a_recipe_may_share_a_name(entry: Any) -> None:
    recipe = GOOD.replace("    def run", '    kind = "training"\n    def run')
    for sources in ((GOOD, recipe), (recipe, GOOD)):
        registry = discover([entry(f"plugin{i}", s + HOOKS) for i, s in enumerate(sources)], strict=False)
        assert all(row.usable for row in registry.rows)
        assert registry.get("good").kind == registry.get("good", "application").kind == "application"
        assert registry.get("good", "training").kind == "training"
        assert registry.applications()["good"].kind == "application"
        assert set(registry.applications("training")) == {"good"}


def test_an_entry_point_may_name_the_class(entry: Any) -> None:
    assert list(discover([entry("direct", GOOD, ":Good")], strict=False).applications()) == ["good"]


def test_models_and_views_come_with_a_plugin(entry: Any) -> None:
    code = (
        GOOD
        + HOOKS
        + """
@hookimpl
def scorekit_models(): return [ModelSpec("mine", "My model.", source="./folder")]
@hookimpl
def scorekit_view(artifact): return View("<b>" + artifact.name + "</b>") if artifact.name.endswith(".b") else None
"""
    )
    registry = discover(
        [entry("rich_plugin", code), entry("other", GOOD.replace('"good"', '"other"') + HOOKS)], strict=True
    )
    assert registry.models["mine"].source == "./folder"
    assert registry.hooks.scorekit_view(artifact=Artifact(None, "x.b", "text/b")) == View("<b>x.b</b>")  # type: ignore[arg-type]
    assert registry.hooks.scorekit_view(artifact=Artifact(None, "x.c", "text/c")) is None  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs either a source or a load function"):
        ModelSpec("both", "", source="x", load=lambda **_: None)


def sound(entry: Any) -> Registry:
    train = GOOD.replace('"good"', '"learn"') + "    kind = 'training'" + HOOKS
    return discover([entry("sound", GOOD + HOOKS), entry("teach", train), entry("sad", "1/0")], strict=False)


@pytest.mark.parametrize(
    ("name", "kind", "sentence"),
    [
        ("goood", None, "there is no application 'goood'; did you mean good? there are good, learn"),
        ("xyz", "application", "there is no application 'xyz'; there are good"),
        ("xyz", "training", "there is no training recipe 'xyz'; there are learn"),
        ("learn", "application", "learn is started by `scorekit train learn`"),
        ("sad", "application", "sad cannot be used: ZeroDivisionError: division by zero (sad.py, line 1)"),
    ],
)
def test_a_name_that_cannot_be_had(entry: Any, name: str, kind: Any, sentence: str) -> None:
    with pytest.raises(ParameterError) as error:
        sound(entry).get(name, kind)
    assert str(error.value) == sentence

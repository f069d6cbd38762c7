"""The versions of the contract: what a plugin asks for, and how something leaves it."""

import warnings
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from scorekit.host.api import PluginDeprecationWarning, api_fault, deprecated
from scorekit.host.errors import PluginError
from scorekit.host.plugin import PLUGIN_API, Application
from scorekit.host.registry import discover


@pytest.mark.parametrize("asked", [">=1,<2", ">=1.1", "~=1.0", "==1.*", "!=1.0", ""])
def test_a_range_that_holds_it(asked: str) -> None:
    assert api_fault(asked, api="1.1") == ""


@pytest.mark.parametrize("asked", [">=1.2", ">=2,<3", "~=1.4", ">1.1,<2", "==2.*", "==1.5"])
def test_a_plugin_that_is_too_new_is_told_to_upgrade_scorekit(asked: str) -> None:
    sentence = (
        f"it is written for plugin API {asked}; this scorekit has 1.1, which is too old: pip install --upgrade scorekit"
    )
    assert api_fault(asked, "some-plugin", api="1.1") == sentence


@pytest.mark.parametrize("asked", ["<1", ">=0.3,<0.5", "==1.0", "<1.1", "~=0.9", "==0.*"])
def test_a_plugin_that_is_too_old_is_told_to_upgrade_itself(asked: str) -> None:
    says = f"it is written for plugin API {asked}; this scorekit has 1.1, for which the plugin is too old"
    assert api_fault(asked, "some-plugin", api="1.1") == f"{says}: pip install --upgrade some-plugin"


@pytest.mark.parametrize(
    ("asked", "says"),
    [("two", "is not a version specifier"), (3, "is not a"), (">=2,<1", "no version is in that range")],
)
def test_a_range_that_is_none(asked: object, says: str) -> None:
    assert says in api_fault(asked, api="1.1")


def test_the_default_range_holds_this_api() -> None:
    assert api_fault(Application.api) == ""
    assert api_fault(f">={PLUGIN_API}") == ""


def test_what_is_deprecated_warns_until_it_is_gone() -> None:
    told = {"since": "1.2", "removed": "1.4", "instead": "ctx.new()"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        deprecated("ctx.old()", **told, api="1.1")
    for api in ("1.2", "1.3"):
        with pytest.warns(
            PluginDeprecationWarning, match=r"ctx.old\(\) goes away with plugin API 1.4; use ctx.new\(\)"
        ) as heard:
            deprecated("ctx.old()", **told, api=api)
        assert len(heard) == 1
    for api in ("1.4", "2.0"):
        with pytest.raises(PluginError, match=r"ctx.old\(\) is gone since plugin API 1.4; use ctx.new\(\)"):
            deprecated("ctx.old()", **told, api=api)


@pytest.mark.parametrize("removed", ["1.2", "1.1", "1.2.5"])
def test_nothing_goes_without_a_minor_version_of_warning(removed: str) -> None:
    with pytest.raises(ValueError, match="removed must be a later minor version"):
        deprecated("ctx.old()", since="1.2", removed=removed, instead="ctx.new()")


def test_what_a_plugin_uses_is_noted_in_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "behind_the_times.py").write_text(
        "from scorekit.host.plugin import Application\n"
        "from scorekit.host.api import PLUGIN_API, deprecated\n"
        "deprecated('Application.old', since=PLUGIN_API, removed='99.0', instead='Application.new')\n"
        "class Behind(Application):\n"
        "    name, title, summary = 'behind', 'Behind', 'Is behind.'\n"
        "    def run(self, params, ctx): pass\n"
    )
    with pytest.warns(PluginDeprecationWarning):
        [row] = discover([EntryPoint("behind", "behind_the_times:Behind", "scorekit.plugins")], strict=True).rows
    assert row.usable
    assert row.notes == ("Application.old goes away with plugin API 99.0; use Application.new",)

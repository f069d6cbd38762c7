"""Each broken plugin's line in the list, the others unharmed, and the exit codes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from broken_plugins import environment, install_broken
from plugin_site import install

# By plugin: what its line holds.
LINES = {
    "absent-extra": "NOT USABLE: it needs a_library_that_is_absent; install by: pip install a_library_that_is_absent",
    "duplicate-name": "NOT USABLE: the name 'text-to-svg' is already taken by scorekit (scorekit_text_to_svg)",
    "import-error": "NOT USABLE: ImportError: cannot import name 'no_such_function' from 'math' (broken_import_error.py, line 3)",
    "missing-dependency": "NOT USABLE: ModuleNotFoundError: No module named 'a_library_that_is_absent' (broken_missing_dependency.py, "
    "line 3); if that is a package, install it by: pip install a_library_that_is_absent",
    "newer-scorekit": "(broken_newer_scorekit.py, line 3); it asks for scorekit >=9, and this is ",
    "no-application": "NOT USABLE: JustAClass is no Application class",
    "slow-import": "Saves a line of text. NOTE: importing it takes ",
    "talkative": "Saves a line of text. NOTE: it prints when it is imported: Welcome to my plugin!",
    "too-new": "which is too old: pip install --upgrade scorekit",
    "too-old": "for which the plugin is too old: pip install --upgrade too-old",
}
WORKING = ("slow-import", "talkative")
SOUND = """
from scorekit.host.plugin import Application, hookimpl
class Sound(Application):
    name, title, summary, artifacts = "sound", "Sound", "Does well.", ("line.txt",)
    def run(self, params, ctx):
        print("a line on stdout")
        ctx.progress(1, 1)
        ctx.save("line.txt", "a line")
@hookimpl
def scorekit_applications(): return [Sound]
"""
Scorekit = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert install_broken(folder) == sorted(LINES)
    install(folder, "sound-plugin", {"sound": "sound_plugin"}, sound_plugin=SOUND)
    return folder


@pytest.fixture
def scorekit(site: Path, tmp_path: Path) -> Scorekit:
    def call(*arguments: str, **extra: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "scorekit.host.cli", *arguments],
            cwd=tmp_path,
            env=environment(site, **extra),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return call


def test_each_has_its_line_and_the_others_are_unharmed(scorekit: Scorekit) -> None:
    done = scorekit("plugins")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    for name, said in LINES.items():
        assert len([line for line in lines if said in line]) == 1, name
    for name in ("sound", "text-to-svg", *WORKING):
        assert any(line.startswith(f"{name} ") and "NOT USABLE" not in line for line in lines), name


def test_json_is_json_whatever_is_printed(scorekit: Scorekit) -> None:
    done = scorekit("plugins", "--json")
    rows = {row["plugin"]: row for row in json.loads(done.stdout) if row["distribution"] != "scorekit"}
    assert {name for name, row in rows.items() if row["status"] == "ok"} == {"sound", *WORKING}
    assert "Welcome" not in done.stdout.replace(json.dumps(rows["talkative"]["notes"][0])[1:-1], "")
    assert "and a line from elsewhere" in done.stderr
    [note] = rows["slow-import"]["notes"]
    assert rows["slow-import"]["seconds"] >= 1.5
    assert f"{rows['slow-import']['seconds']:.1f} s" in note
    assert rows["import-error"]["detail"].startswith("Traceback")


def test_json_of_a_run_is_json_whatever_is_printed(scorekit: Scorekit) -> None:
    done = scorekit("run", "sound", "--out", "out", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "done"
    assert "a line on stdout" in done.stderr


@pytest.mark.parametrize("name", sorted(set(LINES) - set(WORKING) - {"duplicate-name"}))
def test_a_broken_one_is_refused_with_its_reason(
    name: str, site: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from scorekit.host.cli import main

    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("SCOREKIT_PLUGINS", name)
    assert main(["run", name]) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"scorekit: {name} cannot be used: ")
    assert said.count("\n") == 1


def test_strict_mode_ends_with_every_reason(scorekit: Scorekit) -> None:
    done = scorekit("plugins", SCOREKIT_PLUGINS_STRICT="1")
    assert done.returncode == 1
    assert done.stdout == ""
    for name, said in LINES.items():
        if name not in WORKING:
            assert said.removeprefix("NOT USABLE: ") in done.stderr, name
    assert "Traceback" not in done.stderr


def test_the_allow_list_does_not_even_import_the_others(scorekit: Scorekit) -> None:
    done = scorekit("plugins", "--json", SCOREKIT_PLUGINS="sound, sound-plugin", SCOREKIT_PLUGINS_STRICT="1")
    assert done.returncode == 0, done.stderr
    assert [row["name"] for row in json.loads(done.stdout)] == ["sound"]
    assert "line from elsewhere" not in done.stderr
    assert json.loads(scorekit("plugins", "--json", SCOREKIT_PLUGINS="").stdout) == []


def test_a_name_in_the_allow_list_that_nothing_has_is_listed(scorekit: Scorekit) -> None:
    done = scorekit("plugins", "--json", SCOREKIT_PLUGINS="sound,misspelt")
    assert done.returncode == 0
    [row] = [row for row in json.loads(done.stdout) if row["status"] == "broken"]
    assert row["name"] == "misspelt"
    assert "SCOREKIT_PLUGINS names it" in row["reason"]
    assert scorekit("plugins", SCOREKIT_PLUGINS="misspelt", SCOREKIT_PLUGINS_STRICT="1").returncode == 1


def test_check_says_of_each_what_fails(scorekit: Scorekit) -> None:
    named = ["talkative", "slow-import", "too-old", "sound"]
    done = scorekit("plugins", *named, "--check", "--quick", "--json")
    assert done.returncode == 1
    failed = {(r["subject"], r["check"]): r["sentence"] for r in json.loads(done.stdout) if r["status"] == "failed"}
    assert set(failed) == {("talkative", "import_cost"), ("slow-import", "import_cost"), ("too-old", "listed")}
    assert "prints 'Welcome to my plugin!'" in failed["talkative", "import_cost"]
    assert "1 s is the most" in failed["slow-import", "import_cost"]
    told = scorekit("plugins", "sound", "--check", "--quick")
    assert told.returncode == 0, told.stdout
    assert told.stdout.splitlines()[-1] == "5 checks, 0 failed"

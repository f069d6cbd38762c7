"""`scorekit new-plugin`: each kind is built, installed into a fresh environment, listed, run, and passes its own tests there."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fresh_environment import fresh, install, run, wheel

from scorekit.host.errors import ParameterError
from scorekit.host.scaffold import KINDS, LICENSES, write_plugin

TESTS = ("-p", "no:cacheprovider", "--rootdir", ".", "-q")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """plugin(kind) -> (the Python of a fresh environment with it, its source folder)."""
    made: dict[str, tuple[Path, Path]] = {}

    def make(kind: str) -> tuple[Path, Path]:
        if kind not in made:
            place = tmp_path_factory.mktemp(kind)
            source = write_plugin(f"my-{kind}", kind, "mit", place)
            python = fresh(place / "environment")
            install(python, wheel(source, place / "wheels"))
            made[kind] = python, source
        return made[kind]

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_listed_before_a_line_is_changed(
    kind: str, plugin: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    python, _ = plugin(kind)
    listing = run(python, "scorekit", "plugins", "--json", cwd=tmp_path, SCOREKIT_PLUGINS_STRICT="1")
    assert listing.returncode == 0, listing.stderr
    [row] = [row for row in json.loads(listing.stdout) if row["distribution"] == f"my-{kind}"]
    assert (row["name"], row["kind"], row["status"], row["version"]) == (f"my-{kind}", kind, "ok", "0.1.0")


def test_an_application_runs(plugin: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    python, _ = plugin("application")
    done = run(python, "scorekit", "run", "my-application", "--demo", "--out", "out", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {row["name"] for row in json.loads(done.stdout)["artifacts"]} == {
        "sheet.png",
        "sample-1.png",
        "sample-2.png",
    }


@pytest.mark.parametrize("kind", [pytest.param("application", marks=pytest.mark.slow), "model", "viewer"])
def test_its_own_tests_pass(kind: str, plugin: Callable[[str], tuple[Path, Path]]) -> None:
    python, source = plugin(kind)
    done = run(python, "-m", "pytest", *TESTS, cwd=source)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_clean(kind: str, tmp_path: Path) -> None:
    source = write_plugin("tidy-one", kind, into=tmp_path)
    for command in (["check", "--select", "E,F,W,I,B,UP,SIM,ARG"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", "--line-length", "120", "."]
        done = subprocess.run(ruff, cwd=source, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    assert not [
        path for path in source.rglob("*") if path.is_file() and b"{{" in path.read_bytes().replace(b"${{", b"")
    ]


@pytest.mark.parametrize("license", LICENSES)
def test_the_license_is_the_one_that_was_chosen(license: str, tmp_path: Path) -> None:
    source = write_plugin("free-idea", "viewer", license, tmp_path)
    assert f'license = "{LICENSES[license]}"' in (source / "pyproject.toml").read_text()
    text = (source / "LICENSE").read_text()
    title = {"apache-2.0": "Apache License", "mit": "MIT License", "bsd-3-clause": "BSD 3-Clause License"}[license]
    assert text.strip().startswith(title)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name": "My_Idea"}, "a plugin's name is lower-case words joined by hyphens, such as my-idea; got 'My_Idea'"),
        ({"name": "../up"}, "a plugin's name is lower-case words joined by hyphens, such as my-idea; got '../up'"),
        ({"name": "json"}, "'json' cannot be a plugin's name: Python or scorekit has a module of that name"),
        ({"name": "class"}, "'class' cannot be a plugin's name: Python or scorekit has a module of that name"),
        ({"name": "text-to-svg"}, "'text-to-svg' is taken: an application or a module of that name is installed"),
        ({"name": "pydantic"}, "'pydantic' is taken: an application or a module of that name is installed"),
        ({"kind": "game"}, "--kind must be one of application, model, viewer; got 'game'"),
        ({"license": "gpl"}, "--license must be one of apache-2.0, mit, bsd-3-clause; got 'gpl'"),
        ({"into": "absent"}, "--into must be an existing folder; there is no 'absent'"),
        ({"name": "full"}, "'full' exists; choose another name or another --into"),
    ],
)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    arguments: dict[str, str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    with pytest.raises(ParameterError) as error:
        write_plugin(**{"name": "my-idea", **arguments})
    assert str(error.value) == sentence
    assert os.listdir(tmp_path) == ["full"]


def test_a_disk_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def fail_at_the_third(path: Path, text: str) -> None:
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        path.write_bytes(text.encode())

    monkeypatch.setattr(Path, "write_text", fail_at_the_third)
    with pytest.raises(ParameterError, match="cannot be written: No space left on device"):
        write_plugin("my-idea", into=tmp_path)
    assert len(written) == 3
    assert os.listdir(tmp_path) == []

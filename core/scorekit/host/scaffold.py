"""`scorekit new-plugin`: a package that works before a line of it is changed, made from the files in templates/."""

import datetime
import importlib.resources
import importlib.util
import keyword
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from scorekit.host.errors import ParameterError
from scorekit.host.faults import NAME
from scorekit.host.registry import discover

LICENSES = {"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause"}  # to their SPDX names
# What each kind of plugin says in its README, beside the templates of its own.
KINDS = {
    "application": {
        "summary": "Draws samples of a text-to-image model on one sheet.",
        "contents": "the application, one class, and the hook that brings it",
        "try": "scorekit run {{name}}\nscorekit app",
        "next": "Change `Params` and `run` in `{{module}}/__init__.py`: the command line and the studio's form follow.",
    },
    "model": {
        "summary": "An exact denoiser of five patterns, by name.",
        "contents": "the model's loader, and the hook that brings it",
        "try": "scorekit models\nscorekit run text-to-svg --model {{name}} --prompt disc --no-style-words --demo",
        "next": "Change `load` in `{{module}}/__init__.py`: every application that its shape and prompts fit takes `--model {{name}}`.",
    },
    "viewer": {
        "summary": "Shows points in the plane, from files named *.points.json.",
        "contents": "the viewer, and the hook that brings it",
        "try": "scorekit plugins {{name}}\nscorekit app",
        "next": "Change `drawing` in `{{module}}/__init__.py`. The studio asks it about every artifact; None leaves one to others.",
    },
}
# Where the templates go; {{...}} is filled in, in names as in files.
COMMON = {
    "common/pyproject.toml.tmpl": "pyproject.toml",
    "common/README.md.tmpl": "README.md",
    "common/gitignore.tmpl": ".gitignore",
    "common/ci.yml.tmpl": ".github/workflows/ci.yml",
}
OWN = {"module.py.tmpl": "{{module}}/__init__.py", "test.py.tmpl": "tests/test_{{module}}.py"}
BLANK = re.compile(r"\{\{(\w+)\}\}")


def write_plugin(name: str, kind: str = "application", license: str = "apache-2.0", into: str | Path = ".") -> Path:
    """Write a plugin package into the new folder into/name; returns that folder.

    kind     application, model or viewer;  license  apache-2.0, mit or bsd-3-clause

    Raises ParameterError, and writes nothing, for a name that is no plugin's or is taken, an unknown kind or license, and a folder
    that exists or cannot be written.
    """
    if kind not in KINDS:
        raise ParameterError(f"--kind must be one of {', '.join(KINDS)}; got {kind!r}")
    if license not in LICENSES:
        raise ParameterError(f"--license must be one of {', '.join(LICENSES)}; got {license!r}")
    _refuse_name(name)
    parent, target = Path(into), Path(into) / name
    if not parent.is_dir():
        raise ParameterError(f"--into must be an existing folder; there is no {str(parent)!r}")
    if target.exists():
        raise ParameterError(f"{str(target)!r} exists; choose another name or another --into")
    words = _words(name, kind, license)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
        try:
            _write(temporary, kind, license, words)
            temporary.chmod(0o777 & ~_umask())
            os.rename(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise ParameterError(f"{str(target)!r} cannot be written: {error.strerror or error}") from None
    return target


def _refuse_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ParameterError(f"a plugin's name is lower-case words joined by hyphens, such as my-idea; got {name!r}")
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module in ("scorekit", "tests"):
        raise ParameterError(f"{name!r} cannot be a plugin's name: Python or scorekit has a module of that name")
    if name in discover(strict=False).applications() or importlib.util.find_spec(module) is not None:
        raise ParameterError(f"{name!r} is taken: an application or a module of that name is installed")


def _words(name: str, kind: str, license: str) -> dict[str, str]:
    """What the blanks of the templates are filled with."""
    import scorekit

    words = {
        "name": name,
        "module": name.replace("-", "_"),
        "class": "".join(word.capitalize() for word in name.split("-")),
        "title": name.replace("-", " ").capitalize(),
        "spdx": LICENSES[license],
        "scorekit": ".".join(scorekit.__version__.split(".")[:2]),
        "year": str(datetime.date.today().year),
    }
    return words | {key: _filled(text, words) for key, text in KINDS[kind].items()}


def _write(folder: Path, kind: str, license: str, words: dict[str, str]) -> None:
    templates = importlib.resources.files("scorekit.host") / "templates"
    places = {**COMMON, **{f"{kind}/{source}": place for source, place in OWN.items()}}
    for source, place in {**places, f"licenses/{license}.tmpl": "LICENSE"}.items():
        path = folder / _filled(place, words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(_text(templates, source), words))
    (folder / words["module"] / "py.typed").touch()


def _text(templates: Any, source: str) -> str:
    return str((templates / source).read_text())


def _filled(text: str, words: dict[str, str]) -> str:
    return BLANK.sub(lambda blank: words[blank[1]], text)


def _umask() -> int:
    """The permissions that new files lack, which mkdtemp does not ask for."""
    current = os.umask(0)
    os.umask(current)
    return current

"""Why a plugin cannot be used, in one sentence for its line in the list."""

import importlib
import importlib.util
import inspect
import os
import re
import traceback
from importlib.metadata import Distribution
from typing import Any

import pluggy
import pydantic
from packaging.requirements import InvalidRequirement, Requirement

from scorekit.host.api import PLUGIN_API, api_fault
from scorekit.host.errors import PluginError
from scorekit.host.options import options, validate
from scorekit.host.plugin import Application
from scorekit.host.provenance import version_of

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def load_fault(error: BaseException, distribution: Distribution | None) -> str:
    """What went wrong at an import, and where in the plugin; and the likely cause, if its package asks for another scorekit."""
    if isinstance(error, PluginError | pluggy.PluginValidationError):
        return " ".join(str(error).split())
    # The path at the end of an ImportError says where the library lies on this machine, not what is wrong.
    first_line = (str(error).splitlines() or [""])[0].removesuffix(f" ({getattr(error, 'path', None)})")
    here = (
        __file__.rpartition(os.sep)[0],
        pluggy.__file__.rpartition(os.sep)[0],
        importlib.__file__.rpartition(os.sep)[0],
    )
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(("<", *here))]
    where = f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {first_line}{where}{_cause(error, distribution)}"


def _cause(error: BaseException, distribution: Distribution | None) -> str:
    absent = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if absent and not _importable(absent):
        return f"; if that is a package, install it by: pip install {absent}"
    version = version_of("scorekit")
    for text in distribution.requires or [] if distribution else []:
        try:
            asked = Requirement(text)
        except InvalidRequirement:
            continue
        if asked.name == "scorekit" and version and not asked.specifier.contains(version, prereleases=True):
            return f"; it asks for scorekit {asked.specifier}, and this is {version}"
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "scorekit":
        return f"; it may be written for another scorekit than this {version} with plugin API {PLUGIN_API}"
    return ""


def class_fault(app: Any, distribution: str = "") -> str:
    """Why an application class cannot be used; "" if it can."""
    if not (inspect.isclass(app) and issubclass(app, Application)):
        return f"{app.__name__ if inspect.isclass(app) else repr(app)} is no Application class"
    for attribute in ("name", "title", "summary"):
        if not isinstance(getattr(app, attribute, None), str) or not getattr(app, attribute):
            return f"class {app.__name__} does not say its {attribute}"
    if not NAME.fullmatch(app.name):
        return f"the name {app.name!r} is not lower-case words joined by hyphens"
    if app.kind not in ("application", "training"):
        return f"its kind is {app.kind!r}, which is neither application nor training"
    if fault := api_fault(app.api, distribution):
        return fault
    if inspect.isabstract(app):
        return f"class {app.__name__} does not define {', '.join(sorted(app.__abstractmethods__))}"
    if not (inspect.isclass(app.Params) and issubclass(app.Params, pydantic.BaseModel)):
        return "its Params is not a pydantic model"
    if missing := [module for module in app.requires if not _importable(module)]:
        remedy = f'pip install "scorekit[{app.extra}]"' if app.extra else f"pip install {' '.join(missing)}"
        return f"it needs {', '.join(missing)}; install by: {remedy}"
    try:
        options(app.Params)
        validate(app.Params, {})
    except (ValueError, pydantic.errors.PydanticUserError) as error:
        return f"its parameters cannot be used: {str(error).splitlines()[0]}"
    return _demo_fault(app)


def _demo_fault(app: type[Application]) -> str:
    if app.demo is None:
        return ""
    try:
        validate(app.Params, dict(app.demo))
    except (ValueError, TypeError) as error:
        return f"its demo cannot be used: {str(error).splitlines()[0]}"
    return ""


def _importable(module: str) -> bool:
    # The top-level package only: find_spec of a submodule would import its parent, which listing must not pay for.
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False

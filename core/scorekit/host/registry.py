"""Which plugins there are, what each offers, and why one that cannot be used cannot.

Entry points are loaded one at a time: a plugin that is broken becomes a row with its reason and harms no other.
"""

import difflib
import importlib
import importlib.util
import inspect
import os
import re
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

import pluggy
import pydantic
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from scorekit.host.errors import ParameterError, PluginError
from scorekit.host.options import options, validate
from scorekit.host.plugin import ENTRY_POINTS, PLUGIN_API, Application, Hooks, ModelSpec

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
Kind = Literal["application", "training"]


@dataclass(frozen=True)
class Row:
    """One line of `scorekit plugins`: an application, or a plugin of which nothing can be said but why.

    reason  why it cannot be used, "" if it can;  detail  the traceback of a failed import
    app     the class, also when it cannot be used (say, for an absent extra), None if there is none
    seconds that its module took to import
    """

    name: str
    kind: Kind | None
    title: str
    summary: str
    plugin: str
    distribution: str
    version: str
    module: str
    seconds: float
    reason: str = ""
    detail: str = ""
    app: type[Application] | None = None

    @property
    def usable(self) -> bool:
        return not self.reason

    def as_json(self) -> dict[str, Any]:
        """For `scorekit plugins --json`: the fields above, with "status" ok or broken, and what the class declares."""
        fields = ("name", "kind", "title", "summary", "plugin", "distribution", "version", "module", "seconds")
        shown: dict[str, Any] = {name: getattr(self, name) for name in fields}
        shown |= {"status": "ok" if self.usable else "broken", "reason": self.reason, "detail": self.detail}
        if self.app is not None:
            names = ("reference", "extra", "default_model", "artifacts")
            shown |= {name: getattr(self.app, name, None) for name in names}
        return shown


@dataclass(frozen=True)
class Registry:
    """What `discover` found. `hooks` calls the viewers of all sound plugins: `registry.hooks.scorekit_view(...)`."""

    rows: tuple[Row, ...]
    models: dict[str, ModelSpec]
    hooks: Any = field(repr=False)

    def applications(self, kind: Kind | None = None) -> dict[str, type[Application]]:
        """Name to class of all that can be used (of one kind). Of both kinds: where an application and a training recipe share a name, the
        application."""
        rows = sorted(self.rows, key=lambda r: r.kind == "application")
        return {r.name: r.app for r in rows if r.usable and r.app and kind in (None, r.kind)}

    def row(self, name: str, kind: Kind | None = None) -> Row:
        """The row of an application that can be used: of this kind, or the application where both kinds have the name.

        Raises ParameterError: with its reason if it is broken, with the right verb if it is of the other kind, else
        with close matches and the known names.
        """
        named = [r for r in self.rows if r.name == name]
        row = min(
            named,
            key=lambda r: (
                kind is not None and r.kind not in (kind, None),
                not (r.usable and r.app),
                r.kind == "training",
            ),
            default=None,
        )
        if row and not row.usable:
            raise ParameterError(f"{name} cannot be used: {row.reason}")
        if row and kind not in (None, row.kind):
            verb = "train" if row.kind == "training" else "run"
            raise ParameterError(f"{name} is started by `scorekit {verb} {name}`")
        if row is None:
            noun = {"application": "application", "training": "training recipe", None: "application"}[kind]
            known = sorted(self.applications(kind))
            close = difflib.get_close_matches(name, known, n=2)
            guess = f"did you mean {' or '.join(close)}? " if close else ""
            listed = f"there are {', '.join(known)}" if known else f"no {noun} is installed"
            raise ParameterError(f"there is no {noun} {name!r}; {guess}{listed}")
        return row

    def get(self, name: str, kind: Kind | None = None) -> type[Application]:
        """The application class `name`; raises ParameterError as `row` does."""
        app = self.row(name, kind).app
        assert app is not None
        return app


def discover(plugins: Iterable[EntryPoint] | None = None, strict: bool | None = None) -> Registry:
    """Load every plugin and say what it offers.

    plugins  entry points to load; default: those of the installed distributions
    strict   raise PluginError, naming all reasons, if any plugin cannot be used; default: SCOREKIT_PLUGINS_STRICT=1
    """
    found = entry_points(group=ENTRY_POINTS) if plugins is None else plugins
    # scorekit's own plugins first: a stranger's of the same name must not take the place of one.
    ordered = sorted(found, key=lambda e: (_distribution(e)[0] != "scorekit", _distribution(e)[0], e.name))
    shared = _manager()
    rows: list[Row] = []
    models: dict[str, ModelSpec] = {}
    for entry in ordered:
        rows += _load(entry, shared, models, taken={(r.name, r.kind): r for r in rows if r.usable})
    broken = [f"{r.name}: {r.reason}" for r in rows if not r.usable]
    if broken and (os.environ.get("SCOREKIT_PLUGINS_STRICT") == "1" if strict is None else strict):
        raise PluginError("; ".join(broken))
    return Registry(tuple(rows), models, shared.hook)


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("scorekit")
    manager.add_hookspecs(Hooks)
    return manager


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    return (entry.dist.name, entry.dist.version) if entry.dist else ("", "")


def _load(
    entry: EntryPoint,
    shared: pluggy.PluginManager,
    models: dict[str, ModelSpec],
    taken: dict[tuple[str, Kind | None], Row],
) -> list[Row]:
    """Rows of one entry point; adds its hooks to `shared` and its models to `models` if all is well."""
    began = time.perf_counter()
    distribution, version = _distribution(entry)

    def row(app: Any, reason: str, detail: str = "") -> Row:
        def text(attribute: str) -> str:
            value = getattr(app, attribute, "")
            return value if isinstance(value, str) else ""

        kind = text("kind")
        return Row(
            name=text("name") or entry.name,
            kind="training" if kind == "training" else "application" if kind == "application" else None,
            title=text("title"),
            summary=text("summary"),
            plugin=entry.name,
            distribution=distribution,
            version=version,
            module=entry.value,
            seconds=round(time.perf_counter() - began, 3),
            reason=reason,
            detail=detail,
            app=app if inspect.isclass(app) and issubclass(app, Application) else None,
        )

    offered: list[Any]
    specs: list[ModelSpec]
    try:
        plugin = entry.load()
        if inspect.isclass(plugin) and issubclass(plugin, Application):
            (offered, specs), plugin = ([plugin], []), None
        else:
            offered, specs = _ask(plugin, entry.value)
        reasons = [(app, _fault(app)) for app in offered]
    except (Exception, SystemExit) as error:  # a plugin that calls sys.exit() at import must not end the host
        return [row(None, _load_reason(error), traceback.format_exc())]
    rows: list[Row] = []
    for app, reason in reasons:
        # An application and the recipe that trains its models may share a name: `scorekit run` and `scorekit train` tell them apart.
        same = taken | {(r.name, r.kind): r for r in reversed(rows)}
        first = same.get((app.name, app.kind)) if not reason else None
        if first:
            reason = f"the name {app.name!r} is already taken by {first.distribution or first.plugin} ({first.module})"
        rows.append(row(app, reason))
    for spec in specs:
        if spec.name in models:
            rows.append(row(None, f"it brings a model {spec.name!r}, a name already taken by another plugin"))
        else:
            models[spec.name] = spec
    if plugin is not None:
        shared.register(plugin, name=f"{distribution}:{entry.name}")
    return rows


def _ask(plugin: Any, value: str) -> tuple[list[type[Application]], list[ModelSpec]]:
    """Call the listing hooks of one plugin, in a manager of its own so that only this plugin can fail."""
    manager = _manager()
    manager.register(plugin)
    manager.check_pending()  # a hook that does not exist is a misspelling, not an extension
    if not manager.get_hookcallers(plugin):
        raise PluginError(f"{value} is neither an Application class nor a module with a hook implementation")
    apps = [app for listed in manager.hook.scorekit_applications() for app in listed]
    specs = [spec for listed in manager.hook.scorekit_models() for spec in listed]
    for spec in specs:
        if not isinstance(spec, ModelSpec):
            raise PluginError(f"scorekit_models() returned {spec!r}, which is no ModelSpec")
    return apps, specs


def _load_reason(error: BaseException) -> str:
    """One line: what went wrong, and where in the plugin."""
    if isinstance(error, PluginError | pluggy.PluginValidationError):
        return " ".join(str(error).split())
    first_line = (str(error).splitlines() or [""])[0]
    here = (__file__, pluggy.__file__.rpartition(os.sep)[0], importlib.__file__.rpartition(os.sep)[0])
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(("<", *here))]
    where = f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {first_line}{where}"


def _fault(app: Any) -> str:
    """Why an application class cannot be used, in one sentence; "" if it can."""
    if not (inspect.isclass(app) and issubclass(app, Application)):
        return f"{app!r} is no Application class"
    for attribute in ("name", "title", "summary"):
        if not isinstance(getattr(app, attribute, None), str) or not getattr(app, attribute):
            return f"class {app.__name__} does not say its {attribute}"
    if not NAME.fullmatch(app.name):
        return f"the name {app.name!r} is not lower-case words joined by hyphens"
    if app.kind not in ("application", "training"):
        return f"its kind is {app.kind!r}, which is neither application nor training"
    try:
        if PLUGIN_API not in SpecifierSet(app.api):
            return f"it is written for plugin API {app.api}; this scorekit has {PLUGIN_API}"
    except (InvalidSpecifier, TypeError):
        return f"its api {app.api!r} is not a version specifier such as '>=1,<2'"
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
    return ""


def _importable(module: str) -> bool:
    # The top-level package only: find_spec of a submodule would import its parent, which listing must not pay for.
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False

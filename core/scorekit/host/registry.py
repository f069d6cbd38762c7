"""Which plugins there are, what each offers, and why one that cannot be used cannot.

Entry points are loaded one at a time: a plugin that is broken becomes a row with its reason and harms no other.
"""

import contextlib
import inspect
import io
import os
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

import pluggy

from scorekit.host.api import heard
from scorekit.host.errors import PluginError
from scorekit.host.faults import class_fault, load_fault
from scorekit.host.listing import Brought, Kind, Registry, Row
from scorekit.host.plugin import ENTRY_POINTS, Application, Hooks, ModelSpec, SolverSpec

__all__ = ["Brought", "Kind", "Offer", "Registry", "Row", "allowed", "discover", "offer"]

SLOW_IMPORT = 1.0  # seconds from which a plugin's line says so
CORE_SOLVERS = frozenset(  # of scorekit.solvers, which imports torch: too slow for a listing
    [
        "ddpm",
        "ddim",
        "euler",
        "euler_a",
        "heun",
        "dpm++1",
        "dpm++2m",
        "dpm++2m_sde",
        "unipc",
        "consistency",
        "lcm",
        "tcd",
        "langevin",
    ]
)


def discover(plugins: Iterable[EntryPoint] | None = None, strict: bool | None = None) -> Registry:
    """Load every plugin and say what it offers.

    plugins  entry points to load; default: those of the installed distributions, or of them those that SCOREKIT_PLUGINS names
    strict   raise PluginError, naming all reasons, if any plugin cannot be used; default: SCOREKIT_PLUGINS_STRICT=1
    """
    found = _installed() if plugins is None else list(plugins)
    # scorekit's own plugins first: a stranger's of the same name must not take the place of one.
    ordered = sorted(found, key=lambda e: (_distribution(e)[0] != "scorekit", _distribution(e)[0], e.name))
    gathered = _Gathered()
    for entry in ordered:
        _Loading(entry, gathered).load()
    if plugins is None:
        gathered.rows += _absent(found)
    broken = [f"{r.name}: {r.reason}" for r in gathered.rows if not r.usable]
    if broken and (os.environ.get("SCOREKIT_PLUGINS_STRICT") == "1" if strict is None else strict):
        raise PluginError("; ".join(broken))
    return Registry(
        tuple(gathered.rows), gathered.models, gathered.hooks.hook, gathered.solvers, tuple(gathered.brought)
    )


def _installed() -> list[EntryPoint]:
    found, named = list(entry_points(group=ENTRY_POINTS)), allowed()
    return found if named is None else [e for e in found if {e.name, _distribution(e)[0]} & named]


def allowed() -> set[str] | None:
    """What SCOREKIT_PLUGINS names: entry points or distributions, the only ones then loaded. None: it is not set, all are."""
    listed = os.environ.get("SCOREKIT_PLUGINS")
    return None if listed is None else {name.strip() for name in listed.split(",") if name.strip()}


def _absent(found: list[EntryPoint]) -> list[Row]:
    """A row for each name in SCOREKIT_PLUGINS that nothing answers to: a misspelling must not pass in silence."""
    present = {name for e in found for name in (e.name, _distribution(e)[0])}
    reason = "SCOREKIT_PLUGINS names it, but no plugin or package of that name is installed"
    return [Row(n, None, "", "", n, "", "", "", 0.0, reason) for n in sorted((allowed() or set()) - present)]


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("scorekit")
    manager.add_hookspecs(Hooks)
    return manager


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    return (entry.dist.name, entry.dist.version) if entry.dist else ("", "")


@dataclass
class _Gathered:
    """What the plugins loaded so far offer."""

    rows: list[Row] = field(default_factory=list)
    models: dict[str, ModelSpec] = field(default_factory=dict)
    solvers: dict[str, SolverSpec] = field(default_factory=dict)
    brought: list[Brought] = field(default_factory=list)
    hooks: pluggy.PluginManager = field(default_factory=_manager)


class _Loading:
    """One entry point on its way into what is `gathered`."""

    def __init__(self, entry: EntryPoint, gathered: _Gathered) -> None:
        self.entry, self.all = entry, gathered
        self.distribution, self.version = _distribution(entry)
        self.seconds = 0.0
        self.notes: list[str] = []

    def load(self) -> None:
        taken = {(r.name, r.kind): r for r in self.all.rows if r.usable}
        try:
            with self._watched():
                plugin, offer = _open(self.entry)
                reasons = [(app, class_fault(app, self.distribution)) for app in offer.applications]
        except (Exception, SystemExit) as error:  # a plugin that calls sys.exit() at import must not end the host
            self._add_row(None, load_fault(error, self.entry.dist), traceback.format_exc())
            return
        for app, reason in reasons:
            # An application and the recipe that trains its models may share a name: `scorekit run` and `scorekit train` tell them apart.
            first = taken.get((app.name, app.kind)) if not reason else None
            if first:
                reason = (
                    f"the name {app.name!r} is already taken by {first.distribution or first.plugin} ({first.module})"
                )
            row = self._add_row(app, reason)
            if row.usable:
                taken[row.name, row.kind] = row
        for spec in offer.models:
            self._add_spec("model", spec, self.all.models, frozenset())
        for solver in offer.solvers:
            self._add_spec("solver", solver, self.all.solvers, CORE_SOLVERS)
        if plugin is not None:
            self.all.hooks.register(plugin, name=f"{self.distribution}:{self.entry.name}")
            if offer.viewer is not None:
                self.all.brought.append(self._brought(self.entry.name, "viewer", offer.viewer))

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Time the import, keep what it prints from the host's output, and hear what it uses that is deprecated."""
        began, printed = time.perf_counter(), io.StringIO()  # stdout is the whole process's, for this moment
        token = heard.set(self.notes)
        try:
            with contextlib.redirect_stdout(printed):
                yield
        finally:
            heard.reset(token)
            self.seconds = round(time.perf_counter() - began, 3)
            if self.seconds >= SLOW_IMPORT:
                self.notes.append(f"importing it takes {self.seconds:.1f} s: heavy imports belong inside run")
            if text := " ".join(printed.getvalue().split()):
                self.notes.append(f"it prints when it is imported: {text if len(text) <= 60 else text[:57] + '...'}")

    def _add_row(self, app: Any, reason: str, detail: str = "") -> Row:
        known = app if inspect.isclass(app) and issubclass(app, Application) else None

        def text(attribute: str) -> str:
            value = getattr(known, attribute, "")
            return value if isinstance(value, str) else ""

        kind = text("kind")
        row = Row(
            name=text("name") or self.entry.name,
            kind="training" if kind == "training" else "application" if kind == "application" else None,
            title=text("title"),
            summary=text("summary"),
            plugin=self.entry.name,
            distribution=self.distribution,
            version=self.version,
            module=self.entry.value,
            seconds=self.seconds,
            reason=reason,
            detail=detail,
            app=known,
            notes=tuple(self.notes),
        )
        self.all.rows.append(row)
        return row

    def _add_spec(
        self, kind: Literal["model", "solver"], spec: Any, known: dict[str, Any], own: frozenset[str]
    ) -> None:
        if spec.name in known or spec.name in own:
            owner = "scorekit" if spec.name in own else "another plugin"
            self._add_row(None, f"it brings a {kind} {spec.name!r}, a name already taken by {owner}")
            return
        known[spec.name] = spec
        self.all.brought.append(self._brought(spec.name, kind, spec.summary))

    def _brought(self, name: str, kind: Literal["model", "solver", "viewer"], summary: str) -> Brought:
        place = (self.entry.name, self.distribution, self.version, self.entry.value)
        return Brought(name, kind, summary, *place, tuple(self.notes))


@dataclass(frozen=True)
class Offer:
    """What one plugin's hooks return; `viewer` is what its viewer says of itself, None if it has none."""

    applications: list[Any]
    models: list[ModelSpec] = field(default_factory=list)
    solvers: list[SolverSpec] = field(default_factory=list)
    viewer: str | None = None


def offer(plugin: Any, value: str) -> Offer:
    """Call the listing hooks of one plugin, in a manager of its own so that only this plugin can fail.

    plugin  an Application class, or a module with hooks;  value  how a message names it
    """
    if inspect.isclass(plugin) and issubclass(plugin, Application):
        return Offer([plugin])
    manager = _manager()
    manager.register(plugin)
    manager.check_pending()  # a hook that does not exist is a misspelling, not an extension
    if not manager.get_hookcallers(plugin):
        raise PluginError(f"{value} is neither an Application class nor a module with a hook implementation")
    apps = [app for listed in manager.hook.scorekit_applications() for app in listed]
    viewer = None
    if manager.hook.scorekit_view.get_hookimpls():
        viewer = (inspect.getdoc(plugin.scorekit_view) or "A view of its own.").splitlines()[0]
    models = _specs(manager, "scorekit_models", ModelSpec)
    return Offer(apps, models, _specs(manager, "scorekit_solvers", SolverSpec), viewer)


def _open(entry: EntryPoint) -> tuple[Any, Offer]:
    """The module of an entry point, None for a class, which has no hooks; and what it offers."""
    plugin = entry.load()
    return (None if inspect.isclass(plugin) else plugin), offer(plugin, entry.value)


def _specs(manager: pluggy.PluginManager, hook: str, kind: type[Any]) -> list[Any]:
    specs = [spec for listed in getattr(manager.hook, hook)() for spec in listed]
    for spec in specs:
        if not isinstance(spec, kind):
            raise PluginError(f"{hook}() returned {spec!r}, which is no {kind.__name__}")
    return specs

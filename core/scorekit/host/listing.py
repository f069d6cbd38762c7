"""What discovery found, line by line, and how an application is found by its name."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from scorekit.host.errors import ParameterError
from scorekit.host.plugin import Application, ModelSpec, SolverSpec

Kind = Literal["application", "training"]


@dataclass(frozen=True)
class Row:
    """One line of `scorekit plugins`: an application, or a plugin of which nothing can be said but why.

    reason  why it cannot be used, "" if it can;  detail  the traceback of a failed import
    app     the class, also when it cannot be used (say, for an absent extra), None if there is none
    seconds that its module took to import
    notes   what its author should mend although it works: a slow import, text printed at import, what is deprecated
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
    notes: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        return not self.reason

    def as_json(self) -> dict[str, Any]:
        """For `scorekit plugins --json`: the fields above, with "status" ok or broken, and what the class declares."""
        fields = ("name", "kind", "title", "summary", "plugin", "distribution", "version", "module", "seconds", "notes")
        shown: dict[str, Any] = {name: getattr(self, name) for name in fields}
        shown |= {"status": "ok" if self.usable else "broken", "reason": self.reason, "detail": self.detail}
        if self.app is not None:
            names = ("reference", "extra", "default_model", "artifacts")
            shown |= {name: getattr(self.app, name, None) for name in names}
        return shown


@dataclass(frozen=True)
class Brought:
    """A line of `scorekit plugins` for what is no application: a model, a solver or a viewer. `name` is the viewer's entry point."""

    name: str
    kind: Literal["model", "solver", "viewer"]
    summary: str
    plugin: str
    distribution: str
    version: str
    module: str
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "title": "", "status": "ok", "reason": ""}


@dataclass(frozen=True)
class Registry:
    """What `discover` found. `hooks` calls the viewers of all sound plugins: `registry.hooks.scorekit_view(...)`."""

    rows: tuple[Row, ...]
    models: dict[str, ModelSpec]
    hooks: Any = field(repr=False)
    solvers: dict[str, SolverSpec] = field(default_factory=dict)
    brought: tuple[Brought, ...] = ()

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

    def lines(self, names: Sequence[str] = ()) -> tuple[list[Row], list[Brought]]:
        """The lines of the list that the names mean, applications, models, entry points or packages; all without names.

        Raises ParameterError for a name that means none.
        """
        every: list[Row | Brought] = [*self.rows, *self.brought]
        known = {name for line in every for name in _means(line)}
        if unknown := [name for name in names if name not in known]:
            raise ParameterError(f"no plugin is called {unknown[0]!r}; there are {', '.join(sorted(known))}")
        if not names:
            return list(self.rows), list(self.brought)
        wanted = set(names)
        return [r for r in self.rows if wanted & _means(r)], [b for b in self.brought if wanted & _means(b)]


def _means(line: Row | Brought) -> set[str]:
    return {line.name, line.plugin, line.distribution} - {""}

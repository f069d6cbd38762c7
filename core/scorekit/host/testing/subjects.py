"""What there is to check of a plugin: each application, model, solver and viewer that it offers."""

import importlib
import inspect
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, Literal

from scorekit.host.plugin import Application
from scorekit.host.registry import Offer, Registry, offer
from scorekit.host.testing.trial import Trial


@dataclass(frozen=True)
class Subject:
    """One thing that a plugin offers.

    thing   the Application class, ModelSpec or SolverSpec; of a viewer, the module with the hook
    module  what is imported for it to be listed;  source  "module:name" from which a child process gets it
    """

    kind: Literal["application", "training", "model", "solver", "viewer"]
    name: str
    thing: Any
    module: str
    source: str

    @cached_property
    def trial(self) -> Trial:
        """Its runs, made once."""
        if self.kind in ("application", "training"):
            return Trial("application", self.source, self.name, dict(self.thing.demo or {}))
        return Trial(self.kind, self.source, self.name, {})


def subjects_of(target: str | ModuleType | type[Application]) -> list[Subject]:
    """The subjects of a plugin: of the module that its entry point names, "module:Class", or the module or class itself."""
    if isinstance(target, str):
        module, _, name = target.partition(":")
        found = importlib.import_module(module)
        thing = getattr(found, name) if name else found
    else:
        thing = target
        module = target.__name__ if isinstance(target, ModuleType) else target.__module__
    return _subjects(offer(thing, str(target)), thing, module)


def installed_subjects(registry: Registry) -> list[Subject]:
    """The subjects of all that a registry can use, each plugin opened anew by its entry point's value."""
    places = {row.module for row in registry.rows if row.usable} | {line.module for line in registry.brought}
    usable = {id(row.app) for row in registry.rows if row.usable}
    found = [subject for place in sorted(places) for subject in subjects_of(place)]
    return [s for s in found if s.kind not in ("application", "training") or id(s.thing) in usable]


def _subjects(offered: Offer, plugin: Any, module: str) -> list[Subject]:
    found = []
    for app in offered.applications:
        source = f"{app.__module__}:{app.__qualname__}" if inspect.isclass(app) else module
        found.append(Subject(getattr(app, "kind", "application"), getattr(app, "name", repr(app)), app, module, source))
    found += [Subject("model", spec.name, spec, module, module) for spec in offered.models]
    found += [Subject("solver", spec.name, spec, module, module) for spec in offered.solvers]
    if offered.viewer is not None:
        found.append(Subject("viewer", module, plugin, module, module))
    return found

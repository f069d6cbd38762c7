"""The solvers of plugins, put beside those of the score wing when a run begins."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from scorekit.host.plugin import SolverSpec
from scorekit.host.registry import discover

if TYPE_CHECKING:
    from scorekit.solvers import Plan


def bring() -> None:
    """Make every solver of a plugin known to `sample(..., solver=name)` in this process.

    One that cannot be loaded harms nobody but who asks for it: it raises ValueError with the reason when it is used.
    """
    specs = discover(strict=False).solvers
    if not specs:
        return
    from scorekit.solvers import SOLVERS

    for spec in specs.values():
        if spec.name not in SOLVERS:
            SOLVERS[spec.name] = _loaded(spec)


def _loaded(spec: SolverSpec) -> "Callable[..., Plan]":
    try:
        return spec.load()
    except Exception as error:
        reason = f"solver {spec.name} cannot be used: {type(error).__name__}: {error}"

    def unusable(schedule: Any, t: Any) -> "Plan":  # noqa: ARG001 (as every solver)
        raise ValueError(reason)

    return unusable

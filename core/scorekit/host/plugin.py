"""What a plugin author sees: Application, Params, RunContext, and the hooks by which a plugin is found.

A plugin is a package with an entry point in the group `scorekit.plugins`, which names a module with hook
implementations (`@hookimpl`), or one Application class. Importing that module has to be cheap: heavy imports (torch,
and all that brings it) belong inside `Application.run`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pluggy
import pydantic
from pydantic.config import JsonDict

from scorekit.host.api import PLUGIN_API, PluginDeprecationWarning
from scorekit.host.context import RunContext
from scorekit.host.errors import Cancelled, ParameterError, RunError
from scorekit.host.provenance import ENTRY_POINTS
from scorekit.host.record import Run

if TYPE_CHECKING:
    from scorekit.denoiser import Denoiser
    from scorekit.solvers import Plan

__all__ = [
    "ADVANCED",
    "ENTRY_POINTS",
    "PLUGIN_API",
    "Application",
    "Artifact",
    "Cancelled",
    "ModelSpec",
    "ParameterError",
    "Params",
    "PluginDeprecationWarning",
    "RunContext",
    "RunError",
    "SolverSpec",
    "View",
    "hookimpl",
]

ADVANCED: JsonDict = {"advanced": True}
hookspec = pluggy.HookspecMarker("scorekit")
hookimpl = pluggy.HookimplMarker("scorekit")


class Params(pydantic.BaseModel):
    """Base of an application's parameters: each field becomes a command-line option and a field of the studio's form.

    Use `Field(default, description=, ge=, le=, examples=)`, Literal for choices, bool for flags, Path for input
    files and folders (they have to exist), `| None` and lists. `json_schema_extra=ADVANCED` moves a field out of the first
    view; {"unit": "px"} names its unit, {**ADVANCED, "unit": "px"} does both. A field without default runs with its first example.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class Application(ABC):
    """One thing that scorekit can do, as one class. See the class attributes; `run` does the work.

    Its parameters are an inner `class Params(Application.Params)`.
    """

    name: ClassVar[str]  # in the terminal and in folders: lower-case letters, digits and hyphens
    title: ClassVar[str]  # for people: "Text to SVG"
    summary: ClassVar[str]  # one sentence
    reference: ClassVar[str] = ""  # the paper: "arXiv:2209.14988"
    kind: ClassVar[Literal["application", "training"]] = "application"  # `scorekit run` or `scorekit train`
    api: ClassVar[str] = ">=1,<2"  # versions of PLUGIN_API that it works with, as a packaging specifier
    requires: ClassVar[tuple[str, ...]] = ()  # modules that have to be importable, looked for but not imported
    extra: ClassVar[str] = ""  # the pip extra that brings them: pip install "scorekit[<extra>]"
    default_model: ClassVar[str | None] = None  # None: it takes no --model
    artifacts: ClassVar[tuple[str, ...]] = ()  # glob patterns of the files it writes, the main one first
    # Values of parameters that make a run of seconds on a CPU; {}: the defaults are quick; None: it needs data that cannot ship.
    demo: ClassVar[Mapping[str, Any] | None] = {}

    class Params(Params):
        """Without parameters of its own, until a subclass defines its own `Params`."""

    @abstractmethod
    def run(self, params: Any, ctx: RunContext) -> None:
        """Do it: `params` is an instance of this class's Params. Results go through `ctx.save` and `ctx.metric`.

        Raise ParameterError for a parameter that only now proves wrong, RunError for a failure that is understood.
        """


@dataclass(frozen=True)
class ModelSpec:
    """A denoiser that a plugin brings, for `--model name`. Exactly one of `source` and `load` is given.

    name     what the user types;  summary  one sentence;  license  of the weights
    source   a local model folder or a hub id that `scorekit.models.load` understands
    load     load(device=torch.device, dtype=torch.dtype) -> Denoiser, for a model of its own kind
    """

    name: str
    summary: str
    source: str | None = None
    load: "Callable[..., Denoiser] | None" = None
    license: str = ""

    def __post_init__(self) -> None:
        if (self.source is None) == (self.load is None):
            raise ValueError(f"model {self.name!r} needs either a source or a load function")


@dataclass(frozen=True)
class SolverSpec:
    """A solver that a plugin brings, for `sample(..., solver=name)` inside a run.

    name     what the user types, unlike any of `scorekit.solvers.SOLVERS`;  summary  one sentence
    load     load() -> plan(schedule, t, **options) -> scorekit.solvers.Plan, called when a run begins
    """

    name: str
    summary: str
    load: "Callable[[], Callable[..., Plan]]"


@dataclass(frozen=True)
class Artifact:
    """One file of a run, as a viewer gets it: its `run`, `name` in the folder and `media_type`."""

    run: Run
    name: str
    media_type: str


@dataclass(frozen=True)
class View:
    """How the studio shows an artifact: `html` in a sandboxed frame without network, `height` in CSS pixels."""

    html: str
    height: int = 480


class Hooks:
    """The hook specifications. All are optional; each runs for each plugin on its own."""

    @hookspec
    def scorekit_applications(self) -> list[type[Application]]:  # type: ignore[empty-body]
        """The applications and training recipes of this plugin. Called at every listing: return classes, do no work."""

    @hookspec
    def scorekit_models(self) -> list[ModelSpec]:  # type: ignore[empty-body]
        """The denoisers that this plugin brings, loaded only when a run asks for one."""

    @hookspec
    def scorekit_solvers(self) -> list[SolverSpec]:  # type: ignore[empty-body]
        """The solvers that this plugin brings: in every run they stand beside those of `scorekit.solvers`."""

    @hookspec(firstresult=True)
    def scorekit_view(self, artifact: Artifact) -> View | None:
        """A view of `artifact` of the plugin's own, or None to leave it to others. The first one counts."""

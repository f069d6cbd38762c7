"""`scorekit run NAME` and `scorekit train NAME`: one command for each application, made from its parameters."""

import inspect
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import typer
import typer.core
from rich.markup import escape

from scorekit.host.devices import DEVICES, DTYPES
from scorekit.host.errors import ParameterError
from scorekit.host.guards import stdout_as_stderr
from scorekit.host.options import Option, options
from scorekit.host.plugin import Application
from scorekit.host.record import Run
from scorekit.host.registry import Kind, Registry, discover

EXIT_CODES = {"done": 0, "failed": 1, "cancelled": 130}
METAVARS = {"integer": "INTEGER", "number": "NUMBER", "boolean": "true|false", "string": "TEXT"}
VERBS: dict[Kind, str] = {"application": "run", "training": "train"}


class RunGroup(typer.core.TyperGroup):
    """A group whose commands are the applications that discovery finds; found once, when first asked for."""

    kind: ClassVar[Kind] = "application"
    _registry: Registry | None = None

    @property
    def registry(self) -> Registry:
        if self._registry is None:
            with stdout_as_stderr():
                self._registry = discover()
        return self._registry

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (the signature is typer's)
        return sorted(self.registry.applications(self.kind))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The command of one application; an unknown name raises ParameterError with the known ones."""
        return command_of(self.registry.get(cmd_name, self.kind))


class TrainGroup(RunGroup):
    """The same for training recipes."""

    kind: ClassVar[Kind] = "training"


def command_of(application: type[Application]) -> Any:
    """A typer command with an option for each parameter and the options that every run has."""
    described = options(application.Params)

    def command(**given: Any) -> int:
        mine = {name: given.pop(f"param_{name}") for name in described}
        words = {name: value for name, value in mine.items() if value is not None and value != []}
        values = {name: _value(described[name], word) for name, word in words.items()}
        resume = given.pop("resume")
        as_json, quiet = given.pop("as_json"), given.pop("quiet")
        if resume is None:
            if given.pop("demo"):
                values = {**demo_of(application), **values}
            return start(
                application,
                values,
                as_json,
                quiet,
                **{k: v for k, v in given.items() if v is not None and v is not False},
            )
        extra = [f"--{described[n].name}" for n in values] + [f"--{n}" for n, v in given.items() if v]
        if extra:
            raise ParameterError(f"--resume goes on with the folder's own parameters; leave out {', '.join(extra)}")
        return start(application, None, as_json, quiet, out=resume, resume=True)

    parameters = [_parameter(f"param_{o.field}", *_annotated(o)) for o in described.values()]
    parameters += _run_parameters(application)
    # Typer reads names, types and help from a function's signature: this is the one for this application.
    command.__signature__ = inspect.Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": int}
    single = typer.Typer(add_completion=False, rich_markup_mode="rich")
    single.command(name=application.name, help=_help(application), short_help=escape(application.summary))(command)
    return typer.main.get_command(single)


def demo_of(application: type[Application]) -> Mapping[str, Any]:
    """The parameters of a run of seconds. Raises ParameterError for an application that has no such run."""
    if application.demo is None:
        raise ParameterError(f"{application.name} has no demo: it needs data that does not come with it")
    return application.demo


def _value(option: Option, given: Any) -> Any:
    if option.shape == "flag" and not option.many:
        return given
    return option.parse_all(given if isinstance(given, list) else [given])


def _parameter(name: str, annotation: Any, option: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=annotation)


def _annotated(option: Option) -> tuple[Any, Any]:
    """Type and typer option of a parameter. Words stay text here: pydantic alone judges values, in one voice."""
    flag = option.shape == "flag" and not option.many
    spelling = f"--{option.name}/--no-{option.name}" if flag else f"--{option.name}"
    unit = f" ({option.unit})" if option.unit else ""
    allowed = "" if flag or option.allowed == "text" else f" {option.allowed[0].upper()}{option.allowed[1:]}."
    repeated = " Repeat for more." if option.many else ""
    shown = " ".join(word.partition("=")[2] or word.lstrip("-") for word in option.arguments(option.default))
    made = typer.Option(
        None,
        spelling,
        metavar=None if flag else _metavar(option),
        help=escape(f"{option.description}{unit}{allowed}{repeated} [default: {shown or repr('')}]".strip()),
        show_default=False,  # typer's own puts a text into brackets of its own
        rich_help_panel="Advanced parameters" if option.advanced else "Parameters",
    )
    return (bool | None if flag else list[str] | None if option.many else str | None), made


def _metavar(option: Option) -> str:
    if option.shape == "choice":
        return "CHOICE"
    if "path" in str(option.schema.get("format", "")):
        return "PATH"
    return METAVARS.get(str(option.schema.get("type")), "JSON")


def _run_parameters(application: type[Application]) -> list[inspect.Parameter]:
    def option(name: str, annotation: Any, metavar: str | None, text: str, default: str = "") -> inspect.Parameter:
        flag = annotation is bool
        made = typer.Option(
            False if flag else None,
            f"--{name}",
            metavar=metavar,
            help=escape(f"{text} [default: {default}]" if default else text),
            show_default=False,
            rich_help_panel="Run",
        )
        return _parameter("as_json" if name == "json" else name.replace("-", "_"), annotation, made)

    folder = f"runs/{application.name}-<time>"
    made = [option("seed", str | None, "INTEGER", "The same seed on the same device gives the same result.", "0")]
    if application.default_model is not None:
        text = "A name of `scorekit models`, a local model folder, or a hub id."
        made.append(option("model", str | None, "MODEL", text, application.default_model))
        made.append(
            option("trust-pickle", bool, None, "Also read weights that are stored as pickle, which can run code.")
        )
    made += [
        option("device", str | None, "DEVICE", f"Where to compute: {DEVICES}.", "auto"),
        option("dtype", str | None, "DTYPE", f"Precision: {', '.join(DTYPES)}.", "auto"),
        option("out", str | None, "DIR", "The run folder, new or empty.", folder),
        option("resume", str | None, "DIR", "Go on with the unfinished run in this folder."),
        option("demo", bool, None, "Small values for the parameters that are not given: a run of seconds."),
        option("json", bool, None, "Print the run's summary as JSON when it ends, and nothing else."),
        option("quiet", bool, None, "Print nothing but errors."),
    ]
    return made


def _help(application: type[Application]) -> str:
    lines = [f"{application.title}: {application.summary}"]
    if application.reference:
        lines.append(f"Reference: {application.reference}")
    if application.artifacts:
        lines.append(f"Writes: {', '.join(application.artifacts)}")
    return "\n\n".join(escape(line) for line in lines)


def resume_run(context: typer.Context, kind: Kind, resume: str | None, as_json: bool, quiet: bool) -> int:
    """`scorekit run --resume DIR` without a name: the folder knows it."""
    if context.invoked_subcommand is not None:
        if resume or as_json or quiet:
            raise ParameterError(f"options go after the name: scorekit {VERBS[kind]} {context.invoked_subcommand} ...")
        return 0
    registry = discover()
    if resume is None:
        known = ", ".join(sorted(registry.applications(kind))) or "none is installed"
        raise ParameterError(f"scorekit {VERBS[kind]} needs a name ({known}) or --resume DIR")
    record = Run.load(resume).record
    application = registry.get(record["application"], record["kind"])
    return start(application, None, as_json, quiet, out=resume, resume=True)


def start(
    application: type[Application], values: Mapping[str, Any] | None, as_json: bool, quiet: bool, **choices: Any
) -> int:
    """Execute with a screen; returns the exit code."""
    import contextlib

    from scorekit.host.console import Screen
    from scorekit.host.runs import execute

    if "seed" in choices:
        choices["seed"] = _seed(choices["seed"])
    alone = stdout_as_stderr() if as_json else contextlib.nullcontext()
    with alone, Screen(application.title, quiet=quiet or as_json) as screen:
        run = execute(application, values, on_event=screen, **choices)
    if as_json:
        typer.echo(json.dumps(run.summary(), indent=2, ensure_ascii=False))
    if not as_json or run.status != "done":
        screen.report(run)
    return EXIT_CODES[run.status]


def _seed(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise ParameterError(f"--seed must be a whole number from 0; got {word!r}") from None

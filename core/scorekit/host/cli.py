"""`scorekit`: run, train, plugins, new-plugin, models, app, doctor. Exit codes: 0 done, 1 failed, 2 bad input, 130 cancelled."""

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scorekit.host.commands import RunGroup, TrainGroup, resume_run
from scorekit.host.errors import ParameterError, PluginError

if TYPE_CHECKING:
    from scorekit.host.listing import Registry

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
Resume = Annotated[
    str | None, typer.Option("--resume", metavar="DIR", help="Go on with the unfinished run in this folder.")
]
app = typer.Typer(
    name="scorekit",
    help="Diffusion models beyond images: run and train applications built on one score API.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
run_app = typer.Typer(cls=RunGroup, invoke_without_command=True, subcommand_metavar="NAME [OPTIONS]")
train_app = typer.Typer(cls=TrainGroup, invoke_without_command=True, subcommand_metavar="NAME [OPTIONS]")
app.add_typer(run_app, name="run", help="Run an application. `scorekit run NAME --help` shows its parameters.")
app.add_typer(train_app, name="train", help="Train by a recipe. `scorekit train NAME --help` shows its parameters.")


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> int:
    if version:
        import scorekit

        typer.echo(scorekit.__version__)
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
    return 0


@run_app.callback()
def run_without_name(
    context: typer.Context, resume: Resume = None, as_json: JsonFlag = False, quiet: Quiet = False
) -> int:
    return resume_run(context, "application", resume, as_json, quiet)


@train_app.callback()
def train_without_name(
    context: typer.Context, resume: Resume = None, as_json: JsonFlag = False, quiet: Quiet = False
) -> int:
    return resume_run(context, "training", resume, as_json, quiet)


@app.command()
def plugins(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Applications, plugins or packages; default: all.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Run the conformance checks; exit code 1 if one fails.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="With --check: leave out the checks that run something.")
    ] = False,
    as_json: JsonFlag = False,
) -> int:
    """List what plugins bring: applications, training recipes, models, solvers, viewers; and why one cannot be used."""
    from scorekit.host.guards import stdout_as_stderr
    from scorekit.host.registry import discover

    if quick and not check:
        raise ParameterError("--quick goes with --check")
    with stdout_as_stderr():
        registry = discover(strict=False) if check else discover()
    if check:
        return _check(registry, names or [], quick, as_json)
    rows, brought = registry.lines(names or [])
    if as_json:
        return _print_json([row.as_json() for row in rows] + [line.as_json() for line in brought])
    lines: list[tuple[str, str, str]] = [
        (row.name, row.kind or "", _said(row.summary if row.usable else f"NOT USABLE: {row.reason}", row.notes))
        for row in rows
    ]
    lines += [(line.name, line.kind, line.summary) for line in brought]
    return _print_table(("name", "kind", "what it does"), lines, empty="no plugin is installed")


def _said(what: str, notes: tuple[str, ...]) -> str:
    return f"{what} NOTE: {'; '.join(notes)}" if notes else what


def _check(registry: "Registry", names: list[str], quick: bool, as_json: bool) -> int:
    from scorekit.host.guards import stdout_as_stderr
    from scorekit.host.testing.report import examine, tell

    results = examine(registry, names, quick)
    if as_json:
        with stdout_as_stderr():
            found = list(results)
        _print_json([result.as_json() for result in found])
    else:
        found = tell(results, typer.echo)
    return 1 if any(result.status == "failed" for result in found) else 0


@app.command(name="new-plugin")
def new_plugin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case words joined by hyphens, such as my-idea.")],
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="What it brings: application, model or viewer.")
    ] = "application",
    license: Annotated[
        str, typer.Option("--license", metavar="LICENSE", help="apache-2.0, mit or bsd-3-clause.")
    ] = "apache-2.0",
    into: Annotated[str, typer.Option("--into", metavar="DIR", help="The folder in which the new one is made.")] = ".",
) -> int:
    """Write a new plugin: a package that installs, is listed, runs and passes its tests before a line of it is changed."""
    from scorekit.host.console import place
    from scorekit.host.scaffold import write_plugin

    folder = write_plugin(name, kind, license, into)
    typer.echo(
        f"{place(folder)} is written; go on by:\n  cd {place(folder)}\n  pip install -e '.[test]'\n  pytest\n  scorekit plugins {name}"
    )
    return 0


@app.command()
def models(as_json: JsonFlag = False) -> int:
    """List the models that need no download; --model also takes a local folder or a hub id."""
    from scorekit.host.console import size
    from scorekit.host.models import listing

    rows = listing()
    if as_json:
        return _print_json(rows)
    lines = [(r["name"], r["origin"], size(r["bytes"]) if r["bytes"] else "", r["summary"]) for r in rows]
    return _print_table(("name", "origin", "size", "what it is"), lines, empty="no model is embedded")


@app.command(
    name="app", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False
)
def studio(context: typer.Context) -> int:
    """Start the studio: every application in the browser. `scorekit app --help` shows its options."""
    # By name: the core knows no front end, and works without one.
    missing = [name for name in ("scorekit_studio", "streamlit") if importlib.util.find_spec(name) is None]
    if missing:
        return _complain(f'the studio needs {" and ".join(missing)}; install by: pip install "scorekit[studio]"', 1)
    start: Callable[[list[str]], int] = importlib.import_module("scorekit_studio.app").main
    try:
        return start(context.args)
    except SystemExit as end:  # argparse's, after --help or a wrong option
        return end.code if isinstance(end.code, int) else 1


@app.command()
def doctor(as_json: JsonFlag = False) -> int:
    """Examine this installation: libraries, devices, video, disk, plugins. Exit code 1 if scorekit cannot work."""
    from scorekit.host.doctor import examine

    findings = list(examine())
    code = 1 if any(f.status == "error" for f in findings) else 0
    if as_json:
        _print_json([f.as_json() for f in findings])
        return code
    lines = [(f.status, f.check, "; ".join(filter(None, (f.detail, f.advice.strip())))) for f in findings]
    _print_table(("", "check", "finding"), lines, empty="")
    return code


def _print_json(content: Any) -> int:
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
    return 0


def _print_table(header: tuple[str, ...], rows: list[Any], empty: str) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    if not rows:
        typer.echo(empty)
        return 0
    if not console.is_terminal:  # into a pipe, a line stays a line
        widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
        for row in (header, *rows):
            typer.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in header:
        table.add_column(title, overflow="fold", no_wrap=title != header[-1])
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code. One sentence on stderr for everything a user can have caused."""
    try:
        code = typer.main.get_command(app).main(args=arguments, prog_name="scorekit", standalone_mode=False)
    except ParameterError as error:
        return _complain(str(error), 2)
    except PluginError as error:
        return _complain(str(error), 1)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except OSError as error:  # a full disk, a closed pipe: said by the system, not by us
        return _complain(str(error), 1)
    except Exception as error:
        if not any(base.__name__ == "ClickException" for base in type(error).__mro__):
            raise
        # A usage error, known by name: typer has carried this class in different modules over its versions.
        return _complain(getattr(error, "format_message", error.__str__)(), 2)
    return code if isinstance(code, int) else 0


def _complain(sentence: str, code: int) -> int:
    print(f"scorekit: {' '.join(sentence.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

"""Writes what docs/plugins.md shows of the program: the help of commands, the checks, the lines of the broken plugins.

python tests/docs_tables.py        writes them;  tests/core/host/test_docs.py asserts that they are there
"""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "plugins.md"
WIDTH = 100
HELP = re.compile(r"<!-- help: (?P<name>[\w -]+) -->\n```text\n(?P<text>.*?)```\n", re.S)


def command_help(words: str) -> str:
    """The help of a command in plain text, whichever versions of typer and rich are there."""
    import typer.main

    from scorekit.host.cli import app

    command: Any = typer.main.get_command(app)
    context: Any = command.make_context("scorekit", [], resilient_parsing=True)
    for word in words.split():
        command = command.get_command(context, word)
        context = type(context)(command, info_name=word, parent=context)
    command.rich_markup_mode = None
    context.terminal_width = context.max_content_width = WIDTH
    text: str = command.get_help(context)
    return "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"


def checks_table() -> str:
    """A row for each check, in the order in which they are made."""
    from scorekit.host.testing.checks import BY_KIND, CHECKS

    kinds = {name: [k for k, checks in BY_KIND.items() if name in [c.__name__ for c in checks]] for name in CHECKS}
    said = {"application": "applications", "model": "models", "solver": "solvers", "viewer": "viewers"}
    rows = []
    for name, sentence in CHECKS.items():
        of = ", ".join(said[kind] for kind in kinds[name] if kind in said)
        rows.append(f"| {name} | {'all' if of == ', '.join(said.values()) else of} | {sentence} |\n")
    return "".join(rows)


def broken_table() -> str:
    """A row for each broken plugin in tests/plugins/broken, with its line of the list."""
    from broken_plugins import lines

    return "".join(f"| {name} | `{line}` |\n" for name, line in lines().items())


def between(guide: str, mark: str, table: str) -> str:
    """The guide with the rows after the comment `mark`, up to the next end mark, replaced."""
    pattern = re.compile(rf"(<!-- {mark} -->\n\|[^\n]*\n\| ---[^\n]*\n).*?(<!-- end -->)", re.S)
    assert pattern.search(guide), mark
    return pattern.sub(lambda m: m[1] + table + m[2], guide)


def written(guide: str) -> str:
    """The guide with everything in it that is made from the program."""
    guide = HELP.sub(lambda m: f"<!-- help: {m['name']} -->\n```text\n{command_help(m['name'])}```\n", guide)
    return between(between(guide, "checks", checks_table()), "broken", broken_table())


if __name__ == "__main__":
    GUIDE.write_text(written(GUIDE.read_text()))

"""Does what a page of the documentation says, block after block, in an empty folder, and says how long each took.

    python tests/docs/follow.py docs/tutorial.md        # in a new virtual environment, which sees the packages of this one

A fenced block with `title="path"` is a file to write. `sh` blocks are run by bash; a `text` block after one holds lines that its output
must have, "..." standing for anything. `python` blocks without a title are run; `pycon` blocks are doctests. `scorekit app` is started and
left running until the end of the page. A block is passed over where the line before it begins with "Not run by the tests".
"""

from __future__ import annotations

import argparse
import doctest
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # also where it is run as a program

from fresh_environment import fresh

FENCE = re.compile(r"^```(?P<language>[\w-]+)?(?: title=\"(?P<title>[^\"]+)\")?\s*$")
PASSED_OVER = "Not run by the tests"
RUNNABLE = {"sh", "text", "python", "pycon"}
PATIENCE = 120.0  # seconds that the studio may take to answer


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it is ("" for none), its text, the line of the page, and whether it is to be run."""

    language: str
    title: str
    text: str
    line: int
    run: bool


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page. Raises ValueError for one that nobody could run and that is not marked so."""
    lines = page.read_text().splitlines()
    start: int | None = None
    before, found = "", None
    for number, line in enumerate(lines):
        if start is None:
            if line.startswith("```"):
                found, start = FENCE.match(line), number
                if found is None:
                    raise ValueError(f"{page.name}, line {number + 1}: {line!r} is no fence that can be followed")
            elif line.strip():
                before = line
        elif line == "```":
            assert found is not None
            run = PASSED_OVER not in before
            language, title = found["language"] or "", found["title"] or ""
            if run and not title and language not in RUNNABLE:
                raise ValueError(
                    f"{page.name}, line {start + 1}: a {language} block needs a title, the file that it is"
                )
            yield Block(language, title, "\n".join(lines[start + 1 : number]) + "\n", start + 1, run)
            start, before = None, ""


@dataclass
class Follower:
    """Runs blocks in `folder` with the commands of a virtual environment; the folder changes where a block says `cd`."""

    folder: Path
    environment: dict[str, str]
    on_studio: Callable[[str], None] = lambda url: None
    times: list[tuple[Block, float]] = field(default_factory=list)
    said: str = ""
    studio: subprocess.Popen[bytes] | None = None

    def follow(self, page: Path) -> None:
        """All blocks of a page. Raises AssertionError with the page, the line and the output where one does not do what it says."""
        try:
            for block in blocks(page):
                began = time.monotonic()
                if block.run:
                    try:
                        self.one(block)
                    except AssertionError as error:
                        raise AssertionError(f"{page.name}, line {block.line}: {error}") from None
                    self.times.append((block, time.monotonic() - began))
        finally:
            self.stop()

    def one(self, block: Block) -> None:
        if block.title:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language == "text":
            self.compare(block.text)
        elif block.language == "pycon":
            (self.folder / ".block.txt").write_text(block.text)
            code = "import doctest, sys; sys.exit(doctest.testfile('.block.txt', module_relative=False, optionflags=%d)[0])"
            self.command([self.environment["PYTHON"], "-c", code % (doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)])
        elif block.language == "python":
            self.command([self.environment["PYTHON"], "-c", block.text])
        elif block.text.startswith("scorekit app"):
            self.serve(block.text)
        else:
            end = self.folder / ".cwd"
            self.command(["bash", "-euo", "pipefail", "-c", f"{block.text}\npwd > {str(end)!r}"])
            self.folder = Path(end.read_text().strip())

    def command(self, command: list[str]) -> None:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.said = done.stdout
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}"

    def compare(self, expected: str) -> None:
        """Every line of `expected` is in what was said, in this order; runs of spaces and frames of tables count for nothing."""
        said = _plain(self.said)
        for line in filter(None, (_plain(line) for line in expected.splitlines())):
            pattern = ".*?".join(re.escape(part) for part in line.split("..."))
            found = re.search(pattern, said)
            assert found, f"{line!r} was not said in its place; what was said:\n{self.said}"
            said = said[found.end() :]

    def serve(self, command: str) -> None:
        with socket.socket() as tried:
            tried.bind(("127.0.0.1", 0))
            port = tried.getsockname()[1]
        own = {"SCOREKIT_STUDIO_PORT": str(port), "SCOREKIT_STUDIO_ROOT": str(self.folder / ".studio")}
        with open(self.folder / ".studio.log", "wb") as log:
            self.studio = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment | own, stdout=log, stderr=log
            )
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends and self.studio.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
                    return self.on_studio(f"http://127.0.0.1:{port}")
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise AssertionError(f"the studio did not answer\n{(self.folder / '.studio.log').read_text()}")

    def stop(self) -> None:
        if self.studio is not None and self.studio.poll() is None:
            self.studio.send_signal(signal.SIGINT)
            try:
                self.studio.wait(30)
            except subprocess.TimeoutExpired:
                self.studio.kill()


def _plain(text: str) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return " ".join(re.sub(r"[─━│┃┌┐└┘├┤┬┴┼╭╮╰╯╇╈┏┓┗┛┡┩┳┻╡╞═]", " ", text).split())


def environment(folder: Path) -> dict[str, str]:
    """A new virtual environment in `folder`, as variables for a shell. It sees the packages of this one, and reaches no package index.

    `scorekit`, `pip`, `pytest` and `accelerate` are commands of the new environment: what pip installs goes into it.
    """
    python = fresh(folder)
    commands = {
        "pip": "import sys; from pip._internal.cli.main import main; sys.argv[0] = 'pip'; sys.exit(main())",
        "pytest": "import sys; import pytest; sys.exit(pytest.main())",
        "accelerate": "import sys; from accelerate.commands.accelerate_cli import main; sys.exit(main())",
    }
    for name, code in commands.items():
        path = folder / "bin" / name
        path.write_text(f"#!{python}\n{code}\n")
        path.chmod(0o755)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PIP_", "SCOREKIT_", "VIRTUAL_"))
    }
    return kept | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": str(python),
        "VIRTUAL_ENV": str(folder),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this switch the other way round: 0 turns isolation off
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_QUIET": "1",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "COLUMNS": "160",
        "NO_COLOR": "1",
        "TMPDIR": tempfile.gettempdir(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", type=Path)
    for page in parser.parse_args().pages:
        with tempfile.TemporaryDirectory(prefix="follow-") as root:
            began = time.monotonic()
            follower = Follower(Path(root) / "empty", environment(Path(root) / "venv"))
            follower.folder.mkdir()
            print(f"{page}: the environment took {time.monotonic() - began:.1f} s", flush=True)
            follower.follow(page)
            for block, seconds in follower.times:
                print(f"  line {block.line:4d}  {seconds:6.1f} s  {block.title or block.text.splitlines()[0]}")
            print(f"  in all {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()

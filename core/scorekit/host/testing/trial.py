"""The runs of one subject, made once in a child process under the sandbox, for all checks that ask about them."""

import json
import os
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

from scorekit.host.testing.imports import environment
from scorekit.host.testing.sandbox import cache_folder

MOST_WAIT = 1800  # seconds; a run that hangs must end


class Trial:
    """`answer` is what probe.py found, `folder` where its runs lie; both are made when first asked for.

    answer of an application: {"first", "cancelled", "second", "third": {"status", "error", "steps", "seconds" (of the processor),
    "traceback"}, as far as it came; "difference", "repeated": sentences}. Of a model or solver: {"fault", "where"}. Of all: {"written",
    "called"}: what the sandbox refused; {"left"}: what was left in the working folder; {"died"}: how the child ended, "" if well.
    """

    def __init__(self, what: str, source: str, name: str, parameters: dict[str, Any]) -> None:
        self._request = {"what": what, "source": source, "name": name, "parameters": parameters, "seed": 0}
        self._place = tempfile.TemporaryDirectory(prefix="scorekit-conformance-", ignore_cleanup_errors=True)
        self.folder = Path(self._place.name) / "runs"

    @cached_property
    def answer(self) -> dict[str, Any]:
        root = Path(self._place.name)
        work, temporary = root / "work", root / "tmp"
        for path in (self.folder, work, temporary):
            path.mkdir()
        request, answer = root / "request.json", root / "answer.json"
        request.write_text(json.dumps({**self._request, "folder": str(self.folder)}))
        # Caches that a library keeps elsewhere go where caches are allowed; what is at hand is used without asking a hub about it.
        said = {"TMPDIR": str(temporary), "HF_HUB_OFFLINE": "1", "MPLCONFIGDIR": str(cache_folder() / "matplotlib")}
        command = [sys.executable, "-m", "scorekit.host.testing.probe", str(request), str(answer)]
        log = root / "log.txt"
        with open(log, "wb") as output:
            try:
                process = subprocess.run(
                    command,
                    cwd=work,
                    env={**environment(), **said},
                    stdout=output,
                    stderr=output,
                    timeout=MOST_WAIT,
                    check=False,
                )
                died = "" if process.returncode == 0 else f"it ended with code {process.returncode}"
            except subprocess.TimeoutExpired:
                died = f"it was still running after {MOST_WAIT} s"
        found: dict[str, Any] = json.loads(answer.read_text()) if answer.exists() else {"written": [], "called": []}
        if died:
            lines = log.read_text(errors="replace").strip().splitlines()
            died = f"{died}: {lines[-1]}" if lines else died
        left = sorted(os.path.relpath(path, work) for path in work.rglob("*") if path.is_file())
        return {**found, "died": died, "left": left}

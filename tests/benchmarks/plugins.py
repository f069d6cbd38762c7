"""How long it takes to list many installed plugins, and to print the help, in fresh processes.

Wall-clock seconds, which other work on the machine lengthens, and seconds of the processor, which it hardly does; medians.

    python tests/benchmarks/plugins.py [--plugins 50] [--repeats 7] [--report FILE.json]

Each plugin is a distribution of its own (a dist-info folder and a module with one application of five parameters), on the import path.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from plugin_site import install

PLUGIN = '''
"""A plugin of the benchmark."""
from typing import Literal
from pydantic import Field
from scorekit.host.plugin import Application, hookimpl

class Walk{number}(Application):
    name, title, summary, artifacts = "walk-{number}", "Walk {number}", "Walks at random.", ("walk.json",)
    class Params(Application.Params):
        steps: int = Field(50, ge=1, le=1000, description="How far.")
        scale: float = Field(1.0, gt=0, le=10, description="How wide.")
        style: Literal["plain", "fancy"] = Field("plain", description="How.")
        words: list[str] = Field(["a"], description="What to say.")
        loud: bool = Field(False, description="Say it aloud.")
    def run(self, params, ctx):
        ctx.progress(1, 1)

@hookimpl
def scorekit_applications():
    return [Walk{number}]
'''


def seconds(command: list[str], site: Path, repeats: int) -> dict[str, float]:
    """Median times of a command after one that warms the caches of bytecode and files."""
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    walls, processor = [], []
    for _ in range(repeats + 1):
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - began)
        processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {
        "seconds": round(statistics.median(walls[1:]), 3),
        "processor_seconds": round(statistics.median(processor[1:]), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plugins", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    program = [sys.executable, "-m", "scorekit.host.cli"]
    with tempfile.TemporaryDirectory() as folder:
        none, many = Path(folder) / "none", Path(folder) / "many"
        none.mkdir()
        for number in range(given.plugins):
            code = PLUGIN.replace("{number}", str(number))
            install(many, f"walk-{number}", {f"walk-{number}": f"walk_{number}"}, **{f"walk_{number}": code})
        listed = subprocess.run(
            [*program, "plugins", "--json"],
            env={**os.environ, "PYTHONPATH": str(many)},
            check=True,
            capture_output=True,
        )
        found = sum(row["distribution"].startswith("walk-") for row in json.loads(listed.stdout))
        assert found == given.plugins, f"{found} of {given.plugins} are listed"
        rows = {
            "python -c pass": seconds([sys.executable, "-c", "pass"], none, given.repeats),
            "scorekit --help": seconds([*program, "--help"], none, given.repeats),
            "scorekit plugins, scorekit's own": seconds([*program, "plugins"], none, given.repeats),
            f"scorekit plugins, and {given.plugins} more": seconds([*program, "plugins"], many, given.repeats),
        }
    for name, row in rows.items():
        print(f"{name:<40} {row['seconds']:.2f} s, {row['processor_seconds']:.2f} s of the processor")
    if given.report:
        given.report.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()

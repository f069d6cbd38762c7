"""A plugin of small real applications that behave and misbehave, and a studio that runs them. Shared by the tests of the studio."""

import textwrap
import time
from collections.abc import Callable
from pathlib import Path

from scorekit_studio.desk import Studio
from scorekit_studio.job import Job

PLUGIN = '''
"""Jobs that behave, and jobs that do not."""
import os
import signal
import time
from pathlib import Path
from typing import Literal

from pydantic import Field

from scorekit.host.plugin import Application, ModelSpec, hookimpl


class Steps(Application):
    """A loop as it should be. `journal` gets a line for every step that was worked, of whatever attempt."""

    name, title, summary = "steps", "Steps", "Counts, with a checkpoint, a preview and a metric."
    artifacts = ("sum.json",)

    class Params(Application.Params):
        prompt: str = Field("a red mushroom", description="A text.")
        steps: int = Field(5, ge=1, le=100_000, description="How many.")
        rest: float = Field(0.0, ge=0, le=60, description="Seconds between two.")
        image: Path | None = Field(None, description="A picture.")
        keeps: bool = Field(True, description="Offer checkpoints.")
        gate: int = Field(0, ge=0, description="Wait before this step until there is a file `open`.")

    def run(self, params, ctx):
        import torch

        total, first = torch.zeros(()), 0
        if state := ctx.restore():
            total, first = state["total"], state["step"]
        for step in range(first + 1, params.steps + 1):
            while step == params.gate and not (ctx.folder / "open").exists():
                ctx.progress(step - 1, params.steps)
                time.sleep(0.1)
            total += torch.rand((), generator=ctx.generator)
            time.sleep(params.rest)
            with open(ctx.folder / "journal", "a") as journal:
                journal.write(f"{step}\\n")
            if params.keeps:
                # At the gate the loop is a step further when this is called.
                ctx.checkpoint(lambda step=step: {"total": total, "step": step}, step)
            ctx.preview(lambda: torch.full((3, 8, 8), step / params.steps))
            ctx.progress(step, params.steps, drawn=total)
        ctx.log("counted")
        ctx.metric("drawn", total)
        ctx.save("sum.json", {"total": total.item(), "prompt": params.prompt})


class Rogue(Application):
    """Does what a plugin must not do."""

    name, title, summary = "rogue", "Rogue", "Misbehaves in the way it is told to."

    class Params(Application.Params):
        how: Literal["deaf", "segfault", "exit", "oom", "dirty", "full"] = "deaf"

    def run(self, params, ctx):
        import torch

        ctx.progress(0, 10)
        if params.how == "deaf":  # hears no signal, sees no flag, swallows every exception
            import subprocess

            child = subprocess.Popen(["sleep", "600"])
            (ctx.folder / "child").write_text(str(child.pid))
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            while True:
                try:
                    time.sleep(0.1)
                except BaseException:
                    pass
        if params.how == "segfault":
            import ctypes

            ctypes.string_at(0)
        if params.how == "exit":
            os._exit(0)
        if params.how == "oom":
            os.kill(os.getpid(), signal.SIGKILL)  # as the system does when memory ends
        if params.how == "dirty":
            os.chdir("/")
            os.environ["SCOREKIT_DEVICE"] = "nonsense"
            torch.set_default_dtype(torch.float64)
            torch.set_grad_enabled(False)
        if params.how == "full" and ctx.restore() is None:
            ctx.checkpoint(lambda: {"step": 1}, 1)
            ctx.keep_state()
            real, mark = os.fsync, ctx.folder / "full"

            def full(number):
                if mark.exists():
                    raise OSError(28, "No space left on device")
                real(number)

            mark.touch()
            os.fsync = full
            ctx.save("big.txt", "text")
        ctx.save("where.json", {"cwd": os.getcwd(), "dtype": str(torch.get_default_dtype())})


class Model(Application):
    """Uses the embedded model, and may spoil it."""

    name, title, summary, default_model = "model", "Model", "Looks at the model.", "pico-image"

    class Params(Application.Params):
        spoil: bool = False

    def run(self, params, ctx):
        import torch

        model = ctx.model()
        weight = next(model.network.parameters())
        seen = float(weight.double().sum())
        if params.spoil:
            weight.data += 1
        ctx.save("model.json", {"sum": seen, "draw": float(torch.rand(())), "network": id(model.network)})


@hookimpl
def scorekit_applications():
    return [Steps, Rogue, Model]
'''


def install(folder: Path) -> None:
    """Write the plugin and the metadata by which importlib finds it."""
    (folder / "studio_test_jobs.py").write_text(PLUGIN)
    info = folder / "studio_test_jobs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: studio-test-jobs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[scorekit.plugins]\nstudio-test-jobs = studio_test_jobs\n")


PATIENCE = 4
SLOWNESS = 5  # a time that the studio promises is kept by a machine that has its cores for itself; a test allows for one so much slower


def until(condition: Callable[[], object], seconds: float = 30.0, what: str = "it") -> float:
    """Wait until `condition` holds; returns how long that took. On a busy machine a worker may take long to start: patience costs nothing
    where all is well."""
    began, seconds = time.monotonic(), PATIENCE * seconds
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"{what} did not happen in {seconds:g} s")
        time.sleep(0.02)
    return time.monotonic() - began


def ended(studio: Studio, job_id: str, seconds: float = 30.0) -> Job:
    """The job, when it has ended."""
    until(lambda: studio.queue.get(job_id).ended_for_good, seconds, f"the end of {job_id}")
    return studio.queue.get(job_id)


def stepping(studio: Studio, job_id: str, least: int = 2) -> None:
    """Wait until a job has worked `least` steps."""
    from scorekit_studio.live import last_step

    def far() -> bool:
        step = last_step(studio.store.folder(job_id))
        return step is not None and step.step >= least

    until(far, what=f"step {least} of {job_id}")


def journal(studio: Studio, job_id: str) -> list[int]:
    """Every step that a job worked, in the order of working, of all its attempts."""
    return [int(line) for line in (studio.store.folder(job_id) / "journal").read_text().split()]


SERVER = textwrap.dedent("""
    # studio_test_server
    import sys, time
    from scorekit_studio.desk import Studio
    from pathlib import Path
    studio = Studio(sys.argv[1], devices=["cpu"])
    studio.start(locks=Path(sys.argv[2]), prepare=())
    print("up", flush=True)
    while True:
        time.sleep(1)
""")

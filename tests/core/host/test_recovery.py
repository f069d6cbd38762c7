"""What a host that runs many jobs needs of the core: ends of dead runs, warm models, devices, and processes told apart."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from scorekit.host.context import Event
from scorekit.host.devices import resolve_device
from scorekit.host.errors import ParameterError
from scorekit.host.provenance import is_alive, process_identity
from scorekit.host.runs import Run, execute, queue, settle


def dead(sample: ModuleType, folder: Path) -> Run:
    """A run whose process was killed at step 7."""
    run = queue(sample.Walk, None, folder)
    line = {"step": 7, "total": 20, "elapsed": 3.5, "left": 1.0, "metrics": {}}
    (folder / "progress.jsonl").write_text(json.dumps(line) + "\n")
    run.update(status="running", attempts=1, checkpoint=7, process={**process_identity(), "birth": "x:1", "pid": 1})
    return run


def test_the_end_of_a_dead_run_is_written_for_it(sample: ModuleType, tmp_path: Path) -> None:
    assert dead(sample, tmp_path / "run").status == "interrupted"
    (tmp_path / "run" / "cancel").touch()
    run = settle(tmp_path / "run", "failed", "it was killed")
    assert Run.load(run.folder).record == run.record
    assert (run.status, run.error, run.record["process"]) == ("failed", "it was killed", None)
    assert run.record["time"]["seconds"] == 3.5
    assert run.record["checkpoint"] == 7
    assert not (run.folder / "cancel").exists()
    assert run.resumable


def test_a_run_that_ended_or_still_goes_on_is_left_alone(sample: ModuleType, tmp_path: Path) -> None:
    done = execute(sample.Walk, {"steps": 2}, tmp_path / "done")
    assert settle(done.folder, "failed", "no").status == "done"
    said: list[str] = []

    def meddle(event: Event) -> None:
        if event.kind == "progress" and not said:
            with pytest.raises(ParameterError) as error:
                settle(tmp_path / "busy", "cancelled")
            said.append(str(error.value))

    assert execute(sample.Walk, {"steps": 2}, tmp_path / "busy", on_event=meddle).status == "done"
    assert "is in use by another run" in said[0]
    with pytest.raises(ParameterError, match="is not a run folder"):
        settle(tmp_path, "failed")
    assert not (tmp_path / ".lock").exists()


def test_a_paused_run_says_which_step_it_could_keep(sample: ModuleType, tmp_path: Path) -> None:
    kept: list[Any] = []

    def listen(event: Event) -> None:
        if event.kind == "progress" and event.data["step"] == 3:
            (tmp_path / "run" / "pause").touch()
        if event.kind == "paused":
            kept.append(event.data["step"])
            (tmp_path / "run" / "cancel").touch()

    run = execute(sample.Walk, None, tmp_path / "run", on_event=listen)
    assert (kept, run.status, run.record["checkpoint"]) == ([3], "cancelled", 3)


def test_a_loader_of_the_callers_own_and_its_use_of_chance_change_nothing(sample: ModuleType, tmp_path: Path) -> None:
    class Draw(sample.Look):  # type: ignore[misc, name-defined]
        name = "draw"

        def run(self, _: Any, ctx: Any) -> None:
            ctx.model()
            ctx.save("draw.json", {"draw": torch.rand(2).tolist()})

    def wasteful(name: str, **options: Any) -> Any:
        torch.rand(1000)
        seen.append((name, str(options["device"])))
        return "a model", {"name": name}

    def frugal(name: str, **_: Any) -> Any:
        return "a model", {"name": name}

    seen: list[tuple[str, str]] = []
    runs = [
        execute(Draw, None, tmp_path / str(n), seed=3, device="cpu", loader=loader)
        for n, loader in enumerate((wasteful, frugal))
    ]
    assert seen == [("toy", "cpu")]
    assert runs[0].artifacts["draw.json"].read_text() == runs[1].artifacts["draw.json"].read_text()
    assert runs[0].record["models"] == {"toy": {"name": "toy"}}


def test_auto_is_the_device_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOREKIT_DEVICE", "cpu")
    assert resolve_device("auto") == torch.device("cpu")
    monkeypatch.setenv("SCOREKIT_DEVICE", "tpu")
    with pytest.raises(ParameterError, match="--device must be auto, cpu, cuda"):
        resolve_device("auto")
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_clock_that_was_set_does_not_make_a_process_look_dead() -> None:
    me = process_identity()
    assert is_alive(me)
    assert is_alive({**me, "started": me["started"] - 3600})
    assert not is_alive({**me, "birth": "another boot:1"})
    old = {key: value for key, value in me.items() if key != "birth"}  # of a record that does not say it
    assert is_alive(old)
    assert not is_alive({**old, "started": me["started"] - 3600})


def test_a_callers_own_handler_hears_sigterm_while_a_run_goes_on(sample: ModuleType, tmp_path: Path) -> None:
    code = (
        "import signal, sys, sample_applications\n"
        "from scorekit.host import execute\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('heard', flush=True))\n"
        "run = execute(sample_applications.Walk, {'steps': 9999, 'pause': .01}, sys.argv[1])\n"
        "print(run.status)\n"
    )
    path = os.pathsep.join(filter(None, sys.path))
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )
    try:
        until = time.monotonic() + 60
        while not (tmp_path / "run" / "progress.jsonl").exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert output.split() == ["heard", "cancelled"]
    assert sample.Walk.name == "walk"

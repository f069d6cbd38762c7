"""A run in this process: what the folder says, and that stopping and going on changes nothing in the result."""

import hashlib
import json
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from scorekit.host.context import Event
from scorekit.host.errors import ParameterError
from scorekit.host.plugin import Application, Params, RunContext
from scorekit.host.runs import Run, execute, queue


def ended(run: Run) -> Any:
    return json.loads(run.artifacts["walk.json"].read_text())


def test_the_folder_of_a_finished_run_says_everything(sample: ModuleType, tmp_path: Path) -> None:
    events: list[Event] = []
    data = tmp_path / "map.txt"
    data.write_text("here")
    run = execute(
        sample.Walk, {"steps": 5, "map": data}, tmp_path / "run", seed=7, device="cpu", on_event=events.append
    )
    assert run.status == "done"
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record == Run.load(tmp_path / "run").record
    assert record["parameters"] == {
        "steps": 5, "pause": 0.0, "style": "plain", "words": ["a"], "loud": False, "map": str(data),
    }  # fmt: skip
    assert (record["seed"], record["status"], record["error"], record["model"]) == (7, "done", None, None)
    assert record["machine"]["device"] == "cpu"
    assert record["machine"]["dtype"] == "float32"
    assert torch.__version__.startswith(record["versions"]["torch"].partition("+")[0])
    assert record["inputs"]["map"][0]["sha256"] == hashlib.sha256(b"here").hexdigest()
    [artifact] = record["artifacts"]
    content = (run.folder / "walk.json").read_bytes()
    assert artifact["sha256"] == hashlib.sha256(content).hexdigest()
    assert (artifact["bytes"], artifact["media_type"]) == (len(content), "application/json")
    assert np.isfinite(record["metrics"]["distance"])
    assert [line["step"] for line in run.progress()] == [1, 2, 3, 4, 5]
    assert PIL.Image.open(run.folder / "preview.jpg").size == (8, 8)
    assert not (run.folder / "checkpoint.pt").exists()
    kinds = [event.kind for event in events]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert kinds.count("progress") == 5
    assert f"--map={data}" in record["command"]


def test_same_seed_same_result_and_the_callers_chance_is_untouched(sample: ModuleType, tmp_path: Path) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    results = [ended(execute(sample.Walk, None, tmp_path / str(i), seed=s)) for i, s in enumerate((3, 3, 4))]
    assert results[0] == results[1] != results[2]
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("stop_at", [1, 9, 20])
def test_cancelled_and_resumed_ends_as_if_it_had_not_been(sample: ModuleType, tmp_path: Path, stop_at: int) -> None:
    whole = execute(sample.Walk, None, tmp_path / "whole", seed=5)

    def stop(event: Event) -> None:
        if event.kind == "progress" and event.data["step"] == stop_at:
            (tmp_path / "cut" / "cancel").touch()

    cut = execute(sample.Walk, None, tmp_path / "cut", seed=5, on_event=stop)
    assert cut.status == "cancelled"
    assert cut.record["checkpoint"] == stop_at
    assert not cut.artifacts
    assert not (cut.folder / "cancel").exists()
    resumed = execute(sample.Walk, None, tmp_path / "cut", resume=True)
    assert resumed.status == "done"
    assert ended(resumed) == ended(whole)
    assert [line["step"] for line in resumed.progress()] == list(range(1, 21))
    assert resumed.record["attempts"] == 2


def test_pause_waits_and_does_not_count_as_work(sample: ModuleType, tmp_path: Path) -> None:
    kinds: list[str] = []

    def listen(event: Event) -> None:
        kinds.append(event.kind)
        if event.kind == "progress" and event.data["step"] == 2:
            (tmp_path / "run" / "pause").touch()
        if event.kind == "paused":
            threading.Timer(0.5, (tmp_path / "run" / "pause").unlink).start()

    began = time.monotonic()
    run = execute(sample.Walk, {"steps": 4}, tmp_path / "run", on_event=listen)
    assert run.status == "done"
    assert kinds.index("paused") < kinds.index("continued")
    assert run.record["time"]["paused"] > 0.4
    assert run.record["time"]["seconds"] < time.monotonic() - began - 0.4


def test_a_paused_run_can_be_cancelled(sample: ModuleType, tmp_path: Path) -> None:
    def listen(event: Event) -> None:
        if event.kind in ("progress", "paused"):
            (tmp_path / "run" / {"progress": "pause", "paused": "cancel"}[event.kind]).touch()

    assert execute(sample.Walk, None, tmp_path / "run", on_event=listen).status == "cancelled"


@pytest.mark.parametrize(
    ("how", "sentence", "trace"),
    [
        ("nan", "loss is not finite at step 12", False),
        ("diverge", "The training loss is not finite at step 7.", False),
        ("known", "the field is empty; nothing to export", False),
        ("crash", "KeyError: 'the cat'", True),
        ("exit", "SystemExit: 3", True),
        ("empty", "video.mp4 was not written", False),
        ("outside", "ValueError: an artifact has a relative name", True),
    ],
)
def test_a_failure_is_one_sentence(sample: ModuleType, tmp_path: Path, how: str, sentence: str, trace: bool) -> None:
    run = execute(sample.Trouble, {"how": how}, tmp_path / "run")
    assert run.status == Run.load(run.folder).status == "failed"
    assert (run.error or "").startswith(sentence)
    assert (run.folder / "traceback.txt").exists() == trace
    assert not (tmp_path / "evil.txt").exists()
    assert len(run.progress()) == (11 if how == "nan" else 20)


def test_a_wrong_parameter_found_late_leaves_no_folder(sample: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="--how must not be parameter"):
        execute(sample.Trouble, {"how": "parameter"}, tmp_path / "deep" / "run")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with pytest.raises(ParameterError):
        execute(sample.Trouble, {"how": "parameter"}, tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"params": {"steps": 0}}, "--steps must be a whole number from 1 to 10000; got 0"),
        ({"seed": -1}, "--seed must be a whole number from 0"),
        ({"device": "tpu"}, "--device must be auto, cpu, cuda, cuda:<index> or mps; got 'tpu'"),
        ({"device": "cuda:99"}, "--device cuda:99 is not on this machine; it has cpu"),
        ({"dtype": "float8"}, "--dtype must be one of auto, float32, bfloat16, float16; got 'float8'"),
        ({"model": "pico-image"}, "walk takes no --model"),
    ],
)
def test_bad_input_writes_nothing(sample: ModuleType, tmp_path: Path, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParameterError) as error:
        execute(sample.Walk, out=tmp_path / "new" / "run", **given)
    assert str(error.value).startswith(sentence)
    assert list(tmp_path.iterdir()) == []


def test_out_has_to_be_new_or_empty_and_what_is_there_stays(sample: ModuleType, tmp_path: Path) -> None:
    first = execute(sample.Walk, {"steps": 2}, tmp_path / "run")
    before = {p: p.read_bytes() for p in first.folder.iterdir()}
    with pytest.raises(ParameterError, match=r"is not empty; name a new folder, or go on with a run by --resume"):
        execute(sample.Walk, None, tmp_path / "run")
    assert {p: p.read_bytes() for p in first.folder.iterdir()} == before
    (tmp_path / "file").write_text("mine")
    for out in ("file", "file/below"):
        with pytest.raises(ParameterError, match=r"--out '.*' cannot be written: "):
            execute(sample.Walk, None, tmp_path / out)
    assert (tmp_path / "file").read_text() == "mine"


def test_what_cannot_be_resumed_is_refused(sample: ModuleType, tmp_path: Path) -> None:
    done = execute(sample.Walk, {"steps": 2}, tmp_path / "done")
    with pytest.raises(ParameterError, match=r"is done; repeat it in a new folder by: scorekit run walk --steps=2"):
        execute(sample.Walk, None, done.folder, resume=True)
    with pytest.raises(ParameterError, match="is a run of walk, not of trouble"):
        execute(sample.Trouble, None, done.folder, resume=True)
    with pytest.raises(ParameterError, match=r"is not a run folder: it holds no run\.json"):
        execute(sample.Walk, None, tmp_path, resume=True)
    (tmp_path / "map").write_text("old")
    waiting = queue(sample.Walk, {"map": tmp_path / "map"}, tmp_path / "waiting")
    (tmp_path / "map").write_text("new")
    with pytest.raises(ParameterError, match="an input file has changed"):
        execute(sample.Walk, None, waiting.folder, resume=True)
    (waiting.folder / "run.json").write_text("{")
    with pytest.raises(ParameterError, match=r"run\.json' cannot be read"):
        Run.load(waiting.folder)


def test_a_queued_run_waits_and_then_runs(sample: ModuleType, tmp_path: Path) -> None:
    waiting = queue(sample.Walk, {"steps": 3}, tmp_path / "run", seed=2)
    assert waiting.status == "queued"
    assert waiting.resumable
    run = execute(sample.Walk, None, waiting.folder, resume=True)
    assert run.status == "done"
    assert ended(run) == ended(execute(sample.Walk, {"steps": 3}, tmp_path / "direct", seed=2))


def test_a_queued_run_can_be_cancelled_before_it_starts(sample: ModuleType, tmp_path: Path) -> None:
    waiting = queue(sample.Walk, None, tmp_path / "run")
    (waiting.folder / "cancel").touch()
    run = execute(sample.Walk, None, waiting.folder, resume=True)
    assert run.status == "cancelled"
    assert run.progress() == []


def test_two_cannot_execute_one_folder(sample: ModuleType, tmp_path: Path) -> None:
    said: list[str] = []

    def intrude(event: Event) -> None:
        if event.kind == "progress" and not said:
            try:
                execute(sample.Walk, None, tmp_path / "run", resume=True)
            except ParameterError as error:
                said.append(str(error))

    def race() -> None:
        with pytest.raises(ParameterError, match="is in use by another run"):
            execute(sample.Walk, None, tmp_path / "held", resume=True)

    assert execute(sample.Walk, {"steps": 2}, tmp_path / "run", on_event=intrude).status == "done"
    assert "is running, in process" in said[0]

    held = queue(sample.Walk, None, tmp_path / "held")
    record = json.loads((held.folder / "run.json").read_text())

    def hold(event: Event) -> None:
        if event.kind == "started":  # as another process would see it: the lock held, run.json not yet changed
            now = (held.folder / "run.json").read_text()
            (held.folder / "run.json").write_text(json.dumps(record))
            race()
            (held.folder / "run.json").write_text(now)

    assert execute(sample.Walk, None, held.folder, resume=True, on_event=hold).status == "done"


def test_previews_are_at_most_four_a_second_and_functions_are_called_when_due(tmp_path: Path) -> None:
    calls: list[int] = []

    class Painter(Application):
        name, title, summary = "painter", "Painter", "Paints."

        class Params(Params):
            pass

        def run(self, _: Any, ctx: RunContext) -> None:
            began = time.monotonic()
            while time.monotonic() - began < 0.9:
                ctx.preview(lambda: calls.append(1) or np.zeros((4, 4, 3), np.uint8))
            ctx.preview(np.full((4, 4, 3), 255, np.uint8))  # the last one is kept, though it comes too soon

    events: list[Event] = []
    run = execute(Painter, None, tmp_path / "run", on_event=events.append)
    assert run.status == "done"
    assert 3 <= len(calls) <= 4
    assert np.asarray(PIL.Image.open(run.folder / "preview.jpg")).min() == 255
    assert sum(e.kind == "preview" for e in events) == len(calls) + 1


def test_a_checkpoint_that_could_not_be_loaded_again_is_refused_when_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Keeper(Application):
        name, title, summary = "keeper", "Keeper", "Keeps a thing that weights_only loading refuses."

        def run(self, _: Any, ctx: RunContext) -> None:
            ctx.checkpoint(lambda: {"step": 1, "opt": [np.float64(1.0)]}, 1)

    monkeypatch.setenv("SCOREKIT_CHECKPOINT_SECONDS", "0")
    run = execute(Keeper, None, tmp_path / "run")
    assert run.status == "failed"
    assert "state['opt'][0] is float64" in (run.error or "")


def test_a_broken_checkpoint_is_told_apart_from_a_crash(sample: ModuleType, tmp_path: Path) -> None:
    waiting = queue(sample.Walk, None, tmp_path / "run")
    (waiting.folder / "checkpoint.pt").write_bytes(b"junk")
    run = execute(sample.Walk, None, waiting.folder, resume=True)
    assert run.status == "failed"
    assert "checkpoint.pt cannot be read" in (run.error or "")


def test_steps_beyond_the_total_are_the_authors_mistake(tmp_path: Path) -> None:
    class Miscounter(Application):
        name, title, summary = "miscounter", "Miscounter", "Counts too far."

        def run(self, _: Any, ctx: RunContext) -> None:
            ctx.progress(3, 2)

    run = execute(Miscounter, None, tmp_path / "run")
    assert run.error == "ValueError: progress: step must be from 0 to total; got step 3 of 2"

"""What a real worker process does with jobs, good and bad. One studio for all tests of this file."""

import json
import re
import time
from typing import Any

import psutil
import pytest
from studio_jobs import SLOWNESS, ended, journal, stepping, until

from scorekit.host import execute
from scorekit.host.errors import ParameterError
from scorekit.host.record import Run
from scorekit_studio import live, measure
from scorekit_studio.desk import Desk, Studio
from scorekit_studio.people import User
from scorekit_studio.queue import Queue
from scorekit_studio.supervisor import KILL_SECONDS
from scorekit_studio.worker import Worker


@pytest.fixture
def desk(studio: Studio) -> Desk:
    return studio.desk(User("ann", "Ann"))


def result(desk: Desk, job_id: str, name: str = "sum.json") -> Any:
    return json.loads(desk.artifact(job_id, name).read_text())


def pid(studio: Studio) -> int:
    return int(studio.desk(User("x", "x")).workers()[0]["pid"])


def test_a_job_runs_as_the_command_line_would_run_it(desk: Desk, studio: Studio, steps: Any, tmp_path: Any) -> None:
    job_id = desk.submit("steps", {"prompt": "a blue tree"}, seed=5)
    job = ended(studio, job_id)
    assert (job.state, job.error, job.worker) == ("done", None, None)
    same = execute(steps, {"prompt": "a blue tree"}, tmp_path / "run", seed=5, device="cpu")
    assert result(desk, job_id) == json.loads(same.artifacts["sum.json"].read_text())
    assert desk.run(job_id).metrics == same.metrics
    assert job.seconds is not None
    assert job.ram is not None
    assert 5e7 < job.ram < 5e10
    step, log = desk.live(job_id)
    assert step is not None
    assert (step.step, step.share) == (5, 1.0)
    assert log[-1].endswith("counted")


def test_the_same_process_serves_job_after_job_and_none_taints_the_next(desk: Desk, studio: Studio) -> None:
    before = pid(studio)
    clean = ended(studio, desk.submit("steps", seed=1)).id
    dirty = ended(studio, desk.submit("rogue", {"how": "dirty"})).id
    after = ended(studio, desk.submit("steps", seed=1)).id
    assert result(desk, dirty, "where.json") == {"cwd": "/", "dtype": "torch.float64"}
    assert result(desk, after) == result(desk, clean)
    assert pid(studio) == before


def test_a_model_stays_warm_until_a_job_spoils_it(desk: Desk, studio: Studio) -> None:
    seen = []
    for spoil in (False, False, True, False):
        job = ended(studio, desk.submit("model", {"spoil": spoil}), 120)
        assert job.state == "done", job.error
        seen.append(result(desk, job.id, "model.json"))
    assert seen[0]["network"] == seen[1]["network"] == seen[2]["network"]
    assert [s["sum"] for s in seen] == [seen[0]["sum"]] * 4
    assert [s["draw"] for s in seen] == [seen[0]["draw"]] * 4  # cold or warm, the same seed gives the same chance


def test_a_running_job_is_seen_as_it_goes_on(desk: Desk, studio: Studio) -> None:
    job_id = desk.submit("steps", {"steps": 4000, "rest": 0.02})
    stepping(studio, job_id)
    curves, stamps, shown = live.Curves(desk.folder(job_id)), set[int](), list[int]()

    def seen() -> bool:
        if picture := live.preview(desk.folder(job_id)):
            stamps.add(picture.stamp)
        if curves.update():
            shown.append(curves.steps[-1])
        return len(stamps) >= 6 and len(shown) >= 6

    assert until(seen) < SLOWNESS * 3.0  # twice a second and more
    assert curves.steps == list(range(1, shown[-1] + 1))
    assert len(curves.metrics["drawn"]) == len(curves.steps)
    left = desk.left(job_id)
    assert left is not None
    assert 0 < left < SLOWNESS * 120  # of about 80 s
    desk.cancel(job_id)
    ended(studio, job_id)


def test_a_running_job_is_cancelled_and_taken_up_again_with_the_same_result(desk: Desk, studio: Studio) -> None:
    whole = ended(studio, desk.submit("steps", {"steps": 30}, seed=9)).id
    job_id = desk.submit("steps", {"steps": 30, "gate": 20, "rest": 0.02}, seed=9)
    stepping(studio, job_id)
    with pytest.raises(PermissionError):
        studio.desk(User("bob", "Bob")).cancel(job_id)
    desk.cancel(job_id)
    assert until(lambda: desk.job(job_id).state == "cancelled") < SLOWNESS * 3.0
    assert desk.run(job_id).status == "cancelled"
    (desk.folder(job_id) / "open").touch()
    desk.go_on(job_id)
    assert ended(studio, job_id).state == "done"
    assert journal(studio, job_id) == list(range(1, 31))  # nothing was done twice
    assert result(desk, job_id) == result(desk, whole)


def test_a_paused_job_gives_its_device_to_others_and_goes_on(desk: Desk, studio: Studio) -> None:
    job_id = desk.submit("steps", {"steps": 25, "gate": 20, "rest": 0.02})
    stepping(studio, job_id)
    desk.pause(job_id)
    until(lambda: desk.job(job_id).state == "paused")
    assert desk.job(job_id).worker is None
    assert str(desk.job(job_id).note).startswith("kept at step ")
    assert Run.load(desk.folder(job_id)).status == "interrupted"
    assert ended(studio, desk.submit("steps")).state == "done"
    assert desk.job(job_id).state == "paused"
    (desk.folder(job_id) / "open").touch()
    desk.go_on(job_id)
    assert ended(studio, job_id).state == "done"
    assert journal(studio, job_id) == list(range(1, 26))
    with pytest.raises(ParameterError, match="is done; there is nothing to continue"):
        desk.go_on(job_id)


def test_a_paused_job_without_checkpoints_waits_in_memory(desk: Desk, studio: Studio) -> None:
    job_id = desk.submit("steps", {"steps": 12, "gate": 8, "keeps": False})
    stepping(studio, job_id)
    desk.pause(job_id)
    until(lambda: desk.job(job_id).state == "paused")
    assert desk.job(job_id).worker == "cpu"
    at = len(journal(studio, job_id))
    (desk.folder(job_id) / "open").touch()
    time.sleep(0.5)
    assert len(journal(studio, job_id)) == at
    desk.go_on(job_id)
    assert ended(studio, job_id).state == "done"
    assert journal(studio, job_id) == list(range(1, 13))


def test_a_deaf_job_and_its_child_are_over_within_three_seconds_and_others_run(desk: Desk, studio: Studio) -> None:
    job_id = desk.submit("rogue", {"how": "deaf"})
    path = desk.folder(job_id) / "child"
    until(lambda: path.exists() and path.read_text())
    child = int(path.read_text())
    assert psutil.pid_exists(child)
    waiting = desk.submit("steps")
    desk.cancel(job_id)
    took = until(lambda: desk.job(job_id).state == "cancelled")
    assert KILL_SECONDS < 3.0  # on the supervisor's clock
    assert took < SLOWNESS * 3.0, f"{took:.2f} s"
    until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie")
    assert desk.run(job_id).status == "cancelled"
    assert ended(studio, waiting, 60).state == "done"


@pytest.mark.parametrize(
    ("how", "cause"),
    [("segfault", "the application ended its process (Segmentation fault)"), ("exit", "(exit code 0)")],
)
def test_a_crash_is_the_jobs_own(desk: Desk, studio: Studio, how: str, cause: str) -> None:
    job_id = desk.submit("rogue", {"how": how})
    waiting = desk.submit("steps")
    job = ended(studio, job_id, 60)
    assert job.state == "failed"
    assert cause in str(job.error)
    assert desk.run(job_id).status == "failed"
    if how == "segfault":
        assert "studio_test_jobs.py" in (desk.folder(job_id) / "traceback.txt").read_text()
    assert ended(studio, waiting, 60).state == "done"


def test_a_long_job_gives_way_when_somebody_else_waits(
    desk: Desk, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert studio.supervisor is not None
    monkeypatch.setattr(studio.supervisor, "slice_seconds", 0.5)
    long = desk.submit("steps", {"steps": 40, "gate": 30, "rest": 0.02})
    stepping(studio, long)
    other = studio.desk(User("bob", "Bob")).submit("steps")
    assert ended(studio, other).state == "done"
    assert not desk.job(long).ended_for_good
    (desk.folder(long) / "open").touch()
    assert ended(studio, long).state == "done"
    assert journal(studio, long) == list(range(1, 41))
    assert desk.run(long).record["attempts"] == 2


def test_what_does_not_fit_beside_other_programs_is_refused_when_its_turn_comes(
    queue: Queue, plugin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(queue, "cpu")
    job_id = queue.submit("ann", plugin.Model)
    job = queue.claim("cpu")
    assert job is not None
    monkeypatch.setattr(measure, "free_bytes", lambda _: 1000)
    worker._execute(job)
    job = queue.get(job_id)
    assert job.state == "failed"
    assert re.match(
        r"this job needs about \d+ MB of memory on cpu, where 0 MB are free now: other programs", str(job.error)
    )
    assert Run.load(queue.store.runs / job_id).error == job.error

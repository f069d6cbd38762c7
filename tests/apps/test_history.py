"""Finding, deleting, restoring, comparing and adopting runs; grids."""

import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from scorekit.host import execute
from scorekit.host.errors import ParameterError
from scorekit.host.record import Run
from scorekit_studio import history
from scorekit_studio.desk import Desk, Studio
from scorekit_studio.people import User
from scorekit_studio.queue import Queue


@pytest.fixture
def desk(plugin: ModuleType, memory: Path) -> Desk:
    assert plugin.Steps.name == "steps"
    return Studio(memory / "store", devices=["cpu"]).desk(User("ann", "Ann"))


def work(queue: Queue, app: Any) -> None:
    """Execute what waits, in this process."""
    while job := queue.claim("cpu"):
        run = execute(app, None, queue.store.runs / job.id, resume=True, device="cpu")
        queue.finish(job.id, "done", seconds=run.record["time"]["seconds"])


def test_search_finds_words_and_filters(desk: Desk, plugin: ModuleType) -> None:
    queue = desk.studio.queue
    red = desk.submit("steps", {"prompt": "A Red mushroom, 100%_sure"})
    blue = desk.submit("steps", {"prompt": "a blue tree"})
    rogue = desk.submit("rogue", {"how": "dirty"})
    queue.submit("bob", plugin.Steps, {"prompt": "a red mushroom"})
    queue.cancel(blue, "ann")

    def found(text: str = "", **filters: Any) -> list[str]:
        jobs, total = desk.search(text, **filters)
        assert total == len(jobs)
        return [job.id for job in jobs]

    assert found() == [rogue, blue, red]
    assert found("mushroom RED") == [red]
    assert found("100%_") == [red]
    assert found("%") == [red]
    assert found("blue mushroom") == []
    assert found(blue[-6:]) == [blue]
    assert found(application="rogue") == [rogue]
    assert found(states=["cancelled", "failed"]) == [blue]
    assert found(since=time.time() + 60) == []
    assert found(until=time.time() + 60) == [rogue, blue, red]
    jobs, total = desk.search(limit=1, offset=1)
    assert ([job.id for job in jobs], total) == ([blue], 3)


def test_deleting_can_be_undone_until_the_bin_is_emptied(desk: Desk) -> None:
    store = desk.studio.store
    job = desk.submit("steps")
    with pytest.raises(ParameterError, match="is queued; cancel it before you delete it"):
        desk.delete(job)
    desk.cancel(job)
    desk.delete(job)
    assert desk.search() == ([], 0)
    assert [j.id for j in desk.search(binned=True)[0]] == [job]
    assert desk.run(job).status == "cancelled"  # it can still be looked at
    with pytest.raises(ParameterError, match="there is nothing to continue"):
        desk.go_on(job)
    desk.restore(job)
    assert (store.runs / job / "run.json").exists()
    with pytest.raises(ParameterError, match="is not in the bin"):
        desk.restore(job)
    desk.delete(job)
    history.age_bin(store, history.BIN_SECONDS - 1)
    assert desk.search(binned=True)[1] == 1
    history.age_bin(store, 2)
    assert desk.search(binned=True)[1] == 0
    assert list(store.bin.iterdir()) == []
    with pytest.raises(PermissionError):
        desk.job(job)


def test_emptying_the_bin_is_ones_own(desk: Desk) -> None:
    bob = desk.studio.desk(User("bob", "Bob"))
    for one in (desk, bob):
        job = one.submit("steps")
        one.cancel(job)
        one.delete(job)
    assert desk.empty_bin() == 1
    assert bob.search(binned=True)[1] == 1


def test_a_move_that_was_cut_short_is_finished_at_the_next_start(desk: Desk) -> None:
    store = desk.studio.store
    job = desk.submit("steps")
    desk.cancel(job)
    with store.write() as db:
        db.execute("UPDATE jobs SET binned = 0 WHERE id = ?", (job,))
    (store.new / "half").mkdir()
    history.recover(store)
    assert [p.name for p in store.bin.iterdir()] == [job]
    assert list(store.new.iterdir()) == []
    desk.restore(job)
    assert desk.run(job).status == "cancelled"


def test_a_grid_is_every_combination_and_each_is_a_job(desk: Desk) -> None:
    name, jobs = desk.sweep("steps", {"prompt": "a mug"}, {"steps": [2, 3], "seed": [0, 7]})
    rows = {job.id: job for job in desk.search(sweep=name)[0]}
    assert [(rows[j].parameters["steps"], rows[j].seed) for j in jobs] == [(2, 0), (2, 7), (3, 0), (3, 7)]
    assert all(rows[j].parameters["prompt"] == "a mug" for j in jobs)
    with pytest.raises(
        ParameterError, match=r"the values of steps in a grid must be one or more, each once; got \[2, 2\]"
    ):
        desk.sweep("steps", {}, {"steps": [2, 2]})
    with pytest.raises(ParameterError, match="--steps must be a whole number"):
        desk.sweep("steps", {}, {"steps": [2, 0]})
    with pytest.raises(ParameterError, match="seed must be a whole number"):
        desk.sweep("steps", {}, {"seed": [1, "x"]})
    assert desk.search()[1] == 4


def test_two_runs_are_compared(desk: Desk, plugin: ModuleType) -> None:
    a = desk.submit("steps", {"steps": 2, "prompt": "a mug"}, seed=1)
    b = desk.submit("steps", {"steps": 3, "prompt": "a mug"}, seed=1)
    work(desk.studio.queue, plugin.Steps)
    difference = desk.compare(a, b)
    assert difference.parameters == {"steps": (2, 3)}
    first, second = difference.metrics["drawn"]
    assert first is not None
    assert second is not None
    assert first < second
    assert set(difference.settings) <= {"seconds"}
    assert difference.versions == {}
    assert desk.compare(a, a).parameters == {}


def test_runs_of_the_command_line_are_adopted(desk: Desk, plugin: ModuleType, memory: Path) -> None:
    store = desk.studio.store
    run = execute(plugin.Steps, {"prompt": "by hand"}, store.runs / "mine", device="cpu")
    execute(plugin.Steps, None, memory / "elsewhere", device="cpu")
    (store.runs / "link").symlink_to(memory / "elsewhere")
    (store.runs / "junk").mkdir()
    assert desk.adopt() == []  # Ann is somebody at a distance
    local = desk.studio.desk(User("local", "me", local=True))
    assert local.adopt() == ["mine"]
    assert local.adopt() == []
    [job], _ = local.search("hand")
    assert (job.id, job.state, job.owner) == ("mine", "done", "local")
    assert local.run("mine").metrics == run.metrics
    assert local.artifact("mine", "sum.json").read_bytes() == Run.load(run.folder).artifacts["sum.json"].read_bytes()

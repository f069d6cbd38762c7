"""The queue by itself: order, fairness, lanes, caps, and that two workers never get one job."""

import random
import threading
from collections import Counter
from typing import Any

import pytest

from scorekit.host.errors import ParameterError
from scorekit.host.record import Run
from scorekit_studio import estimate, line
from scorekit_studio.limits import LimitError, Limits, Rate
from scorekit_studio.queue import Queue
from scorekit_studio.worker import say


def take(queue: Queue, device: str = "cpu") -> str | None:
    """Claim as a worker does, and be done at once; the owner of the job."""
    job = queue.claim(device)
    if job is None:
        return None
    queue.finish(job.id, "done", seconds=1.0)
    return job.owner


def put(queue: Queue, owner: str, *, short: bool = False, device: str = "auto", app: Any = None) -> str:
    job_id = queue.submit(owner, app, {"prompt": owner}, device=device)
    with queue.store.write() as db:
        db.execute("UPDATE jobs SET short = ? WHERE id = ?", (short, job_id))
    return job_id


def test_a_job_is_a_row_and_a_run_folder_of_the_host(queue: Queue, steps: Any) -> None:
    job_id = queue.submit("ann", steps, {"steps": 7}, seed=3)
    job, run = queue.get(job_id), Run.load(queue.store.runs / job_id)
    assert (job.state, job.owner, job.seed, job.parameters["steps"]) == ("queued", "ann", 3, 7)
    assert run.status == "queued"
    assert run.record["parameters"] == job.parameters
    assert "ann" not in (run.folder / "run.json").read_text()  # a folder says how it was made, not for whom
    assert list(queue.store.new.iterdir()) == []


def test_who_was_served_longest_ago_is_next(queue: Queue, steps: Any) -> None:
    for owner in ["ann"] * 5 + ["bob"] * 2 + ["cid"]:
        put(queue, owner, app=steps)
    assert [take(queue) for _ in range(8)] == ["ann", "bob", "cid", "ann", "bob", "ann", "ann", "ann"]
    assert take(queue) is None


def test_deleting_jobs_does_not_move_their_owner_forward(queue: Queue, steps: Any) -> None:
    put(queue, "ann", app=steps)
    assert take(queue) == "ann"
    with queue.store.write() as db:
        db.execute("DELETE FROM jobs")
    put(queue, "ann", app=steps)
    put(queue, "bob", app=steps)
    assert [take(queue), take(queue)] == ["bob", "ann"]


def test_short_jobs_pass_long_ones_but_not_for_ever(queue: Queue, steps: Any) -> None:
    say(queue.store, "cpu", "idle")
    for _ in range(2):
        put(queue, "long", app=steps)
    for number in range(8):
        put(queue, f"s{number}", short=True, app=steps)
    order = [str(take(queue)) for _ in range(10)]
    assert [owner[0] for owner in order] == list("ssslssslss")


def test_a_job_that_is_like_short_ones_is_short(queue: Queue, steps: Any) -> None:
    first = queue.submit("ann", steps, {"steps": 9})
    assert not queue.get(first).short
    queue.claim("cpu")
    queue.finish(first, "done", seconds=2.0, ram=10**9)
    again = queue.get(queue.submit("bob", steps, {"steps": 9, "prompt": "another text"}))
    assert (again.short, again.expected) == (True, 2.0)
    other = queue.get(queue.submit("bob", steps, {"steps": 10}))
    assert (other.short, other.expected) == (False, None)


@pytest.mark.parametrize("trial", range(4))
def test_the_forecast_is_the_order_of_claims(queue: Queue, steps: Any, trial: int) -> None:
    chance = random.Random(trial)
    say(queue.store, "cpu", "idle")
    for _ in range(chance.randrange(3)):  # a history of turns and of a streak
        put(queue, chance.choice("abc"), short=chance.random() < 0.7, app=steps)
        put(queue, chance.choice("abc"), app=steps)
        take(queue)
    for _ in range(12):
        put(queue, chance.choice("abcd"), short=chance.random() < 0.6, app=steps)
    said = sorted(queue.forecast().values(), key=lambda place: place.position)
    taken = []
    while job := queue.claim("cpu"):
        taken.append(job.id)
        queue.finish(job.id, "done")
    assert [place.id for place in said] == taken
    assert [place.position for place in said] == list(range(1, len(taken) + 1))


def test_positions_change_while_others_are_served(queue: Queue, steps: Any) -> None:
    first, _, third = (put(queue, owner, app=steps) for owner in ("ann", "bob", "cid"))
    assert queue.forecast()[third].position == 3
    queue.cancel(first, "ann")
    assert queue.forecast()[third].position == 2
    take(queue)
    assert queue.forecast()[third].position == 1


def test_the_forecast_counts_two_devices_and_the_cap_of_one_person() -> None:
    waiting = [line.Waiting(str(n), n, "ann", "auto", False, 10.0) for n in range(4)]
    servers = [line.Server("a"), line.Server("b")]
    assert [p.starts_in for p in line.forecast(waiting, servers, {}, 2)] == [0, 0, 10, 10]
    assert [round(p.starts_in) for p in line.forecast(waiting, servers, {}, 1)] == [0, 10, 20, 30]


def test_one_person_runs_at_most_so_many_at_a_time(queue: Queue, steps: Any) -> None:
    for _ in range(4):
        put(queue, "ann", app=steps)
    queue.limits = Limits(running=2)
    assert [queue.claim(f"cuda:{n}") is not None for n in range(4)] == [True, True, False, False]
    put(queue, "bob", app=steps)
    job = queue.claim("cuda:3")
    assert job is not None
    assert job.owner == "bob"


def test_a_job_for_one_device_waits_for_it(queue: Queue, steps: Any) -> None:
    bound = put(queue, "ann", device="cuda", app=steps)
    assert queue.claim("cuda:1") is None
    job = queue.claim("cuda:0")
    assert job is not None
    assert job.id == bound
    say(queue.store, "cuda:0", "idle", ram=2**40, vram=2**40)
    with pytest.raises(ParameterError, match=r"--device cuda:7 is not served by this studio; it has auto, cuda:0"):
        put(queue, "ann", device="cuda:7", app=steps)


def test_many_workers_never_take_the_same_job(queue: Queue, steps: Any) -> None:
    queue.limits = Limits(waiting=100, running=100)
    jobs = {put(queue, owner, app=steps) for owner in "abcd" * 10}
    taken: list[str] = []

    def work(device: str) -> None:
        while job := queue.claim(device):
            taken.append(job.id)
            queue.finish(job.id, "done")

    threads = [threading.Thread(target=work, args=(f"cuda:{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(taken) == Counter(jobs)


def test_a_waiting_job_is_cancelled_at_once_and_only_by_its_owner(queue: Queue, steps: Any) -> None:
    job_id = put(queue, "ann", app=steps)
    for attempt in (queue.cancel, queue.pause, queue.go_on):
        with pytest.raises(PermissionError, match=f"there is no run '{job_id}' of yours"):
            attempt(job_id, "bob")
    assert queue.get(job_id).state == "queued"
    assert queue.cancel(job_id, "ann").state == "cancelled"
    assert Run.load(queue.store.runs / job_id).status == "cancelled"
    assert queue.claim("cpu") is None
    assert queue.cancel(job_id, "ann").state == "cancelled"  # pressed twice
    done = put(queue, "ann", app=steps)
    queue.claim("cpu")
    queue.finish(done, "done")
    with pytest.raises(ParameterError, match="is done; it cannot be cancelled"):
        queue.cancel(done, "ann")


def test_a_paused_waiting_job_keeps_its_place(queue: Queue, steps: Any) -> None:
    first, second = put(queue, "ann", app=steps), put(queue, "ann", app=steps)
    for _ in range(2):  # pressed twice
        queue.pause(first, "ann")
    assert set(queue.forecast()) == {second}
    for _ in range(2):
        queue.go_on(first, "ann")
    assert queue.forecast()[first].position == 1
    queue.pause(first, "ann")
    queue.limits = Limits(waiting=1)
    with pytest.raises(LimitError, match="at most 1 jobs of one person wait at a time"):
        queue.go_on(first, "ann")


def test_too_many_waiting_are_refused_whole(queue: Queue, steps: Any) -> None:
    queue.limits = Limits(waiting=3)
    put(queue, "ann", app=steps)
    with pytest.raises(LimitError, match="at most 3 jobs of one person wait at a time; you have 1 waiting"):
        queue.submit_all("ann", steps, [{"steps": n} for n in range(1, 4)])
    assert len(queue.waiting()) == 1
    assert len(list(queue.store.runs.iterdir())) == 1
    queue.submit_all("bob", steps, [{"steps": n} for n in range(1, 4)])
    with pytest.raises(ParameterError, match="--steps must be a whole number from 1 to 100000; got 0"):
        queue.submit_all("cid", steps, [{"steps": 1}, {"steps": 0}])
    assert len(queue.waiting()) == 4
    assert list(queue.store.new.iterdir()) == []


def test_a_killed_job_waits_again_until_the_attempts_are_used_up(queue: Queue, steps: Any) -> None:
    job_id = put(queue, "ann", app=steps)
    for attempt in (1, 2):
        assert queue.claim("cpu") is not None
        job = queue.interrupt(job_id, "its process was killed")
        assert (job.state, job.attempts, job.worker) == ("interrupted", attempt, None)
        assert f"attempt {attempt + 1} of 3" in str(job.note)
    queue.claim("cpu")
    job = queue.interrupt(job_id, "its process was killed")
    assert (job.state, job.error) == ("failed", "its process was killed 3 times, so it is not started again by itself")
    assert queue.go_on(job_id, "ann").attempts == 0


def test_what_cannot_fit_is_refused_before_it_starts(queue: Queue, plugin: Any) -> None:
    weights = estimate.weights_of("pico-image", "float32")
    assert weights is not None
    say(queue.store, "cpu", "idle", ram=weights - 1)
    with pytest.raises(
        ParameterError, match=r"cannot fit on cpu, which has \d+ MB of memory: its model's weights alone take"
    ):
        queue.submit("ann", plugin.Model)
    assert list(queue.store.runs.iterdir()) == []
    say(queue.store, "cpu", "idle", ram=weights)
    job_id = queue.submit("ann", plugin.Model)
    queue.claim("cpu")
    queue.finish(job_id, "done", seconds=1.0, ram=2 * weights)
    with pytest.raises(ParameterError, match="an equal job took"):
        queue.submit("ann", plugin.Model)


def test_weights_are_counted_from_headers_as_the_tensors_count() -> None:
    from safetensors import safe_open

    from scorekit.models.sources import ZOO

    counted = 0
    for path in (ZOO / "pico-image").rglob("*.safetensors"):
        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                tensor = file.get_tensor(name)
                counted += tensor.size * (4 if tensor.dtype.kind == "f" else tensor.itemsize)
    assert estimate.weights_of("pico-image", "float32") == counted
    assert estimate.weights_of("pico-image", "float16") == pytest.approx(counted / 2, rel=0.001)
    assert estimate.weights_of(None, "auto") == 0
    assert estimate.weights_of("nobody/has-this", "auto") is None


def test_the_rate_is_counted_for_each_person_by_a_clock_that_only_goes_on() -> None:
    now = 0.0
    rate = Rate(3, 60.0, clock=lambda: now)
    rate.take("ann", 2)
    rate.take("bob", 3)
    with pytest.raises(LimitError, match=r"at most 3 submissions in 60 s are taken from one person; try again in 60 s"):
        rate.take("ann", 2)
    rate.take("ann")
    now = 60.0
    rate.take("ann", 3)

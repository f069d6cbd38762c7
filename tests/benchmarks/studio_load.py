"""Many people at one studio: is anything lost, does anybody starve, does memory grow?

    OMP_NUM_THREADS=1 python tests/benchmarks/studio_load.py [--users 20] [--minutes 5] [--report FILE.json]

Each simulated person submits jobs of mixed length, waits for some, and now and then cancels, pauses or continues one. The jobs are
real runs of the plugin in tests/apps/studio_jobs.py in a real worker process; some crash it (`--crashes`). After the given time nobody
submits any more; what waits is worked off, and counted.

Reported: jobs, and how many were lost (did not end, or whose folder says something else than the data base); the wait from submission to
start, its mean and worst, and the worst person's mean over everybody's; memory of server and worker in the second and the last quarter.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))
import studio_jobs

from scorekit.host.record import Run
from scorekit_studio.desk import TROUBLE, Studio
from scorekit_studio.limits import Limits
from scorekit_studio.people import User

MIX = (({"steps": 3, "rest": 0.02}, 0.6), ({"steps": 10, "rest": 0.05}, 0.3), ({"steps": 60, "rest": 0.05}, 0.1))


def person(studio: Studio, name: str, until: float, seed: int, made: list[str], crashes: float) -> None:
    """Submit, look, and change one's mind until the time is over."""
    chance, desk, mine = random.Random(seed), studio.desk(User(name, name)), list[str]()
    while time.monotonic() < until:
        with suppress(*TROUBLE):  # too many waiting, or it ended in the meantime: what a person would read on the page
            if chance.random() < crashes:
                job = desk.submit("rogue", {"how": "exit"})
            else:
                parameters = chance.choices([m for m, _ in MIX], [w for _, w in MIX])[0]
                job = desk.submit("steps", {**parameters, "prompt": f"{name} {len(mine)}"}, seed=len(mine))
            mine.append(job)
            made.append(job)
        if not mine:
            time.sleep(1.0)
            continue
        with suppress(*TROUBLE):
            some = chance.choice(mine)
            action = chance.random()
            if action < 0.1:
                desk.cancel(some)
            elif action < 0.2:
                desk.pause(some)
            desk.line()
            desk.search(name, limit=10)
        time.sleep(chance.uniform(0.5, 1.5))
        for job in mine:
            with suppress(*TROUBLE):
                if desk.job(job).state == "paused":
                    desk.go_on(job)
    for job in mine:
        with suppress(*TROUBLE):
            if desk.job(job).state == "paused":
                desk.go_on(job)


def load(studio: Studio, users: int, seconds: float, crashes: float = 0.0, patience: float = 600.0) -> dict[str, Any]:
    """Run the simulation on a started studio; the report as a dict."""
    made: list[str] = []
    began = time.monotonic()
    people = [
        threading.Thread(target=person, args=(studio, f"user{n}", began + seconds, n, made, crashes))
        for n in range(users)
    ]
    for thread in people:
        thread.start()
    memory: list[tuple[int, int]] = []
    while time.monotonic() - began < seconds + patience:
        memory.append((psutil.Process().memory_info().rss, worker_memory(studio)))
        for job in studio.queue.active():  # paused too late for its owner to see
            if job.state == "paused" and time.monotonic() - began > seconds + 5:
                studio.queue.go_on(job.id, None)
        if not any(t.is_alive() for t in people) and not studio.queue.active() and not studio.queue.waiting():
            break
        time.sleep(0.5)
    return report(studio, made, memory, time.monotonic() - began)


def worker_memory(studio: Studio) -> int:
    with suppress(psutil.Error, *TROUBLE):
        pids = [row["pid"] for row in studio.desk(User("", "")).workers() if row["pid"]]
        return sum(psutil.Process(pid).memory_info().rss for pid in pids)
    return 0


def report(studio: Studio, made: list[str], memory: list[tuple[int, int]], seconds: float) -> dict[str, Any]:
    jobs = [studio.queue.get(job_id) for job_id in made]
    for job in jobs:  # paused when everybody had gone
        if job.state == "paused":
            studio.queue.cancel(job.id, None)
    jobs = [studio.queue.get(job_id) for job_id in made]
    lost = [
        job.id for job in jobs if not job.ended_for_good or Run.load(studio.store.folder(job.id)).status != job.state
    ]
    waits: dict[str, list[float]] = defaultdict(list)
    for job in jobs:
        if job.started is not None:
            waits[job.owner].append(job.started - job.created)
    every = [wait for one in waits.values() for wait in one]
    mean = statistics.mean(every) if every else 0.0
    quarter = max(1, len(memory) // 4)

    def grown(column: int) -> dict[str, int]:
        early = statistics.median(m[column] for m in memory[quarter : 2 * quarter] or memory)
        return {
            "second_quarter_mb": int(early) >> 20,
            "last_quarter_mb": int(statistics.median(m[column] for m in memory[-quarter:])) >> 20,
        }

    return {
        "jobs": len(jobs),
        "seconds": round(seconds, 1),
        "states": dict(Counter(job.state for job in jobs)),
        "lost": lost,
        "wait_mean_s": round(mean, 2),
        "wait_worst_s": round(max(every, default=0.0), 2),
        "worst_over_mean": round(max(every, default=0.0) / mean, 2) if mean else 0.0,
        "worst_person_over_mean": round(max(map(statistics.mean, waits.values())) / mean, 2) if mean else 0.0,
        "server": grown(0),
        "worker": grown(1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--crashes", type=float, default=0.005, help="share of jobs that crash the worker")
    parser.add_argument("--report", type=Path, help="write the report as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "site").mkdir()
        studio_jobs.install(root / "site")
        sys.path.insert(0, str(root / "site"))
        os.environ.setdefault("SCOREKIT_CHECKPOINT_SECONDS", "1")
        studio = Studio(root / "store", Limits(waiting=5, submissions_a_minute=10_000), devices=["cpu"])
        studio.start(locks=root / "locks", prepare=())
        try:
            said = load(studio, args.users, args.minutes * 60, args.crashes)
        finally:
            studio.stop()
    print(json.dumps(said, indent=2), flush=True)
    if args.report:
        args.report.write_text(json.dumps(said, indent=1))


if __name__ == "__main__":
    main()

"""A full disk, a locked store, half a file, a clock that jumps: nothing is lost, and somebody says what happened."""

import io
import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from studio_jobs import ended

from scorekit.host.errors import ParameterError
from scorekit.host.record import Run
from scorekit_studio import archive, history, live, store
from scorekit_studio.desk import TROUBLE, Studio
from scorekit_studio.limits import Limits
from scorekit_studio.people import User
from scorekit_studio.queue import Queue
from scorekit_studio.store import Store, StoreError
from scorekit_studio.worker import Worker


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(disk)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("needs the right to mount a file system")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(disk).free == 0
    return ballast


def test_a_full_disk_refuses_in_a_sentence_and_loses_nothing(small_disk: Path, steps: Any) -> None:
    queue = Queue(Store(small_disk / "store"), Limits(free_bytes=0))
    jobs = [queue.submit("ann", steps, {"prompt": "x"}) for _ in range(2)]
    running = queue.claim("cpu")
    assert running is not None
    ballast = fill(small_disk)

    def again_and_again(action: Callable[[int], object]) -> None:
        for number in range(2000):  # the data base may have a few free pages left
            action(number)

    with pytest.raises((ParameterError, StoreError), match=r"full|No space"):
        again_and_again(lambda _: queue.submit("ann", steps))
    with pytest.raises(StoreError, match="is full or failing; free some space and try again"):
        again_and_again(lambda n: queue.mark(running.id, note="x" * 500 * (n % 2 + 1)))
    ballast.unlink()
    queue.finish(running.id, "done", seconds=1.0)
    kept = history.search(queue.store, "ann", limit=100)[0]
    assert {*jobs} <= {job.id for job in kept}
    assert {job.id for job in kept} == {path.name for path in queue.store.runs.iterdir()}
    assert list(queue.store.new.iterdir()) == []
    with queue.store.read() as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_a_disk_that_fills_in_mid_run_keeps_the_checkpoint(studio: Studio, plugin: Any) -> None:
    job_id = studio.queue.submit("ann", plugin.Rogue, {"how": "full"})
    job = ended(studio, job_id, 60)
    assert job.state == "failed"
    assert job.error == "the disk is full; the last checkpoint is kept: free some space, then continue the run"
    (studio.store.runs / job_id / "full").unlink()
    studio.queue.go_on(job_id, "ann")
    assert ended(studio, job_id, 60).state == "done"
    assert "where.json" in Run.load(studio.store.runs / job_id).artifacts


def test_a_disk_that_is_nearly_full_takes_no_new_job(memory: Path, plugin: Any) -> None:
    assert plugin
    desk = Studio(memory / "store", Limits(free_bytes=10**18)).desk(User("ann", "Ann"))
    with pytest.raises(StoreError, match=r"the disk of the studio has only \d+ MB left"):
        desk.submit("steps")
    assert isinstance(StoreError(""), TROUBLE)


def test_a_locked_store_says_so_and_readers_go_on(queue: Queue, steps: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.1)
    job_id = queue.submit("ann", steps)
    queue.store.close()
    with sqlite3.connect(queue.store.root / "studio.sqlite", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"is locked by another process for more than 0\.1 s; try again"):
            queue.submit("ann", steps)
        assert queue.get(job_id).state == "queued"
        assert [path.name for path in queue.store.runs.iterdir()] == [job_id]
        other.execute("ROLLBACK")
    queue.submit("ann", steps)


def test_a_worker_keeps_its_word_until_the_store_takes_it(
    queue: Queue, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr("scorekit_studio.worker.STORE_WAIT_SECONDS", 0.05)
    job_id = queue.submit("ann", steps)
    queue.claim("cpu")
    queue.store.close()
    other = sqlite3.connect(queue.store.root / "studio.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    threading.Timer(0.5, lambda: other.execute("ROLLBACK")).start()
    Worker(queue, "cpu")._try(lambda: queue.finish(job_id, "done"))
    assert time.monotonic() - began > 0.3
    assert queue.get(job_id).state == "done"
    other.close()


def test_half_a_picture_and_half_a_line_are_left_for_later(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    PIL.Image.effect_noise((64, 64), 50).save(buffer, "JPEG")
    whole = buffer.getvalue()
    (tmp_path / "preview.jpg").write_bytes(whole[: len(whole) // 2])
    assert live.preview(tmp_path) is None
    (tmp_path / "preview.jpg").write_bytes(whole)
    seen = live.preview(tmp_path)
    assert seen is not None
    assert live.preview(tmp_path, after=seen.stamp) is None

    line = '{{"step": {0}, "total": 9, "elapsed": 1.0, "left": 2.0, "metrics": {{"loss": {0}.5}}}}\n'.format
    progress = tmp_path / "progress.jsonl"
    curves = live.Curves(tmp_path)
    assert not curves.update()
    progress.write_text(line(1) + line(2) + line(3)[:20])
    step = live.last_step(tmp_path)
    assert step is not None
    assert step.step == 2
    curves.update()
    assert curves.steps == [1, 2]
    progress.write_text(line(1) + line(2) + line(3))
    curves.update()
    assert (curves.steps, curves.metrics) == ([1, 2, 3], {"loss": [1.5, 2.5, 3.5]})
    other = tmp_path / "other"
    other.write_text(line(1))
    other.replace(progress)  # a resumed run has dropped the lines after its checkpoint
    curves.update()
    assert curves.steps == [1]


def test_a_long_curve_is_thinned_and_keeps_its_ends(tmp_path: Path) -> None:
    rows = (
        f'{{"step": {n}, "total": 9000, "elapsed": 1, "left": 1, "metrics": {{"loss": {n}}}}}\n' for n in range(1, 9001)
    )
    (tmp_path / "progress.jsonl").write_text("".join(rows))
    curves = live.Curves(tmp_path)
    curves.update()
    assert 400 < len(curves.steps) <= live.MOST_POINTS + 1
    assert curves.metrics["loss"] == [float(step) for step in curves.steps]
    gaps = {b - a for a, b in zip(curves.steps, curves.steps[1:], strict=False)}
    assert len(gaps) == 1
    assert curves.steps[-1] > 9000 - gaps.pop()


@pytest.mark.parametrize("jump", [-20 * 365 * 86400, 20 * 365 * 86400])
def test_a_clock_that_jumps_changes_no_order_and_empties_no_bin(
    queue: Queue, steps: Any, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    old = queue.submit("ann", steps)
    queue.claim("cpu")
    queue.finish(old, "done", seconds=1.0)
    history.delete(queue.store, queue.get(old))
    first = queue.submit("bob", steps)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    second = queue.submit("bob", steps)
    third = queue.submit("ann", steps)
    order = [place.id for place in sorted(queue.forecast().values(), key=lambda p: p.position)]
    assert order == [first, third, second]
    claimed = queue.claim("cpu")
    assert claimed is not None
    assert claimed.id == first
    history.age_bin(queue.store, 30.0)  # what the supervisor measured by its own clock
    history.restore(queue.store, queue.get(old))
    assert [job.id for job in history.search(queue.store, None)[0]] == [third, second, first, old]
    run = Run.load(queue.store.runs / old)
    os.utime(run.folder / "run.json", (0, 0))
    assert archive.zip_run(run).read(2) == b"PK"


def test_a_store_of_a_newer_studio_is_left_alone(memory: Path) -> None:
    made = Store(memory / "store")
    with made.write() as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="is of a newer studio; this one reads version 1"):
        Store(memory / "store")
    (memory / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Store(memory / "file")
    broken = memory / "broken"
    broken.mkdir()
    (broken / "studio.sqlite").write_bytes(b"not a data base" * 100)
    with pytest.raises(StoreError, match="cannot be used: file is not a database"):
        Store(broken)

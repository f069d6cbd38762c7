"""One studio with a real worker for all tests of this folder that do not need one of their own: torch is imported once.

Tests marked `browser` are skipped where there is no browser; with SCOREKIT_REQUIRE_BROWSER=1 they fail there.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import chromium
import pytest
from studio_jobs import install

from scorekit_studio.desk import Studio
from scorekit_studio.limits import Limits
from scorekit_studio.queue import Queue
from scorekit_studio.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Playwright

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser test, and no other, gets up to two more tries (pytest-rerunfailures): it is a real browser beside a real server and a
    worker that imports torch, on cores that they share with whatever else the machine does. What is wrong fails three times."""
    reason = chromium.missing()
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=2))
            if reason and not chromium.REQUIRED:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def playwright() -> "Iterator[Playwright]":
    """One for all: a process cannot start a second one while the first is at work."""
    if reason := chromium.missing():
        pytest.fail(reason)
    from playwright.sync_api import sync_playwright

    chromium.patient()
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The plugin's module; it is installed for this process and those it starts."""
    folder = tmp_path_factory.mktemp("site")
    install(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("SCOREKIT_CHECKPOINT_SECONDS", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
        import studio_test_jobs  # type: ignore[import-not-found]

        assert isinstance(studio_test_jobs, ModuleType)
        yield studio_test_jobs


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, where there is such a place: a store writes through to its disk, which is slow in a busy test run."""
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="studio-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def studio(plugin: ModuleType) -> Iterator[Studio]:
    """A running studio with one worker for the CPU."""
    assert plugin.Steps.name == "steps"
    limits = Limits(waiting=200, running=2, submissions_a_minute=10_000, free_bytes=0)
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="studio-test-") as folder:
        made = Studio(Path(folder) / "store", limits, devices=["cpu"])
        made.start(locks=Path(folder) / "locks", prepare=())
        yield made
        made.stop()


@pytest.fixture
def queue(plugin: ModuleType, memory: Path) -> Queue:
    """A queue that no worker serves: the test claims for itself."""
    assert plugin.Steps.name == "steps"
    return Queue(Store(memory / "store"), Limits(waiting=100))


@pytest.fixture
def steps(plugin: ModuleType) -> Any:
    return plugin.Steps

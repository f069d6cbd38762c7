"""What protects a run while it is executed: the lock on its folder, and signals that ask instead of kill."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import filelock

from scorekit.host.errors import ParameterError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run folder; ParameterError if somebody else does. The operating system frees the lock of a process that dies."""
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise ParameterError(f"{str(folder)!r} is in use by another run") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def signals(stop: threading.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM ask for a stop; a second SIGINT interrupts. Python allows that in the main thread only.

    A caller's own handler of SIGTERM hears of it, too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()
        theirs = before[signal.Signals(number)]
        if number == signal.SIGTERM and callable(theirs):
            theirs(number, frame)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

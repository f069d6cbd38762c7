"""What protects a run while it is executed: the lock on its folder, signals that ask instead of kill, and the place of its output."""

import contextlib
import os
import signal
import sys
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


@contextmanager
def stdout_as_stderr() -> Iterator[None]:
    """Send to stderr what the block writes to stdout, also from C or a child process, so that JSON stands there alone after it.

    For the command line: the descriptor is the whole process's.
    """
    sys.stdout.flush()
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # a process without one or the other has nothing to keep apart
        yield
        return
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)

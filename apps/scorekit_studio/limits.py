"""What one person may take of a shared studio."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass


class LimitError(ValueError):
    """Somebody asked for more than their share; the sentence names the limit and says when it will do."""


@dataclass(frozen=True)
class Limits:
    """Caps for each person, except the last two.

    waiting, running      jobs in the line; jobs executed at a time
    submissions_a_minute  jobs and uploads, together
    upload_bytes, upload_pixels  of one file; pixels of a picture, all frames together
    stored_bytes          of run folders and uploads; new jobs are refused beyond it
    text_characters       of one text parameter
    sweep                 jobs of one parameter grid
    attempts              how often a job is started again after its process was killed, its first start counted
    free_bytes            that the disk keeps: below it no job is started
    """

    waiting: int = 20
    running: int = 2
    submissions_a_minute: int = 60
    upload_bytes: int = 64 * 2**20
    upload_pixels: int = 50_000_000
    stored_bytes: int = 20 * 2**30
    text_characters: int = 4000
    sweep: int = 64
    attempts: int = 3
    free_bytes: int = 256 * 2**20


class Rate:
    """At most `most` events of one person in `seconds`, by a clock that nobody can set back."""

    def __init__(self, most: int, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._events: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def take(self, owner: str, count: int = 1) -> None:
        """Count `count` events. Raises LimitError, and counts none, if that would be too many."""
        with self._lock:
            now, events = self._clock(), self._events[owner]
            while events and now - events[0] >= self._seconds:
                events.popleft()
            if len(events) + count > self._most:
                wait = self._seconds - (now - events[0]) if events else 0.0
                again = f"try again in {wait:.0f} s" if events else "ask for fewer"
                raise LimitError(
                    f"at most {self._most} submissions in {self._seconds:.0f} s are taken from one person; {again}"
                )
            events.extend([now] * count)

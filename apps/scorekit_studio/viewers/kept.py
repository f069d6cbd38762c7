"""Messages to components, kept for the next time that a page is drawn: Streamlit runs a page anew at every click."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path

MOST_BYTES = 192_000_000


class Kept:
    """The newest messages, `most` bytes of them together. Safe between threads; two that ask at once may both work it out."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most, self.held = most, 0
        self._messages: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, paths: tuple[Path, ...], how: Hashable, make: Callable[[], bytes]) -> bytes:
        """`make()`, or what it returned for the same files as they are now. What it raises is not kept."""
        key = (how, *(_state(path) for path in paths))
        with self._lock:
            if key in self._messages:
                self._messages.move_to_end(key)
                return self._messages[key]
        made = make()
        with self._lock:
            if len(made) <= self.most and key not in self._messages:
                self._messages[key] = made
                self.held += len(made)
            while self.held > self.most:
                self.held -= len(self._messages.popitem(last=False)[1])
        return made


def _state(path: Path) -> tuple[str, int, int, int]:
    try:
        state = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), state.st_mtime_ns, state.st_size, state.st_ino


messages = Kept()

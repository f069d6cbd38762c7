"""What a program writes and whom it calls: heard through Python's audit events, refused, and remembered.

It hears Python: `open`, `os`, `shutil`, `sqlite3`, `socket`. A library in C that opens files or sockets by itself, and a child
process, are not heard. An audit hook cannot be taken off again, so this belongs into a process of its own.
"""

import errno
import ipaddress
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Events to the places, among their arguments, of a path and of the folder descriptor that it is relative to.
PATHS = {
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
    "os.utime": ((0, 3),),
    "sqlite3.connect": ((0, None),),
}
SYSTEM = ("/dev/", "/proc/")


def cache_folder() -> Path:
    """Where programs keep what they can make again: writing there is no trace of a run."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


class Sandbox:
    """Refuses writing outside of `allowed`, the temporary folder and the cache folder, and every host but this one.

    written, called   what was refused: paths, and addresses
    """

    def __init__(self, allowed: Sequence[Path]) -> None:
        places = [*allowed, Path(tempfile.gettempdir()), cache_folder()]
        self.allowed = tuple(os.path.realpath(place) for place in places)
        self.written: list[str] = []
        self.called: list[str] = []
        self._names = {"localhost", "", socket.gethostname(), socket.getfqdn()}

    def enter(self) -> None:
        """Listen for the rest of this process."""
        listeners: dict[str, Callable[[tuple[Any, ...]], None]] = {
            "open": self._open,
            "socket.connect": lambda arguments: self._call(arguments[1]),
            "socket.sendto": lambda arguments: self._call(arguments[1]),
            "socket.getaddrinfo": lambda arguments: self._call((arguments[0], arguments[1])),
            "socket.gethostbyname": lambda arguments: self._call((arguments[0], 0)),
        }

        def hear(event: str, arguments: tuple[Any, ...]) -> None:
            if event in PATHS:
                for path, folder in PATHS[event]:
                    self._write(event, arguments[path], -1 if folder is None else arguments[folder])
            elif event in listeners:
                listeners[event](arguments)

        sys.addaudithook(hear)

    def _open(self, arguments: tuple[Any, ...]) -> None:
        path, mode, flags = arguments
        if (isinstance(flags, int) and flags & WRITING) or (isinstance(mode, str) and set(mode) & set("wax+")):
            self._write("open", path, -1)

    def _write(self, event: str, path: Any, folder: Any) -> None:
        if isinstance(path, int) or path is None:  # a file that is open already
            return
        name = os.fsdecode(path)
        if name == ":memory:" or (event == "os.mkdir" and os.path.isdir(name)):
            return
        if isinstance(folder, int) and folder >= 0 and not os.path.isabs(name):
            name = f"{os.path.realpath(f'/proc/self/fd/{folder}')}/{name}"
        place = os.path.join(os.path.realpath(os.path.dirname(name) or "."), os.path.basename(name))
        if place.startswith(SYSTEM) or "__pycache__" in place:
            return
        if any(place == root or place.startswith(f"{root}{os.sep}") for root in self.allowed):
            return
        self.written.append(place)
        raise PermissionError(errno.EACCES, "refused: a run writes in its folder only", place)

    def _call(self, address: Any) -> None:
        if not isinstance(address, tuple):  # a socket of this machine, by path
            return
        host = os.fsdecode(address[0] or "")
        if host in self._names or _is_loopback(host):
            return
        self.called.append(":".join(map(str, address[:2])))
        raise OSError(errno.ENETUNREACH, f"refused: a run calls no other host, such as {host}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False

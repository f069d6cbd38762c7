"""A studio of its own process, as a user starts it. Shared by browser tests and their benchmark."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from chromium import PATIENCE
from studio_jobs import install

from scorekit_studio.desk import TROUBLE
from scorekit_studio.queue import Queue
from scorekit_studio.store import Store


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port: int = tried.getsockname()[1]
        return port


@dataclass
class Server:
    """`python -m scorekit_studio`, with its own store and its own folder of plugins, of which the test plugin is one."""

    folder: Path
    options: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def site(self) -> Path:
        return self.folder / "site"

    def start(self) -> None:
        """Start, and wait until it answers."""
        if not self.site.exists():
            self.site.mkdir(parents=True)
            install(self.site)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(self.site), os.environ.get("PYTHONPATH", "")]),
            "OMP_NUM_THREADS": "1",
            "SCOREKIT_CHECKPOINT_SECONDS": "0",
            "TMPDIR": str(self.folder),  # locks of devices of its own: another studio may run on this machine
        }
        command = [
            sys.executable,
            "-m",
            "scorekit_studio",
            "--port",
            str(self.port),
            "--root",
            str(self.folder / "store"),
        ]
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [*command, "--device", "cpu", *self.options], env=environment, stdout=log, stderr=log, cwd=self.folder
            )
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise AssertionError(f"the studio did not start:\n{self.log}")

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")[-4000:]

    def kill(self) -> None:
        """As the system does when memory ends: nothing can be tidied up."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def clear(self) -> None:
        """Cancel what a test left in the line or at work: the next one has the device to itself."""
        queue = Queue(Store(self.folder / "store"))
        for job in [*queue.waiting(), *queue.active()]:
            with suppress(*TROUBLE):  # it has ended in the meantime
                queue.cancel(job.id, None)

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

"""A studio of its own process for each group of browser tests, and a browser that tells of everything that goes wrong in it.

Screenshots lie in the folder SCOREKIT_SCREENSHOTS, if that is set.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chromium
import pytest
from chromium import PATIENCE, SCREENSHOTS
from studio_jobs import install

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

# Streamlit's own front end asks below the page's address first, to learn whether the server is under a path of its own.
PROBES = (r"404.*/_stcore/(health|host-config)",)
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port: int = tried.getsockname()[1]
        return port


@dataclass
class Server:
    """A studio as a user starts it: `python -m scorekit_studio`, with its own store and its own folder of plugins."""

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

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


@pytest.fixture(scope="session")
def make_server() -> Iterator[Callable[..., Server]]:
    """A function that starts a studio with the test plugin; all end with the session."""
    import tempfile

    made: list[Server] = []
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="studio-browser-") as root:

        def make(*options: str) -> Server:
            folder = Path(root) / str(len(made))
            (folder / "site").mkdir(parents=True)
            install(folder / "site")
            server = Server(folder, options)
            made.append(server)
            server.start()
            return server

        yield make
        for server in made:
            server.stop()


@pytest.fixture(scope="session")
def server(make_server: Callable[..., Server]) -> Server:
    """The studio that most tests share."""
    return make_server()


@pytest.fixture(scope="session")
def browser(playwright: "Playwright") -> "Iterator[Browser]":
    started = chromium.launch(playwright)
    yield started
    started.close()


@dataclass
class Watched:
    """A browser context, and what went wrong in it: requests to other hosts, errors of the console, HTTP errors."""

    context: "BrowserContext"
    hosts: set[str]
    troubles: list[str] = field(default_factory=list)
    expected: list[str] = field(
        default_factory=lambda: [*PROBES, *chromium.CHATTER]
    )  # patterns of troubles that the test brings about
    pages: "list[Page]" = field(default_factory=list)

    def page(self) -> "Page":
        """A tab; waits patiently."""
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: self.troubles.append(f"page error: {error}"))
        self.pages.append(page)
        return page

    def unexpected(self) -> list[str]:
        return [t for t in self.troubles if not any(re.search(pattern, t) for pattern in self.expected)]


Watch = Callable[..., Watched]


@pytest.fixture
def watch(browser: "Browser", request: pytest.FixtureRequest) -> Iterator[Watch]:
    """watch(server, **options of the context): each test fails on whatever went wrong in its browser that it did not expect."""
    made: list[Watched] = []

    def make(server: Server, **options: Any) -> Watched:
        options = {"viewport": {"width": 1280, "height": 900}, "accept_downloads": True, **options}
        watched = Watched(browser.new_context(**options), {f"127.0.0.1:{server.port}"})
        context = watched.context

        def asked(url: str) -> None:
            inside = url.startswith(("data:", "blob:")) or url.partition("://")[2].split("/")[0] in watched.hosts
            if not inside:
                watched.troubles.append(f"request to another host: {url}")

        context.on("request", lambda r: asked(r.url))
        context.on(
            "response", lambda r: watched.troubles.append(f"HTTP {r.status}: {r.url}") if r.status >= 400 else None
        )
        context.on(
            "console",
            lambda m: watched.troubles.append(f"console: {m.text} {m.location['url']}") if m.type == "error" else None,
        )
        made.append(watched)
        return watched

    yield make
    for number, watched in enumerate(made):
        for index, page in enumerate(watched.pages):
            if SCREENSHOTS and not page.is_closed():
                Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
                name = re.sub(r"\W+", "-", f"{request.node.name}-{number}-{index}")
                page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")
        watched.context.close()
    wrong = [trouble for watched in made for trouble in watched.unexpected()]
    assert not wrong, "\n".join(wrong)

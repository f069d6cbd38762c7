"""A studio of its own process for each group of browser tests, and a browser that tells of everything that goes wrong in it.

Screenshots lie in the folder SCOREKIT_SCREENSHOTS, if that is set.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chromium
import pytest
from chromium import PATIENCE, SCREENSHOTS
from serving import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

# Streamlit's own front end asks below the page's address first, to learn whether the server is under a path of its own.
PROBES = (r"404.*/_stcore/(health|host-config)",)
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@contextmanager
def studios() -> Iterator[Callable[..., Server]]:
    """A function that starts a studio with the test plugin; all end with the block."""
    made: list[Server] = []
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="studio-browser-") as root:

        def make(*options: str) -> Server:
            server = Server(Path(root) / str(len(made)), options)
            made.append(server)
            server.start()
            return server

        try:
            yield make
        finally:
            for server in made:
                server.stop()


@pytest.fixture
def make_server() -> Iterator[Callable[..., Server]]:
    """For a test that needs studios of its own."""
    with studios() as make:
        yield make


@pytest.fixture(scope="session")
def shared() -> Iterator[Server]:
    with studios() as make:
        yield make()


@pytest.fixture
def server(shared: Server) -> Iterator[Server]:
    """The studio that most tests share; each finds it up and its device free, whatever the one before, or a first try, left behind."""
    assert shared.process is not None
    if shared.process.poll() is not None:
        shared.start()
    yield shared
    shared.clear()


@pytest.fixture(scope="session")
def browser(playwright: "Playwright") -> "Iterator[Browser]":
    started = chromium.launch(playwright)
    yield started
    started.close()


@pytest.fixture(scope="session")
def contexts(browser: "Browser") -> "Callable[..., BrowserContext]":
    """Contexts by their options, one for all tests that want the same: Streamlit's own scripts are read once for each."""
    made: dict[str, BrowserContext] = {}

    def context(**options: Any) -> "BrowserContext":
        key = repr(sorted(options.items()))
        if key not in made:
            made[key] = browser.new_context(**options)
        return made[key]

    return context


@dataclass
class Watched:
    """Pages of one person, and what went wrong in them: requests to other hosts, errors of the console, HTTP errors."""

    context: "BrowserContext"
    hosts: set[str]
    troubles: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=lambda: [*PROBES, *chromium.CHATTER])  # what the test brings about
    pages: "list[Page]" = field(default_factory=list)

    def page(self) -> "Page":
        """A tab; waits patiently."""
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: self.troubles.append(f"page error: {error}"))
        page.on("request", lambda request: self._asked(request.url))
        page.on("response", lambda r: self.troubles.append(f"HTTP {r.status}: {r.url}") if r.status >= 400 else None)
        page.on("console", lambda m: self._said(f"{m.text} {m.location['url']}") if m.type == "error" else None)
        self.pages.append(page)
        return page

    def _asked(self, url: str) -> None:
        if not url.startswith(("data:", "blob:")) and url.partition("://")[2].split("/")[0] not in self.hosts:
            self.troubles.append(f"request to another host: {url}")

    def _said(self, text: str) -> None:
        self.troubles.append(f"console: {text}")

    def unexpected(self) -> list[str]:
        return [t for t in self.troubles if not any(re.search(pattern, t) for pattern in self.expected)]


Watch = Callable[..., Watched]


@pytest.fixture
def watch(contexts: "Callable[..., BrowserContext]", request: pytest.FixtureRequest) -> Iterator[Watch]:
    """watch(server, **options of the context): each test fails on whatever went wrong in its browser that it did not expect.

    server  anything with a `port`
    """
    made: list[Watched] = []

    def make(server: Any, **options: Any) -> Watched:
        window = {"width": 1280, "height": 900}
        options = {"viewport": window, "accept_downloads": True, "reduced_motion": "reduce", **options}
        watched = Watched(contexts(**options), {f"127.0.0.1:{server.port}"})
        made.append(watched)
        return watched

    yield make
    for number, watched in enumerate(made):
        for index, page in enumerate(watched.pages):
            if SCREENSHOTS and not page.is_closed():
                Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
                name = re.sub(r"\W+", "-", f"{request.node.name}-{number}-{index}")
                page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)
            page.close()
    wrong = [trouble for watched in made for trouble in watched.unexpected()]
    assert not wrong, "\n".join(wrong)

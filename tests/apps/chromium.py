"""Where the browser of the browser tests is, and how it is started. Shared by all of them."""

import os
import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

if find_spec("playwright") is None:
    expect = None  # the tests that would call it are skipped, or fail in a sentence
else:
    from playwright.sync_api import expect

PATH = os.environ.get("SCOREKIT_CHROMIUM") or next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
CHATTER = (
    r"GPU stall due to ReadPixels",  # of the browser's software renderer
    # A server that finds no time to answer, on a machine with more to do than cores. The page asks again by itself; whether it then
    # shows what it should is what a test waits for. A refused handshake is not among them.
    r"Client Error in reaching server endpoint - No response received when attempting to reach /_stcore/(health|host-config)",
    r"Streamlit server is not responding\. Are you connected to the internet\?",
    r"Client Error: WebSocket onerror",
    r"WebSocket connection to 'ws://127\.0\.0\.1:\d+/_stcore/stream' failed: (?!Error during WebSocket handshake)",
)
PATIENCE = float(os.environ.get("SCOREKIT_BROWSER_PATIENCE", "120"))  # seconds; a busy machine is slow, not wrong
REQUIRED = os.environ.get("SCOREKIT_REQUIRE_BROWSER") == "1"
SCREENSHOTS = os.environ.get("SCOREKIT_SCREENSHOTS")


def missing() -> str:
    """Why there can be no browser test here; "" if there can."""
    if find_spec("playwright") is None:
        return "playwright is not installed"
    return "" if PATH else "no chromium was found; apt-get install chromium, or set SCOREKIT_CHROMIUM"


def patient() -> None:
    """Let every `expect` wait as long as the rest."""
    expect.set_options(timeout=1000 * PATIENCE)


def launch(playwright: "Playwright", *flags: str) -> "Browser":
    return playwright.chromium.launch(executable_path=PATH, args=[*FLAGS, *flags])

"""What a person does in the studio, as steps of a browser test.

A page is never asked how it is at a moment: every step waits, with `expect` of playwright or `until`, for what must come in the end.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from chromium import PATIENCE, expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
# What a browser says when its server is gone, and nothing else.
GONE = (
    r"ERR_CONNECTION_REFUSED",
    r"ERR_CONNECTION_RESET",
    r"ERR_EMPTY_RESPONSE",
    r"WebSocket connection",
    r"Failed to fetch",
    r"HTTP 503",
    r"when disconnected from server",
)


def visit(page: "Page", url: str, heading: str | None = None) -> None:
    page.goto(url, wait_until="commit")
    page.get_by_role("heading", level=1).first.wait_for()
    if heading:
        page.get_by_role("heading", name=heading, level=1).wait_for()
    page.wait_for_selector(IDLE)


def navigate(page: "Page", label: str) -> None:
    page.get_by_test_id("stSidebarNavLink").filter(has_text=label).first.click()
    page.get_by_role("heading", name=label, level=1).wait_for()
    page.wait_for_selector(IDLE)


def put(page: "Page", label: str, text: str) -> None:
    """Type into a field of the form, and let the form take it."""
    box = page.get_by_label(label, exact=True).first
    box.fill(text)
    box.press("Tab")
    settle(page)


def until(page: "Page", holds: Callable[[], object], what: str) -> None:
    """Wait, while the browser works, until `holds` of something that playwright has no `expect` for."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, f"it did not happen in {PATIENCE:g} s that {what}"
        page.wait_for_timeout(100)


def settle(page: "Page") -> None:
    """Wait until the page has begun, and ended, to answer what was done."""
    page.wait_for_timeout(300)
    page.wait_for_selector(IDLE)


def run_button(page: "Page") -> "Locator":
    return page.locator(".st-key-submit-bar").get_by_role("button")


def run(page: "Page") -> str:
    """Press Run; returns the id of the run that the address then names."""
    before = page.url
    run_button(page).click()
    page.wait_for_url(lambda url: "run=" in url and url != before)
    return job_of(page)


def job_of(page: "Page") -> str:
    """The id of the run in the address."""
    return re.search(r"run=([\w-]+)", page.url)[1]  # type: ignore[index]


def try_example(page: "Page", url: str, name: str) -> None:
    """From the home page, press Try it on the card of an application."""
    visit(page, url, "What will you make?")
    page.locator(f".st-key-card-application-{name}").get_by_role("button", name="Try it").click()
    page.wait_for_url(f"**/{name}?run=*")


def finished(page: "Page", state: str = "done") -> None:
    """Wait for the end of the run in the address; what is drawn of one before does not count."""
    result = page.locator(f".st-key-result-{job_of(page)}")
    result.get_by_role("button", name="Download all").wait_for()
    # All of it is drawn from one look at the run: what does not say so soon ended in another way, which is then told.
    expect(result.get_by_text(re.compile(rf"\b{state}$")).first).to_be_visible(
        timeout=20_000
    )  # an icon stands before the word


def download(page: "Page", name: str | re.Pattern[str], folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name).first.click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def download_file(page: "Page", name: str, folder: Path) -> Path:
    """One file of a finished run."""
    page.get_by_text(re.compile(r"^Files \(")).click()
    return download(page, re.compile(re.escape(name)), folder)


# Texts of what can be pressed or filled, without its icons, of which nothing is left. Not asked: the hidden field behind Streamlit's
# upload button, and its own buttons that fold the sidebar.
NAMELESS = """() => [...document.querySelectorAll("button, a[href], input, textarea, [role=button], [role=combobox]")].filter((found) => {
  const box = found.getBoundingClientRect();
  if (!box.width || !box.height || found.matches("[type=file], [kind=headerNoPadding]")) return false;
  const rest = found.cloneNode(true);
  rest.querySelectorAll("[data-testid=stIconMaterial], svg").forEach((icon) => icon.remove());
  const said = (found.getAttribute("aria-labelledby") || "").split(" ").map((id) => document.getElementById(id)?.textContent);
  const labels = [...(found.labels || [])].map((label) => label.textContent);
  return ![...said, ...labels, found.ariaLabel, found.title, rest.textContent].join("").trim();
}).map((found) => found.outerHTML.slice(0, 300))"""


def named(page: "Page") -> None:
    """Wait until everything that can be pressed or filled has a name for those who hear the page."""
    nameless: list[str] = []

    def all_named() -> bool:
        nameless[:] = page.evaluate(NAMELESS)
        return not nameless

    try:
        until(page, all_named, f"everything on {page.url} has a name")
    except AssertionError as error:
        raise AssertionError(f"{error}: {nameless}") from None


def fits(page: "Page") -> None:
    """Wait until the page is no wider than its window."""
    script = "() => { const m = document.querySelector('[data-testid=stMain]'); return m.scrollWidth - m.clientWidth }"
    until(page, lambda: int(page.evaluate(script)) <= 0, f"{page.url} fits into the window")

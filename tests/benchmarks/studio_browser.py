"""How long does a person wait? Measured in Chromium, by its own clock, at a studio on this machine.

    OMP_NUM_THREADS=1 python tests/benchmarks/studio_browser.py [--repeat 7] [--report FILE.json]

first page   from the start of the navigation until the home page stands with all its pictures: cold, with an empty cache, and warm
interaction  from the click, or from leaving a field, until what it brings stands on the page and the script is at rest
cancel       from the click until the run is shown as cancelled: one that hears, and one that hears nothing and has to be killed

Beside each time stands the CPU time that server and browser spent meanwhile, which does not depend on what else the machine does.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))
import chromium
import psutil
from serving import Server
from visiting import finished, put, run, settle, visit

# Written into every page: when its heading and all pictures first stood.
FIRST = """
const watch = () => {
  const pictures = [...document.querySelectorAll("[data-testid=stMain] img")];
  if (document.querySelector("h1") && pictures.length && pictures.every((picture) => picture.complete)) window.stood = performance.now();
  else requestAnimationFrame(watch);
};
requestAnimationFrame(watch);
"""
# Does `act` to the element at `place`, and counts milliseconds until `there` is shown and the script has been at work and rests.
ACT = """([place, act, there, rests]) => new Promise((done) => {
  const app = document.querySelector("[data-testid=stApp]"), began = performance.now();
  const resting = () => app.getAttribute("data-test-script-state") === "notRunning";
  let worked = !rests;
  const look = new MutationObserver(() => { worked = worked || !resting(); });
  look.observe(app, {attributes: true});
  document.querySelector(place)[act]();
  const check = () => {
    if (worked && (!rests || resting()) && document.querySelector(there)) { look.disconnect(); done(performance.now() - began); }
    else requestAnimationFrame(check);
  };
  requestAnimationFrame(check);
})"""


@dataclass
class Notes:
    """By name: (milliseconds, CPU milliseconds of the server, of the browser), one for each repetition."""

    server: psutil.Process
    times: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)

    def take(self, name: str, measure: Callable[[], float]) -> None:
        before = self._spent()
        wall = measure()
        after = self._spent()
        self.times.setdefault(name, []).append((wall, after[0] - before[0], after[1] - before[1]))

    def _spent(self) -> tuple[float, float]:
        browser = 0.0
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if "chrom" in process.name():
                    browser += sum(process.cpu_times()[:2])
        return 1000 * sum(self.server.cpu_times()[:2]), 1000 * browser


def first_page(notes: Notes, browser: Any, url: str, repeat: int) -> None:
    """Until the home page stands, cold and warm."""
    warm = None
    for _ in range(repeat):
        fresh = browser.new_context(viewport={"width": 1280, "height": 900})
        notes.take("first page, cold", lambda c=fresh: stood(c, url))  # type: ignore[misc]
        if warm is None:
            warm = fresh
        else:
            fresh.close()
        notes.take("first page, warm", lambda c=warm: stood(c, url))  # type: ignore[misc]


def stood(context: Any, url: str) -> float:
    page = context.new_page()
    page.set_default_timeout(1000 * chromium.PATIENCE)
    page.add_init_script(FIRST)
    page.goto(url, wait_until="commit")
    page.wait_for_function("window.stood")
    value = float(page.evaluate("window.stood"))
    page.close()
    return value


def acted(page: Any, place: str, act: str, there: str, rests: bool = True) -> float:
    return float(page.evaluate(ACT, [place, act, there, rests]))


def typed(page: Any, number: int) -> float:
    """A value is typed; from leaving the field until the form has taken it."""
    page.get_by_label("Prompt", exact=True).first.fill(f"a red mushroom {number}")
    return acted(page, "textarea:focus", "blur", "h1")


def interactions(notes: Notes, page: Any, url: str, repeat: int) -> None:
    note = notes.take
    links = "a[data-testid=stSidebarNavLink][href$='/{}']".format
    visit(page, f"{url}/steps", "Steps")
    put(page, "Steps", "1")
    run(page)
    finished(page)
    for number in range(repeat):
        visit(page, f"{url}/steps", "Steps")
        note("a field of the form", lambda n=number: typed(page, n))  # type: ignore[misc]
        note(
            "form of an application to gallery", lambda: acted(page, links("gallery"), "click", "[class*=st-key-run-]")
        )
        note("gallery to a form", lambda: acted(page, links("text-to-3d"), "click", "[data-testid=stMain] textarea"))
        note("form to home", lambda: acted(page, links(""), "click", ".st-key-card-application-steps"))
        visit(page, f"{url}/gallery", "Gallery")
        page.get_by_label("Search").fill("mushroom")
        note("search in the gallery", lambda: acted(page, "input:focus", "blur", "[class*=st-key-run-]"))
        for name, path, how in (("cancel", "steps", None), ("cancel of a job that hears nothing", "rogue", "deaf")):
            visit(page, f"{url}/{path}")
            if how is None:
                put(page, "Steps", "5000")
                put(page, "Rest", "0.1")
            run(page)
            page.get_by_text("Step ").first.wait_for()
            settle(page)
            note(name, lambda: acted(page, ".st-key-cancel button", "click", ".st-key-take-up", False))
            finished(page, "cancelled")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--report", type=Path, help="write the times as JSON")
    args = parser.parse_args()
    if reason := chromium.missing():
        sys.exit(reason)
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder))
        server.start()
        try:
            browser = chromium.launch(playwright)
            assert server.process is not None
            notes = Notes(psutil.Process(server.process.pid))
            first_page(notes, browser, server.url, args.repeat)
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            page.set_default_timeout(1000 * chromium.PATIENCE)
            interactions(notes, page, server.url, args.repeat)
            browser.close()
        finally:
            server.stop()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(
        "| | median, ms | best | worst | CPU of the server | CPU of the browser |\n| --- | --- | --- | --- | --- | --- |"
    )
    for name, rows in notes.times.items():
        wall, own, browsers = zip(*rows, strict=True)
        middle = [statistics.median(wall), min(wall), max(wall), statistics.median(own), statistics.median(browsers)]
        print(f"| {name} | " + " | ".join(f"{value:.0f}" for value in middle) + " |")
    if args.report:
        args.report.write_text(json.dumps({"milliseconds": notes.times}, indent=1))


if __name__ == "__main__":
    main()

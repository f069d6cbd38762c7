"""The viewers in Chromium: each draws something, nothing is loaded from elsewhere, and no hostile file gets its way.

A server of our own stands where every other host would be: what reaches it has left the page.
"""

import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chromium
import pytest
import viewer_files as files
from chromium import PATIENCE, SCREENSHOTS, expect
from visiting import until

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent


@dataclass
class Elsewhere:
    """Stands for every other host, and counts who comes."""

    port: int
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    found = Elsewhere(0)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(f"{self.headers.get('Host')}{self.path}")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"elsewhere")

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Streamlit server with viewer_page.py, in a folder of its own."""
    folder = tmp_path_factory.mktemp("viewers")
    files.fill(folder)
    for name, members in {
        "episodes-run": ["episodes.parquet", "episode-1.mp4", "episode-2.mp4"],
        "damaged": ["half.glb", "half.png", "strange.xyz"],
    }.items():
        (folder / name).mkdir()
        for member in members:
            shutil.copy(folder / member, folder / name / member)
    (folder / "damaged" / "!`<b> ![x](http:elsewhere).txt").write_text("an odd name")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    apps = HERE.parents[1] / "apps"
    environment = os.environ | {"VIEWER_FOLDER": str(folder), "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    environment["PYTHONPATH"] = os.pathsep.join([str(apps), str(HERE), os.environ.get("PYTHONPATH", "")])
    settings = [
        "--server.address=127.0.0.1",
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
        "--server.fileWatcherType=none",
    ]
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(HERE / "viewer_page.py"),
        f"--server.port={port}",
        *settings,
    ]
    with subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        ends = time.monotonic() + PATIENCE
        with socket.socket() as probe:
            while probe.connect_ex(("127.0.0.1", port)) != 0:
                assert server.poll() is None, "streamlit ended"
                assert time.monotonic() < ends, f"streamlit did not answer in {PATIENCE:g} s"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        server.terminate()


@pytest.fixture(scope="module")
def browser(playwright: Any, elsewhere: Elsewhere) -> Iterator[Any]:
    rules = f"--host-resolver-rules=MAP * 127.0.0.1:{elsewhere.port}, EXCLUDE 127.0.0.1"
    started = chromium.launch(playwright, rules)
    yield started.new_context()  # one for all pages, so that Streamlit's own scripts are loaded once
    started.close()


@pytest.fixture(autouse=True)
def afresh(elsewhere: Elsewhere, browser: Any) -> Iterator[None]:
    """What a test that failed has left is none of the next one's."""
    elsewhere.asked.clear()
    yield
    for page in browser.pages:
        page.close()


class Visit:
    """A page at which everything that goes wrong is written down."""

    def __init__(self, browser: Any, address: str, query: str, width: int = 900, dark: bool = False) -> None:
        self.page = browser.new_page()
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.page.set_default_timeout(1000 * PATIENCE)
        self.errors: list[str] = []
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "response", lambda reply: self.errors.append(f"{reply.status} {reply.url}") if reply.status >= 400 else None
        )
        self.page.goto(f"{address}/?{query}", timeout=1000 * PATIENCE)
        self.page.get_by_role("button", name="Again").wait_for()

    def settled(self, name: str, count: int = 1) -> Any:
        """The viewers of one kind, each of which says how it went."""
        said = self.page.locator(f'.viewer[data-viewer="{name}"]:is([data-loaded], [data-error])')
        said.nth(count - 1).wait_for()
        return said

    def loaded(self, name: str, count: int = 1) -> Any:
        said = self.settled(name, count)
        for place in range(count):
            expect(said.nth(place)).not_to_have_attribute("data-error", re.compile(""))
        return said if count > 1 else said.first

    def until(self, holds: Callable[[], object], what: str) -> None:
        until(self.page, holds, what)

    def still(self, model: Any) -> str:
        """The picture of a model when nothing moves in it any more; then nothing is drawn."""
        frames = "box => box.dataset.frames"

        def rests() -> bool:
            drawn = model.evaluate(frames)
            self.page.wait_for_timeout(400)
            return bool(model.evaluate(frames) == drawn)

        self.until(rests, "the model rests")
        return str(model.evaluate(LOOK))

    def shoot(self, name: str) -> None:
        if SCREENSHOTS:
            Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
            height = self.page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
            self.page.set_viewport_size({"width": self.page.viewport_size["width"], "height": min(int(height), 5000)})
            self.page.wait_for_timeout(500)
            self.page.screenshot(path=f"{SCREENSHOTS}/viewers-{name}.png")

    def end(self) -> None:
        self.page.close()
        assert [error for error in self.errors if not any(re.search(known, error) for known in chromium.CHATTER)] == []


LOOK = "box => box.querySelector('canvas').toDataURL()"
COLOURS = """(box, selector) => {
  const found = selector ? box.querySelector(selector) : box;
  const [w, h] = [found.videoWidth || found.naturalWidth || found.width, found.videoHeight || found.naturalHeight || found.height];
  const copy = Object.assign(document.createElement("canvas"), {width: 64, height: 64});
  const pen = copy.getContext("2d");
  pen.drawImage(found, 0, 0, w, h, 0, 0, 64, 64);
  const data = pen.getImageData(0, 0, 64, 64).data, seen = new Set();
  for (let i = 0; i < data.length; i += 4) if (data[i + 3]) seen.add((data[i] >> 4) * 256 + (data[i + 1] >> 4) * 16 + (data[i + 2] >> 4));
  return seen.size;
}"""


def colours(box: Any, selector: str | None, least: int = 2) -> int:
    """Wait until there are `least` colours (of 16 levels a channel) in what a viewer draws, and say how many; 1 is a blank one."""
    until(box.page, lambda: box.evaluate(COLOURS, selector) >= least, f"{selector} has {least} colours")
    return int(box.evaluate(COLOURS, selector))


def test_models_and_drawings(browser: Any, address: str, elsewhere: Elsewhere) -> None:
    visit = Visit(
        browser, address, "name=mesh.glb&name=mesh.obj&name=cloud.ply&name=icon.svg&name=cut-out.png&name=tiny.png"
    )
    models = visit.loaded("model", 3)
    for place in range(3):
        colours(models.nth(place), "canvas")
    glb = models.first
    colours(glb, "canvas", 21)
    colours(models.nth(1), "canvas", 5)  # with its texture
    expect(glb).to_contain_text("4 vertices, 4 faces")

    before = visit.still(glb)
    glb.locator(".stage").focus()
    visit.page.keyboard.press("ArrowLeft")
    visit.until(lambda: glb.evaluate(LOOK) != before, "the model turns")
    turned = visit.still(glb)
    glb.get_by_role("button", name="Wireframe").click()
    visit.until(lambda: glb.evaluate(LOOK) != turned, "there is a wireframe")
    glb.get_by_role("button", name="Wireframe").click()
    glb.get_by_role("button", name="Fit to view").click()
    visit.until(lambda: glb.evaluate(LOOK) == before, "the model is as it was")

    icon = visit.loaded("vector")
    colours(icon, "img", 5)
    icon.get_by_text("Layers (3)").click()
    with_head = colours(icon, "img", 5)
    icon.get_by_label("head").uncheck()
    visit.until(lambda: icon.evaluate(COLOURS, "img") < with_head, "the head is gone")
    wide = "box => box.querySelector('img').getBoundingClientRect().width"
    width = icon.evaluate(wide)
    icon.get_by_role("button", name="Zoom in").click()
    visit.until(
        lambda: icon.evaluate(wide) == pytest.approx(1.25 * width, rel=0.01), "the drawing is wider by a quarter"
    )

    for place in range(2):
        colours(visit.loaded("picture", 2).nth(place), "img")
    visit.page.get_by_role("button", name="Again").click()
    visit.page.get_by_text("drawn 2 times").wait_for()
    assert visit.still(glb) == before  # a rerun leaves what is drawn
    visit.shoot("models")
    visit.end()
    assert elsewhere.asked == []


def test_films_sound_and_episodes(browser: Any, address: str, elsewhere: Elsewhere) -> None:
    visit = Visit(browser, address, "name=film.mp4&name=tone.wav&name=episodes.parquet")
    films = visit.loaded("film", 2)
    film = films.first
    film.and_(visit.page.locator("[data-strip]")).wait_for()
    colours(film, "video")
    strip = film.locator(".strip canvas")
    expect(strip).to_have_count(8)
    for place in range(8):
        colours(strip.nth(place), None)
    film.get_by_role("button", name="Go to 1.1 seconds").click()
    now = "video => video.currentTime"
    visit.until(lambda: film.locator("video").evaluate(now) == pytest.approx(1.125, abs=0.05), "the film is at 1.1 s")
    sound = visit.loaded("sound")
    colours(sound, "canvas", 5)
    expect(sound).to_contain_text("1.50 s, 16 kHz, mono, peak -6.0 dB")
    visit.page.get_by_text("Succeeded").click()
    visit.page.get_by_test_id("stMarkdown").locator(
        "td", has_text=re.compile("^92$")
    ).wait_for()  # steps of the filmed one that succeeded
    visit.shoot("films")
    visit.end()
    assert elsewhere.asked == []


def test_matches_compare_and_charts(browser: Any, address: str, elsewhere: Elsewhere) -> None:
    visit = Visit(browser, address, "name=matches.json&name=verdict.json&name=table.csv", width=390, dark=True)
    pair = visit.loaded("matches")
    picture = pair.locator("canvas").first
    colours(pair.locator("canvas").nth(1), None)

    def found() -> list[float]:
        return [float(part) for part in (pair.get_attribute("data-found") or "").split(",") if part]

    def is_found() -> bool:
        at = found()
        want = (160 + files.SHIFT[0], 128 + files.SHIFT[1])
        return bool(at) and (at[0] * 320, at[1] * 256) == pytest.approx(want, abs=5)

    box = picture.bounding_box()
    picture.click(position={"x": box["width"] * 0.5, "y": box["height"] * 0.5})
    visit.until(is_found, "the match of the middle is found")
    (u, _) = found()
    picture.focus()
    visit.page.keyboard.press("ArrowRight")
    visit.until(lambda: found()[0] > u, "the match goes to the right")
    visit.page.locator(".js-plotly-plot .bars path").first.wait_for()
    expect(visit.page.locator(".js-plotly-plot")).to_have_count(2)
    visit.page.locator('[data-testid="stDataFrame"] canvas').first.wait_for()
    wide = "document.documentElement.scrollWidth"
    visit.until(lambda: visit.page.evaluate(wide) <= 390, "the page fits into the window")
    visit.shoot("matches-phone-dark")
    visit.end()

    visit = Visit(browser, address, "compare=1")
    slider = visit.loaded("compare")
    for place in range(2):
        colours(slider.locator("img").nth(place), None)
    clip = "box => box.querySelector('.stage > div').style.clipPath"
    before = slider.evaluate(clip)
    slider.get_by_role("slider").focus()
    visit.page.keyboard.press("ArrowRight")
    visit.until(lambda: slider.evaluate(clip) != before, "the slider moves")
    visit.loaded("model", 2)
    visit.shoot("compare")
    visit.end()
    visit = Visit(browser, address, "curves=1")
    visit.page.locator(".js-plotly-plot .scatterlayer path").first.wait_for()
    visit.end()
    assert elsewhere.asked == []


def test_hostile_and_damaged_files_end_in_sentences(browser: Any, address: str, elsewhere: Elsewhere) -> None:
    visit = Visit(
        browser,
        address,
        "name=hostile.svg&name=false.mp4&name=half.mp4&name=half.png&name=half.glb&name=half.wav&name=empty.json&name=notes.md&name=features.npz",
    )
    expect(visit.loaded("vector")).to_contain_text("4 unsafe")
    expect(visit.settled("film").first).to_contain_text("cannot be played")
    expect(visit.page.get_by_test_id("stAlert")).to_have_count(5)
    expect(visit.page.get_by_role("button", name="Download", exact=True)).to_have_count(5)
    visit.end()
    visit = Visit(browser, address, "run=damaged")
    visit.page.get_by_text("Data and other files").wait_for()
    visit.end()

    visit = Visit(browser, address, "own=1&name=rows.json")
    visit.loaded("frame")
    inside = visit.page.frame_locator(".viewer iframe").frame_locator("iframe")
    inside.get_by_text("script ran").wait_for()
    visit.shoot("own")
    visit.end()

    # These say in the console that they were stopped, which is what is wanted of them.
    visit = Visit(browser, address, "own=1&name=hostile.html&name=strange.xyz")
    visit.loaded("frame", 2)
    visit.page.frame_locator(".viewer iframe >> nth=0").frame_locator("iframe").get_by_text("shown").wait_for()
    for word in ("allow-scripts", "img-src", "connect", "top-level window", "frame-src"):
        visit.until(lambda word=word: word in " ".join(visit.errors), f"the console says {word}")  # type: ignore[misc]
    assert visit.page.url.startswith(address)
    visit.page.close()
    assert elsewhere.asked == []


def test_the_server_that_stands_for_others_is_reached(browser: Any, elsewhere: Elsewhere) -> None:
    """Without this the tests above could not fail."""
    page = browser.new_page()
    page.goto("http://elsewhere.invalid/here", timeout=1000 * PATIENCE)
    page.close()
    assert elsewhere.asked.pop(0) == "elsewhere.invalid/here"
    elsewhere.asked.clear()


def test_a_gallery_of_small_models(browser: Any, address: str) -> None:
    """Many models need one WebGL context only; browsers end old ones beyond sixteen."""
    visit = Visit(
        browser,
        address,
        "small=1&name=mesh.glb&name=cloud.ply&name=mesh.obj&name=icon.svg&name=picture.png&name=film.mp4&name=tone.wav",
        width=390,
    )
    colours(visit.loaded("model", 3).first, "canvas", 21)
    for kind, drawn in (("vector", "img"), ("picture", "img"), ("film", "video"), ("sound", "canvas")):
        colours(visit.loaded(kind), drawn)
    expect(visit.page.locator(".viewer .bar:visible")).to_have_count(0)
    visit.shoot("small-phone")
    visit.end()

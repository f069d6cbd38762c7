"""The studio as people meet it, in a real browser. Every test fails on a request to another host, a console error, an HTTP error."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
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
    page.wait_for_timeout(300)
    page.wait_for_selector(IDLE)


def run(page: "Page") -> str:
    """Press Run; returns the id of the run that the address then names."""
    page.get_by_test_id("stMainBlockContainer").get_by_role("button", name=re.compile(r"Run\b")).last.click()
    page.wait_for_url("**run=*")
    return re.search(r"run=([\w-]+)", page.url)[1]  # type: ignore[index]


def download(page: "Page", name: str | re.Pattern[str], folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name).first.click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def badge(page: "Page", state: str) -> None:
    """Wait until the run's badge says `state`; an icon stands before the word."""
    page.get_by_test_id("stMain").get_by_text(re.compile(rf"\b{state}$")).first.wait_for()


def overflow(page: "Page") -> int:
    """By how many pixels the page is wider than its window."""
    script = "() => { const m = document.querySelector('[data-testid=stMain]'); return m.scrollWidth - m.clientWidth }"
    return int(page.evaluate(script))


def test_a_newcomer_runs_an_example_and_takes_it_home(server: Any, watch: Any, tmp_path: Path) -> None:
    page = watch(server).page()
    visit(page, server.url, "What will you make?")
    page.locator(".st-key-card-application-steps").get_by_role("button", name="Try it").click()
    page.wait_for_url("**/steps?run=*")
    page.get_by_role("button", name="Download all").wait_for()
    badge(page, "done")
    packed = zipfile.ZipFile(download(page, re.compile("Download all"), tmp_path))
    (name,) = [n for n in packed.namelist() if n.endswith("/sum.json")]
    assert json.loads(packed.read(name))["prompt"] == "a red mushroom"
    page.get_by_text("Files (1)").click()
    single = download(page, re.compile(r"sum\.json"), tmp_path)
    assert json.loads(single.read_text())["prompt"] == "a red mushroom"
    # A share link leads to the same run, the gallery shows it, and it can be deleted and taken back.
    job_id = re.search(r"run=([\w-]+)", page.url)[1]  # type: ignore[index]
    visit(page, f"{server.url}/?run={job_id}", "Steps")
    page.get_by_role("button", name="Download all").wait_for()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo").click()
    page.locator(f".st-key-run-{job_id}").wait_for()


def test_a_run_survives_a_reload_and_stops_when_it_is_told(server: Any, watch: Any) -> None:
    page = watch(server).page()
    visit(page, f"{server.url}/steps", "Steps")
    put(page, "Prompt", "a *patient* snail <b>$x$")
    put(page, "Steps", "5000")
    put(page, "Rest", "0.2")
    job_id = run(page)
    page.get_by_text(re.compile(r"Step \d+ of 5000")).first.wait_for()
    page.locator("img.sk-picture").first.wait_for()
    page.reload(wait_until="commit")
    page.get_by_text(re.compile(r"Step \d+ of 5000")).first.wait_for()
    assert job_id in page.url
    assert page.get_by_label("Prompt", exact=True).first.input_value() == "a *patient* snail <b>$x$"
    assert page.get_by_text("a *patient* snail <b>$x$").count() >= 1  # as it was typed, not as Markdown or HTML
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Take it up again").wait_for()
    badge(page, "cancelled")


def test_a_run_goes_on_after_the_server_was_killed(make_server: Any, watch: Any) -> None:
    own = make_server()
    watched = watch(own)
    watched.expected += GONE
    page = watched.page()
    visit(page, f"{own.url}/steps", "Steps")
    put(page, "Steps", "60")
    put(page, "Rest", "0.2")
    job_id = run(page)
    page.get_by_text(re.compile(r"Step ([3-9]|\d\d) of 60")).first.wait_for()
    own.kill()
    own.start()
    visit(page, f"{own.url}/?run={job_id}", "Steps")
    page.get_by_role("button", name="Download all").wait_for()
    badge(page, "done")
    worked = [int(line) for line in (own.folder / "store" / "runs" / job_id / "journal").read_text().split()]
    assert sorted(set(worked)) == list(range(1, 61))
    assert len(worked) <= 62  # it went on from its checkpoint, it did not begin again


def test_two_people_do_not_see_each_others_runs(make_server: Any, watch: Any, tmp_path: Path) -> None:
    config = tmp_path / "studio.toml"
    config.write_text('[identity]\nmode = "proxy"\n')
    own = make_server("--config", str(config))
    ann = watch(own, extra_http_headers={"X-Forwarded-User": "ann"}).page()
    visit(ann, f"{own.url}/steps", "Steps")
    put(ann, "Prompt", "a secret of ann")
    put(ann, "Steps", "5000")
    put(ann, "Rest", "0.2")
    job_id = run(ann)
    ann.get_by_text(re.compile(r"Step \d+ of 5000")).first.wait_for()
    bob = watch(own, extra_http_headers={"X-Forwarded-User": "bob"}).page()
    visit(bob, f"{own.url}/?run={job_id}", "No such run")
    bob.get_by_role("alert").first.wait_for()
    navigate(bob, "Queue and storage")
    bob.get_by_text("Somebody else's run").wait_for()
    navigate(bob, "Gallery")
    bob.get_by_text("Nothing made yet").wait_for()
    assert "secret" not in bob.content()
    nobody = watch(own).page()
    visit(nobody, f"{own.url}/?run={job_id}", "scorekit studio")
    nobody.get_by_text("learns your name").wait_for()
    assert nobody.get_by_test_id("stSidebarNavLink").count() == 0
    ann.get_by_role("button", name="Cancel").click()
    ann.get_by_role("button", name="Take it up again").wait_for()


STRANGER = """
from pydantic import Field
from scorekit.host.plugin import Application


class Haiku(Application):
    name, title, summary = "haiku", "Haiku maker", "Writes seventeen syllables."
    artifacts = ("haiku.txt",)

    class Params(Application.Params):
        season: str = Field("spring", description="Of the year.", examples=["spring", "autumn"])

    def run(self, params, ctx):
        ctx.progress(1, 1)
        ctx.save("haiku.txt", f"{params.season} rain, one line")
"""


def test_a_strangers_plugin_appears_and_a_broken_one_says_why(server: Any, watch: Any, tmp_path: Path) -> None:
    (server.site / "bad_plugin.py").write_text("import a_module_that_is_nowhere\n")
    about = server.site / "bad_plugin-0.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-plugin\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text("[scorekit.plugins]\nbad = bad_plugin\n")
    package = tmp_path / "haiku"
    package.mkdir()
    (package / "haiku_plugin.py").write_text(STRANGER)
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "haiku-plugin"\nversion = "1.0"\n[tool.setuptools]\npy-modules = ["haiku_plugin"]\n'
        '[project.entry-points."scorekit.plugins"]\nhaiku = "haiku_plugin:Haiku"\n'
    )
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [*command, "--target", str(server.site), str(package)], check=True, env={**os.environ, "PYTHONPATH": ""}
    )
    page = watch(server).page()
    visit(page, server.url, "What will you make?")
    navigate(page, "Haiku maker")
    put(page, "Season", "autumn")
    run(page)
    page.get_by_role("button", name="Download all").wait_for()
    assert (download_named(page, "haiku.txt", tmp_path)).read_text() == "autumn rain, one line"
    navigate(page, "bad")
    page.get_by_text("a_module_that_is_nowhere").first.wait_for()
    page.get_by_role("button", name="Look again").wait_for()


def download_named(page: "Page", name: str, folder: Path) -> Path:
    page.get_by_text(re.compile(r"Files \(")).click()
    return download(page, re.compile(re.escape(name)), folder)


def test_a_phone_shows_every_page_without_scrolling_sideways(server: Any, watch: Any) -> None:
    page = watch(server, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).page()
    for path in ("", "text-to-svg", "gallery", "queue", "compare", "sweep"):
        visit(page, f"{server.url}/{path}")
        assert overflow(page) <= 0, path
        assert page.locator("img:not([alt])").count() == 0, path


@pytest.mark.parametrize(
    "name",
    ["text-to-svg", pytest.param("text-to-3d", marks=pytest.mark.slow)],
)
def test_a_real_application_runs_its_example(server: Any, watch: Any, tmp_path: Path, name: str) -> None:
    page = watch(server).page()
    page.set_default_timeout(900_000)
    visit(page, server.url, "What will you make?")
    page.locator(f".st-key-card-application-{name}").get_by_role("button", name="Try it").click()
    page.get_by_role("button", name="Download all").wait_for()
    badge(page, "done")
    page.locator("[data-loaded]").first.wait_for()
    assert page.locator("[data-error]").count() == 0
    packed = zipfile.ZipFile(download(page, re.compile("Download all"), tmp_path))
    assert any(n.endswith((".svg", ".glb")) for n in packed.namelist())


def test_the_keyboard_alone_is_enough(server: Any, watch: Any) -> None:
    page = watch(server).page()
    visit(page, f"{server.url}/steps", "Steps")
    box = page.get_by_label("Prompt", exact=True).first
    box.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("typed")
    page.keyboard.press("Tab")
    page.wait_for_timeout(300)
    page.wait_for_selector(IDLE)
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**run=*")
    page.get_by_text("typed", exact=True).first.wait_for()

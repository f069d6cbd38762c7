"""The studio as people meet it, in a real browser. Every test fails on a request to another host, a console error, an HTTP error."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from chromium import expect
from visiting import (
    download,
    download_file,
    finished,
    fits,
    job_of,
    named,
    navigate,
    put,
    run,
    settle,
    try_example,
    visit,
)

pytestmark = pytest.mark.browser


def test_a_newcomer_runs_an_example_and_takes_it_home(server: Any, watch: Any, tmp_path: Path) -> None:
    page = watch(server).page()
    try_example(page, server.url, "steps")
    finished(page)
    packed = zipfile.ZipFile(download(page, re.compile("Download all"), tmp_path))
    (name,) = [n for n in packed.namelist() if n.endswith("/sum.json")]
    assert json.loads(packed.read(name))["prompt"] == "a red mushroom"
    single = download_file(page, "sum.json", tmp_path)
    assert json.loads(single.read_text())["prompt"] == "a red mushroom"
    # A share link leads to the same run, the gallery shows it, and it can be deleted and taken back.
    job_id = job_of(page)
    visit(page, f"{server.url}/?run={job_id}", "Steps")
    page.get_by_role("button", name="Download all").wait_for()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo").click()
    page.locator(f".st-key-run-{job_id}").wait_for()


def test_a_run_survives_a_reload_and_stops_when_it_is_told(server: Any, watch: Any) -> None:
    page = watch(server).page()
    visit(page, f"{server.url}/steps", "Steps")
    put(page, "Prompt", "a *patient* snail <b>$x$")
    put(page, "Steps", "8")
    put(page, "Gate", "5")
    job_id = run(page)
    page.get_by_text("Step 4 of 8").first.wait_for()
    page.locator("img.sk-picture").first.wait_for()
    page.reload(wait_until="commit")
    page.get_by_text("Step 4 of 8").first.wait_for()
    expect(page).to_have_url(re.compile(job_id))
    expect(page.get_by_label("Prompt", exact=True).first).to_have_value("a *patient* snail <b>$x$")
    live = page.locator(".st-key-live").get_by_text("a *patient* snail <b>$x$")
    expect(live.first).to_be_visible()  # as it was typed, not as Markdown or HTML
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Cancel").click()
    finished(page, "cancelled")
    expect(page.get_by_role("alert")).to_have_count(0)


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
    about.mkdir(exist_ok=True)
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
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--upgrade",
    ]
    subprocess.run(
        [*command, "--target", str(server.site), str(package)], check=True, env={**os.environ, "PYTHONPATH": ""}
    )
    page = watch(server).page()
    visit(page, server.url, "What will you make?")
    navigate(page, "Haiku maker")
    put(page, "Season", "autumn")
    run(page)
    page.get_by_role("button", name="Download all").wait_for()
    assert (download_file(page, "haiku.txt", tmp_path)).read_text() == "autumn rain, one line"
    navigate(page, "bad")
    page.get_by_text("a_module_that_is_nowhere").first.wait_for()
    page.get_by_role("button", name="Look again").wait_for()


def test_a_phone_shows_every_page_without_scrolling_sideways_and_names_what_can_be_pressed(
    server: Any, watch: Any
) -> None:
    page = watch(server, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).page()
    visit(page, f"{server.url}/steps", "Steps")
    job_id = run(page)
    finished(page)
    for path in ("", "text-to-svg", "gallery", "queue", "compare", "sweep", f"?run={job_id}"):
        visit(page, f"{server.url}/{path}")
        fits(page)
        expect(page.locator("img:not([alt])"), path).to_have_count(0)
        named(page)


def test_the_keyboard_alone_is_enough(server: Any, watch: Any) -> None:
    page = watch(server).page()
    visit(page, f"{server.url}/steps", "Steps")
    box = page.get_by_label("Prompt", exact=True).first
    box.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("typed")
    page.keyboard.press("Tab")
    settle(page)
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**run=*")
    page.get_by_text("typed", exact=True).first.wait_for()

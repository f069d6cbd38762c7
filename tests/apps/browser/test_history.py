"""What a person does with runs that are made: changed, repeated over a grid, laid side by side; and with pictures of their own."""

import json
import re
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from chromium import expect
from visiting import finished, put, run, run_button, settle, visit

pytestmark = pytest.mark.browser


def test_a_run_is_made_again_with_changes_and_compared(server: Any, watch: Any) -> None:
    page = watch(server).page()
    visit(page, f"{server.url}/steps", "Steps")
    put(page, "Prompt", "an older tree")
    first = run(page)
    finished(page)
    page.reload(wait_until="commit")  # a form that is filled from the run, not from what was typed
    finished(page)
    put(page, "Steps", "7")
    second = run(page)
    finished(page)
    record = json.loads((server.folder / "store" / "runs" / second / "run.json").read_text())
    assert (record["parameters"]["prompt"], record["parameters"]["steps"]) == ("an older tree", 7)
    page.get_by_role("button", name=re.compile(r"\bCompare$")).click()
    page.get_by_text("Choose another one below").wait_for()
    page.locator(f".st-key-run-{first}").get_by_role("button", name="Choose for a comparison").click()
    page.get_by_test_id("stMain").get_by_role("button", name=re.compile(r"\bCompare$")).click()
    page.get_by_role("heading", name="In what they differ").wait_for()
    row = page.get_by_role("row").filter(has_text=re.compile("^steps"))
    expect(row.get_by_role("cell")).to_have_text(["steps", "7", "5"])  # the later run was chosen first


def test_a_sweep_ends_in_a_contact_sheet(server: Any, watch: Any) -> None:
    page = watch(server).page()
    visit(page, f"{server.url}/steps", "Steps")
    page.get_by_text("Sweep: try several values").click()
    box = page.get_by_role("combobox", name="What to vary")
    for axis in ("Steps", "Seed"):
        box.click()
        page.get_by_role("option", name=axis, exact=True).click()
        settle(page)
    page.keyboard.press("Escape")
    put(page, "Steps", "5")
    fields = page.locator("[class*=--axis-] input")
    for place, values in enumerate(("2, 3", "0-1")):
        fields.nth(place).fill(values)
        fields.nth(place).press("Tab")
        settle(page)
    page.get_by_role("button", name="Run 4 combinations").click()
    page.get_by_text("4 of 4 runs done").wait_for()
    cells = page.locator("[class*=st-key-cell-]")
    expect(cells).to_have_count(4)
    expect(cells.locator("img[alt]")).to_have_count(4)
    expect(page.get_by_text(re.compile("^steps: [23]$"))).to_have_count(2)


def test_a_picture_of_ones_own_is_taken_and_what_is_none_refused(server: Any, watch: Any, tmp_path: Path) -> None:
    page = watch(server).page()
    visit(page, f"{server.url}/steps", "Steps")
    false = tmp_path / "false.png"
    false.write_bytes(b"<svg onload=alert(1)>")
    page.locator("input[type=file]").set_input_files(false)
    page.get_by_text("is not a picture that can be read").wait_for()
    expect(run_button(page)).to_be_disabled()
    picture = tmp_path / "own.png"
    PIL.Image.effect_noise((48, 32), 60).save(picture)
    page.locator("input[type=file]").set_input_files(picture)
    expect(run_button(page)).to_be_enabled()
    job_id = run(page)
    finished(page)
    record = json.loads((server.folder / "store" / "runs" / job_id / "run.json").read_text())
    (given,) = record["inputs"]["image"]
    assert len(given["sha256"]) == 64
    kept = Path(record["parameters"]["image"])
    assert kept.is_relative_to(server.folder / "store" / "uploads")
    assert PIL.Image.open(kept).size == (48, 32)

"""A newcomer's path for every application that is installed: open, run the example, see what it made drawn, take it home."""

import fnmatch
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from chromium import expect
from visiting import IDLE, download, download_file, finished, try_example

from scorekit.host.models import listing
from scorekit.host.plugin import Application
from scorekit.host.registry import discover

pytestmark = pytest.mark.browser
APPLICATIONS = sorted(
    (row.app for row in discover().rows if row.usable and row.app and row.app.kind == "application"),
    key=lambda app: app.name,
)

NEEDS = {"video-adapter": "pico-video"}  # a model that the example takes and that may not come with the package


@pytest.mark.parametrize("app", [app for app in APPLICATIONS if app.demo is not None], ids=lambda app: app.name)
def test_the_example_is_run_drawn_and_taken_home(
    server: Any, watch: Any, tmp_path: Path, app: type[Application]
) -> None:
    if (model := NEEDS.get(app.name)) and model not in {row["name"] for row in listing()}:
        pytest.skip(f"its example needs {model}, which is not here")
    page = watch(server).page()
    page.set_default_timeout(300_000)  # the work itself takes seconds on a core of its own
    try_example(page, server.url, app.name)
    finished(page)
    viewers = page.locator(".viewer")
    viewers.first.wait_for()
    page.wait_for_selector(IDLE)  # all of them are there
    for place in range(viewers.count()):
        viewer = viewers.nth(place)
        viewer.scroll_into_view_if_needed()
        viewer.and_(page.locator("[data-loaded], [data-error]")).wait_for(state="attached")  # some are folded away
        expect(viewer).not_to_have_attribute("data-error", re.compile(""))
    packed = zipfile.ZipFile(download(page, "Download all", tmp_path))
    inside = [path.partition("/")[2] for path in packed.namelist()]
    assert "run.json" in inside
    assert not fnmatch.filter(inside, "*..*")
    makes = fnmatch.filter(inside, app.artifacts[0])[0]  # the main one is declared first
    single = download_file(page, makes.replace("/", "-"), tmp_path)
    assert single.read_bytes() == packed.read(next(path for path in packed.namelist() if path.endswith(f"/{makes}")))


def test_every_application_has_an_example() -> None:
    """And those of this package are here: without them the test above would try nothing."""
    assert {"dift", "diffusion-classifier", "diffusion-policy", "segmentation", "text-to-3d", "text-to-svg"} <= {
        app.name for app in APPLICATIONS
    }
    assert [app.name for app in APPLICATIONS if app.demo is None] == []

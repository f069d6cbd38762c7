"""A newcomer's path for every application of this package: open, run the example, see what it made drawn, take it home."""

import fnmatch
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from chromium import expect
from visiting import IDLE, download, download_file, finished, try_example

pytestmark = pytest.mark.browser
SLOW = pytest.mark.slow
MAKES = [  # the application, and the file that it is run for
    pytest.param("segmentation", "overlay.png"),
    pytest.param("dift", "matches.json"),
    pytest.param("text-to-svg", "icon.svg"),
    pytest.param("diffusion-classifier", "probabilities.png"),
    pytest.param("diffusion-policy", "grid.mp4"),
    pytest.param("text-to-3d", "mesh.glb", marks=SLOW),
    pytest.param("dift-video", "labels.mp4", marks=SLOW),
    pytest.param("collect-demonstrations", "episodes.mp4", marks=SLOW),
]


@pytest.mark.parametrize(("name", "makes"), MAKES)
def test_the_example_is_run_drawn_and_taken_home(
    request: pytest.FixtureRequest, server: Any, watch: Any, tmp_path: Path, name: str, makes: str
) -> None:
    page = watch(server).page()
    page.set_default_timeout(1_200_000 if request.node.get_closest_marker("slow") else 240_000)
    try_example(page, server.url, name)
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
    assert makes in inside
    assert "run.json" in inside
    assert not fnmatch.filter(inside, "*..*")
    single = download_file(page, makes.replace("/", "-"), tmp_path)
    assert single.read_bytes() == packed.read(next(path for path in packed.namelist() if path.endswith(f"/{makes}")))

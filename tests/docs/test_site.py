"""The documentation: it builds without a warning, its pages call no other host, and what its tutorial and how-to's say is done."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from follow import Follower, blocks, environment

import scorekit

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FOLLOWED = [DOCS / "tutorial.md", *sorted((DOCS / "howto").glob("*.md"))]
LOADS = {
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("video", "src"),
    ("link", "href"),
    ("object", "data"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    pytest.importorskip("mkdocs", reason='the site is built with pip install "scorekit[docs]"')
    pytest.importorskip("mkdocstrings_handlers.python")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_pages_load_nothing_from_other_hosts(site: Path) -> None:
    loaded: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            # A canonical address is said, not loaded.
            if dict(attrs).get("rel") not in ("canonical", "next", "prev"):
                loaded.extend(value or "" for name, value in attrs if (tag, name) in LOADS)

    for page in site.rglob("*.html"):
        Reader().feed(page.read_text())
    assert len(loaded) > 50
    assert [address for address in loaded if re.match(r"(https?:)?//", address)] == []
    styles = [path.read_text() for path in site.rglob("*.css")]
    assert [
        found for text in styles for found in re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\"']+", text)
    ] == []


def test_columns_of_docstrings_are_lists(site: Path) -> None:
    page = (site / "reference" / "score.html").read_text()
    assert re.search(r"<li>\s*(<p>)?<code>corrector</code>: ", page)


def test_the_reference_has_every_public_name() -> None:
    pages = "\n".join(path.read_text() for path in (DOCS / "reference").glob("*.md"))
    for name in scorekit.__all__:
        if name != "__version__":
            assert re.search(rf"^::: scorekit\.[\w.]*\b{name}$", pages, re.MULTILINE), name


@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.stem)
def test_every_block_is_run_or_says_that_it_is_not(page: Path) -> None:
    found = list(blocks(page))
    assert sum(block.run for block in found) >= 2
    for block in found:
        if block.language == "python":
            compile(block.text, f"{page.name}, line {block.line}", "exec")


@pytest.mark.slow
@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.stem)
def test_a_page_can_be_followed(page: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    seen: list[str] = []
    follower = Follower(
        tmp_path / "empty", environment(tmp_path / "venv"), on_studio=lambda url: seen.append(look(url))
    )
    follower.follow(page)
    if page.stem == "tutorial":
        assert seen == [""]


def look(url: str) -> str:
    """What is wrong with the studio at `url`, where the tutorial's plugin should be; "" also where there is no browser to look with."""
    import chromium
    from playwright.sync_api import sync_playwright

    if chromium.missing():
        return ""
    with sync_playwright() as playwright:
        page = chromium.launch(playwright).new_page()
        page.goto(url, timeout=1000 * chromium.PATIENCE)
        page.get_by_text("Two prompts").first.wait_for(timeout=1000 * chromium.PATIENCE)
        if chromium.SCREENSHOTS:
            page.screenshot(path=Path(chromium.SCREENSHOTS) / "tutorial.png")
        page.context.browser.close()
    return ""


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("```toml\na = 1\n```\n", "needs a title"),
        ("```sh\nfalse\n```\n", "exit code 1"),
        ("```sh\necho one\n```\n\n```text\ntwo\n```\n", "was not said"),
        ("```python\nassert 1 == 2\n```\n", "exit code 1"),
        ("```pycon\n>>> 1 + 1\n3\n\n```\n", "exit code 1"),
    ],
)
def test_a_page_that_is_wrong_is_found_out(page: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(page)
    with pytest.raises((AssertionError, ValueError), match=complaint):
        Follower(tmp_path, environment(tmp_path / "venv")).follow(path)

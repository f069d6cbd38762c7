"""Each of the broken plugins has a page that says what is wrong with it and how to mend it; all else goes on."""

import re
from typing import Any

import pytest
from broken_plugins import install_broken
from chromium import expect
from visiting import finished, try_example, visit

pytestmark = pytest.mark.browser
PAGES = {  # by the entry point: the address, what is wrong, and the command or the words that mend it
    "absent-extra": ("absent-extra", "it needs a_library_that_is_absent", "pip install a_library_that_is_absent"),
    "duplicate-name": (
        "text-to-svg-2", "the name 'text-to-svg' is already taken by scorekit", "pip uninstall duplicate-name",
    ),
    "import-error": ("import-error", "broken_import_error.py, line 3", "pip install --upgrade import-error"),
    "missing-dependency": (
        "missing-dependency", "No module named 'a_library_that_is_absent'", "pip install a_library_that_is_absent",
    ),
    "newer-scorekit": ("newer-scorekit", "it asks for scorekit >=9", "pip install --upgrade scorekit"),
    "no-application": ("no-application", "JustAClass is no Application class", "pip install --upgrade no-application"),
    "too-new": ("too-new", "it is written for plugin API >=2,<3", "pip install --upgrade scorekit"),
    "too-old": ("too-old", "the plugin is too old", "pip install --upgrade too-old"),
}  # fmt: skip
USABLE = ("slow-import", "talkative")  # what is wrong with these is their author's; `scorekit plugins` says it


def test_every_broken_plugin_says_what_is_wrong_and_how_to_mend_it(make_server: Any, watch: Any) -> None:
    server = make_server()
    assert {*install_broken(server.site)} == {*PAGES, *USABLE}
    page = watch(server).page()
    visit(page, server.url, "What will you make?")
    expect(page.get_by_text("Not usable", exact=True)).to_be_visible()
    for entry, (address, wrong, mend) in PAGES.items():
        visit(page, f"{server.url}/{address}")
        main = page.get_by_test_id("stMain")
        expect(main.get_by_role("alert")).to_contain_text(wrong)
        expect(main.get_by_test_id("stCode").first).to_have_text(re.compile(re.escape(mend)))
        expect(main).to_contain_text(f"entry point {entry} = broken_{entry.replace('-', '_')}")
        page.get_by_role("button", name="Look again").wait_for()
    for name in USABLE:
        try_example(page, server.url, name)
        finished(page)

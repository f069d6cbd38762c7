"""The examples of docs/score.md run, and give what they show."""

import doctest
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_examples_of_the_score_algebra_run() -> None:
    found = doctest.testfile(str(DOCS / "score.md"), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 40
    assert found.failed == 0

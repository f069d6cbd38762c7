"""What the tests of sound share."""

from typing import Any

import pytest


@pytest.fixture(scope="session")
def exact() -> Any:
    """The exact score of the sounds of exact_sounds.py."""
    import exact_sounds

    return exact_sounds.load()

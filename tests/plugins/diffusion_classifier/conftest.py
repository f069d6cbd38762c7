"""The exact model of these tests, as a module, as a model and as a plugin's."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
import exact_colours


@pytest.fixture
def colours() -> Any:
    return exact_colours


@pytest.fixture
def model() -> Any:
    return exact_colours.load()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the model as a plugin's, and write checkpoints at every step."""
    info = tmp_path / "site" / "exact_colours-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: exact-colours\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[scorekit.plugins]\nexact = exact_colours\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("SCOREKIT_CHECKPOINT_SECONDS", "0")

"""The plugin installed, where it is not yet; small random models of its own class."""

from importlib.metadata import entry_points

import pytest
from small_videos import tiny


@pytest.fixture(autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    if not any(point.value == "scorekit_video_adapter" for point in entry_points(group="scorekit.plugins")):
        site = tmp_path_factory.mktemp("site")
        info = site / "video_adapter_for_tests-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: video-adapter-for-tests\nVersion: 1\n")
        (info / "entry_points.txt").write_text("[scorekit.plugins]\nvideo-adapter = scorekit_video_adapter\n")
        monkeypatch.syspath_prepend(site)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny(tmp_path_factory.mktemp("models") / "small", seed=1)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny(tmp_path_factory.mktemp("models") / "large", seed=2)

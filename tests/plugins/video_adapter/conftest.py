"""The plugin installed, where it is not yet; small random models of its own class; objects to make clips of."""

from importlib.metadata import entry_points

import pytest
from small_videos import tiny

from scorekit.zoo.dataset import build as build_pictures
from scorekit_video_adapter import strips
from scorekit_video_adapter.scenes import Stage


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


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("stage")
    build_pictures(folder / "pictures", 96, seed=5)
    strips.build(folder / "strips", 48, seed=5)
    return Stage.load(folder / "pictures", folder / "strips")

"""pico-photo installed as a plugin's model, where it is not yet; pictures that several files use."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from scorekit_dift.descriptors import Descriptors


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not any(point.value == "scorekit_dift" for point in entry_points(group="scorekit.plugins")):
        info = tmp_path / "site" / "dift_for_tests-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dift-for-tests\nVersion: 1\n")
        (info / "entry_points.txt").write_text("[scorekit.plugins]\ndift = scorekit_dift\n")
        monkeypatch.syspath_prepend(tmp_path / "site")


@pytest.fixture(scope="session")
def coffee() -> Tensor:
    """A photograph (3, 192, 288)."""
    from skimage import data

    picture = torch.from_numpy(data.coffee().copy()).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(picture, (192, 288), mode="bilinear", antialias=True)[0].clamp(0, 1)


@pytest.fixture
def field() -> Descriptors:
    """A smooth random map of 16 channels on 24 x 32 cells of 4 px."""
    noise = torch.randn(1, 16, 24, 32, generator=torch.Generator().manual_seed(0))
    smooth = F.avg_pool2d(F.pad(noise, [2] * 4, mode="circular"), 5, 1)[0]
    return Descriptors(smooth, (96, 128))

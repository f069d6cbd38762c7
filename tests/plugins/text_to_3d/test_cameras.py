"""Cameras: stratified, inside the data's ranges, and the same rays as nerfstudio's."""

import pytest
import torch

from scorekit.zoo.render import FOV_RANGE, HIGH_ELEVATION, LOW_ELEVATION
from scorekit_text_to_3d.cameras import nerfstudio_cameras, orbit, pixel_rays, random_cameras


def test_random_cameras_stay_in_the_ranges_of_the_training_pictures() -> None:
    camera = random_cameras(500, torch.Generator().manual_seed(0))
    low = (camera.elevation >= LOW_ELEVATION[0]) & (camera.elevation <= LOW_ELEVATION[1])
    high = (camera.elevation >= HIGH_ELEVATION[0]) & (camera.elevation <= HIGH_ELEVATION[1])
    assert (low | high).all()
    assert 0.05 < high.float().mean() < 0.2
    assert camera.fov.min() >= FOV_RANGE[0]
    assert camera.fov.max() <= FOV_RANGE[1]
    assert camera.azimuth.abs().max() <= 180


@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_azimuths_fill_one_sector_each(n: int) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        azimuth = random_cameras(n, generator).azimuth.sort().values
        gaps = torch.cat([azimuth[1:] - azimuth[:-1], azimuth[:1] + 360 - azimuth[-1:]])
        assert gaps.max() <= 2 * 360 / n + 1e-3


def test_azimuths_are_uniform_over_many_draws() -> None:
    generator = torch.Generator().manual_seed(2)
    azimuth = torch.cat([random_cameras(4, generator).azimuth for _ in range(500)])
    counts = torch.histc(azimuth, bins=8, min=-180, max=180)
    assert (counts - 250).abs().max() < 60


def test_rays_are_those_of_nerfstudio() -> None:
    pytest.importorskip("nerfstudio")
    camera, size = random_cameras(3, torch.Generator().manual_seed(3)), 6
    bundle = nerfstudio_cameras(camera, size).generate_rays(torch.arange(3)[:, None])
    origin, direction = pixel_rays(camera, size)
    theirs = bundle.directions.permute(2, 0, 1, 3) if bundle.directions.shape[2] == 3 else bundle.directions
    torch.testing.assert_close(direction, theirs, atol=1e-5, rtol=0)
    torch.testing.assert_close(origin, bundle.origins.permute(2, 0, 1, 3)[:, 0, 0], atol=1e-5, rtol=0)


def test_jittered_rays_stay_in_their_pixel() -> None:
    camera = orbit(2)
    _, centre = pixel_rays(camera, 8)
    _, jittered = pixel_rays(camera, 8, torch.Generator().manual_seed(0))
    across = (centre[:, :, 1:] - centre[:, :, :-1]).norm(dim=-1).max()
    assert 0 < (jittered - centre).norm(dim=-1).max() < 0.8 * across
    assert (jittered.norm(dim=-1) - 1).abs().max() < 1e-5

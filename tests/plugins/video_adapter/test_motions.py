"""Motions in the picture plane against what their names say."""

import pytest
import torch

from scorekit_video_adapter.captions import MOTIONS, PLANE
from scorekit_video_adapter.motions import draw_path, place

SEEDS = range(6)


def disk(size: int = 32) -> torch.Tensor:
    """A white disk of coverage (8, 4, size, size), premultiplied, radius a third of the picture."""
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    inside = (axis[:, None].square() + axis.square() < 4 / 9).float()
    return inside.expand(8, 4, size, size)


def centroids(alpha: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Columns and rows (T,) of the centres of coverages (T, H, W), in [-1, 1]."""
    axis = (torch.arange(alpha.shape[-1]) + 0.5) / alpha.shape[-1] * 2 - 1
    mass = alpha.sum((1, 2))
    return (alpha * axis).sum((1, 2)) / mass, (alpha * axis[:, None]).sum((1, 2)) / mass


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("motion", PLANE)
def test_a_thing_moves_as_its_caption_says(motion: str, seed: int) -> None:
    path = draw_path(motion, 8, torch.Generator().manual_seed(seed))
    alpha = place(disk(), path, 32)[:, 3]
    x, y = centroids(alpha)
    area = alpha.sum((1, 2))
    if motion.startswith("sliding"):
        along, across = (x, y) if motion.split()[1] in ("left", "right") else (y, x)
        steps = along.diff() * (-1 if motion.split()[1] in ("left", "up") else 1)
        assert (steps > 0.02).all()
        assert across.std() < 0.01
        assert area.std() / area.mean() < 0.01
    elif motion == "bouncing":
        turns = (y.diff().sign().diff() != 0).sum()
        assert turns >= 1
        assert y.max() - y.min() > 0.3
        assert x.std() < 0.01
    else:
        steps = area.diff() * (1 if motion == "growing" else -1)
        assert (steps > 0).all()
        assert area.max() / area.min() > 2
        assert x.std() < 0.01
        assert y.std() < 0.01


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("motion", MOTIONS)
def test_nothing_leaves_the_frame_or_is_enlarged(motion: str, seed: int) -> None:
    path = draw_path(motion, 8, torch.Generator().manual_seed(seed))
    side, x, y = path.unbind(1)
    assert (side > 0).all()
    assert (side <= 1).all()
    assert (x.abs() + side <= 1 + 1e-6).all()
    assert (y.abs() + side <= 1 + 1e-6).all()


def test_resampling_keeps_coverage_and_places_its_centre() -> None:
    picture = disk()[:, 3:]
    path = torch.tensor([[0.5 + 0.05 * i, 0.03 * i, -0.04 * i] for i in range(8)])
    placed = place(picture, path, 32)[:, 0]
    torch.testing.assert_close(placed.sum((1, 2)), picture[:, 0].sum((1, 2)) * path[:, 0].square(), rtol=2e-3, atol=0)
    x, y = centroids(placed)
    torch.testing.assert_close(torch.stack([x, y], 1), path[:, 1:], atol=2e-3, rtol=0)


def test_a_picture_that_fills_the_frame_is_left_as_it_is() -> None:
    picture = torch.rand(8, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(place(picture, torch.tensor([[1.0, 0, 0]] * 8), 32), picture)


def test_a_flat_picture_stays_flat_away_from_its_edge() -> None:
    placed = place(torch.ones(8, 1, 32, 32), torch.tensor([[0.61, 0.013, 0.2]] * 8), 32)
    assert placed[:, :, 14:24, 8:24].sub(1).abs().max() < 1e-5


def test_enlarging_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sides must be at most 0\.5"):
        place(torch.ones(8, 1, 16, 16), torch.tensor([[0.6, 0.0, 0.0]] * 8), 32)

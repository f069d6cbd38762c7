"""Warps against closed forms."""

import math

import torch
from torch.nn import functional as F

from scorekit_dift.demo import TURN, pair, sticker
from scorekit_dift.descriptors import Descriptors
from scorekit_dift.geometry import Homography, fit_homography, laid_over, warp_by_field, warp_by_homography
from scorekit_dift.matching import Matches


def known(count: int, wrong: int) -> Matches:
    """Matches under TURN, half a pixel off, of which `wrong` are anywhere."""
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(count, 2, generator=generator) * 384
    target = Homography(TURN, torch.ones(0))(source) + 0.5 * torch.randn(count, 2, generator=generator)
    target[:wrong] = torch.rand(wrong, 2, generator=generator) * 384
    return Matches(source, target, torch.ones(count))


def test_a_homography_is_found_among_wrong_matches() -> None:
    found = fit_homography(known(200, 90), threshold=3.0)
    assert found is not None
    corners = torch.tensor([[0.0, 0.0], [384.0, 0.0], [384.0, 384.0], [0.0, 384.0]])
    assert (found(corners) - Homography(TURN, torch.ones(0))(corners)).norm(dim=1).max() < 2.0
    assert 100 <= int(found.inliers.sum()) <= 120


def test_too_few_or_random_matches_give_none() -> None:
    assert fit_homography(known(7, 0), 3.0) is None
    assert fit_homography(known(12, 12), 0.5) is None


def test_an_edit_lands_where_the_homography_says() -> None:
    edit = torch.zeros(4, 100, 120)
    edit[0, 40:60, 30:50], edit[3, 40:60, 30:50] = 1.0, 1.0
    turn = math.radians(30)
    matrix = torch.tensor(
        [[math.cos(turn), -math.sin(turn), 60.0], [math.sin(turn), math.cos(turn), 10.0], [0.0, 0.0, 1.0]],
        dtype=torch.float64,
    )
    moved = warp_by_homography(edit, Homography(matrix, torch.ones(0)), (160, 200))
    assert moved.shape == (4, 160, 200)
    weight = moved[3] / moved[3].sum()
    y, x = torch.meshgrid(torch.arange(160) + 0.5, torch.arange(200) + 0.5, indexing="ij")
    middle = Homography(matrix, torch.ones(0))(torch.tensor([[40.0, 50.0]]))[0]
    torch.testing.assert_close(torch.stack([(x * weight).sum(), (y * weight).sum()]), middle, atol=0.05, rtol=0)
    assert abs(float(moved[3].sum()) - 400) < 4
    assert moved[0][moved[3] > 0.5].min() > 0.99  # soft edges are not darkened by what is transparent


def test_an_edit_follows_a_field(field: Descriptors) -> None:
    """The right half of the target shows what the source has 16 px to the left; nothing matches elsewhere."""
    noise = torch.randn(field.values.shape, generator=torch.Generator().manual_seed(5))
    target = field.values.roll(4, 2)
    target[:, :, :12] = F.avg_pool2d(F.pad(noise[None], [2] * 4, mode="circular"), 5, 1)[0, :, :, :12]
    edit = torch.zeros(4, 96, 128)
    edit[1, 40:60, 60:90], edit[3, 40:60, 60:90] = 1.0, 1.0
    moved = warp_by_field(edit, field, Descriptors(target, field.size), spread=1.0)
    inside = torch.zeros(96, 128, dtype=torch.bool)
    inside[44:56, 80:102] = True
    assert moved[3][inside].mean() > 0.9
    assert moved[3][:, :40].mean() < 0.05


def test_laying_an_edit_over_a_picture_keeps_what_it_does_not_cover() -> None:
    source, target, truth = pair()
    edit = sticker((384, 384))
    assert edit.shape == (4, 384, 384)
    over = laid_over(warp_by_homography(edit, truth, (384, 384)), target)
    same = (over - target).abs().amax(0) < 1e-6
    assert 0.9 < float(same.float().mean()) < 0.995
    assert torch.equal(laid_over(torch.zeros(4, 384, 384), source), source)

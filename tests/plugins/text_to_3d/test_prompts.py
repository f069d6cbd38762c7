"""View words are those of the training captions; Perp-Neg's weights vanish where they must."""

import pytest
import torch

from scorekit.zoo.captions import POSES, caption, pose_of, side_of
from scorekit_text_to_3d.prompts import perp_neg, prompt_for, views_of


def test_views_are_those_of_the_captions() -> None:
    azimuth = torch.arange(-400.0, 400.0, 7.5)
    for elevation in (-10.0, 30.0, 50.0, 50.5, 80.0):
        level = torch.full_like(azimuth, elevation)
        assert views_of(azimuth, level) == [side_of(a, elevation) for a in azimuth.tolist()]
        assert views_of(azimuth, level, POSES) == [pose_of(a, elevation) for a in azimuth.tolist()]


def test_prompts_read_like_captions() -> None:
    assert prompt_for("a red mushroom", "side") == caption("mushroom", "red", "side")
    assert prompt_for("a red mushroom", None) == "a red mushroom"


@pytest.mark.parametrize(("azimuth", "front", "side"), [(0, 0.0, 1.574), (90, 1.574, 0.0), (180, 1.967, 0.394)])
def test_perp_neg_weights_at_the_cardinal_views(azimuth: float, front: float, side: float) -> None:
    weights = dict(perp_neg(torch.tensor([azimuth]), torch.tensor([10.0])))
    assert weights["front"].item() == pytest.approx(front, abs=1e-3)
    assert weights["side"].item() == pytest.approx(side, abs=1e-3)


def test_perp_neg_is_even_in_the_azimuth_and_leaves_overhead_alone() -> None:
    azimuth = torch.tensor([30.0, 120.0, 170.0])
    left = perp_neg(azimuth, torch.zeros(3))
    right = perp_neg(-azimuth, torch.zeros(3))
    for (_, a), (_, b) in zip(left, right, strict=True):
        torch.testing.assert_close(a, b)
        assert (a >= 0).all()
    above = perp_neg(azimuth, torch.full((3,), 70.0))
    assert all(weight.abs().max() == 0 for _, weight in above)

"""Grids of noise levels: nested, evenly spread over the whole range, and weighed without bias."""

import pytest
import torch

from scorekit.schedule import VP, Flow
from scorekit_diffusion_classifier.levels import Profile, levels, places, stages


@pytest.mark.parametrize(("count", "first"), [(4, 4), (64, 4), (48, 3), (128, 2)])
def test_every_stage_is_an_even_grid_over_the_whole_range(count: int, first: int) -> None:
    found = places(count, first)
    assert len(found.unique()) == count
    assert 0 < found.min() < found.max() < 1
    for n in stages(count, first):
        gaps = found[:n].sort().values.diff()
        torch.testing.assert_close(gaps, torch.full_like(gaps, 1 / n))
        # no grid leaves out an end: nothing is further than a cell from 0 and from 1
        assert found[:n].min() < 1 / n
        assert 1 - found[:n].max() < 1 / n + 1e-9


def test_a_count_between_two_grids_is_a_prefix_of_the_finer() -> None:
    assert places(11, 4).tolist() == places(16, 4)[:11].tolist()
    assert list(stages(11, 4)) == [4, 8, 11]


def test_levels_reach_over_the_schedule_but_not_below_its_first_step() -> None:
    t = levels(VP.cosine(), 64, 4).t
    assert 0.001 <= t.min() < 0.02
    assert 0.98 < t.max() < 1
    assert levels(Flow(), 64, 4).t.min() < 0.02


def test_density_lays_levels_and_scale_undoes_it() -> None:
    profile = Profile(weights=(1.0, 5.0, 0.0, 2.0), density=(0.1, 0.6, 0.1, 0.2))
    grid = levels(Flow(), 4096, 4, profile)
    u = (grid.t - 0.001) / 0.999
    share = torch.stack([((u * 4).long() == b).double().mean() for b in range(4)])
    torch.testing.assert_close(share, torch.tensor(profile.density, dtype=torch.float64), atol=1e-3, rtol=0)
    # an "error" u^2 has the mean ((b + 1)^3 - b^3) / 48 in bin b of 4
    truth = sum(w * ((b + 1) ** 3 - b**3) / 48 for b, w in enumerate(profile.weights))
    assert (grid.scale * u.square()).mean().item() == pytest.approx(truth, rel=2e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": ()}, "two lists of one length"),
        ({"weights": (1.0, float("nan"))}, "finite numbers from 0 on, not all 0"),
        ({"weights": (0.0, 0.0)}, "finite numbers from 0 on, not all 0"),
        ({"density": (1.0, 0.0)}, "positive numbers with the sum 1"),
        ({"density": (0.5, 0.6)}, "positive numbers with the sum 1"),
    ],
)
def test_a_profile_that_is_none_is_refused(change: dict[str, tuple[float, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Profile(**{"weights": (1.0, 1.0), "density": (0.5, 0.5), **change})


@pytest.mark.parametrize(("count", "first"), [(4, 5), (4, 0)])
def test_a_first_stage_beyond_the_last_is_refused(count: int, first: int) -> None:
    with pytest.raises(
        ValueError, match=f"levels must be at least first, and first at least 1; got {count} and {first}"
    ):
        levels(Flow(), count, first)

"""Matching on maps whose correspondence is known."""

import pytest
import torch
from torch.nn import functional as F

from scorekit_dift import matching
from scorekit_dift.descriptors import Descriptors
from scorekit_dift.matching import dense_matches, heat_map, match_points, mutual_matches, nearest


def shifted(one: Descriptors, cells: float) -> Descriptors:
    """What was at x is at x + cells, around the edge."""
    whole = one.values.roll(int(cells), 2)
    rest = cells - int(cells)
    return Descriptors(whole * (1 - rest) + whole.roll(1, 2) * rest, one.size)


def test_a_map_matches_itself_in_place(field: Descriptors) -> None:
    found = dense_matches(field, field, sharpness=300)
    assert (found.target - field.grid()).norm(dim=1).max() < 1.0
    torch.testing.assert_close(found.score, torch.ones(24 * 32))
    assert len(mutual_matches(field, field)) == 24 * 32


def test_whole_and_half_cells_of_shift_are_found(field: Descriptors) -> None:
    points = torch.rand(200, 2, generator=torch.Generator().manual_seed(1)) * torch.tensor([80.0, 90.0]) + 4
    for cells in (5.0, 5.5):
        other, truth = shifted(field, cells), points + torch.tensor([4 * cells, 0.0])
        fine, middle = (match_points(field, other, points, window=w, sharpness=50).target - truth for w in (1, 0))
        assert fine.norm(dim=1).median() < 1.3, cells  # a third of a cell of 4 px
        assert fine.norm(dim=1).mean() < 0.9 * middle.norm(dim=1).mean(), cells
    middles = match_points(field, shifted(field, 5.5), points, window=0)
    assert ((middles.target / 4) % 1 == 0.5).all()


def test_chunks_change_nothing(field: Descriptors, monkeypatch: pytest.MonkeyPatch) -> None:
    other = shifted(field, 3)
    whole = nearest(field, other), match_points(field, other, field.grid())
    monkeypatch.setattr(matching, "CHUNK", 1000)
    parts = nearest(field, other), match_points(field, other, field.grid())
    assert torch.equal(whole[0][0], parts[0][0])
    torch.testing.assert_close(whole[1].target, parts[1].target)


def test_mutual_matches_are_those_of_brute_force(field: Descriptors) -> None:
    noise = torch.randn(field.values.shape, generator=torch.Generator().manual_seed(2))
    other = Descriptors(field.values + 0.3 * noise, field.size)
    similarity = F.normalize(field.values.flatten(1), dim=0).T @ F.normalize(other.values.flatten(1), dim=0)
    expected = [i for i, j in enumerate(similarity.argmax(1).tolist()) if int(similarity[:, j].argmax()) == i]
    found = mutual_matches(field, other)
    assert 50 < len(expected) < 24 * 32
    torch.testing.assert_close(found.source, field.grid()[expected])
    assert len(mutual_matches(field, other, tolerance=2)) > len(expected)


def test_the_heat_map_is_hottest_at_the_place(field: Descriptors) -> None:
    warm = heat_map(field, shifted(field, 7), torch.tensor([50.0, 30.0]))
    assert warm.shape == (24, 32)
    row, column = divmod(int(warm.argmax()), 32)
    assert abs((column + 0.5) * 4 - 78) <= 4
    assert abs((row + 0.5) * 4 - 30) <= 4


@pytest.mark.parametrize("point", [(-0.1, 5.0), (5.0, 96.5), (128.5, 5.0), (float("nan"), 1.0)])
def test_points_outside_are_refused(field: Descriptors, point: tuple[float, float]) -> None:
    with pytest.raises(
        ValueError, match=r"points: \(.*\) lies outside the picture, whose x goes from 0 to 128 and y to 96"
    ):
        match_points(field, field, torch.tensor([[1.0, 1.0], point]))

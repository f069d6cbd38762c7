"""Labels through maps that are known to move."""

import pytest
import torch

from scorekit_dift.descriptors import Descriptors
from scorekit_dift.labels import labels_of, propagate


def test_labels_follow_a_shift(field: Descriptors) -> None:
    first = torch.zeros(96, 128, dtype=torch.long)
    first[20:60, 20:60] = 1
    first[40:80, 80:110] = 2
    frames = [Descriptors(field.values.roll(k, 2), field.size) for k in range(5)]
    found = list(propagate(frames, first, neighbours=1, radius=0.2))
    assert torch.equal(found[0], first)
    for k, labels in enumerate(found):
        assert (labels == first.roll(4 * k, 1)).float().mean() > 0.99


def test_the_radius_bounds_how_far_labels_go(field: Descriptors) -> None:
    first = torch.zeros(96, 128, dtype=torch.long)
    first[:, :16] = 1
    far = [field, Descriptors(field.values.roll(16, 2), field.size)]
    free, bound = (list(propagate(far, first, neighbours=1, radius=r))[1] for r in (1.0, 0.1))
    assert (free == first.roll(64, 1)).float().mean() > 0.95
    assert (bound[:, 48:] == 1).sum() == 0


def test_bad_labels_are_refused(field: Descriptors) -> None:
    with pytest.raises(ValueError, match=r"labels are .* they must agree"):
        list(propagate([field], torch.zeros(5, 5, dtype=torch.long)))
    with pytest.raises(ValueError, match="labels must be numbers from 0 to 31"):
        list(propagate([field], torch.full((96, 128), 40)))
    with pytest.raises(ValueError, match="neighbours must be at least 1"):
        list(propagate([field], torch.zeros(96, 128, dtype=torch.long), neighbours=0))
    with pytest.raises(ValueError, match="at most 32 colours"):
        labels_of(torch.rand(3, 20, 20))


def test_the_commonest_colour_is_what_is_left_over() -> None:
    picture = torch.ones(3, 8, 8)
    picture[:, :2] = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
    picture[:, 7] = 0.0
    labels, colours = labels_of(picture)
    assert labels[4, 4] == 0
    assert colours[labels[0, 0]].tolist() == [1.0, 0.0, 0.0]
    assert labels[7, 0] == 2

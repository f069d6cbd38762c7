import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scorekit_diffusion_policy.normalise import Normaliser


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e4), offset=st.floats(-1e3, 1e3))
def test_the_inverse_gives_the_values_back(seed: int, scale: float, offset: float) -> None:
    values = offset + scale * torch.randn(20, 3, generator=torch.Generator().manual_seed(seed))
    normaliser = Normaliser(3)
    normaliser.fit_min_max(values)
    normalised = normaliser(values)
    assert float(normalised.abs().max()) <= 1 + 1e-6 * (1 + abs(offset) / scale)
    tolerance = 1e-6 * max(abs(offset) + 5 * scale, 1)
    torch.testing.assert_close(normaliser.inverse(normalised), values, atol=tolerance, rtol=1e-6)


def test_min_max_reaches_both_ends_and_leaves_constants_in_the_middle() -> None:
    normaliser = Normaliser(2)
    values = torch.tensor([[1.0, 7.0], [3.0, 7.0], [5.0, 7.0]])
    normaliser.fit_min_max(values)
    torch.testing.assert_close(normaliser(values), torch.tensor([[-1.0, 0], [0, 0], [1, 0]]))
    torch.testing.assert_close(normaliser(torch.tensor([[3.0, 7.5]])), torch.tensor([[0, 0.5]]))


def test_rms_is_one_for_each_step() -> None:
    values = torch.randn(500, 4, 2) * torch.tensor([1.0, 2, 5, 0])[:, None]
    normaliser = Normaliser(4, 2)
    normaliser.fit_rms(values, (2,))
    rms = normaliser(values).square().mean((0, 2)).sqrt()
    torch.testing.assert_close(rms, torch.tensor([1.0, 1, 1, 0]))
    assert (normaliser.scale[:, 0] == normaliser.scale[:, 1]).all()


@pytest.mark.parametrize("shape", [(3,), (4, 2)])
def test_a_new_one_changes_nothing(shape: tuple[int, ...]) -> None:
    values = torch.randn(5, *shape)
    torch.testing.assert_close(Normaliser(*shape)(values), values)

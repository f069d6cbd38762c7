import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scorekit.prediction import KINDS, Kind, Prediction, combine, target

pairs = list(itertools.product(KINDS, KINDS))
levels = st.tuples(st.floats(0.01, 1.0), st.floats(0.01, 100.0))
values = st.lists(st.floats(-3, 3), min_size=4, max_size=4)


def made(kind: Kind, x0: Tensor, eps: Tensor, alpha: float, sigma: float) -> Prediction:
    a, s = torch.tensor(alpha, dtype=x0.dtype), torch.tensor(sigma, dtype=x0.dtype)
    return Prediction(kind, target(kind, x0, eps, a, s), a * x0 + s * eps, a, s)


def tensor(numbers: list[float]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


@pytest.mark.parametrize(("kind", "other"), pairs)
@given(level=levels, x0=values, eps=values)
def test_every_kind_reads_as_every_other(kind: Kind, other: Kind, level: tuple, x0: list, eps: list) -> None:
    alpha, sigma = level
    data, noise = tensor(x0), tensor(eps)
    prediction = made(kind, data, noise, alpha, sigma)
    expected = target(other, data, noise, prediction.alpha, prediction.sigma)
    # Reading x0 divides by alpha, reading eps by sigma: that is the condition number, and the whole error.
    tolerance = 1e-13 * (1 + sigma / alpha) * (1 + alpha / sigma) * (1 + sigma) * 10
    torch.testing.assert_close(prediction.read(other), expected, rtol=1e-12, atol=tolerance)
    again = prediction.alpha * prediction.x0 + prediction.sigma * prediction.eps
    torch.testing.assert_close(again, prediction.x, rtol=1e-12, atol=tolerance)


@pytest.mark.parametrize("kind", ["v", "flow"])
@pytest.mark.parametrize(("alpha", "sigma"), [(1.0, 0.0), (0.0, 1.0)])
def test_v_and_flow_are_exact_at_both_ends(kind: Kind, alpha: float, sigma: float) -> None:
    x0, eps = torch.randn(2, 5, 3, dtype=torch.float64)
    prediction = made(kind, x0, eps, alpha, sigma)
    for other, expected in (("x0", x0), ("eps", eps), ("v", alpha * eps - sigma * x0), ("flow", eps - x0)):
        torch.testing.assert_close(prediction.read(other), expected, rtol=1e-15, atol=1e-15)


def test_what_the_other_kinds_give_at_the_ends() -> None:
    x0, eps = torch.randn(2, 5, dtype=torch.float64)
    assert torch.equal(made("eps", x0, eps, 1.0, 0.0).x0, x0)
    assert torch.equal(made("x0", x0, eps, 0.0, 1.0).eps, eps)
    torch.testing.assert_close(made("score", x0, eps, 0.0, 1.0).eps, eps)
    # alpha = 0 leaves no trace of the data in x: an eps network cannot answer, and must not pretend to
    assert not made("eps", x0, eps, 0.0, 1.0).x0.isfinite().any()


@pytest.mark.parametrize("kind", KINDS)
def test_at_keeps_x0_and_eps_in_the_variables_of_another_schedule(kind: Kind) -> None:
    x0, eps = torch.randn(2, 5, dtype=torch.float64)
    prediction = made(kind, x0, eps, 0.6, 0.8)
    c = torch.tensor(2.5, dtype=torch.float64)
    moved = prediction.at(c * prediction.x, c * prediction.alpha, c * prediction.sigma)
    torch.testing.assert_close(moved.x0, x0)
    torch.testing.assert_close(moved.eps, eps)
    torch.testing.assert_close(moved.score, -eps / (0.8 * 2.5))
    torch.testing.assert_close(moved.alpha * moved.x0 + moved.sigma * moved.eps, moved.x)


@pytest.mark.parametrize("kind", ["v", "flow"])
@pytest.mark.parametrize(("alpha", "sigma"), [(1.0, 0.0), (0.0, 1.0)])
def test_at_is_exact_at_both_ends(kind: Kind, alpha: float, sigma: float) -> None:
    x0, eps = torch.randn(2, 5, dtype=torch.float64)
    prediction = made(kind, x0, eps, alpha, sigma)
    moved = prediction.at(3 * prediction.x, 3 * prediction.alpha, 3 * prediction.sigma)
    torch.testing.assert_close(moved.x0, x0)
    torch.testing.assert_close(moved.eps, eps)


def at_one_x(kinds: list[Kind], alpha: float = 0.6, sigma: float = 0.8) -> list[Prediction]:
    """Predictions of several models at the same x, each with an x0 and eps of its own."""
    x = torch.randn(5, dtype=torch.float64)
    made_at = []
    for kind in kinds:
        eps = torch.randn(5, dtype=torch.float64)
        one = made(kind, (x - sigma * eps) / alpha, eps, alpha, sigma)
        made_at.append(Prediction(kind, one.output, x, one.alpha, one.sigma))
    return made_at


@pytest.mark.parametrize("kinds", [*((k,) * 3 for k in KINDS), ("eps", "v", "flow"), ("x0", "score", "v")])
@pytest.mark.parametrize(
    "weights", [(0.2, 0.5, 0.3), (-6.5, 7.5, 0.0), (1.0, 1.0, 1.0), (1.0, -1.0, 0.5), (0.0, 0.0, 0.0)]
)
def test_combine_is_the_sum_of_eps(kinds: tuple, weights: tuple) -> None:
    parts = at_one_x(list(kinds))
    total = combine(weights, parts)
    expected = sum(w * part.eps for w, part in zip(weights, parts, strict=True))
    torch.testing.assert_close(total.eps, expected)
    torch.testing.assert_close(total.score, sum(w * part.score for w, part in zip(weights, parts, strict=True)))
    torch.testing.assert_close(0.6 * total.x0 + 0.8 * total.eps, total.x)
    tensors = [torch.tensor(w, dtype=torch.float64) for w in weights]
    torch.testing.assert_close(combine(tensors, parts).eps, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_combine_is_linear(kind: Kind) -> None:
    parts = at_one_x([kind] * 2)
    left = combine([2.0, 3.0], [combine([1.0, -0.5], parts), combine([0.25, 4.0], parts)])
    torch.testing.assert_close(left.eps, combine([2.75, 11.0], parts).eps)


def test_combine_of_one_is_itself() -> None:
    (part,) = at_one_x(["x0"])
    assert combine([1.0], [part]) is part
    torch.testing.assert_close(combine([3.0], [part]).eps, 3 * part.eps)


@pytest.mark.parametrize("kinds", [("v", "v"), ("flow", "flow"), ("v", "flow")])
@pytest.mark.parametrize(("alpha", "sigma"), [(1.0, 0.0), (0.0, 1.0)])
def test_affine_sums_are_exact_at_both_ends(kinds: tuple, alpha: float, sigma: float) -> None:
    shared = torch.randn(5, dtype=torch.float64)
    free = torch.randn(2, 5, dtype=torch.float64)
    # x is x0 at alpha = 1 and eps at sigma = 1: what is not in x is each model's own guess
    pairs = [(shared, own) if alpha else (own, shared) for own in free]
    parts = [made(kind, *pair, alpha, sigma) for kind, pair in zip(kinds, pairs, strict=True)]
    total = combine([-6.5, 7.5], parts)
    guess = -6.5 * free[0] + 7.5 * free[1]
    torch.testing.assert_close(total.eps if alpha else total.x0, guess)
    torch.testing.assert_close(total.x0 if alpha else total.eps, shared)


def test_affine_sums_of_x0_networks_divide_nothing() -> None:
    x0 = torch.randn(2, 5, dtype=torch.float64)
    x = x0[0]
    level = torch.tensor(1.0, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    total = combine([-1.0, 2.0], [Prediction("x0", one, x, *level) for one in x0])
    torch.testing.assert_close(total.x0, -1.0 * x0[0] + 2.0 * x0[1], rtol=1e-14, atol=1e-14)


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match=r"^prediction must be one of eps, x0, v, flow, score, not 'noise'\.$"):
        at_one_x(["eps"])[0].read("noise")

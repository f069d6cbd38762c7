"""Whatever expression is written down, its value is the one that the terms have alone."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from scorekit.analytic import GaussianMixture
from scorekit.guidance import clipped
from scorekit.schedule import VP, Flow

F64 = torch.float64
MEANS = torch.randn(3, 2, generator=torch.Generator().manual_seed(1), dtype=F64)
WORDS = ("red ball", "red cube", "blue ball")
MODELS = [
    GaussianMixture(MEANS, 0.4, VP.scaled_linear(), captions=WORDS, prediction="eps"),
    GaussianMixture(MEANS + 0.3, 0.6, Flow(), captions=WORDS, prediction="flow"),
    GaussianMixture(2 * MEANS, 0.5, VP.cosine(), captions=WORDS, prediction="v"),
]
X = torch.randn(3, 2, generator=torch.Generator().manual_seed(2), dtype=F64)

numbers = st.floats(-5, 5).map(lambda value: round(value, 3))
times = st.floats(0.05, 0.9)
leaves = st.builds(
    lambda model, prompt: ("given", model, prompt), st.integers(0, 2), st.sampled_from([None, "red", "ball", "blue"])
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.just("+"), inner, inner),
        st.tuples(st.just("-"), inner, inner),
        st.tuples(st.just("*"), numbers, inner),
        st.tuples(st.just("of t"), numbers, inner),
        st.tuples(st.just("neg"), inner),
        st.tuples(st.just("clip"), inner),
    ),
    max_leaves=6,
)
BASE = MODELS[0].given(None)  # makes the variables those of the first model


def expression(tree):
    match tree:
        case ("given", model, prompt):
            return MODELS[model].given(prompt)
        case ("+", a, b):
            return expression(a) + expression(b)
        case ("-", a, b):
            return expression(a) - expression(b)
        case ("*", w, a):
            return w * expression(a)
        case ("of t", w, a):
            return (lambda t: w * t) * expression(a)
        case ("neg", a):
            return -expression(a)
        case ("clip", a):
            return clipped(expression(a))
    raise AssertionError(tree)


def value(tree, x, t):
    """eps of the tree at x and t in the first model's variables, term by term: no plan, no batch, no algebra."""
    schedule = MODELS[0].schedule
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    match tree:
        case ("given", model, prompt):
            own = MODELS[model]
            its_t = own.schedule.at_log_snr(schedule.log_snr(torch.tensor(t, dtype=F64)))
            scale = float(torch.hypot(own.schedule.alpha(its_t), own.schedule.sigma(its_t)))
            fields = own.prompts(None if prompt is None else (prompt,)).fields
            return own.predict(x * scale, its_t, {name: field.expand(len(x), -1) for name, field in fields.items()}).eps
        case ("+", a, b):
            return value(a, x, t) + value(b, x, t)
        case ("-", a, b):
            return value(a, x, t) - value(b, x, t)
        case ("*", w, a):
            return w * value(a, x, t)
        case ("of t", w, a):
            return w * t * value(a, x, t)
        case ("neg", a):
            return -value(a, x, t)
        case ("clip", a):
            x0 = ((x - sigma * value(a, x, t)) / alpha).clamp(-1, 1)
            return (x - alpha * x0) / sigma
    raise AssertionError(tree)


@given(trees, times)
def test_an_expression_is_what_it_says(tree, t) -> None:
    planned = (0 * BASE + expression(tree))(X, t).eps
    torch.testing.assert_close(planned, value(tree, X, t), rtol=1e-5, atol=1e-5)


@given(trees, trees, times)
def test_sums_commute(a, b, t) -> None:
    one, other = (0 * BASE + expression(a) + expression(b), 0 * BASE + expression(b) + expression(a))
    torch.testing.assert_close(one(X, t).eps, other(X, t).eps, rtol=1e-6, atol=1e-6)


@given(trees, trees, numbers, times)
def test_products_distribute(a, b, w, t) -> None:
    one = 0 * BASE + w * (expression(a) + expression(b))
    other = 0 * BASE + w * expression(a) + w * expression(b)
    torch.testing.assert_close(one(X, t).eps, other(X, t).eps, rtol=1e-6, atol=1e-6)


@given(trees, st.lists(times, min_size=3, max_size=3))
def test_a_batch_is_its_items_and_leaves_no_trace(tree, t) -> None:
    score = 0 * BASE + expression(tree)
    together = score(X, torch.tensor(t, dtype=F64)).eps
    for i in range(3):
        torch.testing.assert_close(together[i], score(X[i : i + 1], t[i]).eps[0], rtol=1e-6, atol=1e-6)
    assert torch.equal(together, score(X, torch.tensor(t, dtype=F64)).eps)

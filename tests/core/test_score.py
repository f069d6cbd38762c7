import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from scorekit.denoiser import Condition, Denoiser
from scorekit.guidance import perp_neg
from scorekit.schedule import VE, VP, Flow

F64 = torch.float64


@pytest.fixture
def x(generator):
    return torch.randn(4, 3, generator=generator, dtype=F64)


# Planning: what runs, and how often


def test_guidance_is_one_forward_of_twice_the_batch(counted, x) -> None:
    subject = counted()
    cond, null = subject.model.given("a pear"), subject.model.given(None)
    guided = null + 7.5 * (cond - null)
    value = guided(x, 0.4)
    assert subject.network.batches == [8]
    expected = -6.5 * null(x, 0.4).eps + 7.5 * cond(x, 0.4).eps
    torch.testing.assert_close(value.eps, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("expression", "forwards"),
    [
        (lambda g: g("a") + g("a"), 1),
        (lambda g: g("a") + 0 * g("b"), 1),
        (lambda g: g("a") + g("b") - g("b"), 1),
        (lambda g: g(None) + 1.0 * (g("a") - g(None)), 1),
        (lambda g: g(None) + 0.0 * (g("a") - g(None)), 1),
        (lambda g: g("a") + g("b") + g(None), 3),
        (lambda g: g(None) + 3 * (g("a") - g(None)) - 0.5 * (g("b") - g(None)), 3),
        (lambda g: -1 * -g("a") - 2 * -g("b"), 2),
        (lambda g: perp_neg(g(None), g("a"), [(-1.0, g("b")), (-0.5, g("a"))], 2.0), 3),
        (lambda g: perp_neg(g(None), g("a"), [(0.0, g("b"))], 2.0), 2),
        (lambda g: perp_neg(g(None), g("a") + 0 * g("c"), [(-1.0, g("b"))], 2.0) + g("a"), 3),
        (lambda g: 0 * perp_neg(g(None), g("a"), [(-1.0, g("b"))], 2.0) + g("a"), 1),
    ],
)
def test_every_condition_runs_once_and_only_where_wanted(counted, x, expression, forwards: int) -> None:
    subject = counted()
    score = expression(subject.model.given)
    score(x, 0.5)
    assert subject.network.batches == [forwards * len(x)]
    score(x, torch.rand(4))
    assert subject.network.batches == [forwards * len(x)] * 2


def test_two_networks_run_once_each(counted, x) -> None:
    one, other = counted(Flow(), "v"), counted(VP.scaled_linear(), "eps")
    a, b = one.model.given, other.model.given
    score = a(None) + 2 * (a("a") - a(None)) + 0.5 * (b("a") - b(None))
    score(x, 0.3)
    assert one.network.batches == [8]
    assert other.network.batches == [8]
    assert score.denoiser is one.model
    # told at equal log-SNR, each in its own language
    own = other.model.schedule.at_log_snr(one.model.schedule.log_snr(torch.tensor(0.3, dtype=F64)))
    torch.testing.assert_close(other.network.timesteps[0], other.model.schedule.timestep(own).float().expand(8))
    torch.testing.assert_close(one.network.timesteps[0], torch.full((8,), 300.0))


def test_what_cancels_is_the_score_zero(counted, x) -> None:
    given = counted().model.given
    zero = given("a") - given("a")
    assert torch.equal(zero(x, 0.5).eps, torch.zeros_like(x))
    assert torch.equal((0 * given("a"))(x, 0.5).score, torch.zeros_like(x))
    torch.testing.assert_close((zero + given("b"))(x, 0.5).eps, given("b")(x, 0.5).eps)


# The algebra


@pytest.mark.parametrize("kind", ["eps", "x0", "v", "flow", "score"])
def test_expressions_are_linear_in_eps(counted, x, kind) -> None:
    given = counted(VP.cosine(), kind).model.given
    a, b, c = given("a"), given("bee"), given(None)
    t = torch.tensor([0.1, 0.4, 0.7, 0.95], dtype=F64)
    ea, eb, ec = (score(x, t).eps for score in (a, b, c))
    for score, expected in (
        (a + b, ea + eb),
        (2 * a - b, 2 * ea - eb),
        (c + 3 * (a - c) - 1.5 * (b - c), ec + 3 * (ea - ec) - 1.5 * (eb - ec)),
        (-(a + 2 * (b + 0.5 * c)), -(ea + 2 * (eb + 0.5 * ec))),
    ):
        torch.testing.assert_close(score(x, t).eps, expected, rtol=1e-9, atol=1e-9)


def test_only_numbers_and_scores(counted) -> None:
    score = counted().model.given("a")
    tensor = torch.tensor(2.0)
    for wrong in (
        lambda: score * tensor,
        lambda: tensor * score,
        lambda: score * "2",
        lambda: score + 1.0,
        lambda: 1.0 - score,
        lambda: score - tensor,
        lambda: score * score,
    ):
        with pytest.raises(TypeError, match=r"unsupported operand|can't multiply"):
            wrong()


# Batches


def test_a_batch_is_its_items(counted, generator) -> None:
    one, other = counted(VP.cosine(), "v"), counted(Flow(), "flow")
    prompts = ["an apple", "three bees", "tea", "a sea"]
    x, t = torch.randn(4, 3, generator=generator, dtype=F64), torch.tensor([0.05, 0.3, 0.6, 0.9], dtype=F64)

    def expression(prompt):
        a, b = one.model.given, other.model.given
        return (
            a(None)
            + 4 * (a(prompt) - a(None))
            + 0.7 * b(prompt)
            + 0.3 * perp_neg(b(None), b(prompt), [(-0.5, a("a"))], 3.0)
        )

    together = expression(prompts)(x, t)
    for i, prompt in enumerate(prompts):
        alone = expression(prompt)(x[i : i + 1], float(t[i]))
        torch.testing.assert_close(together.eps[i], alone.eps[0], rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(together.x0[i], alone.x0[0], rtol=1e-10, atol=1e-10)


def test_calls_leave_no_trace(counted, x) -> None:
    given = counted(Flow(), "v").model.given
    score = given(None) + 3 * (given("a") - given(None))
    first = score(x, 0.5).x0
    score(torch.randn(7, 3, dtype=F64), torch.rand(7))
    score(torch.randn(1, 3, dtype=F64), 0.9)
    assert torch.equal(score(x, 0.5).x0, first)


def test_threads_share_an_expression(counted) -> None:
    given = counted(VP.cosine(), "v").model.given
    score = given(None) + 3 * (given("a") - given(None))
    jobs = [(torch.randn(1 + i % 5, 3, dtype=F64), 0.02 * (i + 1)) for i in range(40)]
    expected = [(given(None) + 3 * (given("a") - given(None)))(x, t).x0 for x, t in jobs]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda job: score(*job).x0, jobs))
    assert all(torch.equal(one, other) for one, other in zip(results, expected, strict=True))


def test_gradients_flow_to_x(mixture_on, generator) -> None:
    a, b = mixture_on(Flow(), "flow"), mixture_on(VP.cosine(), "v")
    score = a.given() + 2 * (b.given("red") - a.given())
    x = torch.randn(2, 4, generator=generator, dtype=F64, requires_grad=True)
    t = torch.tensor([0.3, 0.6], dtype=F64)
    assert torch.autograd.gradcheck(lambda x: score(x, t).x0, (x,))
    with torch.no_grad():
        assert not score(x, t).x0.requires_grad


def test_gradients_flow_to_a_learned_condition(counted, x) -> None:
    model = counted(Flow(), "v").model
    learned = torch.zeros(1, 3, dtype=F64, requires_grad=True)
    score = model.given(Condition({"c": learned})) - 0.5 * model.given("a")
    with torch.no_grad():
        before = score(x, 0.5).eps
    (one,) = torch.autograd.grad(score(x, 0.5).eps.sum(), learned)
    (two,) = torch.autograd.grad(score(x, 0.5).eps.sum(), learned)
    assert one.abs().min() > 0
    assert torch.equal(one, two)
    with torch.no_grad():
        learned += 0.5
    fresh = model.given(Condition({"c": learned})) - 0.5 * model.given("a")
    torch.testing.assert_close(score(x, 0.5).eps, fresh(x, 0.5).eps)
    assert (score(x, 0.5).eps - before).abs().max() > 0.01


# Models of different schedules


MODELS = {
    "vp": (VP.scaled_linear(), "eps"),
    "ve": (VE(80.0), "x0"),
    "flow": (Flow(), "flow"),
    "cosine": (VP.cosine(), "v"),
}


@pytest.mark.parametrize("order", list(itertools.permutations(MODELS, 2)), ids="-".join)
def test_one_distribution_in_any_variables_is_one_model(mixture_on, order) -> None:
    first, second = (mixture_on(*MODELS[name]) for name in order)
    generator = torch.Generator().manual_seed(5)
    ratio = torch.logspace(-2, 1.1, 24, dtype=F64)  # sigma / alpha, within reach of every schedule
    t = first.schedule.at_log_snr(-2 * ratio.log())
    x0, eps = torch.randn(2, 24, 4, generator=generator, dtype=F64)
    x = first.schedule.noised(x0, eps, t)
    alone = first.given()(x, t)
    a, b = first.given, second.given
    for score in ((a() + b()) * 0.5, 3 * a() - 2 * b(), b() + 0 * a(), 0 * a() + b()):
        here = score if score.schedule == first.schedule else 0 * a() + score
        mixed = here(x, t)
        torch.testing.assert_close(mixed.eps, alone.eps, rtol=1e-7, atol=1e-8)
        torch.testing.assert_close(mixed.x0, alone.x0, rtol=1e-7, atol=1e-8)
    guided = a() + 7.5 * (a("red") - a())
    torch.testing.assert_close((a() + 7.5 * (b("red") - b()))(x, t).eps, guided(x, t).eps, rtol=1e-6, atol=1e-7)


def test_all_four_at_once_with_one_level_per_call(mixture_on) -> None:
    models = [mixture_on(*MODELS[name]) for name in MODELS]
    for first in models:
        score = 0.25 * first.given()
        for other in models:
            if other is not first:
                score = score + 0.25 * other.given()
        for t in (0.02, 0.2, 0.5, 0.9) if first.schedule != VE(80.0) else (1e-3, 0.01, 0.1):
            x = torch.randn(3, 4, dtype=F64)
            torch.testing.assert_close(score(x, t).x0, first.given()(x, t).x0, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("ends", [("flow", "zero"), ("zero", "flow")])
def test_flow_and_zero_terminal_snr_meet_at_pure_noise(mixture_on, ends) -> None:
    schedules = {"flow": (Flow(), "flow"), "zero": (VP.scaled_linear().zero_terminal_snr(), "v")}
    first, second = (mixture_on(*schedules[name]) for name in ends)
    x = torch.randn(3, 4, dtype=F64)
    for t in (1.0, 0.0):
        mixed = (0.5 * first.given() + 0.5 * second.given())(x, t)
        alone = first.given()(x, t)
        torch.testing.assert_close(mixed.x0, alone.x0)
        torch.testing.assert_close(mixed.eps, alone.eps)


# What guidance means


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("w", [0.0, 1.0, 3.0, 7.5])
def test_guided_gaussians_have_the_summed_precision(gaussian_on, name, w) -> None:
    schedule, kind = MODELS[name]
    (m_c, s_c), (m_u, s_u) = (0.7, 0.25), (-0.4, 1.5)
    cond, null = gaussian_on(schedule, m_c, s_c, kind).given(), gaussian_on(schedule, m_u, s_u, kind).given()
    t = torch.tensor(0.07, dtype=F64)
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    x = torch.tensor([[0.2], [1.3]], dtype=F64, requires_grad=True)
    score = (null + w * (cond - null))(x, t).score
    p_c, p_u = 1 / (alpha**2 * s_c**2 + sigma**2), 1 / (alpha**2 * s_u**2 + sigma**2)
    precision = w * p_c + (1 - w) * p_u
    mean = alpha * (w * p_c * m_c + (1 - w) * p_u * m_u) / precision
    torch.testing.assert_close(score, precision * (mean - x), rtol=1e-7, atol=1e-8)
    (slope,) = torch.autograd.grad(score.sum(), x)
    torch.testing.assert_close(slope, torch.full_like(x, -precision), rtol=1e-7, atol=1e-8)


def test_a_sum_of_noised_scores_is_not_the_noised_product(gaussian_on) -> None:
    s, sigma = 0.5, 0.8
    model, twin = (gaussian_on(VE(80.0), 0.0, s) for _ in range(2))
    x = torch.tensor([[1.0]], dtype=F64)
    implied = -x / (model.given() + twin.given())(x, sigma / 80).score
    assert implied.item() == pytest.approx((s**2 + sigma**2) / 2)
    assert s**2 / 2 + sigma**2 > 1.3 * implied.item()


# Weights that are functions of t


def test_weights_may_be_functions_of_t(counted, x) -> None:
    given = counted(VP.cosine(), "v").model.given
    a, b = given("a pear"), given("eel")
    gamma = lambda t: 3 * t.square()  # noqa: E731
    t = torch.tensor([0.1, 0.4, 0.7, 0.95], dtype=F64)
    for score, expected in (
        (a + gamma * b, a(x, t).eps + gamma(t)[:, None] * b(x, t).eps),
        (2 * (gamma * (a - b)) + b, b(x, t).eps + 2 * gamma(t)[:, None] * (a(x, t).eps - b(x, t).eps)),
        (gamma * (gamma * a) - b, gamma(t)[:, None] ** 2 * a(x, t).eps - b(x, t).eps),
    ):
        torch.testing.assert_close(score(x, t).eps, expected, rtol=1e-9, atol=1e-9)
        for i in range(4):
            torch.testing.assert_close(score(x, float(t[i])).eps[i], expected[i], rtol=1e-9, atol=1e-9)


def test_a_weight_that_is_zero_at_this_t_runs_nothing(counted, x) -> None:
    subject = counted()
    null, cond = subject.model.given(None), subject.model.given("a")
    late = lambda t: (t < 0.5) * 2.0  # noqa: E731
    score = null + late * (cond - null)
    stops = score.along(torch.tensor([0.9, 0.4, 0.8]))
    for stop in stops:
        score.at(x, stop)
    assert subject.network.batches == [4, 8, 4]
    torch.testing.assert_close(score.at(x, stops[0]).eps, null(x, 0.9).eps)
    assert torch.equal((late * cond)(x, 0.7).eps, torch.zeros_like(x))


def test_a_weight_for_each_sample(counted, x) -> None:
    given = counted(Flow(), "v").model.given
    w = torch.tensor([0.0, 1.0, 3.0, -2.0], dtype=F64)
    score = given(None) + (lambda _: w) * (given("a") - given(None))
    for i in range(4):
        alone = (given(None) + float(w[i]) * (given("a") - given(None)))(x[i : i + 1], 0.3)
        torch.testing.assert_close(score(x, 0.3).x0[i], alone.x0[0], rtol=1e-9, atol=1e-9)


def test_guidance_for_each_sample_is_exact_at_pure_noise(mixture_on, generator) -> None:
    """A weight for each sample is no reason to divide by an alpha of zero."""
    model = mixture_on(VP.cosine().zero_terminal_snr())
    null, cond = model.given(), model.given("red")
    x = torch.randn(3, 4, generator=generator, dtype=F64)
    w = torch.tensor([1.0, 3.0, 7.5], dtype=F64)
    score = null + (lambda _: w) * (cond - null)
    for t in (1.0, torch.ones(3, dtype=F64), 0.5):
        made = score(x, t).x0
        for i in range(3):
            alone = (null + float(w[i]) * (cond - null))(
                x[i : i + 1], 0.5 if isinstance(t, float) and t == 0.5 else 1.0
            ).x0
            torch.testing.assert_close(made[i], alone[0])
    # where weights do not sum to one, the rest is what eps says
    plain = cond + (lambda _: w) * null
    torch.testing.assert_close(plain(x, 0.5).eps, cond(x, 0.5).eps + w[:, None] * null(x, 0.5).eps)


def test_a_learned_weight_keeps_its_gradient(counted, x) -> None:
    given = counted(Flow(), "v").model.given
    gamma = torch.tensor(0.5, dtype=F64, requires_grad=True)
    score = given("a") + (lambda _: gamma) * given("bee")
    (slope,) = torch.autograd.grad(score(x, 0.4).eps.sum(), gamma)
    torch.testing.assert_close(slope, given("bee")(x, 0.4).eps.sum())


def test_a_condition_that_is_written_to_is_read_again(counted, x) -> None:
    model = counted(Flow(), "v").model
    buffer = torch.zeros(1, 3, dtype=F64)
    score = model.given(Condition({"c": buffer})) - 0.5 * model.given("a")
    score(x, 0.5)
    buffer.fill_(0.7)
    fresh = model.given(Condition({"c": torch.full((1, 3), 0.7, dtype=F64)})) - 0.5 * model.given("a")
    torch.testing.assert_close(score(x, 0.5).eps, fresh(x, 0.5).eps)


def test_inference_mode_leaves_nothing_behind(counted, x) -> None:
    score = counted(Flow(), "v").model.given("a")
    with torch.inference_mode():
        score(x, 0.5)
    x = x.clone().requires_grad_()
    assert torch.autograd.grad(score(x, 0.5).eps.sum(), x)[0].isfinite().all()


def test_many_batch_sizes_are_not_all_kept(counted) -> None:
    score = counted().model.given("a")
    for n in range(1, 40):
        score(torch.zeros(n, 3, dtype=F64), 0.5)
    assert len(score._batches) < 10


def test_unnamed_conditions_are_never_one() -> None:
    """Also where the second takes the place in memory of the first."""
    from scorekit.models.prompts import with_guidance

    def network(x, _timestep, guidance, c):
        return x * 0 + guidance[:, None] + c

    model = Denoiser(network, Flow(), "flow", (3,), dtype=F64)

    def made(value):
        one = Condition({"guidance": torch.ones(1, dtype=F64), "c": torch.full((1, 3), value, dtype=F64)})
        return model.given(with_guidance(one, 2.0))

    assert made(1.0).terms[0][1].identity != made(5.0).terms[0][1].identity
    assert len((made(1.0) + made(5.0)).terms) == 2


def test_scores_sum(counted, x) -> None:
    given = counted().model.given
    total = sum([given("a"), given("bee"), given("a")])
    torch.testing.assert_close(total(x, 0.5).eps, (2 * given("a") + given("bee"))(x, 0.5).eps)


def test_stops_are_calls(mixture_on) -> None:
    """What is worked out beforehand for many levels is what a call works out for one."""
    score = mixture_on(VP.cosine()).given() + 0.5 * mixture_on(Flow(), "flow").given("red")
    x, t = torch.randn(3, 4, dtype=F64), torch.tensor([1.0, 0.6, 0.02], dtype=F64)
    for one, stop in zip(t, score.along(t), strict=True):
        torch.testing.assert_close(score.at(x, stop).eps, score(x, one).eps)
        torch.testing.assert_close(score.at(x, stop).eps, score(x, one.expand(3)).eps, rtol=1e-9, atol=1e-9)


def test_a_learned_range_is_that_of_the_part_that_guides(x) -> None:
    def network(x, _timestep, c):
        return torch.cat([x + c, 2 * c - 1], 1)

    model = Denoiser(network, VP.cosine(), "eps", (3,), dtype=F64)
    low, high = (model.given(Condition({"c": torch.full((1, 3), c, dtype=F64)})) for c in (0.2, 0.9))
    score = low + 4 * (high - low)
    for t in (0.5, torch.full((4,), 0.5)):
        made = score(x, t)
        torch.testing.assert_close(made.range, torch.full_like(x, 0.9))
        torch.testing.assert_close(made.eps, x + 0.2 + 4 * 0.7)
    assert low(x, 0.5).range.max() == pytest.approx(0.2)


# Bad input


def test_models_that_cannot_meet(counted, mixture_on, x) -> None:
    here, there = counted(name="here"), counted(name="there", device="meta")
    with pytest.raises(ValueError, match=r"^here is on cpu and there is on meta: load both on one device\.$"):
        (here.model.given("a") + there.model.given("a"))(x, 0.5)
    with pytest.raises(
        ValueError,
        match=r"^here has samples of shape \(3,\) and mixture of shape \(4,\): their scores cannot be added\.$",
    ):
        (here.model.given("a") + mixture_on(Flow()).given())(x, 0.5)
    assert here.network.batches == []


@pytest.mark.parametrize("t", [500, -0.1, float("nan"), torch.tensor([0.5, 0.5, 1.5, 0.5])])
def test_levels_lie_between_data_and_noise(counted, x, t) -> None:
    with pytest.raises(
        ValueError, match=r"^t must lie in \[0, 1\], not .*: training step k of N is t = \(k \+ 1\) / N\.$"
    ):
        counted().model.given("a")(x, t)


@pytest.mark.parametrize("shape", [(3,), (1,), (4, 1), (4, 3)])
def test_levels_are_one_or_one_per_sample(counted, x, shape) -> None:
    with pytest.raises(ValueError, match=r"^t must be a number or a vector of 4 levels, one per sample, not of shape "):
        counted().model.given("a")(x, torch.full(shape, 0.5))

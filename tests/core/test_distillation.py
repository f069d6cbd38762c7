import math

import pytest
import torch

from scorekit.distillation import constant, distill, sigma_squared
from scorekit.schedule import VE, VP, Flow

F64 = torch.float64
SCHEDULES = [VP.scaled_linear(), VP.cosine(), VE(80.0), Flow()]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


def gradient(target, x, *arguments, **options):
    x = x.detach().requires_grad_()
    (found,) = torch.autograd.grad(distill(target, x, *arguments, **options), x)
    return found


@every_schedule
@pytest.mark.parametrize("weight", [sigma_squared, constant, lambda schedule, t: 3 * schedule.alpha(t)])
def test_sds_gradient_is_exactly_its_definition(mixture_on, generator, schedule, weight) -> None:
    model = mixture_on(schedule, "eps")
    score = model.given() + 20 * (model.given("red") - model.given())
    x, eps = torch.randn(2, 3, 4, generator=generator, dtype=F64)
    t = torch.tensor([0.1, 0.4, 0.9], dtype=F64)
    expected = weight(schedule, t)[:, None] * (score(schedule.noised(x, eps, t), t).eps - eps)
    assert torch.equal(gradient(score, x, t, weight=weight, eps=eps), expected)
    value = distill(score, x, t, weight=weight, eps=eps)
    torch.testing.assert_close(value, 0.5 * expected.square().sum())


def test_small_gradients_keep_their_digits(mixture_on, generator) -> None:
    # in float32, x - (x - g) has an error of 1e-7 |x|, however small g is
    model = mixture_on(Flow(), "eps")
    x, eps = torch.randn(2, 3, 4, generator=generator)
    t = 0.3
    whole = gradient(model.given(), 100 + x, t, weight=constant, eps=eps)
    small = gradient(model.given(), 100 + x, t, weight=lambda schedule, t: 1e-6 * torch.ones_like(t), eps=eps)
    torch.testing.assert_close(1e6 * small, whole, rtol=1e-5, atol=0)


@every_schedule
def test_mean_gradient_over_noise_is_the_closed_form(gaussian_on, generator, schedule) -> None:
    m, s = 0.7, 0.25
    score = gaussian_on(schedule, m, s, "eps").given()
    theta = torch.tensor([[1.4]], dtype=F64)
    for t in (0.02, 0.3, 0.8):
        alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
        expected = sigma * alpha * (theta.item() - m) / (alpha**2 * s**2 + sigma**2)
        # eps_hat is affine in eps: a pair of opposite draws has the mean exactly
        eps = torch.randn(1, 1, generator=generator, dtype=F64)
        pair = [gradient(score, theta, t, weight=constant, eps=sign * eps).item() for sign in (1, -1)]
        assert sum(pair) / 2 == pytest.approx(expected, rel=1e-8, abs=1e-10)
        # the estimator's own standard deviation is that of (sigma^2 / q - 1) eps
        n = 20_000
        drawn = gradient(score, theta.expand(n, 1), t, weight=constant, generator=generator)
        spread = alpha**2 * s**2 / (alpha**2 * s**2 + sigma**2)
        assert drawn.mean().item() == pytest.approx(expected, abs=4.5 * spread / math.sqrt(n))
        assert drawn.std().item() == pytest.approx(spread, rel=4.5 / math.sqrt(2 * n))


def test_csd_is_the_classifier_s_gradient(mixture_on, generator) -> None:
    model = mixture_on(VP.scaled_linear(), "eps")
    cond, null = model.given("red"), model.given()
    x, eps = torch.randn(2, 3, 4, generator=generator, dtype=F64)
    at = model.schedule.noised(x, eps, 0.4)
    expected = float(model.schedule.sigma(0.4)) ** 2 * (cond(at, 0.4).eps - null(at, 0.4).eps)
    torch.testing.assert_close(gradient(cond, x, 0.4, baseline=null, eps=eps), expected)
    assert torch.equal(gradient(cond, x, 0.4, baseline=cond, eps=eps), torch.zeros_like(x))


def test_guided_sds_is_sds_and_csd(mixture_on, generator) -> None:
    model, w = mixture_on(VP.cosine(), "eps"), 7.5
    cond, null = model.given("ball"), model.given()
    x, eps = torch.randn(2, 3, 4, generator=generator, dtype=F64)
    guided = gradient(null + w * (cond - null), x, 0.6, eps=eps)
    parts = gradient(null, x, 0.6, eps=eps) + w * gradient(cond, x, 0.6, baseline=null, eps=eps)
    torch.testing.assert_close(guided, parts)


def test_a_baseline_that_is_known_is_taken_off(mixture_on, generator) -> None:
    model = mixture_on(VP.cosine(), "v")
    x, eps, known = torch.randn(3, 3, 4, generator=generator, dtype=F64)
    said = model.given("red")(model.schedule.noised(x, eps, 0.4), 0.4).eps
    torch.testing.assert_close(
        gradient(model.given("red"), x, 0.4, eps=eps, baseline=known, weight=constant), said - known
    )
    assert torch.equal(gradient(model.given(), x, 0.4, eps=eps, baseline=eps), gradient(model.given(), x, 0.4, eps=eps))


def test_a_target_of_another_schedule_meets_the_drawn_noise(mixture_on, generator) -> None:
    here, there = mixture_on(VP.cosine(), "eps"), mixture_on(Flow(), "flow")
    x, eps = torch.randn(2, 3, 4, generator=generator, dtype=F64)
    mixed = 0.5 * here.given() + 0.5 * there.given()
    torch.testing.assert_close(
        gradient(mixed, x, 0.5, eps=eps), gradient(here.given(), x, 0.5, eps=eps), rtol=1e-8, atol=1e-10
    )


def test_one_forward_and_no_graph_through_the_network(counted, generator) -> None:
    subject = counted()
    scale = torch.ones(3, dtype=F64, requires_grad=True)
    plain = subject.network.__call__
    recorded: list[bool] = []

    def network(x, timestep, c):
        output = scale * plain(x, timestep, c)
        recorded.append(output.requires_grad)
        return output

    subject.model.network = network
    cond, null = subject.model.given("a"), subject.model.given(None)
    x = torch.randn(2, 3, generator=generator, dtype=F64, requires_grad=True)
    t = torch.tensor([0.2, 0.7], dtype=F64)
    distill(null + 7.5 * (cond - null), x, t, generator=generator).backward()
    distill(cond, x, t, baseline=null, generator=generator).backward()
    distill(null + 7.5 * (cond - null), x, t, baseline=subject.model.given("b"), generator=generator).backward()
    assert subject.network.batches == [4, 4, 6]
    assert recorded == [False] * 3
    assert scale.grad is None
    assert x.grad is not None
    assert x.grad.abs().min() > 0


def test_it_reaches_the_generator_s_parameters(gaussian_on, generator) -> None:
    # theta -> x = theta^2; descent brings x to the mode
    score = gaussian_on(Flow(), 0.7, 0.05, "eps").given()
    theta = torch.tensor([[1.5]], dtype=F64, requires_grad=True)
    optimizer = torch.optim.Adam([theta], lr=0.06)
    for _ in range(100):
        optimizer.zero_grad()
        distill(score, theta.square().expand(16, 1), 0.3, generator=generator).backward()
        optimizer.step()
    assert theta.square().item() == pytest.approx(0.7, abs=0.02)


def test_same_generator_same_gradient(mixture_on) -> None:
    score, x = mixture_on(Flow(), "eps").given(), torch.zeros(2, 4, dtype=F64)
    one, two, other = (gradient(score, x, 0.5, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("x", "t", "eps", "sentence"),
    [
        ((2, 5), 0.5, None, r"^x must have samples of shape \(4,\) for mixture, not \(5,\)\.$"),
        (
            (2, 4),
            torch.full((3,), 0.5),
            None,
            r"^t must be a number or a vector of 2 levels, one per sample, not of shape \(3,\)\.$",
        ),
        ((2, 4), 0.5, (1, 4), r"^eps must have the shape \(2, 4\) of x, not \(1, 4\)\.$"),
    ],
)
def test_bad_input(mixture_on, x, t, eps, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        distill(
            mixture_on(Flow()).given(),
            torch.zeros(x, dtype=F64),
            t,
            eps=None if eps is None else torch.zeros(eps, dtype=F64),
        )


def test_bad_baseline(mixture_on) -> None:
    x = torch.zeros(2, 4, dtype=F64)
    with pytest.raises(ValueError, match=r"^baseline must have the shape \(2, 4\) of x, not \(4,\)\.$"):
        distill(mixture_on(Flow()).given(), x, 0.5, baseline=x[0])

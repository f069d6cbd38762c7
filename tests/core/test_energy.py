"""Energies lead a score by their gradient: exact where the energy is, the chain rule where it is a function of x0."""

import pytest
import torch

from scorekit.distillation import constant, distill
from scorekit.guidance import cfg, clipped
from scorekit.sampling import sample
from scorekit.schedule import VE, VP, Flow
from scorekit.score import energy

F64 = torch.float64
M, S, Y, R = 0.7, 0.25, 1.1, 0.3  # prior N(M, S^2); an observation Y of x0 with noise R


@pytest.mark.parametrize("schedule", [VP.scaled_linear(), Flow(), VE(5.0)], ids=str)
def test_an_energy_of_x_is_exact(gaussian_on, schedule) -> None:
    """Prior score + gradient of ln p(Y | x_t) = score of the noised posterior (Bayes)."""

    def minus_log_likelihood(x, t):
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        q = alpha**2 * S**2 + sigma**2
        mean = (alpha * S**2 * x[:, 0] + sigma**2 * M) / q
        return (Y - mean) ** 2 / (2 * (R**2 + S**2 * sigma**2 / q))

    narrow = 1 / (1 / S**2 + 1 / R**2)
    posterior = gaussian_on(schedule, narrow * (M / S**2 + Y / R**2), narrow**0.5).given()
    led = gaussian_on(schedule, M, S).given() + energy(minus_log_likelihood, of="x")
    x = torch.tensor([[0.2], [0.9], [-1.0]], dtype=F64)
    for t in (0.05, 0.5, torch.tensor([0.1, 0.6, 0.95], dtype=F64)):
        torch.testing.assert_close(led(x, t).x0, posterior(x, t).x0, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", ["eps", "x0", "v", "flow"])
def test_an_energy_of_x0_follows_the_chain_rule(gaussian_on, kind) -> None:
    schedule = VP.cosine()
    model = gaussian_on(schedule, M, S, kind)
    x, t = torch.tensor([[0.2], [0.9], [-1.0]], dtype=F64), 0.4
    led = model.given() + energy(lambda x0: (x0[:, 0] - Y) ** 2 / (2 * R**2), scale=2.0)
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    slope = alpha * S**2 / (alpha**2 * S**2 + sigma**2)  # of E[x0 | x]
    plain = model.given()(x, t)
    torch.testing.assert_close(led(x, t).score, plain.score - 2.0 * slope * (plain.x0 - Y) / R**2)


def test_weights_of_energies_scale_add_and_follow_t(gaussian_on) -> None:
    given = gaussian_on(Flow(), M, S).given()
    first, second = (lambda x0: x0.square().sum(1)), (lambda x0: x0.sum())
    x, t = torch.tensor([[0.2], [0.9]], dtype=F64), 0.6
    plain = given(x, t).score
    one, two = ((given + energy(e))(x, t).score - plain for e in (first, second))
    both = given + 3 * energy(first, 0.5) - (lambda t: t) * energy(second)
    torch.testing.assert_close(both(x, t).score, plain + 1.5 * one - 0.6 * two)
    torch.testing.assert_close((given + 0 * energy(first))(x, t).score, plain)


def test_it_acts_on_the_whole_sum_and_inside_functions(gaussian_on) -> None:
    null, cond = gaussian_on(Flow(), 0.0, 1.0).given(), gaussian_on(Flow(), M, S).given()
    x, t = torch.tensor([[0.2], [2.9]], dtype=F64), 0.5
    seen = []
    guided = cfg(null, cond, 3.0)
    (guided + energy(lambda x0: seen.append(x0.detach()) or x0.square().sum(1)))(x, t)
    torch.testing.assert_close(seen[0], guided(x, t).x0)
    led = guided + energy(lambda x0: -5 * x0.sum(1))
    assert led(x, t).x0.abs().max() > 1.5
    torch.testing.assert_close(clipped(led)(x, t).x0, led(x, t).x0.clamp(-1, 1))


def test_a_baseline_does_not_change_what_an_energy_sees(gaussian_on) -> None:
    cond, null = gaussian_on(Flow(), M, S).given(), gaussian_on(Flow(), 0.0, 1.0).given()
    led = cond + energy(lambda x0: (x0[:, 0] - Y) ** 2)
    x = torch.tensor([[0.2], [0.9]], dtype=F64, requires_grad=True)
    eps = torch.tensor([[0.3], [-1.1]], dtype=F64)
    (gradient,) = torch.autograd.grad(distill(led, x, 0.4, baseline=null, eps=eps, weight=constant), x)
    noised = Flow().noised(x.detach(), eps, 0.4)
    torch.testing.assert_close(gradient, (led(noised, 0.4).eps - null(noised, 0.4).eps).detach())


def test_it_works_in_inference_mode(gaussian_on) -> None:
    led = gaussian_on(Flow(), M, S).given() + energy(lambda x0: x0.square().sum(1))
    x = torch.tensor([[0.2], [0.9]], dtype=F64)
    with torch.inference_mode():
        inside = led(x.clone(), 0.5).x0
    torch.testing.assert_close(inside.clone(), led(x, 0.5).x0.detach())


def test_no_graph_unless_asked(gaussian_on) -> None:
    led = gaussian_on(Flow(), M, S).given() + energy(lambda x0: x0.pow(4).sum(1))
    x = torch.tensor([[0.2], [0.9]], dtype=F64)
    with torch.no_grad():
        assert not led(x, 0.5).x0.requires_grad
    assert torch.autograd.gradcheck(lambda x: led(x, 0.5).x0, (x.requires_grad_(),))


def test_pure_noise_is_not_led(gaussian_on) -> None:
    given = gaussian_on(VP.cosine().zero_terminal_snr(), M, S).given()
    led = given + energy(lambda x0: x0.square().sum(1), scale=100.0)
    x = torch.tensor([[0.2], [0.9]], dtype=F64)
    torch.testing.assert_close(led(x, 1.0).x0, given(x, 1.0).x0)
    torch.testing.assert_close(led(x, torch.tensor([1.0, 1.0])).x0, given(x, 1.0).x0)


def test_samples_of_a_led_model_are_those_of_the_posterior(gaussian_on, generator) -> None:
    """N(0, 1) under an observation of 1 with variance 1/4 is N(0.8, 0.2)."""
    schedule = Flow()

    def minus_log_likelihood(x, t):
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        q = alpha**2 + sigma**2
        return (1.0 - alpha * x[:, 0] / q) ** 2 / (2 * (0.25 + sigma**2 / q))

    led = gaussian_on(schedule, 0.0, 1.0).given() + energy(minus_log_likelihood, of="x")
    x = sample(led, 2000, steps=100, solver="ddpm", generator=generator, dtype=F64)
    assert abs(x.mean() - 0.8) < 4 * (0.2 / 2000) ** 0.5
    assert abs(x.var() - 0.2) < 4 * 0.2 * (2 / 2000) ** 0.5


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda _: energy(lambda x0: x0.sum(1)), r"^energy is no score by itself: add it to the score of a model\.$"),
        (
            lambda g: g + energy(lambda x0: x0),
            r"^energy must give one number for each of 2 samples, not a tensor of shape \(2, 1\)\.$",
        ),
        (
            lambda g: g + energy(lambda x0: x0.detach().sum(1)),
            r"^energy must be a differentiable function of what it is given\.$",
        ),
        (lambda g: g + energy(lambda x0: x0.sum(1), of="y"), r"^of must be x0 or x, not 'y'\.$"),
    ],
)
def test_refusals(gaussian_on, make, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make(gaussian_on(Flow(), M, S).given())(torch.zeros(2, 1, dtype=F64), 0.5)

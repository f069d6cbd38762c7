"""VSD: where the critic is exact the gradient is a closed form, and particles take the target's spread where SDS collapses."""

import math

import pytest
import torch
from torch import Tensor, nn

from scorekit.analytic import EmpiricalDenoiser, GaussianMixture
from scorekit.denoiser import Denoiser
from scorekit.distillation import Critic, Timesteps, constant, distill
from scorekit.schedule import VE, VP, Flow

F64 = torch.float64
SCHEDULES = [VP.scaled_linear(), VP.cosine(), VE(80.0), Flow()]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)

M, S = 0.7, 0.5  # the target of the closed form


def mean_gradient(gaussian_on, schedule, a: float, b: float, t: float) -> tuple[float, float]:
    """Of the generator x = a + b z, z ~ N(0, 1), against the exact critic N(a, b^2): with respect to a and b.

    The gradient is bilinear in (z, eps) and what multiplies it linear: four sign pairs have the mean exactly.
    """
    target, critic = gaussian_on(schedule, M, S).given(), gaussian_on(schedule, a, b).given()
    parameters = torch.tensor([a, b], dtype=F64, requires_grad=True)
    z = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]], dtype=F64)
    eps = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]], dtype=F64)
    loss = distill(target, parameters[0] + parameters[1] * z, t, baseline=critic, weight=constant, eps=eps)
    (found,) = torch.autograd.grad(loss / 4, parameters)
    return found[0].item(), found[1].item()


@every_schedule
@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_exact_critic_s_gradient_is_the_closed_form(gaussian_on, schedule, t) -> None:
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    q = (alpha * S) ** 2 + sigma**2
    for a, b in ((M, S), (1.5, S), (-1.0, S), (M, 0.1), (M, 1.3), (0.2, 0.9)):
        to_a, to_b = mean_gradient(gaussian_on, schedule, a, b, t)
        q_own = (alpha * b) ** 2 + sigma**2
        # in units of alpha sigma, which spans orders of magnitude
        assert to_a / (alpha * sigma) == pytest.approx((a - M) / q, rel=1e-6, abs=1e-8 / sigma**2)
        assert to_b / (alpha * sigma) == pytest.approx(b * (1 / q - 1 / q_own), rel=1e-6, abs=1e-8 / sigma**2)


def test_gradient_vanishes_at_the_target_and_nowhere_else(gaussian_on) -> None:
    score = gaussian_on(Flow(), M, S).given()
    x = torch.randn(64, 1, generator=torch.Generator().manual_seed(0), dtype=F64).requires_grad_()
    (zero,) = torch.autograd.grad(distill(score, x, 0.4, baseline=gaussian_on(Flow(), M, S).given()), x)
    assert zero.abs().max() < 1e-14  # particle by particle, draw by draw
    # SDS does move particles that are distributed as the target is: inwards
    to_b = distill(score, M + S * x, 0.4, eps=torch.zeros_like(x), weight=constant)
    (inwards,) = torch.autograd.grad(to_b, x)
    assert ((inwards * x.detach()) > 0).all()
    assert mean_gradient(gaussian_on, Flow(), M + 0.3, S, 0.4)[0] > 0.1  # descent lowers a
    assert mean_gradient(gaussian_on, Flow(), M, S / 2, 0.4)[1] < -0.05  # and widens b
    assert mean_gradient(gaussian_on, Flow(), M, S * 2, 0.4)[1] > 0.1


STD, SHARE = 0.25, 2 / 3  # of the modes at -1 and 1, and the share of the right one
LEVELS = Timesteps(0.05, 0.95)


def two_modes() -> GaussianMixture:
    return GaussianMixture(torch.tensor([[-1.0], [1.0]]), STD, Flow(), weights=torch.tensor([1 - SHARE, SHARE]))


def optimised(baseline_of, after, generator, *, n: int, steps: int, lr: float) -> Tensor:
    """n particles from N(0, 1), each a parameter, after `steps` of distillation; (n,)."""
    x = torch.randn(n, 1, generator=generator).requires_grad_()
    score, optimiser = two_modes().given(), torch.optim.Adam([x], lr=lr, betas=(0.5, 0.9))
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = lr * (1 - step / steps)
        t = LEVELS.draw(step / steps, n, generator)
        optimiser.zero_grad()
        distill(score, x, t, baseline=baseline_of(x), weight=constant, generator=generator).backward()
        optimiser.step()
        after(x)
    return x.detach()[:, 0]


def idle(_x: Tensor) -> None: ...


def assert_has_both_modes(x: Tensor, tolerance: float) -> None:
    right = x > 0
    assert right.float().mean().item() == pytest.approx(SHARE, abs=tolerance)
    for mode, mean in ((x[right], 1.0), (x[~right], -1.0)):
        assert mode.mean().item() == pytest.approx(mean, abs=tolerance)
        assert mode.std().item() == pytest.approx(STD, abs=tolerance / 2)
    whole = math.sqrt(STD**2 + 4 * SHARE * (1 - SHARE))
    assert x.std().item() == pytest.approx(whole, abs=tolerance / 2)


def test_particles_with_their_exact_score_take_the_target_s_spread(generator) -> None:
    def own(x: Tensor):
        return EmpiricalDenoiser(x.detach(), Flow()).given()

    x = optimised(own, idle, generator, n=256, steps=300, lr=0.05)
    assert_has_both_modes(x, 0.1)


def test_sds_collapses(generator) -> None:
    x = optimised(lambda x: None, idle, generator, n=256, steps=300, lr=0.05)
    assert x[x > 0].std() < 0.6 * STD
    assert x.std() < 0.75 * math.sqrt(STD**2 + 4 * SHARE * (1 - SHARE))


class SmallNetwork(nn.Module):
    """One hidden width of 64 on (x, t): the critic in one dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))

    def forward(self, x: Tensor, timestep: Tensor) -> Tensor:
        t = timestep[:, None] / 1000
        return self.layers(torch.cat([x, t, (3 * t).cos(), (6 * t).cos()], 1))


def small_critic() -> Critic:
    torch.manual_seed(0)
    return Critic(Denoiser(SmallNetwork(), Flow(), "flow", (1,)))


def test_particles_with_a_learned_critic_keep_their_spread(generator) -> None:
    critic = small_critic()
    optimiser = torch.optim.Adam(critic.parameters(), lr=3e-3)

    def fit(x: Tensor) -> None:
        for _ in range(2):
            optimiser.zero_grad()
            critic.loss(x, LEVELS.draw(0.0, len(x), generator), None, generator).backward()
            optimiser.step()

    x = optimised(lambda x: critic.given(), fit, generator, n=256, steps=400, lr=0.02)
    assert_has_both_modes(x, 0.2)


@pytest.mark.parametrize("kind", ["eps", "x0", "v", "flow"])
@every_schedule
def test_loss_is_that_of_the_definition(schedule, kind) -> None:
    """Against the exact denoiser: what is left is the posterior's variance, in the units of the parameterisation."""

    class Exact(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = nn.Parameter(torch.zeros((), dtype=F64))

        def forward(self, x: Tensor, _timestep: Tensor) -> Tensor:
            inner = GaussianMixture(torch.tensor([[M]], dtype=F64), S, schedule, prediction=kind)
            return inner.predict(x, t).output + self.shift

    t = 0.4
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    critic = Critic(Denoiser(Exact(), schedule, kind, (1,), dtype=F64))
    generator, n = torch.Generator().manual_seed(0), 40_000
    x = (M + S * torch.randn(n, 1, generator=generator, dtype=F64)).requires_grad_()
    loss = critic.loss(x, t, None, generator)
    left = S**2 * sigma**2 / ((alpha * S) ** 2 + sigma**2)  # Var[x0 | x_t]
    # eps = (x_t - alpha x0) / sigma at a given x_t, so every parameterisation is a multiple of x0
    multiple = {"x0": 1, "eps": alpha / sigma, "v": sigma + alpha**2 / sigma, "flow": 1 + alpha / sigma}[kind]
    assert loss.item() == pytest.approx(multiple**2 * left, rel=4.5 * math.sqrt(2 / n))
    loss.backward()
    assert x.grad is None
    assert critic.parameters()[0].grad is not None


def test_critic_needs_something_to_learn(gaussian_on) -> None:
    with pytest.raises(ValueError, match=r"^Critic needs a denoiser whose network is a torch\.nn\.Module; that of mix"):
        Critic(gaussian_on(Flow()))
    network = SmallNetwork().requires_grad_(False)
    with pytest.raises(ValueError, match=r"^Critic has nothing to learn: no parameter of small requires a gradient\.$"):
        Critic(Denoiser(network, Flow(), "flow", (1,), name="small"))

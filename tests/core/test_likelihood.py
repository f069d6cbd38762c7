"""Log-likelihoods against densities in closed form."""

import math

import pytest
import torch

from scorekit.analytic import GaussianMixture
from scorekit.denoiser import Denoiser
from scorekit.likelihood import log_likelihood
from scorekit.schedule import VE, VP, Flow

F64 = torch.float64


def mixture(schedule, kind: str = "v") -> GaussianMixture:
    means = torch.tensor([[-1.0, 0.5], [1.0, 0.0], [0.3, -1.2]], dtype=F64)
    return GaussianMixture(means, torch.tensor([0.3, 0.2, 0.4], dtype=F64), schedule, prediction=kind)


def drawn(model: GaussianMixture, n: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    which = torch.randint(len(model.means), (n,), generator=g)
    return model.means[which] + 0.35 * torch.randn(n, 2, generator=g, dtype=F64)


@pytest.mark.parametrize("schedule", [VP.cosine().zero_terminal_snr(), Flow(), VE(1000.0)], ids=repr)
def test_a_mixture_to_a_thousandth_of_a_nat_per_dimension(schedule) -> None:
    model = mixture(schedule)
    x = drawn(model, 40)
    found = log_likelihood(model.given(), x, steps=50)
    assert found.shape == (40,)
    assert float((found - model.log_prob(x)).abs().max() / 2) < 1e-3
    assert float(model.log_prob(x).std()) > 0.5


@pytest.mark.parametrize("kind", ["eps", "x0", "flow"])
def test_networks_of_every_kind(kind: str) -> None:
    # alpha is never 0 here: there eps says nothing. The prior's mean is off by alpha(1) = .006 of the data's
    model = mixture(VP.linear(), kind)
    x = drawn(model, 10)
    assert float((log_likelihood(model.given(), x, steps=40) - model.log_prob(x)).abs().max() / 2) < 1e-2


def test_probes_are_unbiased() -> None:
    model = mixture(Flow())
    x = drawn(model, 1).expand(200, 2)
    exact = log_likelihood(model.given(), x[:1], steps=16)
    g = torch.Generator().manual_seed(1)
    estimates = log_likelihood(model.given(), x, steps=16, probes=1, generator=g)
    spread = float(estimates.std())
    assert spread > 1e-3
    assert float(estimates.mean()) == pytest.approx(float(exact), abs=4.5 * spread / math.sqrt(200))
    more = log_likelihood(model.given(), x, steps=16, probes=8, generator=g)
    assert float(more.std()) < spread / 2


def test_the_trace_of_an_isotropic_gaussian_needs_one_probe() -> None:
    """Its Jacobian is a multiple of the identity: every probe of signs is exact. In many dimensions, and in pictures."""
    model = GaussianMixture(torch.full((1, 3, 8, 8), 0.2, dtype=F64), 0.5, VP.cosine().zero_terminal_snr())
    x = 0.2 + 0.5 * torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=F64)
    found = log_likelihood(model.given(), x, steps=20, probes=1, generator=torch.Generator().manual_seed(1))
    assert float((found - model.log_prob(x)).abs().max() / 192) < 1e-3


def test_guidance_has_a_likelihood_too(gaussian_on) -> None:
    """Of a score without a density it is that of the samples its ODE makes; here of a Gaussian, w p_c + (1 - w) p_u being linear."""
    model = gaussian_on(Flow(), 0.7, 0.25)
    x = torch.tensor([[0.5], [0.9]], dtype=F64)
    same = 3 * model.given() - 2 * model.given()
    torch.testing.assert_close(log_likelihood(same, x, steps=20), log_likelihood(model.given(), x, steps=20))


def test_nothing_is_recorded_and_gradients_may_be_off() -> None:
    model = mixture(Flow())
    x = drawn(model, 3).requires_grad_()
    with torch.no_grad():
        found = log_likelihood(model.given(), x, steps=4)
    assert not found.requires_grad
    assert x.grad is None


def test_bad_input(counted) -> None:
    score = counted(VP.cosine()).model.given("a")
    for arguments, sentence in (
        ({"steps": 0}, r"^steps must be at least 1 and probes at least 0, not 0 and 0\.$"),
        ({"probes": -1}, r"^steps must be at least 1 and probes at least 0, not 50 and -1\.$"),
        ({"sigma_min": 0.0}, r"^sigma_min must lie between 0 and"),
        ({"x0": torch.zeros(2, 4)}, r"^x0 must have the shape \(B, 3\), not \(2, 4\)\.$"),
    ):
        with pytest.raises(ValueError, match=sentence):
            log_likelihood(score, **({"x0": torch.zeros(2, 3)} | arguments))
    broken = Denoiser(lambda x, t: x * math.nan, Flow(), "v", (3,))
    with pytest.raises(
        FloatingPointError,
        match=r"^log_likelihood\(\) gave values that are not finite in step 1 of 2, to t = 0\.5005\.$",
    ):
        log_likelihood(broken.given(), torch.zeros(1, 3), steps=2)

"""Langevin steps against stationary distributions in closed form, and what they are for: products of experts."""

import itertools
import math

import pytest
import torch

from scorekit.analytic import GaussianMixture
from scorekit.denoiser import Denoiser
from scorekit.langevin import langevin
from scorekit.noise import Noise
from scorekit.sampling import sample
from scorekit.schedule import VE, VP, Flow

F64 = torch.float64


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def run(model, corrector, x: torch.Tensor, t: float, seed: int = 0) -> torch.Tensor:
    score = model.given()
    (stop,) = score.along(torch.tensor([t], dtype=F64))
    noise = Noise(tuple(x.shape), seeded(seed), dtype=x.dtype)
    with torch.no_grad():
        return corrector.correct(score, x, stop, float(model.schedule.sigma(t)), noise)


@pytest.mark.parametrize("size", [0.2, 0.8, 1.4])
def test_the_variance_of_unadjusted_steps_is_known(gaussian_on, size: float) -> None:
    """q / (1 - eta / (2 q)) for N(., q): wider than the truth by as much as the step is long."""
    schedule, t, n = VE(2.0), 0.3, 20000
    model = gaussian_on(schedule, 0.7, 0.25)
    sigma = float(schedule.sigma(t))
    q, eta = 0.25**2 + sigma**2, size * sigma**2
    x = run(model, langevin(25, size), 0.7 + math.sqrt(q) * torch.randn(n, 1, generator=seeded(1), dtype=F64), t)
    assert x.mean().item() == pytest.approx(0.7, abs=4.5 * x.std().item() / math.sqrt(n))
    assert x.var().item() == pytest.approx(q / (1 - eta / (2 * q)), rel=4.5 * math.sqrt(2 / n))
    assert x.var().item() > q * 1.05


@pytest.mark.parametrize("size", [0.2, 0.8, 1.4])
def test_adjusted_steps_have_the_true_variance(gaussian_on, size: float) -> None:
    schedule, t, n = VE(2.0), 0.3, 20000
    model = gaussian_on(schedule, 0.7, 0.25)
    q = 0.25**2 + float(schedule.sigma(t)) ** 2
    x = run(
        model,
        langevin(25, size, adjusted=True, nodes=0),
        0.7 + math.sqrt(q) * torch.randn(n, 1, generator=seeded(1), dtype=F64),
        t,
    )
    assert x.var().item() == pytest.approx(q, rel=4.5 * math.sqrt(2 / n))


def test_the_line_integral_of_the_score_is_the_density_ratio(mixture_on) -> None:
    """Proposals are accepted by the integral where they would be by the density."""
    schedule, t = VP.cosine(), 0.4
    model = mixture_on(schedule)
    score = model.given()
    (stop,) = score.along(torch.tensor([t], dtype=F64))
    sigma = float(schedule.sigma(t))
    x = torch.randn(200, 4, generator=seeded(2), dtype=F64)
    new = x + 0.5 * sigma * torch.randn(200, 4, generator=seeded(3), dtype=F64)
    truth = model.log_prob(new, t) - model.log_prob(x, t)
    errors = []
    for nodes in range(4):
        gain = langevin(1, nodes=nodes, adjusted=True)._integral(
            score, x, score.at(x, stop).eps, new, score.at(new, stop).eps, stop
        )
        errors.append(float((gain / sigma - truth).abs().max()))
    assert all(better < worse / 3 for worse, better in itertools.pairwise(errors)), errors
    assert errors[-1] < 1e-3
    assert truth.abs().max() > 1


@pytest.mark.parametrize("exact", [True, False], ids=["log_prob", "integral"])
def test_adjusted_steps_keep_a_mixture(exact: bool) -> None:
    schedule, t, n = VE(1.0), 0.5, 12000
    means, stds = torch.tensor([[-1.0], [1.0]], dtype=F64), torch.tensor([0.5, 0.1], dtype=F64)
    model = GaussianMixture(means, stds, schedule, weights=torch.tensor([0.4, 0.6], dtype=F64))
    log_prob = (lambda x, t: model.log_prob(x, t)) if exact else None
    which = (torch.rand(n, generator=seeded(4), dtype=F64) < 0.6).long()
    width = (stds[which].square() + 0.25).sqrt()
    x = means[which] + width[:, None] * torch.randn(n, 1, generator=seeded(5), dtype=F64)
    assert not torch.equal(moved := run(model, langevin(12, 0.8, adjusted=True, log_prob=log_prob), x, t), x)
    mean, second = -0.4 + 0.6, 1 + 0.4 * 0.5 + 0.6 * 0.26
    assert moved.mean().item() == pytest.approx(mean, abs=4.5 * math.sqrt(second / n))
    assert moved.square().mean().item() == pytest.approx(second, rel=4.5 * 1.1 / math.sqrt(n))
    unadjusted = run(model, langevin(12, 0.8), x, t)
    assert unadjusted.square().mean().item() > second * 1.03  # the error that acceptance takes away


def test_every_sample_is_accepted_by_itself(gaussian_on) -> None:
    """A sample that refuses does not hold back the others, and does not depend on them."""
    model = gaussian_on(VE(1.0), 0.0, 0.1)
    corrector = langevin(1, 3.0, adjusted=True)
    x = torch.linspace(-0.5, 0.5, 64, dtype=F64)[:, None]
    moved = run(model, corrector, x, 0.5)
    held = (moved == x).flatten()
    assert held.any()
    assert not held.all()
    generators = [seeded(i) for i in range(6)]
    score = model.given()
    (stop,) = score.along(torch.tensor([0.5], dtype=F64))
    together = corrector.correct(score, x[:6], stop, 0.5, Noise((6, 1), generators, dtype=F64))
    alone = [corrector.correct(score, x[i : i + 1], stop, 0.5, Noise((1, 1), seeded(i), dtype=F64)) for i in range(6)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-12, atol=1e-12)


def test_proposals_are_weighed_both_ways() -> None:
    """The acceptance rate of one step against the definition: p(x') q(x | x') / (p(x) q(x' | x)), written out for N(0, q)."""
    model = GaussianMixture(torch.zeros(1, 1, dtype=F64), 0.3, VE(1.0))
    sigma, size, n = 0.4, 1.2, 4000
    q, eta = 0.3**2 + sigma**2, size * sigma**2
    x = torch.full((n, 1), 0.9, dtype=F64)
    moved = run(model, langevin(1, size, adjusted=True), x, sigma, seed=9)
    draw, uniform = seeded(9), None
    new = x * (1 - eta / q) + math.sqrt(2 * eta) * torch.randn(n, 1, generator=draw, dtype=F64)
    uniform = torch.rand(n, generator=draw, dtype=F64)

    def log_q(to: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
        return -(to - of * (1 - eta / q)).square() / (4 * eta)

    ratio = (x.square() - new.square()) / (2 * q) + log_q(x, new) - log_q(new, x)
    expected = torch.where(uniform[:, None] < ratio.exp(), new, x)
    torch.testing.assert_close(moved, expected, rtol=1e-12, atol=1e-12)
    assert 0.05 < (moved == x).double().mean() < 0.95


def test_evaluations_are_counted(counted) -> None:
    subject = counted(VP.cosine())
    score = subject.model.given("a")
    for corrector, each in (
        (langevin(3), 3),
        (langevin(3, adjusted=True, nodes=0), 4),
        (langevin(3, adjusted=True), 7),
    ):
        subject.network.batches.clear()
        sample(score, 2, steps=4, solver="ddim", corrector=corrector, generator=seeded())
        # after every step but the last, which ends in clean data
        assert len(subject.network.batches) == 4 + 3 * each


@pytest.mark.parametrize("corrector", [langevin(4, 0.2), langevin(4, 0.4, adjusted=True)], ids=["ula", "mala"])
def test_a_product_of_experts_is_reached_only_with_correction(corrector) -> None:
    """Two mixtures of two share one mode. The product's moments are those of four Gaussians."""
    schedule, n = VE(5.0), 1500
    one = GaussianMixture(torch.tensor([[-2.0], [0.5]], dtype=F64), 0.4, schedule)
    two = GaussianMixture(torch.tensor([[0.9], [3.0]], dtype=F64), 0.4, schedule)
    pairs = [(a, b) for a in (-2.0, 0.5) for b in (0.9, 3.0)]
    weights = torch.tensor([math.exp(-((a - b) ** 2) / (4 * 0.16)) for a, b in pairs])
    weights /= weights.sum()
    mean = float(sum(w * (a + b) / 2 for w, (a, b) in zip(weights, pairs, strict=True)))
    variance = 0.08 + float(sum(w * ((a + b) / 2 - mean) ** 2 for w, (a, b) in zip(weights, pairs, strict=True)))
    product = one.given() + two.given()
    options = {"solver": "ddim", "steps": 30, "dtype": F64}
    plain = sample(product, n, generator=seeded(1), **options)
    better = sample(product, n, generator=seeded(1), corrector=corrector, **options)
    assert better.mean().item() == pytest.approx(mean, abs=0.05)
    assert better.var().item() == pytest.approx(variance, rel=0.2)
    # the sum of the scores alone ends in a point
    assert plain.var().item() < variance / 3


def test_annealed_langevin_is_a_sampler_by_itself(gaussian_on) -> None:
    model, n = gaussian_on(VE(5.0), 0.7, 0.25), 3000
    x = sample(
        model.given(), n, solver="langevin", steps=30, corrector=langevin(10, 0.2), generator=seeded(), dtype=F64
    )
    assert x.mean().item() == pytest.approx(0.7, abs=0.03)
    assert x.std().item() == pytest.approx(0.25, rel=0.1)
    with pytest.raises(ValueError, match=r"^solver langevin needs corrector=langevin\(\.\.\.\)"):
        sample(model.given(), 2, solver="langevin")


def test_clean_data_is_left_alone(gaussian_on) -> None:
    x = torch.randn(3, 1, dtype=F64)
    assert run(gaussian_on(Flow()), langevin(5), x, 0.0) is x


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"steps": 0}, r"^steps of langevin must be at least 1, not 0\.$"),
        ({"size": 0.0}, r"^size must be positive, not 0\.0\.$"),
        ({"size": math.nan}, r"^size must be positive, not nan\.$"),
        ({"nodes": 4}, r"^nodes must be 0, 1, 2 or 3, not 4\.$"),
    ],
)
def test_bad_input(arguments: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        langevin(**arguments)


def test_what_cannot_be_compared_is_refused() -> None:
    model = Denoiser(lambda x, t: torch.zeros_like(x), VE(1.0), "eps", (2,))
    broken = langevin(1, adjusted=True, log_prob=lambda x, t: x.sum(1) * math.nan)
    x = sample(model.given(), 3, solver="ddim", steps=3, corrector=broken, generator=seeded())
    assert x.isfinite().all()

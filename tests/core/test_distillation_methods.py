"""NFSD, SJC, ISM and CSD against their closed forms on Gaussians."""

import math
from itertools import pairwise

import pytest
import torch

from scorekit.analytic import GaussianMixture
from scorekit.distillation import constant, distill, interval_matching, noise_free, sigma_squared, sjc, toward_x0
from scorekit.schedule import VE, VP, Flow
from scorekit.score import Score

F64 = torch.float64
SCHEDULES = [VP.scaled_linear(), VP.cosine(), VE(80.0), Flow()]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


def gradient(target, x, *arguments, **options):
    x = x.detach().requires_grad_()
    (found,) = torch.autograd.grad(distill(target, x, *arguments, **options), x)
    return found


def levels(schedule, t):
    return float(schedule.alpha(t)), float(schedule.sigma(t))


def eps_of(schedule, m, s, x, t):
    """E[eps | x] of N(m, s^2) in scalars."""
    alpha, sigma = levels(schedule, t)
    return sigma * (x - alpha * m) / (alpha**2 * s**2 + sigma**2)


@every_schedule
def test_csd_of_two_gaussians(gaussian_on, schedule) -> None:
    """Linear in x_t: the mean over eps is the value at eps = 0, and equal spreads leave a constant pull from mean to mean."""
    cond, null = gaussian_on(schedule, 0.7, 0.25).given(), gaussian_on(schedule, -0.2, 1.1).given()
    alike = gaussian_on(schedule, -0.2, 0.25).given()
    for t, x, eps in ((0.05, 1.3, -0.4), (0.5, -2.0, 0.9), (0.9, 0.1, 0.0)):
        alpha, sigma = levels(schedule, t)
        at = alpha * x + sigma * eps
        theta, noise = torch.tensor([[x]], dtype=F64), torch.tensor([[eps]], dtype=F64)
        expected = eps_of(schedule, 0.7, 0.25, at, t) - eps_of(schedule, -0.2, 1.1, at, t)
        found = gradient(cond, theta, t, baseline=null, weight=constant, eps=noise)
        assert found.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
        pull = gradient(cond, theta, t, baseline=alike, weight=constant, eps=noise).item()
        assert pull == pytest.approx(sigma * alpha * (-0.2 - 0.7) / (alpha**2 * 0.25**2 + sigma**2), rel=1e-7)


@every_schedule
def test_sjc_is_sds_under_its_weight(gaussian_on, generator, schedule) -> None:
    """SJC from its own definition: the score of x + s n under the smoothed density N(m, std^2 + s^2), averaged over n."""
    m, std, theta = 0.7, 0.25, torch.tensor([[1.4]], dtype=F64)
    score = gaussian_on(schedule, m, std).given()
    for t in (0.05, 0.4, 0.9):
        alpha, sigma = levels(schedule, t)
        s = sigma / alpha
        n = torch.randn(1, 1, generator=generator, dtype=F64)
        # per draw, SJC with its variance reduced: (x - D(x + s n; s)) / s^2, with Tweedie's D
        y = theta + s * n
        denoised = y + s**2 * (m - y) / (std**2 + s**2)
        found = gradient(score, theta, t, weight=sjc, eps=n)
        torch.testing.assert_close(found, (theta - denoised) / s**2, rtol=1e-8, atol=1e-10)
        # and the bare score of the draw, which is what a baseline of zero leaves
        bare = gradient(score, theta, t, weight=sjc, eps=n, baseline=torch.zeros_like(n))
        torch.testing.assert_close(bare, -(m - y) / (std**2 + s**2), rtol=1e-8, atol=1e-10)
        # the mean over n of both is minus the smoothed score at x itself
        for baseline in (None, torch.zeros_like(n)):
            pair = [gradient(score, theta, t, weight=sjc, eps=e, baseline=baseline).item() for e in (n, -n)]
            assert sum(pair) / 2 == pytest.approx((1.4 - m) / (std**2 + s**2), rel=1e-7)


@every_schedule
def test_nfsd_switches_its_baseline_sample_by_sample(gaussian_on, schedule) -> None:
    kinds = {"cond": (0.7, 0.25), "null": (-0.2, 1.1), "bad": (0.4, 0.6)}
    score = {name: gaussian_on(schedule, m, s).given() for name, (m, s) in kinds.items()}
    scale, t = 7.5, [0.1, 0.199, 0.2, 0.7]
    x, eps = torch.tensor([[1.0], [0.3], [0.3], [-0.8]], dtype=F64), torch.tensor([[0.5], [-1], [-1], [2]], dtype=F64)
    expected = []
    for x_i, eps_i, t_i in zip(x[:, 0].tolist(), eps[:, 0].tolist(), t, strict=True):
        alpha, sigma = levels(schedule, t_i)
        cond, null, bad = (eps_of(schedule, m, s, alpha * x_i + sigma * eps_i, t_i) for m, s in kinds.values())
        delta_d = null if t_i < 0.2 else null - bad
        expected.append([sigma**2 * (delta_d + scale * (cond - null))])
    target = score["null"] + scale * (score["cond"] - score["null"])
    found = gradient(target, x, torch.tensor(t, dtype=F64), baseline=noise_free(score["bad"]), eps=eps)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=F64), rtol=1e-7, atol=1e-9)
    for i, t_i in enumerate(t):  # and a number for t
        one = gradient(target, x[i : i + 1], t_i, baseline=noise_free(score["bad"]), eps=eps[i : i + 1])
        torch.testing.assert_close(one, found[i : i + 1], rtol=1e-9, atol=1e-12)


def test_nfsd_takes_one_forward(counted, generator) -> None:
    subject = counted()
    cond, null, bad = (subject.model.given(text) for text in ("a", None, "bad"))
    x = torch.randn(2, 3, generator=generator, dtype=F64)
    target, baseline = null + 7.5 * (cond - null), noise_free(bad)
    distill(target, x, torch.tensor([0.1, 0.7], dtype=F64), baseline=baseline, generator=generator)
    distill(target, x, 0.7, baseline=baseline, generator=generator)
    distill(target, x, 0.1, baseline=baseline, generator=generator)  # the negative prompt has weight zero
    assert subject.network.batches == [6, 6, 4]


def inverted(schedule, m, s, x, levels_up):
    """DDIM inversion of a number under N(m, s^2), and the noise that the score saw at the last level but one."""
    alpha, _ = levels(schedule, levels_up[0])
    at, said = alpha * x, math.nan
    for here, there in pairwise(levels_up):
        (alpha, sigma), (alpha_next, sigma_next) = levels(schedule, here), levels(schedule, there)
        q = alpha**2 * s**2 + sigma**2
        said = sigma * (at - alpha * m) / q
        at = alpha_next * (alpha * s**2 * at + sigma**2 * m) / q + sigma_next * said
    return at, said


@every_schedule
@pytest.mark.parametrize("kind", ["eps", "x0", "v", "flow", "score"])
def test_ism_of_two_gaussians(gaussian_on, schedule, kind) -> None:
    cond, null = gaussian_on(schedule, 0.7, 0.25, kind).given(), gaussian_on(schedule, -0.2, 1.1, kind).given()
    gap, steps, first = 0.1, 3, 0.004
    t = [0.05, 0.3, 0.9]  # of the first, t - gap is below where inversion starts
    x = torch.tensor([[1.0], [0.3], [-0.8]], dtype=F64)
    expected = []
    for x_i, t_i in zip(x[:, 0].tolist(), t, strict=True):
        s = max(t_i - gap, first)
        ladder = [first + (s - first) * k / steps for k in range(steps + 1)] + [t_i]
        at, before = inverted(schedule, -0.2, 1.1, x_i, ladder)
        expected.append([eps_of(schedule, 0.7, 0.25, at, t_i) - before])
    every = torch.tensor(t, dtype=F64)
    eps, before = interval_matching(null, x, every, gap=gap, steps=steps, first=first)
    found = gradient(cond, x, every, eps=eps, baseline=before, weight=constant)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=F64), rtol=1e-6, atol=1e-8)
    for i, t_i in enumerate(t):
        one, _ = interval_matching(null, x[i : i + 1], t_i, gap=gap, steps=steps, first=first)
        torch.testing.assert_close(one, eps[i : i + 1], rtol=1e-9, atol=1e-9)


def test_ism_inversion_converges_to_the_flow_of_the_ode(gaussian_on) -> None:
    """The probability-flow ODE carries x of N(m, s^2) to alpha m + (x - m) sqrt(alpha^2 + sigma^2 / s^2): first order in the step."""
    schedule, m, s, t, first = VP.cosine(), 0.7, 0.5, 0.6, 0.01
    null = gaussian_on(schedule, m, s).given()
    x = torch.tensor([[1.4]], dtype=F64)
    alpha_0, sigma_0 = levels(schedule, first)
    alpha, sigma = levels(schedule, t)
    start, q_0, q = alpha_0 * 1.4, (alpha_0 * s) ** 2 + sigma_0**2, (alpha * s) ** 2 + sigma**2
    truth = alpha * m + (start - alpha_0 * m) * math.sqrt(q / q_0)
    errors = []
    for steps in (20, 40, 80, 160):
        eps, _ = interval_matching(null, x, t, gap=(t - first) / (steps + 1), steps=steps, first=first)
        errors.append(abs((alpha * x + sigma * eps).item() - truth))
    ratios = [a / b for a, b in pairwise(errors)]
    assert errors[-1] < 0.01
    assert all(1.8 < ratio < 2.2 for ratio in ratios), ratios


def test_ism_is_deterministic_and_keeps_no_graph(mixture_on, generator) -> None:
    model = mixture_on(VP.scaled_linear(), "eps")
    x = torch.randn(3, 4, generator=generator, dtype=F64, requires_grad=True)
    t = torch.tensor([0.1, 0.4, 0.9], dtype=F64)
    state = torch.get_rng_state()
    one, two = interval_matching(model.given(), x, t), interval_matching(model.given(), x, t)
    assert torch.equal(torch.get_rng_state(), state)
    assert not one[0].requires_grad
    assert not one[1].requires_grad
    grads = [gradient(model.given("red"), x, t, eps=e, baseline=b) for e, b in (one, two)]
    assert torch.equal(*grads)
    assert grads[0].abs().min() > 0


def test_ism_costs_what_it_says(counted, generator) -> None:
    subject = counted()
    x = torch.randn(2, 3, generator=generator, dtype=F64)
    interval_matching(subject.model.given(None), x, 0.5, steps=4)
    assert subject.network.batches == [2] * 5


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"gap": 0.0}, r"^gap must lie in \(0, 1\), not 0\.0\.$"),
        ({"steps": 0}, r"^steps must be at least 1, not 0\.$"),
        ({"first": 1.0}, r"^first must lie in \(0, 1\), not 1\.0\.$"),
    ],
)
def test_ism_refuses(mixture_on, options, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        interval_matching(mixture_on(Flow()).given(), torch.zeros(1, 4, dtype=F64), 0.5, **options)


def test_nfsd_refuses_a_level_that_is_none(mixture_on) -> None:
    with pytest.raises(ValueError, match=r"^below must lie in \[0, 1\], not 200\.$"):
        noise_free(mixture_on(Flow()).given(), below=200)


def test_toward_x0_points_from_the_data_expected(mixture_on, generator) -> None:
    model = mixture_on(VP.scaled_linear(), "v")
    x, eps = torch.randn(2, 3, 4, generator=generator, dtype=F64)
    t = torch.tensor([0.1, 0.4, 0.9], dtype=F64)
    x0 = model.given()(model.schedule.noised(x, eps, t), t).x0
    torch.testing.assert_close(gradient(model.given(), x, t, eps=eps, weight=toward_x0), x - x0)


def test_methods_tell_apart_what_sds_smears(generator) -> None:
    """From between two modes, the mean SDS gradient at high noise vanishes, while CSD under the right mode's caption pulls there."""
    model = GaussianMixture(
        torch.tensor([[-1.0], [1.0]], dtype=F64), 0.1, Flow(), captions=("left", "right"), prediction="v"
    )
    x = torch.zeros(2000, 1, dtype=F64)
    eps = torch.randn(1000, 1, generator=generator, dtype=F64)
    eps = torch.cat([eps, -eps])
    null: Score = model.given()
    sds = gradient(null, x, 0.6, eps=eps, weight=sigma_squared).mean().item()
    csd = gradient(model.given("right"), x, 0.6, eps=eps, baseline=null, weight=sigma_squared).mean().item()
    assert abs(sds) < 1e-9
    assert csd < -0.1

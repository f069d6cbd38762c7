import pytest
import torch

from scorekit.analytic import EmpiricalDenoiser, GaussianMixture
from scorekit.prediction import KINDS
from scorekit.schedule import VE, VP, Flow

SCHEDULES = [VP.scaled_linear(), VP.cosine(), VE(80.0), Flow()]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


def points(schedule, count: int = 6, size: int = 4):
    generator = torch.Generator().manual_seed(2)
    t = torch.linspace(0.02, 0.98, count, dtype=torch.float64)
    x0, eps = torch.randn(2, count, size, generator=generator, dtype=torch.float64)
    return schedule.noised(x0, eps, t), t


@every_schedule
@pytest.mark.parametrize("kind", KINDS)
def test_one_gaussian_is_its_formula(schedule, kind, gaussian_on) -> None:
    m, s = 0.7, 0.25
    x, t = points(schedule, size=1)
    alpha, sigma = schedule.alpha(t)[:, None], schedule.sigma(t)[:, None]
    made = gaussian_on(schedule, m, s, kind).predict(x, t)
    assert made.kind == kind
    q = alpha**2 * s**2 + sigma**2
    torch.testing.assert_close(made.x0, (alpha * s**2 * x + sigma**2 * m) / q, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(made.eps, sigma * (x - alpha * m) / q, rtol=1e-9, atol=1e-9)


def test_edm_denoiser_of_a_gaussian(gaussian_on) -> None:
    x, sigma, m, s = 3.0, 2.0, 0.7, 0.25
    made = gaussian_on(VE(80.0), m, s).predict(torch.tensor([[x]], dtype=torch.float64), sigma / 80)
    assert made.x0.item() == pytest.approx((m * sigma**2 + s**2 * x) / (s**2 + sigma**2), rel=1e-12)


@every_schedule
def test_mixture_score_is_the_gradient_of_its_log_density(schedule, mixture_on) -> None:
    model = mixture_on(schedule)
    x, t = points(schedule)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(model.log_prob(x, t).sum(), x)
    torch.testing.assert_close(model.predict(x, t).score.detach(), gradient, rtol=1e-8, atol=1e-8)


@every_schedule
def test_log_prob_is_that_of_torch_distributions(schedule, mixture_on) -> None:
    model = mixture_on(schedule)
    x, t = points(schedule)
    weights, std = (
        torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
        torch.tensor([0.3, 0.5, 0.2], dtype=torch.float64),
    )
    for row, level in zip(x, t, strict=True):
        alpha, sigma = schedule.alpha(level), schedule.sigma(level)
        scale = (alpha**2 * std**2 + sigma**2).sqrt()
        reference = torch.distributions.MixtureSameFamily(
            torch.distributions.Categorical(weights),
            torch.distributions.Independent(
                torch.distributions.Normal(alpha * model.means, scale[:, None].expand(3, 4)), 1
            ),
        )
        torch.testing.assert_close(model.log_prob(row[None], level)[0], reference.log_prob(row), rtol=1e-9, atol=1e-9)


def test_v_is_exact_at_both_ends(mixture_on) -> None:
    model = mixture_on(VP.scaled_linear().zero_terminal_snr(), "v")
    x = torch.randn(5, 4, dtype=torch.float64)
    torch.testing.assert_close(model.predict(x, 0.0).x0, x)
    mean = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64) @ model.means / 6
    torch.testing.assert_close(model.predict(x, 1.0).x0, mean.expand(5, 4))
    torch.testing.assert_close(model.predict(x, 1.0).eps, x)


def test_samples_of_other_shapes(mixture_on) -> None:
    flat = mixture_on(Flow())
    square = GaussianMixture(
        flat.means.reshape(3, 1, 2, 2),
        flat.variance.sqrt(),
        Flow(),
        weights=torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
    )
    x, t = points(Flow())
    torch.testing.assert_close(square.predict(x.reshape(6, 1, 2, 2), t).x0.reshape(6, 4), flat.predict(x, t).x0)
    with pytest.raises(ValueError, match=r"^mixture takes samples of shape \(1, 2, 2\); x has \(4,\)\.$"):
        square.predict(x, t)


@every_schedule
def test_empirical_denoiser_is_the_brute_force_average(schedule) -> None:
    generator = torch.Generator().manual_seed(3)
    data = torch.randn(9, 2, 3, generator=generator, dtype=torch.float64)
    model = EmpiricalDenoiser(data, schedule)
    for level in (0.05, 0.3, 0.9):
        alpha, sigma = float(schedule.alpha(level)), float(schedule.sigma(level))
        x = alpha * data[:4] + sigma * torch.randn(4, 2, 3, generator=generator, dtype=torch.float64)
        distance = (x[:, None] - alpha * data[None]).square().sum((2, 3))
        posterior = (-distance / (2 * sigma**2)).softmax(1)
        torch.testing.assert_close(
            model.predict(x, level).x0, torch.einsum("bk,kij->bij", posterior, data), rtol=1e-8, atol=1e-9
        )


def test_float32_picks_the_right_picture_at_the_smallest_noise() -> None:
    # |x - m|^2 from products loses digits in float32; what is left must still tell pictures apart.
    generator = torch.Generator().manual_seed(4)
    data = torch.rand(64, 3, 32, 32, generator=generator) * 2 - 1
    model = EmpiricalDenoiser(data, VE(80.0))
    x = data + 0.002 * torch.randn(data.shape, generator=generator)
    torch.testing.assert_close(model.predict(x, 0.002 / 80).x0, data, rtol=0, atol=1e-5)


def test_captions_choose_components(mixture_on) -> None:
    model = mixture_on(VP.cosine())
    x, t = points(model.schedule)
    red = GaussianMixture(
        model.means[:2],
        model.variance[:2].sqrt(),
        model.schedule,
        weights=torch.tensor([1.0, 2.0], dtype=torch.float64),
    )
    torch.testing.assert_close(model.given("Red!")(x, t).eps, red.given()(x, t).eps)
    alone = GaussianMixture(model.means[2:], model.variance[2:].sqrt(), model.schedule)
    torch.testing.assert_close(model.given("ball, blue")(x, t).eps, alone.given()(x, t).eps)
    torch.testing.assert_close(model.given(None)(x, t).eps, model.predict(x, t).eps)


def test_bayes_holds_between_captions(mixture_on) -> None:
    # p(x) grad log p(x) = sum over a partition of the captions
    model = mixture_on(Flow())
    x, t = points(model.schedule)
    red = GaussianMixture(
        model.means[:2], model.variance[:2].sqrt(), Flow(), weights=torch.tensor([1.0, 2.0], dtype=torch.float64)
    )
    blue = GaussianMixture(model.means[2:], model.variance[2:].sqrt(), Flow())
    share = (0.5 * red.log_prob(x, t).exp() / model.log_prob(x, t).exp())[:, None]
    expected = share * model.given("red")(x, t).eps + (1 - share) * model.given("blue")(x, t).eps
    torch.testing.assert_close(model.given(None)(x, t).eps, expected, rtol=1e-7, atol=1e-9)
    assert blue.shape == red.shape


MEANS = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: GaussianMixture(MEANS, 1.0, Flow(), captions=["a"]),
            r"^captions must be 2, one for each mean, not 1\.$",
        ),
        (lambda: GaussianMixture(MEANS, -1.0, Flow()), r"^std must be "),
        (lambda: GaussianMixture(MEANS, torch.ones(3), Flow()), r"^std must be "),
        (lambda: GaussianMixture(MEANS, 1.0, Flow(), weights=torch.ones(3)), r"^weights must be 2 positive numbers"),
        (
            lambda: GaussianMixture(MEANS, 1.0, Flow(), weights=torch.tensor([1.0, -1.0])),
            r"^weights must be 2 positive numbers",
        ),
        (
            lambda: GaussianMixture(MEANS, 1.0, Flow()).given("red"),
            r"^mixture takes no prompt; use given\(None\) or a Condition\.$",
        ),
        (
            lambda: EmpiricalDenoiser(MEANS, Flow(), captions=["red ball", "cube"]).given("red cube"),
            r"^prompt: no caption of data set holds all the words of 'red cube'; its words are: ball, cube, red\.$",
        ),
        (lambda: EmpiricalDenoiser(MEANS, Flow(), captions=["red ball", "cube"]).given(["cube", "green"]), r"'green'"),
    ],
)
def test_bad_input(call, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()

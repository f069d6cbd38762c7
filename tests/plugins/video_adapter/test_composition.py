"""The composed score against closed forms; where Langevin steps lead it; how often the networks run; what is refused."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from scorekit.analytic import GaussianMixture
from scorekit.denoiser import Condition, Denoiser
from scorekit.langevin import langevin
from scorekit.prediction import Kind
from scorekit.sampling import sample
from scorekit.schedule import VE, VP, Flow, Schedule
from scorekit.score import Score
from scorekit_video_adapter.composition import FORMS, Prior, compose
from scorekit_video_adapter.gamma import Curve

WORDS = ["slides", "slides slowly", "turns"]
SHAPE = (1, 3, 2, 2)  # channels, frames, height, width
GAMMA, ALPHA = 0.6, 2.5


def clips(seed: int, spread: float = 0.8) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return spread * torch.randn(len(WORDS), *SHAPE, generator=generator, dtype=torch.float64)


def mixture(seed: int, std: float, schedule: Schedule, kind: Kind = "v") -> GaussianMixture:
    return GaussianMixture(clips(seed), std, schedule, captions=WORDS, prediction=kind, name=f"mixture {seed}")


def log_density(seed: int, std: float, alpha: float, sigma: float, word: str | None, x: Tensor) -> Tensor:
    """ln p(x) of the noised mixture by its definition, without the code under test."""
    means = clips(seed)[[word is None or word in caption.split() for caption in WORDS]]
    variance = (alpha * std) ** 2 + sigma**2
    squares = (x[:, None] - alpha * means[None]).flatten(2).square().sum(2)
    return torch.logsumexp(-squares / (2 * variance), 1)


def true_score(form: str, schedule: Schedule, x: Tensor, t: float) -> Tensor:
    """Algorithm 1, and the other forms, from gradients of the densities themselves."""
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))

    def gradient(seed: int, std: float, word: str | None) -> Tensor:
        at = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(log_density(seed, std, alpha, sigma, word, at).sum(), at)
        return slope

    small, null = gradient(1, 0.5, "slides"), gradient(1, 0.5, None)
    prior, empty = gradient(2, 0.7, "slides"), gradient(2, 0.7, None)
    text = {
        "paper": small + GAMMA * prior,
        "mean": (small + GAMMA * prior) / (1 + GAMMA),
        "contrast": small + GAMMA * (prior - empty),
    }[form]
    return null + ALPHA * (text - null)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["v", "eps", "x0", "flow", "score"])
def test_on_mixtures_it_is_the_closed_form(form: Any, kind: Kind) -> None:
    schedule = VP.cosine()
    made = compose(
        mixture(1, 0.5, schedule, kind),
        "slides",
        [Prior(mixture(2, 0.7, schedule, kind), GAMMA)],
        alpha=ALPHA,
        form=form,
    )
    x = torch.randn(6, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for t in (0.05, 0.4, 0.9):
        truth = true_score(form, schedule, x, t)
        assert (made(x, t).score - truth).abs().max() < 1e-7 * truth.abs().max(), t


@pytest.mark.parametrize(
    ("schedule", "kind"), [(VP.scaled_linear(), "eps"), (Flow(), "flow"), (VE(40.0), "x0"), (Flow(shift=3.0), "score")]
)
def test_a_prior_on_another_schedule_in_another_parameterisation_is_the_same_prior(
    schedule: Schedule, kind: Kind
) -> None:
    own = VP.cosine()
    small = mixture(1, 0.5, own)
    x = torch.randn(6, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for t in (0.1, 0.5, 0.85):
        at = compose(small, "slides", [Prior(mixture(2, 0.7, schedule, kind), GAMMA)], alpha=ALPHA)(x, t).score
        truth = true_score("paper", own, x, t)
        assert (at - truth).abs().max() < 1e-5 * truth.abs().max(), t


def test_a_clip_is_the_same_alone_and_in_a_batch_with_levels_of_their_own() -> None:
    schedule = VP.cosine()
    made = compose(mixture(1, 0.5, schedule), "slides", [Prior(mixture(2, 0.7, Flow(), "flow"), GAMMA)], alpha=ALPHA)
    x = torch.randn(4, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    t = torch.tensor([0.1, 0.3, 0.6, 0.9])
    together = made(x, t).eps
    for index in range(4):
        alone = made(x[index : index + 1], float(t[index])).eps
        assert (together[index] - alone[0]).abs().max() < 1e-10


def test_a_curve_weighs_each_level_by_its_log_snr() -> None:
    schedule = VP.cosine()
    small, prior = mixture(1, 0.5, schedule), mixture(2, 0.7, schedule)
    curve = Curve((-4.0, 0.0, 4.0), (1.0, 0.5, 0.0))
    x = torch.randn(2, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for form in FORMS:
        made = compose(small, "slides", [Prior(prior, curve)], alpha=ALPHA, form=form)
        for log_snr, gamma in ((-9.0, 1.0), (-2.0, 0.75), (1.0, 0.375)):
            t = schedule.at_log_snr(torch.tensor(log_snr)).item()
            fixed = compose(small, "slides", [Prior(prior, gamma)], alpha=ALPHA, form=form)
            assert (made(x, t).eps - fixed(x, t).eps).abs().max() < 1e-4, (form, log_snr)


def product_of(small: tuple[float, float], prior: tuple[float, float], gamma: float) -> tuple[float, float]:
    """Mean and variance of N(m, s^2) N(m', s'^2)^gamma, normalised."""
    precisions = 1 / small[1] ** 2, gamma / prior[1] ** 2
    return (small[0] * precisions[0] + prior[0] * precisions[1]) / sum(precisions), 1 / sum(precisions)


def gaussian(mean: float, std: float, schedule: Schedule) -> GaussianMixture:
    return GaussianMixture(torch.full((1, 1, 2, 1, 1), mean, dtype=torch.float64), std, schedule)


def annealed(score: Score, count: int) -> Tensor:
    """Draws (count, ...) of a sum: Langevin steps down to sigma = .3, and at sigma = .1 as many as it takes to forget the way there, each
    accepted or not, so that only the noise of the last level is left: .01 in the variance."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.logspace(1, math.log10(0.3), 16, dtype=torch.float64) / 10
    fine = torch.tensor([0.011, 0.01, 0.009, 0.008], dtype=torch.float64)
    options: dict[str, Any] = {"solver": "langevin", "generator": generator, "dtype": torch.float64}
    x = sample(score, count, levels=coarse, corrector=langevin(4, 0.3, adjusted=True), **options)
    return sample(score, count, levels=fine, x_T=x, corrector=langevin(8, 12.0, adjusted=True, nodes=2), **options)


@pytest.mark.parametrize("gamma", [0.5, 1.5])
def test_with_langevin_steps_gaussians_give_their_product_and_without_them_another_density(gamma: float) -> None:
    """Of n independent draws of variance q the mean varies by q / n, the variance by about 2 q^2 / n: bounds of four deviations."""
    count, schedule = 1500, VE(10.0)
    small, prior = (-0.5, 0.6), (0.7, 0.9)
    made = compose(gaussian(*small, schedule), None, [Prior(gaussian(*prior, schedule), gamma)])
    mean, variance = product_of(small, prior, gamma)
    draws = 2 * count  # two frames each
    led = annealed(made, count)
    assert abs(led.mean() - mean) < 4 * math.sqrt(variance / draws)
    assert abs(led.var() - variance) < 4 * variance * math.sqrt(2 / draws)
    plain = sample(
        made, count, steps=40, solver="ddpm", generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    assert abs(plain.var() - variance) > 8 * variance * math.sqrt(2 / draws)


def test_guided_mixtures_with_langevin_steps_have_the_product_of_their_powers() -> None:
    """alpha 1.5, so null has the power -1/2: moments of the density p(x|c)^1.5 p(x)^-.5 q(x|c)^(1.5 gamma) from a fine grid."""
    count, schedule, gamma, alpha = 3000, VE(10.0), 0.5, 1.5
    means = {"small": [-1.0, 0.4, 1.2], "prior": [-0.6, 0.9, 0.0]}

    def one(name: str, std: float) -> GaussianMixture:
        values = torch.tensor(means[name], dtype=torch.float64).reshape(3, 1, 1, 1, 1)
        return GaussianMixture(values, std, schedule, captions=WORDS, name=name)

    x = torch.linspace(-6, 6, 20001, dtype=torch.float64)

    def log_p(name: str, std: float, chosen: list[int]) -> Tensor:
        centres = torch.tensor([means[name][index] for index in chosen], dtype=torch.float64)
        return torch.logsumexp(-(x[:, None] - centres).square() / (2 * std**2), 1) - math.log(len(chosen) * std)

    log_target = alpha * (log_p("small", 0.5, [0, 1]) + gamma * log_p("prior", 0.7, [0, 1]))
    log_target += (1 - alpha) * log_p("small", 0.5, [0, 1, 2])
    density = (log_target - log_target.max()).exp()
    density /= density.sum()
    mean = float((density * x).sum())
    variance = float((density * (x - mean).square()).sum())
    fourth = float((density * (x - mean) ** 4).sum())

    made = compose(one("small", 0.5), "slides", [Prior(one("prior", 0.7), gamma)], alpha=alpha)
    led = annealed(made, count).flatten()
    assert abs(led.mean() - mean) < 4 * math.sqrt(variance / count)
    assert abs(led.var() - variance) < 4 * math.sqrt((fourth - variance**2) / count)


def test_a_deterministic_solver_shrinks_the_paper_form_and_not_the_mean() -> None:
    schedule = VP.scaled_linear()
    small, prior = gaussian(0.0, 0.5, schedule), gaussian(0.0, 0.5, schedule)
    options: dict[str, Any] = {"steps": 50, "solver": "ddim", "dtype": torch.float64}

    def spread_of(form: Any) -> float:
        made = compose(small, None, [Prior(prior, 1.0)], form=form)
        return float(sample(made, 500, generator=torch.Generator().manual_seed(0), **options).std())

    assert spread_of("paper") < 0.1 * 0.5 / math.sqrt(2)
    assert spread_of("mean") == pytest.approx(0.5, rel=0.1)


def counting(calls: list[int], name: str, frames: int = 3, **options: Any) -> Denoiser:
    def network(x: Tensor, timestep: Tensor, word: Tensor) -> Tensor:  # noqa: ARG001
        calls.append(len(x))
        return x * word[:, :, None, None, None]

    def prompts(texts: Any) -> Condition:
        key = tuple(texts) if texts else None
        return Condition({"word": torch.tensor([[0.1 if texts is None else 0.2]])}, key=(name, key))

    return Denoiser(network, VP.cosine(), "v", (1, frames, 2, 2), prompts=prompts, name=name, **options)


@pytest.mark.parametrize(
    ("build", "calls_of_small", "calls_of_prior"),
    [
        (lambda s, p: compose(s, "slides", [Prior(p)], alpha=3.0), [4], [2]),
        (lambda s, p: compose(s, "slides", [Prior(p)], alpha=1.0), [2], [2]),
        (lambda s, p: compose(s, "slides", [Prior(p)], alpha=3.0, form="mean"), [4], [2]),
        (lambda s, p: compose(s, "slides", [Prior(p)], alpha=3.0, form="contrast"), [4], [4]),
        (lambda s, p: compose(s, "slides", [Prior(p, 0.0)], alpha=3.0), [4], []),
        (lambda s, p: compose(s, "slides", [Prior(p, Curve((2.0, 4.0), (0.0, 1.0)))], alpha=3.0), [4], []),
    ],
)
def test_each_network_runs_once_for_all_that_is_asked_of_it(
    build: Callable[[Denoiser, Denoiser], Score], calls_of_small: list[int], calls_of_prior: list[int]
) -> None:
    small_calls: list[int] = []
    prior_calls: list[int] = []
    made = build(counting(small_calls, "small"), counting(prior_calls, "prior"))
    made(torch.zeros(2, 1, 3, 2, 2), 0.7)
    assert (small_calls, prior_calls) == (calls_of_small, calls_of_prior)


def test_any_number_of_priors_each_with_its_strength_and_words() -> None:
    schedule = VP.cosine()
    small = mixture(1, 0.5, schedule)
    priors = [Prior(mixture(2, 0.7, schedule), 0.3), Prior(mixture(3, 0.4, Flow(), "flow"), 0.9, prompt="turns")]
    x = torch.randn(3, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    made = compose(small, "slides", priors, alpha=ALPHA)(x, 0.5).eps
    null, text = small.given(None)(x, 0.5).eps, small.given("slides")(x, 0.5).eps
    told = [priors[0].model.given("slides"), small.given(None) * 0 + priors[1].model.given("turns")]
    total = text + 0.3 * told[0](x, 0.5).eps + 0.9 * told[1](x, 0.5).eps
    assert (made - (null + ALPHA * (total - null))).abs().max() < 1e-5


def test_what_cannot_be_composed_is_refused_in_a_sentence_that_names_both() -> None:
    class Codec:
        frames, height, width, space = 3, 2, 2, "pixels"

        def encode(self, data: Tensor) -> Tensor:
            return data

        decode = encode

    class Latents(Codec):
        space = "latents"

    small = counting([], "small-robot", codec=Codec())
    for prior, sentence in (
        (
            counting([], "large", frames=5),
            r"small-robot makes 3 frames of 2 x 2 px \(x of shape \(1, 3, 2, 2\)\) and large 5 frames of 2 x 2",
        ),
        (
            Denoiser(lambda x, t: x, VP.cosine(), "v", (3, 8, 8), name="pictures"),
            r"and pictures samples of shape \(3, 8, 8\), which are no clips: .* must agree",
        ),
        (counting([], "large", codec=Latents()), "small-robot and large diffuse in different spaces"),
    ):
        with pytest.raises(ValueError, match=sentence):
            compose(small, "slides", [Prior(prior)])
    for wrong, sentence in (
        ({"form": "sum"}, "form must be one of paper, mean, contrast, not 'sum'"),
        ({"alpha": -1.0}, r"alpha must lie in \[0, 100\], not -1"),
    ):
        with pytest.raises(ValueError, match=sentence):
            compose(small, "slides", [], **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"gamma must lie in \[0, 100\], not -0.5"):
        compose(small, "slides", [Prior(counting([], "large"), -0.5)])

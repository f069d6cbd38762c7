import itertools
import math

import pytest
import torch

from scorekit.analytic import GaussianMixture
from scorekit.denoiser import Denoiser
from scorekit.guidance import perp_neg
from scorekit.langevin import langevin
from scorekit.loop import Step, Watch
from scorekit.sampling import sample
from scorekit.schedule import VE, VP, Flow, grid
from scorekit.solvers import plan

F64 = torch.float64
SIGMAS = (
    4.5  # a fair sampler fails a bound of this many standard errors once in 150 000 runs; the seeds are fixed besides
)


@pytest.mark.parametrize(
    ("schedule", "solver", "steps"),
    [
        (Flow(), "heun", 40),
        (Flow(), "dpm++2m", 50),
        (VP.cosine(), "ddim", 60),
        (VP.linear().zero_terminal_snr(), "ddpm", 120),
        (VE(80.0), "heun", 40),
    ],
    ids=str,
)
def test_samples_have_the_weights_means_and_widths_of_the_mixture(schedule, solver: str, steps: int, generator) -> None:
    means, stds, weights = torch.tensor([[-2.0], [1.5]], dtype=F64), torch.tensor([0.4, 0.25], dtype=F64), (0.3, 0.7)
    model = GaussianMixture(means, stds, schedule, weights=torch.tensor(weights, dtype=F64))
    n = 3000
    x = sample(model.given(), n, solver=solver, steps=steps, generator=generator, dtype=F64)
    assert x.shape == (n, 1)
    assert x.dtype == F64
    right = x[:, 0] > -0.2  # further than four widths from either mode
    assert right.double().mean().item() == pytest.approx(0.7, abs=SIGMAS * math.sqrt(0.3 * 0.7 / n))
    for mode, m, s in ((x[~right, 0], -2.0, 0.4), (x[right, 0], 1.5, 0.25)):
        # the second term is the solver's own error at this number of steps
        assert mode.mean().item() == pytest.approx(m, abs=SIGMAS * s / math.sqrt(len(mode)) + 0.01)
        assert mode.std().item() == pytest.approx(s, abs=SIGMAS * s / math.sqrt(2 * len(mode)) + 0.02 * s)


@pytest.mark.parametrize("solver", ["ddim", "dpm++2m", "heun"])
def test_a_gaussian_ends_where_its_ode_says(gaussian_on, solver: str, generator) -> None:
    m, s = 0.7, 0.25
    x_T = 80 * torch.randn(6, 1, generator=generator, dtype=F64)
    x = sample(gaussian_on(VE(80.0), m, s).given(), (6, 1), x_T=x_T, solver=solver, steps=100, dtype=F64)
    exact = m + (x_T - m) * s / math.sqrt(s**2 + 80**2)
    torch.testing.assert_close(x, exact, rtol=0, atol=2e-2 if solver == "ddim" else 1e-3)


def test_going_on_from_the_middle_is_the_same_road(mixture_on, generator) -> None:
    score = mixture_on(Flow()).given("red")
    levels, x_T = grid(Flow(), 10), torch.randn(3, 4, generator=generator, dtype=F64)
    whole = sample(score, 3, levels=levels, x_T=x_T, solver="ddim", dtype=F64)
    half = sample(score, 3, levels=levels[:6], x_T=x_T, solver="ddim", dtype=F64)
    torch.testing.assert_close(sample(score, 3, levels=levels[5:], x_T=half, solver="ddim", dtype=F64), whole)
    torch.testing.assert_close(sample(score, 3, steps=5, start=0.5, x_T=half, solver="ddim", dtype=F64), whole)
    assert x_T.shape == half.shape
    assert (half - whole).abs().max() > 0.01


def test_callbacks_see_every_row(mixture_on, generator) -> None:
    seen: list[Step] = []
    score = mixture_on(VP.cosine().zero_terminal_snr()).given()
    x = sample(score, 2, steps=6, solver="heun", generator=generator, callback=seen.append, dtype=F64)
    assert [step.index for step in seen] == list(range(10))
    assert {step.total for step in seen} == {10}
    assert seen[-1].t == 0
    assert torch.equal(seen[-1].x, x)
    assert torch.equal(seen[-1].x0, x)
    assert all(step.x.shape == step.x0.shape == (2, 4) for step in seen)
    assert all(not a.t < b.t for a, b in itertools.pairwise(seen))


def test_what_a_callback_raises_stops_the_sampler(counted) -> None:
    subject = counted(VP.scaled_linear())

    def stop(step: Step) -> None:
        if step.index == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        sample(subject.model.given("a"), 2, steps=10, callback=stop)
    assert len(subject.network.batches) == 3
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("solver", ["ddpm", "ddim", "dpm++2m"])
def test_one_generator_one_result(mixture_on, solver: str) -> None:
    score = mixture_on(VP.cosine()).given()

    def draw(seed: int) -> torch.Tensor:
        return sample(score, 3, solver=solver, steps=8, generator=torch.Generator().manual_seed(seed))

    state = torch.random.get_rng_state()
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert torch.equal(torch.random.get_rng_state(), state)  # nobody else's random numbers were touched
    assert draw(1).dtype == torch.float32


def test_guidance_in_the_loop_is_one_forward_a_step(counted, generator) -> None:
    subject = counted(VP.scaled_linear())
    cond, null = subject.model.given("a"), subject.model.given(None)
    sample(null + 7.5 * (cond - null), 2, steps=9, generator=generator)
    assert subject.network.batches == [4] * 9
    sample(perp_neg(null, cond, [(-1.0, subject.model.given("b"))], 7.5), 2, steps=3, generator=generator)
    assert subject.network.batches[9:] == [6] * 3


def test_gradients_pass_through_the_whole_loop(gaussian_on) -> None:
    m, s = 0.7, 0.25
    score = gaussian_on(Flow(), m, s).given()
    x_T = torch.tensor([[0.3], [-1.0]], dtype=F64, requires_grad=True)
    x = sample(score, (2, 1), x_T=x_T, steps=30, solver="heun", grad=True, dtype=F64)
    (slope,) = torch.autograd.grad(x.sum(), x_T)
    # at t = 1 the straight path holds no data: x = m + s x_T
    torch.testing.assert_close(slope, torch.full_like(slope, s), rtol=1e-2, atol=0)
    plain = sample(score, (2, 1), x_T=x_T, steps=30, solver="heun", dtype=F64)
    assert not plain.requires_grad
    assert torch.equal(plain, x.detach())


def test_the_noise_it_starts_from_has_the_schedule_s_scale() -> None:
    for schedule, scale in ((VE(80.0), 80.0), (VP.scaled_linear(), 1.0), (Flow(), 1.0)):
        seen: list[float] = []

        def network(x: torch.Tensor, _: torch.Tensor, seen: list[float] = seen) -> torch.Tensor:
            seen.append(float(x.std()))
            return x

        sample(
            Denoiser(network, schedule, "v", (2000,)).given(), 4, steps=1, generator=torch.Generator().manual_seed(0)
        )
        assert seen[0] == pytest.approx(scale, rel=SIGMAS / math.sqrt(2 * 8000))


def test_what_is_not_finite_stops_at_its_step() -> None:
    calls = 0

    def network(x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        out = torch.zeros_like(x)
        out[1, 0] = math.nan if calls == 3 else 0.0
        return out

    model = Denoiser(network, Flow(), "v", (3,))
    with pytest.raises(
        FloatingPointError,
        match=r"^sample\(\) with solver ddim gave values that are not finite in step 3 of 5, to t = 0\.4\.$",
    ):
        sample(model.given(), 2, steps=5, solver="ddim")
    assert calls == 3


def test_large_numbers_are_finite() -> None:
    model = Denoiser(lambda x, t: torch.zeros_like(x), Flow(), "x0", (3,))
    x_T = torch.full((2, 3), 3e38)
    assert sample(model.given(), 2, levels=torch.tensor([0.5, 0.4]), x_T=x_T, solver="ddim").isfinite().all()


def test_on_a_device_it_is_read_at_the_end() -> None:
    """What a GPU does, on the CPU: sums are kept, and the first that is not finite names the step."""
    rows = plan("ddim", Flow(), grid(Flow(), 4))
    watch = Watch(rows.after, "sample()", torch.device("meta"))
    for index, value in enumerate((0.0, 1.0, math.inf, math.nan)):
        watch.see(index, torch.full((2, 3), value))
    with pytest.raises(FloatingPointError, match=r"in step 3 of 4, to t = 0\.25\.$"):
        watch.settle(torch.full((2, 3), math.nan))
    watch.settle(torch.zeros(2, 3))


# Beginning from data, filling in


def test_image_to_image_begins_at_its_level(gaussian_on, generator) -> None:
    """N(m, s^2) noised to a level and sampled down again is N(m, s^2): from one point, less so the lower the level."""
    score, n = gaussian_on(Flow(), 0.7, 0.25).given(), 4000
    x0 = torch.full((n, 1), 1.2, dtype=F64)
    means = []
    for start in (0.1, 0.5, 0.9):
        x = sample(score, n, x0=x0, start=start, steps=20, solver="ddpm", generator=generator, dtype=F64)
        # E[x0' | x0] for Gaussians: what is kept of x0 - m is the square of the correlation with the level
        alpha, sigma = 1 - start, start
        kept = alpha**2 * 0.0625 / (alpha**2 * 0.0625 + sigma**2)
        assert x.mean().item() == pytest.approx(0.7 + kept * 0.5, abs=4.5 * 0.25 / math.sqrt(n) + 0.01)
        means.append(x.mean().item())
    assert means == sorted(means, reverse=True)
    assert means[0] - means[-1] > 0.3


def test_known_parts_are_kept_and_told(mixture_on, generator) -> None:
    score = mixture_on(VP.cosine()).given()
    known = torch.tensor([[0.3, -0.2, 0.1, 0.5]], dtype=F64)
    mask = torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=F64)
    seen: list[Step] = []
    options = {"steps": 12, "solver": "ddpm", "generator": generator, "dtype": F64, "callback": seen.append}
    x = sample(score, 600, mask=mask, known=known, **options)
    assert torch.equal(x[:, [0, 2]], known[:, [0, 2]].expand(600, 2))
    assert x[:, [1, 3]].std() > 0.05
    middle = seen[5]
    alpha, sigma = (float(f(middle.t)) for f in (VP.cosine().alpha, VP.cosine().sigma))
    assert middle.x[:, 0].mean().item() == pytest.approx(0.3 * alpha, abs=4.5 * sigma / math.sqrt(600))
    assert middle.x[:, 0].std().item() == pytest.approx(sigma, rel=0.15)
    soft = sample(score, 2, mask=torch.full((4,), 0.5), known=known, steps=3, generator=generator, dtype=F64)
    assert soft.isfinite().all()


def test_resampling_makes_the_rest_fit_what_is_known(generator) -> None:
    """Two modes on a diagonal: what is known of the first coordinate says the second."""
    means = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=F64)
    score = GaussianMixture(means, 0.3, VP.cosine()).given()
    known, mask = torch.tensor([1.0, 0.0], dtype=F64), torch.tensor([1.0, 0.0], dtype=F64)

    def wrong(**options: int) -> float:
        x = sample(
            score, 1000, mask=mask, known=known, steps=15, solver="ddpm", generator=generator, dtype=F64, **options
        )
        return (x[:, 1] < 0).double().mean().item()

    once, often = wrong(), wrong(resample=6, jump=2)
    assert once > 0.02
    assert often < once / 2


def test_a_corrector_acts_where_x_is_settled(counted, generator) -> None:
    subject = counted(VP.cosine())
    score = subject.model.given("a")
    rows = sample(score, 2, steps=4, solver="heun", generator=generator, corrector=langevin(2))
    assert rows.shape == (2, 3)
    assert len(subject.network.batches) == 7 + 3 * 2  # Heun's seven, and two after each of three steps


@pytest.mark.parametrize("solver", ["ddpm", "dpm++2m_sde", "dpm++2m", "langevin"])
def test_a_generator_for_each_sample(mixture_on, solver: str) -> None:
    """A sample is the same alone and in a batch."""
    score = mixture_on(VP.cosine()).given()
    options = {"steps": 6, "solver": solver, "dtype": F64, "corrector": langevin(1, adjusted=True)}

    def generators(seeds: tuple[int, ...]) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    together = sample(score, 3, generator=generators((1, 2, 3)), **options)
    alone = torch.cat([sample(score, 1, generator=generators((seed,)), **options) for seed in (1, 2, 3)])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-11)
    with pytest.raises(ValueError, match=r"^generator must be one, or 3, one for each sample, not 2\.$"):
        sample(score, 3, generator=generators((1, 2)), **options)


def test_rows_without_an_evaluation_show_the_estimate_before(mixture_on, generator) -> None:
    seen: list[Step] = []
    sample(
        mixture_on(VE(80.0)).given(), 2, steps=5, solver="euler", s_churn=20.0, s_max=50.0, generator=generator,
        callback=seen.append, dtype=F64,
    )  # fmt: skip
    assert len(seen) > 5
    assert all(step.x0.shape == (2, 4) for step in seen)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"shape": (2, 5)}, r"^shape must be \(B, 3\) for counted, not \(2, 5\)\.$"),
        ({"shape": 0}, r"^shape must ask for at least 1 sample, not 0\.$"),
        ({"x_T": torch.zeros(3, 3)}, r"^x_T must have the shape \(2, 3\), not \(3, 3\)\.$"),
        ({"x0": torch.zeros(1, 3)}, r"^x0 must have the shape \(2, 3\), not \(1, 3\)\.$"),
        ({"x0": torch.zeros(2, 3), "x_T": torch.zeros(2, 3)}, r"^x_T and x0 must not be given together"),
        ({"mask": torch.ones(3)}, r"^mask and known must be given together\.$"),
        (
            {"mask": torch.ones(4), "known": torch.ones(3)},
            r"^mask must broadcast to the shape \(2, 3\), not be \(4,\)\.$",
        ),
        ({"mask": torch.ones(3) * 2, "known": torch.ones(3)}, r"^mask must lie in \[0, 1\]"),
        ({"resample": 0}, r"^resample and jump must be at least 1, not 0 and 1\.$"),
        ({"resample": 2}, r"^resample needs a solver without memory"),
        ({"solver": "rk45"}, r"^solver must be one of ddpm, .*, not 'rk45'\.$"),
        ({"solver": "ddim", "eta": -0.1}, r"^eta must lie in \[0, 1\], not -0\.1\.$"),
        ({"solver": "dpm++2m", "eta": 0.5}, r"^solver dpm\+\+2m takes no option, not 'eta'\.$"),
        ({"steps": 0}, r"^steps must be at least 1, not 0\.$"),
        ({"steps": 2000}, r"^steps must be at most the 1000 training steps"),
        ({"start": 0.0}, r"^start must lie in \(0, 1\], not 0\.0\.$"),
        ({"spacing": "even"}, r"^spacing must be trailing, .*, not 'even'\.$"),
        (
            {"levels": torch.tensor([0.0, 0.5, 1.0])},
            r"^levels must be a vector of two or more levels that decrease strictly",
        ),
        ({"levels": torch.tensor([])}, r"^levels must be a vector"),
    ],
)
def test_bad_input_runs_nothing(counted, arguments: dict, sentence: str) -> None:
    subject = counted()
    with pytest.raises(ValueError, match=sentence):
        sample(subject.model.given("a"), **({"shape": 2} | arguments))
    assert subject.network.batches == []


def test_what_is_no_score_is_refused(mixture_on) -> None:
    with pytest.raises(ValueError, match=r"^score must be a score, such as model.given\(prompt\), not Denoiser"):
        sample(mixture_on(Flow()), 2)

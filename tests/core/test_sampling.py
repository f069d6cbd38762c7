import itertools
import math

import pytest
import torch

from scorekit.analytic import GaussianMixture
from scorekit.denoiser import Denoiser
from scorekit.sampling import Step, sample
from scorekit.schedule import VE, VP, Flow, grid
from scorekit.guidance import perp_neg

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
    subject = counted()

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


def test_what_is_not_finite_is_said() -> None:
    model = Denoiser(lambda x, t: x * math.nan, Flow(), "v", (3,))
    with pytest.raises(
        FloatingPointError, match=r"^sample\(\) gave values that are not finite with solver heun in 5 steps\.$"
    ):
        sample(model.given(), 2, steps=5, solver="heun")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"shape": (2, 5)}, r"^shape must be \(B, 3\) for counted, not \(2, 5\)\.$"),
        ({"shape": 0}, r"^shape must ask for at least 1 sample, not 0\.$"),
        ({"x_T": torch.zeros(3, 3)}, r"^x_T must have the shape \(2, 3\), not \(3, 3\)\.$"),
        ({"solver": "rk45"}, r"^solver must be one of ddpm, .*, not 'rk45'\.$"),
        ({"solver": "ddim", "eta": -0.1}, r"^eta must lie in \[0, 1\], not -0\.1\.$"),
        ({"solver": "heun", "eta": 0.5}, r"^solver heun takes no option, not 'eta'\.$"),
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

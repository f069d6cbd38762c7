"""The solvers beyond DDIM, Heun and 2M: against the schedulers of diffusers, and against their algorithms written out."""

import itertools
import math

import diffusers
import pytest
import torch
from schedulers import F64, PREDICTION, SD, drive, levels_of, ours

from scorekit.denoiser import Denoiser
from scorekit.sampling import sample
from scorekit.schedule import VE, VP, Flow, grid
from scorekit.solvers import distilled_levels, levels_for, plan, resampled


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def pair(seed: int = 7) -> tuple[torch.Generator, torch.Generator]:
    return torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", ["eps", "v", "x0"])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("steps", [3, 20])
def test_unipc(mixture_on, kind: str, spacing: str, steps: int) -> None:
    scheduler = diffusers.UniPCMultistepScheduler(
        **SD, solver_order=2, solver_type="bh2", timestep_spacing=spacing, prediction_type=PREDICTION[kind]
    )
    model, x = mixture_on(VP(scheduler.alphas_cumprod), kind), normal(5, 4)
    scheduler.set_timesteps(steps)
    reference = drive(scheduler, model, x, kind)
    torch.testing.assert_close(ours(model, x, "unipc", levels_of(scheduler)), reference, rtol=0, atol=2e-5)
    assert (ours(model, x, "dpm++2m", levels_of(scheduler)) - reference).abs().max() > 1e-3


def test_unipc_corrects_what_it_predicts(mixture_on) -> None:
    """As the paper states it, in float64: predict, evaluate, correct, go on from the corrected x."""
    model, x = mixture_on(VP.linear()), normal(5, 4)
    levels = grid(VP.linear(), 9, "log-snr")
    alpha, sigma = (f(levels) for f in (VP.linear().alpha, VP.linear().sigma))
    lam = VP.linear().log_snr(levels) / 2
    corrected, predicted, estimates = x, x, []
    for i in range(9):
        estimates.append(model.predict(predicted, levels[i]).x0)
        if i:  # UniC over the step that led here
            h, b = lam[i] - lam[i - 1], torch.expm1(lam[i - 1] - lam[i])
            linear = sigma[i] / sigma[i - 1] * corrected - alpha[i] * b * estimates[i - 1]
            moves = [estimates[i] - estimates[i - 1]]
            at = [torch.ones((), dtype=F64)]
            if i > 1:
                at.insert(0, (lam[i - 2] - lam[i - 1]) / h)
                moves.insert(0, (estimates[i - 2] - estimates[i - 1]) / at[0])
            targets = torch.stack([(b / -h - 1) / b, 2 * ((b / -h - 1) / -h - 0.5) / b])[: len(at)]
            rho = torch.linalg.solve(torch.stack([torch.stack(at) ** k for k in range(len(at))]), targets)
            rho = rho if i > 1 else torch.tensor([0.5], dtype=F64)
            corrected = linear - alpha[i] * b * sum(r * m for r, m in zip(rho, moves, strict=True))
        h, b = lam[i + 1] - lam[i], torch.expm1(lam[i] - lam[i + 1])
        predicted = sigma[i + 1] / sigma[i] * corrected - alpha[i + 1] * b * estimates[i]
        if i and h.isfinite():
            predicted = predicted - alpha[i + 1] * b * 0.5 * (estimates[i - 1] - estimates[i]) / (
                (lam[i - 1] - lam[i]) / h
            )
    torch.testing.assert_close(ours(model, x, "unipc", levels), predicted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_2m_sde(mixture_on, spacing: str) -> None:
    scheduler = diffusers.DPMSolverMultistepScheduler(
        **SD,
        algorithm_type="sde-dpmsolver++",
        solver_type="midpoint",
        lower_order_final=False,
        timestep_spacing=spacing,
    )
    model, x = mixture_on(VP(scheduler.alphas_cumprod), "eps"), normal(5, 4).float().double()
    scheduler.set_timesteps(20)
    draws = [normal(5, 4, seed=i).float() for i in range(20)]
    reference = x
    for timestep, drawn in zip(scheduler.timesteps, draws, strict=True):
        output = model.predict(reference, (timestep.to(F64) + 1) / 1000).eps
        reference = scheduler.step(output, timestep, reference, variance_noise=drawn).prev_sample
    got = ours(model, x, "dpm++2m_sde", levels_of(scheduler), generator=Replay(draws))
    torch.testing.assert_close(got, reference, rtol=0, atol=5e-5)


class Replay(torch.Generator):
    """A generator that hands out given draws: what a scheduler drew in float32 can be drawn again in float64."""

    def __new__(cls, draws: list[torch.Tensor]) -> "Replay":
        made = super().__new__(cls)
        made.draws = list(draws)
        return made


@pytest.fixture(autouse=True)
def _replaying(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = torch.randn

    def randn(*shape, generator=None, **options):
        if isinstance(generator, Replay):
            return generator.draws.pop(0).to(options.get("dtype", torch.float32))
        return plain(*shape, generator=generator, **options)

    monkeypatch.setattr(torch, "randn", randn)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_euler_ancestral(mixture_on, spacing: str) -> None:
    scheduler = diffusers.EulerAncestralDiscreteScheduler(**SD, timestep_spacing=spacing)
    model, x = mixture_on(VP(scheduler.alphas_cumprod), "eps"), normal(5, 4)
    scheduler.set_timesteps(20)
    levels, (one, other) = levels_of(scheduler), pair()
    reference = drive(scheduler, model, x / model.schedule.alpha(levels[0]), "eps", generator=one)
    torch.testing.assert_close(ours(model, x, "euler_a", levels, generator=other), reference, rtol=0, atol=2e-5)


@pytest.mark.parametrize("steps", [40, 250])
def test_ddpm_with_a_learned_variance(steps: int) -> None:
    scheduler = diffusers.DDPMScheduler(
        **SD, clip_sample=False, variance_type="learned_range", timestep_spacing="leading"
    )

    def network(x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        share = torch.sin(3 * x + timestep[:, None, None, None] / 100)  # in [-1, 1], another everywhere
        return torch.cat([0.8 * x.tanh(), share], 1)

    model = Denoiser(network, VP(scheduler.alphas_cumprod), "eps", (3, 2, 2), dtype=F64)
    x, (one, other) = normal(2, 3, 2, 2), pair()
    scheduler.set_timesteps(steps)
    reference = x
    for timestep in scheduler.timesteps:
        output = network(reference, timestep.expand(2))
        reference = scheduler.step(output, timestep, reference, generator=one).prev_sample
    got = ours(model, x, "ddpm", levels_of(scheduler), generator=other)
    torch.testing.assert_close(got, reference, rtol=1e-5, atol=5e-5)
    # both ends of the range are other samplers
    rows = plan("ddpm", model.schedule, levels_of(scheduler))
    assert (rows.upper[:-1] > rows.d[:-1]).all()
    assert rows.upper[-1] == rows.d[-1] == 0


def test_the_upper_variance_is_beta() -> None:
    schedule = VP.linear()
    rows = plan("ddpm", schedule, grid(schedule, 1000))
    beta = torch.linspace(1e-4, 0.02, 1000, dtype=F64).flip(0)
    torch.testing.assert_close(rows.upper[:-1].square(), beta[:-1], rtol=1e-8, atol=0)


@pytest.mark.parametrize("steps", [1, 4, 7])
@pytest.mark.parametrize("kind", ["eps", "v"])
def test_lcm(mixture_on, steps: int, kind: str) -> None:
    scheduler = diffusers.LCMScheduler(**SD, clip_sample=False, prediction_type=PREDICTION[kind])
    model, x = mixture_on(VP(scheduler.alphas_cumprod), kind), normal(5, 4)
    scheduler.set_timesteps(steps)
    one, other = pair()
    reference = drive(scheduler, model, x, kind, generator=one)
    levels = levels_for("lcm", model.schedule, steps)
    torch.testing.assert_close(levels, levels_of(scheduler))
    torch.testing.assert_close(ours(model, x, "lcm", levels, generator=other), reference, rtol=0, atol=5e-6)
    # and the same from steps alone
    got = sample(model.given(), (5, 4), solver="lcm", steps=steps, x_T=x, generator=pair()[0], dtype=F64)
    torch.testing.assert_close(got, reference, rtol=0, atol=5e-6)


@pytest.mark.parametrize("strength", [0.3, 0.6])
def test_lcm_from_the_middle(strength: float) -> None:
    scheduler = diffusers.LCMScheduler(**SD)
    scheduler.set_timesteps(4, strength=strength)
    torch.testing.assert_close(distilled_levels(VP(scheduler.alphas_cumprod), 4, strength), levels_of(scheduler))


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_tcd(mixture_on, eta: float) -> None:
    scheduler = diffusers.TCDScheduler(**SD)
    model, x = mixture_on(VP(scheduler.alphas_cumprod), "eps"), normal(5, 4)
    scheduler.set_timesteps(6)
    one, other = pair()
    # Its last step ends at the first training step, which still has noise; ours ends in clean data: compared before that.
    reference = x
    for timestep in scheduler.timesteps[:-1]:
        output = model.predict(reference, (timestep.to(F64) + 1) / 1000).eps
        reference = scheduler.step(output, timestep, reference, eta=eta, generator=one).prev_sample
    levels = levels_for("tcd", model.schedule, 6)
    torch.testing.assert_close(levels, levels_of(scheduler))
    got = ours(model, x, "tcd", levels[:-1], eta=eta, generator=other)
    torch.testing.assert_close(got, reference, rtol=0, atol=5e-6)


@pytest.mark.parametrize("schedule", [VP.cosine(), Flow(), VE(80.0)], ids=repr)
def test_both_ends_of_tcd(schedule) -> None:
    levels = grid(schedule, 8, "uniform", start=0.9)
    for eta, name in ((0.0, "ddim"), (1.0, "consistency")):
        rows, other = plan("tcd", schedule, levels, eta=eta), plan(name, schedule, levels)
        if eta and hasattr(schedule, "steps"):
            # consistency sampling goes through clean data; the lowest level that networks with training steps know is the first
            assert (rows.a - other.a).abs().max() < 0.03
        else:
            for column in ("a", "b", "d"):
                torch.testing.assert_close(getattr(rows, column), getattr(other, column), rtol=1e-9, atol=1e-12)


def test_consistency_steps_renew_all_noise(mixture_on) -> None:
    schedule = Flow()
    model, x = mixture_on(schedule), normal(5, 4)
    levels, (one, other) = grid(schedule, 4, "uniform"), pair()
    y = x
    for t, after in itertools.pairwise(levels):
        x0 = model.predict(y, t).x0
        y = x0 if after == 0 else schedule.noised(x0, torch.randn(5, 4, generator=one, dtype=F64), after)
    torch.testing.assert_close(ours(model, x, "consistency", levels, generator=other), y, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("solver", ["heun", "euler"])
def test_churn_is_algorithm_2_of_edm(mixture_on, solver: str) -> None:
    schedule = VE(80.0)
    model, x = mixture_on(schedule), 60 * normal(5, 4)
    s_churn, s_min, s_max, s_noise, n = 10.0, 0.05, 50.0, 1.003, 18
    levels = grid(schedule, n, "karras")
    sigma, (one, other) = schedule.sigma(levels), pair()

    def slope(y: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        return (y - model.predict(y, s / 80).x0) / s

    y, churned = x, 0
    for i in range(n):
        s, after = sigma[i], sigma[i + 1]
        if s_min <= s <= s_max:
            raised = s * (1 + min(s_churn / n, math.sqrt(2) - 1))
            y = y + (raised**2 - s**2).sqrt() * s_noise * torch.randn(5, 4, generator=one, dtype=F64)
            s, churned = raised, churned + 1
        d = slope(y, s)
        moved = y + (after - s) * d
        if solver == "heun" and after != 0:
            moved = y + (after - s) * (d + slope(moved, after)) / 2
        y = moved
    assert 5 < churned < n
    options = {"s_churn": s_churn, "s_min": s_min, "s_max": s_max, "s_noise": s_noise}
    torch.testing.assert_close(ours(model, x, solver, levels, generator=other, **options), y, rtol=0, atol=1e-9)
    rows = plan(solver, schedule, levels, **options)
    assert sum(row.evaluates for row in rows.table()) == (2 * n - 1 if solver == "heun" else n)
    assert len(rows) == sum(row.evaluates for row in rows.table()) + churned


@pytest.mark.parametrize("schedule", [VP.cosine().zero_terminal_snr(), Flow(), VE(80.0)], ids=repr)
def test_churn_stays_within_the_schedule(schedule) -> None:
    rows = plan("heun", schedule, levels_for("heun", schedule, 12), s_churn=40.0)
    assert rows.d.any()
    assert rows.t.max() <= 1
    assert torch.stack([rows.a, rows.b, rows.c, rows.d]).isfinite().all()


@pytest.mark.parametrize("solver", ["euler", "heun", "ddpm", "dpm++2m_sde", "euler_a", "tcd", "consistency"])
def test_stochastic_solvers_keep_the_distribution(gaussian_on, solver: str) -> None:
    m, s, n = 0.7, 0.25, 6000
    options = {"euler": {"s_churn": 2.0}, "heun": {"s_churn": 20.0}}.get(solver, {})
    model = gaussian_on(Flow(), m, s)
    # a consistency step is exact only for a consistency model: the data's posterior mean, noised, loses width
    x = sample(
        model.given(),
        n,
        solver=solver,
        spacing="uniform",
        steps=80,
        generator=torch.Generator().manual_seed(3),
        dtype=F64,
        **options,
    )
    assert x.mean().item() == pytest.approx(m, abs=4.5 * s / math.sqrt(n) + 0.005)
    if solver not in ("tcd", "consistency"):
        assert x.std().item() == pytest.approx(s, rel=4.5 / math.sqrt(2 * n) + 0.03)


# Resampling


def test_resampling_goes_up_and_down() -> None:
    schedule = VP.cosine()
    rows = plan("ddpm", schedule, grid(schedule, 6))
    twice = resampled(rows, schedule, 3, jump=2)
    assert [row.evaluates for row in twice.table()] == ([True, True] + [False, True, True] * 2) * 3
    # wherever a row ends, the next begins
    assert torch.equal(twice.after[:-1], twice.t[1:])
    assert torch.equal(resampled(rows, schedule, 1).t, rows.t)
    heun = plan("heun", schedule, grid(schedule, 4))
    assert len(resampled(heun, schedule, 2)) == 2 * len(heun) + 4
    # going up is a sample of the higher level: on a Gaussian, alpha^2 s^2 + sigma^2 stays what it is
    up = twice.at(torch.tensor([2]))
    low, high = (schedule.alpha(t) ** 2 * 0.0625 + schedule.sigma(t) ** 2 for t in (up.t, up.after))
    torch.testing.assert_close(up.a**2 * low + up.d**2, high)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: plan("heun", Flow(), grid(Flow(), 3), s_churn=-1.0), r"^s_churn and s_noise must be at least 0"),
        (lambda: plan("tcd", Flow(), grid(Flow(), 3), eta=2.0), r"^eta must lie in \[0, 1\], not 2\.0\.$"),
        (lambda: plan("lcm", VE(80.0), grid(VE(80.0), 3, "karras")), r"^lcm needs a schedule with training steps"),
        (
            lambda: plan("lcm", VP.cosine(), grid(VP.cosine(), 3), scaling=0.0),
            r"^sigma_data and scaling must be positive",
        ),
        (lambda: levels_for("lcm", VE(80.0), 4), r"^lcm and tcd need a schedule with training steps, or levels; VE"),
        (lambda: levels_for("lcm", VP.cosine(), 60), r"^steps must lie in 1 to 50 with this solver, not 60\.$"),
        (lambda: levels_for("rk4", VP.cosine(), 60), r"^solver must be one of"),
        (
            lambda: resampled(plan("unipc", Flow(), grid(Flow(), 5)), Flow(), 2),
            r"^resample needs a solver without memory",
        ),
        (lambda: resampled(plan("ddim", Flow(), grid(Flow(), 3)), Flow(), 0), r"^resample and jump must be at least 1"),
    ],
)
def test_bad_input(call, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()

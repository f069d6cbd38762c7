"""Our plans against the schedulers of diffusers, each driven by the same exact denoiser, and against mathematics.

The tables of diffusers are float32: agreement ends there. x stays float64 on both sides.
"""

import itertools
import math

import diffusers
import numpy as np
import pytest
import torch
from schedulers import F64, PREDICTION, SD, drive, levels_of, ours

from scorekit.schedule import VE, VP, Flow, grid
from scorekit.solvers import SOLVERS, plan


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("kind", ["eps", "v", "x0"])
def test_ddim(mixture_on, spacing: str, kind: str) -> None:
    scheduler = diffusers.DDIMScheduler(
        **SD, clip_sample=False, timestep_spacing=spacing, prediction_type=PREDICTION[kind]
    )
    model, x = mixture_on(VP(scheduler.alphas_cumprod), kind), noise(5, 4)
    scheduler.set_timesteps(20)
    torch.testing.assert_close(
        ours(model, x, "ddim", levels_of(scheduler)), drive(scheduler, model, x, kind), rtol=0, atol=5e-6
    )


@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_ddim_with_noise(mixture_on, eta: float) -> None:
    scheduler = diffusers.DDIMScheduler(**SD, clip_sample=False, prediction_type="epsilon")
    model, x = mixture_on(VP(scheduler.alphas_cumprod), "eps"), noise(5, 4)
    scheduler.set_timesteps(25)
    one, other = (torch.Generator().manual_seed(7) for _ in range(2))
    reference = drive(scheduler, model, x, "eps", eta=eta, generator=one)
    torch.testing.assert_close(
        ours(model, x, "ddim", levels_of(scheduler), eta=eta, generator=other), reference, rtol=0, atol=5e-6
    )
    assert (reference - ours(model, x, "ddim", levels_of(scheduler))).abs().max() > 0.1


def test_ddim_from_zero_terminal_snr(mixture_on) -> None:
    scheduler = diffusers.DDIMScheduler(
        **SD,
        clip_sample=False,
        timestep_spacing="trailing",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
    )
    table = scheduler.alphas_cumprod.double()
    model, x = mixture_on(VP(table), "v"), noise(5, 4)
    scheduler.set_timesteps(10)
    torch.testing.assert_close(
        ours(model, x, "ddim", levels_of(scheduler)), drive(scheduler, model, x, "v"), rtol=0, atol=5e-6
    )


@pytest.mark.parametrize("steps", [50, 200])
def test_ddpm(mixture_on, steps: int) -> None:
    scheduler = diffusers.DDPMScheduler(
        **SD, clip_sample=False, variance_type="fixed_small", timestep_spacing="leading"
    )
    model, x = mixture_on(VP(scheduler.alphas_cumprod), "eps"), noise(2, 4)
    scheduler.set_timesteps(steps)
    one, other = (torch.Generator().manual_seed(7) for _ in range(2))
    reference = drive(scheduler, model, x, "eps", generator=one)
    torch.testing.assert_close(
        ours(model, x, "ddpm", levels_of(scheduler), generator=other), reference, rtol=0, atol=2e-5
    )


@pytest.mark.parametrize(("name", "solver"), [("EulerDiscreteScheduler", "euler"), ("HeunDiscreteScheduler", "heun")])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_euler_and_heun(mixture_on, name: str, solver: str, spacing: str) -> None:
    scheduler = getattr(diffusers, name)(**SD, timestep_spacing=spacing)
    model, x = mixture_on(VP(scheduler.alphas_cumprod), "eps"), noise(5, 4)
    scheduler.set_timesteps(20)
    levels = torch.cat([(scheduler.timesteps.to(F64).unique().flip(0) + 1) / 1000, torch.zeros(1, dtype=F64)])
    assert len(levels) == 21
    ratio = float((-model.schedule.log_snr(levels[0]) / 2).exp())
    alpha = float(model.schedule.alpha(levels[0]))
    # They stand in x / alpha; what they make is data, where both variables are one.
    assert float(scheduler.sigmas[0]) == pytest.approx(ratio, rel=1e-5)
    reference = drive(scheduler, model, x / alpha, "eps")
    torch.testing.assert_close(ours(model, x, solver, levels), reference, rtol=0, atol=5e-6)


@pytest.mark.parametrize("kind", ["eps", "v", "x0"])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize(("order", "solver"), [(1, "ddim"), (2, "dpm++2m")])
def test_dpm_solver_multistep(mixture_on, kind: str, spacing: str, order: int, solver: str) -> None:
    scheduler = diffusers.DPMSolverMultistepScheduler(
        **SD,
        algorithm_type="dpmsolver++",
        solver_order=order,
        solver_type="midpoint",
        lower_order_final=False,
        final_sigmas_type="zero",
        timestep_spacing=spacing,
        prediction_type=PREDICTION[kind],
    )
    model, x = mixture_on(VP(scheduler.alphas_cumprod), kind), noise(5, 4)
    scheduler.set_timesteps(20)
    torch.testing.assert_close(
        ours(model, x, solver, levels_of(scheduler)), drive(scheduler, model, x, kind), rtol=0, atol=2e-5
    )


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_matching_euler(mixture_on, shift: float) -> None:
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(16)
    model, x = mixture_on(Flow(), "flow"), noise(5, 4)
    reference = x
    for timestep, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        output = model.predict(reference, sigma.double()).flow
        # its step() casts to the dtype of the model's output only after float32 arithmetic
        reference = scheduler.step(output, timestep, reference).prev_sample
    levels = scheduler.sigmas.double()
    torch.testing.assert_close(ours(model, x, "euler", levels), reference.double(), rtol=0, atol=5e-6)
    np.testing.assert_allclose(model.schedule.timestep(levels[:-1]).numpy(), scheduler.timesteps.numpy(), atol=1e-3)


@pytest.mark.parametrize("schedule", [VP.scaled_linear(), VP.cosine().zero_terminal_snr(), VE(80.0), Flow()], ids=repr)
def test_first_order_solvers_are_one(mixture_on, schedule) -> None:
    levels = grid(schedule, 15, "uniform", start=0.9)
    one = plan("ddim", schedule, levels)
    other = plan("euler", schedule, levels)
    for name in ("a", "b", "c", "d"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    assert not one.d.any()
    assert plan("ddpm", schedule, levels).d.any()
    # Euler on the probability-flow ODE in y = x / alpha against s = sigma / alpha, written out
    model, x = mixture_on(schedule), noise(3, 4) * float(torch.hypot(schedule.alpha(0.9), schedule.sigma(0.9)))
    alpha, sigma = schedule.alpha(levels), schedule.sigma(levels)
    y, s = x / alpha[0], sigma / alpha
    for i in range(15):
        slope = (y - model.predict(alpha[i] * y, levels[i]).x0) / s[i]
        y = y + (s[i + 1] - s[i]) * slope
    torch.testing.assert_close(ours(model, x, "euler", levels), y, rtol=1e-9, atol=1e-9)


def test_straight_flow_euler_is_ddim(mixture_on) -> None:
    levels, model, x = grid(Flow(), 12, "uniform"), mixture_on(Flow(), "flow"), noise(3, 4)
    y = x
    for t, after in itertools.pairwise(levels):
        y = y + (after - t) * model.predict(y, t).flow
    torch.testing.assert_close(ours(model, x, "ddim", levels), y, rtol=1e-11, atol=1e-12)


def test_heun_is_algorithm_2_of_edm(mixture_on) -> None:
    schedule = VE(80.0)
    model, x = mixture_on(schedule), 80 * noise(5, 4)
    levels = grid(schedule, 18, "karras")
    sigma = schedule.sigma(levels)
    y = x
    for i in range(18):
        d = (y - model.predict(y, levels[i]).x0) / sigma[i]
        euler = y + (sigma[i + 1] - sigma[i]) * d
        if sigma[i + 1] != 0:
            d_next = (euler - model.predict(euler, levels[i + 1]).x0) / sigma[i + 1]
            euler = y + (sigma[i + 1] - sigma[i]) * (d + d_next) / 2
        y = euler
    rows = plan("heun", schedule, levels)
    assert len(rows) == 35
    torch.testing.assert_close(ours(model, x, "heun", levels), y, rtol=0, atol=1e-9)


def test_heun_counts_evaluations_from_pure_noise() -> None:
    schedule = VP.scaled_linear().zero_terminal_snr()
    rows = plan("heun", schedule, grid(schedule, 10))
    assert len(rows) == 2 * 10 - 2  # the first and the last step have one slope
    assert torch.stack([rows.a, rows.b, rows.c, rows.d]).isfinite().all()


@pytest.mark.parametrize(("solver", "order", "least"), [("euler", 1, 1.95), ("heun", 2, 4.0), ("dpm++2m", 2, 4.0)])
def test_order_of_convergence(gaussian_on, solver: str, order: int, least: float) -> None:
    m, s, top = 0.7, 0.25, 80.0
    schedule = VE(top)
    model = gaussian_on(schedule, m, s, "x0")
    x = torch.tensor([[30.0], [-95.0]], dtype=F64)
    exact = m + (x - m) * s / math.sqrt(s**2 + top**2)
    counts = [18, 36, 72, 144, 288]
    errors = [float((ours(model, x, solver, grid(schedule, n, "karras")) - exact).abs().max()) for n in counts]
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.2)
    # measured: 1.96 to 1.99 (Euler), 4.25 to 4.61 (Heun), 4.33 to 4.65 (2M)
    assert all(a / b > least for a, b in itertools.pairwise(errors))


@pytest.mark.parametrize("schedule", [VP.scaled_linear(), Flow()], ids=repr)
@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2), ("dpm++2m", 2), ("unipc", 3)])
def test_order_of_convergence_on_other_schedules(gaussian_on, schedule, solver: str, order: int) -> None:
    m, s, start = 0.7, 0.25, 0.8
    model = gaussian_on(schedule, m, s)
    x = torch.tensor([[1.0], [-1.5]], dtype=F64)
    counts, errors = [24, 48, 96], []
    for n in counts:
        levels = grid(schedule, n, "karras", start=start, sigma_min=0.05)[
            :-1
        ]  # without the jump to data, which is no small step
        ends = levels[[0, -1]]
        (alpha, alpha_end), (sigma, sigma_end) = schedule.alpha(ends), schedule.sigma(ends)
        shrink = ((alpha_end**2 * s**2 + sigma_end**2) / (alpha**2 * s**2 + sigma**2)).sqrt()
        exact = alpha_end * m + (x - alpha * m) * shrink
        errors.append(float((ours(model, x, solver, levels) - exact).abs().max()))
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "schedule", [VP.scaled_linear(), VP.cosine(), VP.linear().zero_terminal_snr(), VE(80.0), Flow()], ids=repr
)
def test_every_plan_is_finite_and_ends_in_data(schedule, solver: str) -> None:
    if solver == "lcm" and not hasattr(schedule, "steps"):
        pytest.skip("lcm is defined on training steps")
    spacings = ["uniform", "karras", "log-snr"] + (
        ["trailing", "leading", "linspace"] if hasattr(schedule, "steps") else []
    )
    for spacing in spacings:
        for n in (1, 2, 20):
            rows = plan(solver, schedule, grid(schedule, n, spacing))
            assert torch.stack([rows.a, rows.b, rows.c, rows.e, rows.d, rows.upper]).isfinite().all()
            assert rows.after[-1] == 0
            # the last row takes x0 as it is: nothing of x is left that is noise
            last = rows.a[-1], rows.b[-1], rows.c[-1], rows.e[-1], rows.d[-1]
            if solver != "lcm":  # whose boundary condition mixes in a trace of x
                clean = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0], dtype=F64)
                torch.testing.assert_close(torch.stack(last), clean, rtol=0, atol=1e-12)


def test_ddpm_has_the_posterior_of_ho() -> None:
    schedule = VP.linear()
    levels = grid(schedule, 1000)
    rows = plan("ddpm", schedule, levels)
    bar = torch.cat([schedule.alpha_bar.flip(0), torch.ones(1, dtype=F64)])
    beta = 1 - bar[:-1] / bar[1:]
    variance = (1 - bar[1:]) / (1 - bar[:-1]) * beta
    torch.testing.assert_close(rows.d.square(), variance, rtol=1e-8, atol=1e-14)
    torch.testing.assert_close(rows.b, bar[1:].sqrt() * beta / (1 - bar[:-1]), rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(rows.a, (1 - beta).sqrt() * (1 - bar[1:]) / (1 - bar[:-1]), rtol=1e-8, atol=1e-12)


LEVELS = torch.tensor([1.0, 0.5, 0.0], dtype=F64)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: plan("rk4", Flow(), LEVELS),
            r"^solver must be one of ddpm, ddim, euler, euler_a, heun, .*, langevin, not 'rk4'\.$",
        ),
        (lambda: plan("ddim", Flow(), LEVELS, eta=1.5), r"^eta must lie in \[0, 1\], not 1\.5\.$"),
        (lambda: plan("ddim", Flow(), LEVELS, rho=7.0), r"^solver ddim takes eta, not 'rho'\.$"),
        (lambda: plan("dpm++2m", Flow(), LEVELS, eta=0.5), r"^solver dpm\+\+2m takes no option, not 'eta'\.$"),
        (lambda: plan("heun", Flow(), LEVELS, eta=0.5), r"^solver heun takes s_churn and s_min and .*, not 'eta'\.$"),
        (
            lambda: plan("euler", Flow(), LEVELS.flip(0)),
            r"^levels must be a vector of two or more levels that decrease strictly",
        ),
        (lambda: plan("euler", Flow(), LEVELS[:1]), r"^levels must be"),
        (lambda: plan("euler", Flow(), LEVELS[[0, 1, 1, 2]]), r"^levels must be"),
        (lambda: plan("euler", Flow(), LEVELS * 2), r"^levels must be"),
        (lambda: plan("euler", Flow(), LEVELS - 0.1), r"^levels must be"),
        (lambda: plan("euler", Flow(), LEVELS * math.nan), r"^levels must be"),
        (lambda: plan("euler", Flow(), LEVELS[None]), r"^levels must be"),
    ],
)
def test_bad_input(call, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()

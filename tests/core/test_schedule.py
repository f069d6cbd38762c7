import math

import diffusers
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scorekit.schedule import VE, VP, Flow, Schedule, from_config, grid, spread

FLOW_NAME = {"_class_name": "FlowMatchEulerDiscreteScheduler"}  # as it is written to scheduler_config.json
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SCHEDULES: dict[str, Schedule] = {
    "scaled_linear": VP.scaled_linear(),
    "linear": VP.linear(),
    "cosine": VP.cosine(),
    "zero_terminal": VP.scaled_linear().zero_terminal_snr(),
    "short": VP.linear(1e-3, 0.2, steps=100),
    "ve": VE(80.0),
    "flow": Flow(),
    "shifted_flow": Flow(shift=3.0),
}
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())


def test_stable_diffusion_table() -> None:
    table = VP.scaled_linear()
    assert table.alpha_bar[0].item() == pytest.approx(0.99914998, abs=5e-8)
    assert table.alpha_bar[-1].item() == pytest.approx(0.00466010, abs=5e-8)
    noise_to_signal = (-table.log_snr(torch.tensor([1 / 1000, 1.0])) / 2).exp()
    assert noise_to_signal[0].item() == pytest.approx(0.0291675, rel=3e-5)
    assert noise_to_signal[1].item() == pytest.approx(14.614647, rel=1e-5)


def test_ends_of_the_other_tables() -> None:
    assert VP.linear().alpha_bar[-1].item() == pytest.approx(4.03583e-5, rel=1e-5)
    assert VP.cosine().alpha_bar[-1].item() == pytest.approx(2.4287e-9, rel=1e-4)
    rescaled = VP.scaled_linear().zero_terminal_snr()
    assert rescaled.alpha_bar[-1].item() == 0
    assert rescaled.alpha_bar[0].item() == pytest.approx(VP.scaled_linear().alpha_bar[0].item(), rel=1e-14)
    assert rescaled.alpha(1.0).item() == 0
    assert rescaled.sigma(1.0).item() == 1


def test_edm_sigmas_and_c_noise() -> None:
    schedule = VE(80.0)
    levels = grid(schedule, 18, "karras")
    sigmas = schedule.sigma(levels)
    expected = torch.tensor([80, 57.585985, 40.785574], dtype=torch.float64)
    torch.testing.assert_close(sigmas[:3], expected, rtol=1e-7, atol=0)
    assert sigmas[-2].item() == pytest.approx(0.002, rel=1e-9)
    assert sigmas[-1].item() == 0
    assert len(levels) == 19
    torch.testing.assert_close(schedule.timestep(levels[:-1]), sigmas[:-1].log() / 4)
    reference = diffusers.EDMEulerScheduler(sigma_min=0.002, sigma_max=80.0)
    reference.set_timesteps(18)
    torch.testing.assert_close(sigmas, reference.sigmas.double(), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    "config",
    [
        SD,
        {"beta_schedule": "linear"},
        {"beta_schedule": "squaredcos_cap_v2"},
        SD | {"rescale_betas_zero_snr": True},
        {"beta_schedule": "linear", "num_train_timesteps": 100},
        {"trained_betas": [0.1, 0.2, 0.3, 0.05], "num_train_timesteps": 4},
    ],
)
def test_tables_are_those_of_diffusers(config: dict) -> None:
    reference = diffusers.DDIMScheduler(**config)
    ours = from_config(dict(reference.config))
    assert isinstance(ours, VP)
    # float32 products of up to 1000 factors: 1e-5 relative is what the reference's own table is good to
    torch.testing.assert_close(ours.alpha_bar, reference.alphas_cumprod.double(), rtol=2e-5, atol=2e-8)


@pytest.mark.parametrize("shift", [1.0, 3.0, 0.4])
def test_a_shifted_flow_is_that_of_diffusers(shift: float) -> None:
    reference = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)  # shifts its table of training steps once
    ours = from_config(dict(reference.config) | FLOW_NAME)
    assert ours == Flow(shift=shift)
    t = torch.arange(1000, 0, -1, dtype=torch.float64) / 1000
    torch.testing.assert_close(ours.sigma(t), reference.sigmas.double(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.timestep(t), reference.timesteps.double(), rtol=1e-5, atol=1e-3)
    # the last level of ten is shifted once: .00299 of one training step at shift 3, where diffusers' sampler has .00893
    if shift == 3.0:
        assert ours.sigma(0.001).item() == pytest.approx(0.00299, abs=1e-5)


@pytest.mark.parametrize("exponential", [True, False])
def test_the_shift_that_depends_on_resolution_is_that_of_flux(exponential: bool) -> None:
    kind = "exponential" if exponential else "linear"
    reference = diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, time_shift_type=kind)
    assert from_config(dict(reference.config) | FLOW_NAME) == Flow()  # the resolution is not in the config
    tokens, steps = 1024, 10
    mu = 0.5 + (1.15 - 0.5) * (tokens - 256) / (4096 - 256)
    reference.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)
    ours = Flow.for_tokens(tokens, exponential=exponential)
    levels = grid(ours, steps, "uniform")
    torch.testing.assert_close(ours.sigma(levels), reference.sigmas.double(), rtol=1e-6, atol=1e-7)


def test_flows_of_other_shifts_meet_at_equal_noise() -> None:
    plain, shifted = Flow(), Flow(shift=3.0)
    t = torch.linspace(0.01, 0.99, 9, dtype=torch.float64)
    torch.testing.assert_close(shifted.sigma(shifted.at_log_snr(plain.log_snr(t))), plain.sigma(t))
    with pytest.raises(ValueError, match=r"^shift must be positive, not 0\.$"):
        Flow(shift=0)


@pytest.mark.parametrize("name", ["ScoreSdeVeScheduler", "CMStochasticIterativeScheduler"])
def test_schedulers_without_betas_are_not_taken_for_linear_ones(name: str) -> None:
    config = dict(getattr(diffusers, name)().config) | {"_class_name": name}
    with pytest.raises(
        ValueError, match=rf"^scheduler {name} is not known: it has neither beta_schedule nor trained_betas\.$"
    ):
        from_config(config)


def test_levels_are_the_schedule_and_shaped_for_samples() -> None:
    schedule, like = VP.cosine(), torch.zeros(2, 3, 4)
    t = torch.tensor([0.25, 0.75], dtype=torch.float64)
    for one, level in zip(t, schedule.levels(t, torch.device("cpu")), strict=True):
        assert (level.alpha, level.sigma) == (schedule.alpha(one).item(), schedule.sigma(one).item())
        assert level.timestep.item() == pytest.approx(schedule.timestep(one).item())
        assert schedule.level(float(one), like).alpha == level.alpha
    each = schedule.level(t, like)
    assert each.alpha.shape == (2, 1, 1)
    torch.testing.assert_close(each.sigma.flatten(), schedule.sigma(t).float())
    torch.testing.assert_close(each.timestep, schedule.timestep(t).float())


def test_from_config_of_flow_and_edm_and_unknown() -> None:
    assert from_config(
        dict(diffusers.FlowMatchEulerDiscreteScheduler().config) | {"_class_name": "FlowMatchEuler"}
    ) == Flow(1000)
    assert from_config({"_class_name": "DPMSolverMultistepScheduler", "prediction_type": "flow_prediction"}) == Flow(
        1000
    )
    assert from_config({"_class_name": "EDMEulerScheduler", "sigma_max": 40.0}) == VE(40.0)
    with pytest.raises(
        ValueError, match=r"beta_schedule must be linear, scaled_linear or squaredcos_cap_v2, not 'sigmoid'\."
    ):
        from_config({"beta_schedule": "sigmoid"})


@every_schedule
@given(t=st.floats(1e-6, 1.0))
def test_at_log_snr_inverts_log_snr(schedule: Schedule, t: float) -> None:
    level = torch.tensor(t, dtype=torch.float64)
    assert schedule.at_log_snr(schedule.log_snr(level)).item() == pytest.approx(t, abs=1e-12)


@every_schedule
def test_both_ends(schedule: Schedule) -> None:
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert schedule.alpha(0.0).item() == 1
    assert schedule.sigma(0.0).item() == 0
    assert schedule.log_snr(0.0).item() == math.inf
    torch.testing.assert_close(schedule.at_log_snr(schedule.log_snr(ends)), ends, rtol=0, atol=1e-15)
    # outside of the range: clamped
    torch.testing.assert_close(schedule.at_log_snr(torch.tensor([1e9, -1e9])), ends, rtol=0, atol=1e-15)
    many = torch.linspace(0, 1, 4001, dtype=torch.float64)
    assert (schedule.log_snr(many).diff() < 0).all()


@every_schedule
def test_shapes_dtype_and_noised(schedule: Schedule) -> None:
    t = torch.rand(2, 3)
    back = schedule.at_log_snr(schedule.log_snr(t))
    for value in (schedule.alpha(t), schedule.sigma(t), schedule.log_snr(t), back, schedule.timestep(t)):
        assert value.shape == (2, 3)
        assert value.dtype == torch.float64
    x0, eps, t = torch.randn(3, 2, 5), torch.randn(3, 2, 5), torch.tensor([0.1, 0.5, 1.0])
    noised = schedule.noised(x0, eps, t)
    assert noised.dtype == torch.float32
    for i in range(3):
        expected = float(schedule.alpha(t[i])) * x0[i] + float(schedule.sigma(t[i])) * eps[i]
        torch.testing.assert_close(noised[i], expected)
        torch.testing.assert_close(schedule.noised(x0, eps, float(t[i]))[i], expected)


@pytest.mark.parametrize("schedule", [s for s in SCHEDULES.values() if isinstance(s, VP)], ids=repr)
def test_vp_preserves_variance_and_hits_its_table(schedule: VP) -> None:
    k = torch.arange(schedule.steps)
    t = (k + 1) / torch.tensor(schedule.steps, dtype=torch.float64)
    torch.testing.assert_close(schedule.alpha(t).square(), schedule.alpha_bar, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(schedule.alpha(t).square() + schedule.sigma(t).square(), torch.ones_like(t))
    torch.testing.assert_close(schedule.timestep(t), k.double(), rtol=0, atol=1e-9)
    assert torch.equal(schedule.timestep(t).float(), k.float())
    assert schedule.timestep(0.0).item() == 0
    # half way between two training steps
    middle = schedule.alpha(t[3] + 0.5 / schedule.steps).square()
    assert middle.item() == pytest.approx((schedule.alpha_bar[3] + schedule.alpha_bar[4]).item() / 2, rel=1e-12)
    assert schedule.timestep(t[3] + 0.5 / schedule.steps).item() == pytest.approx(3.5)


def test_flow() -> None:
    schedule, t = Flow(), torch.tensor([0.0, 0.25, 1.0])
    torch.testing.assert_close(schedule.alpha(t) + schedule.sigma(t), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(schedule.timestep(t), torch.tensor([0.0, 250.0, 1000.0], dtype=torch.float64))
    # sigma is the caller's to change
    given_t = torch.tensor([0.5], dtype=torch.float64)
    schedule.sigma(given_t).zero_()
    assert given_t.item() == 0.5


def test_equality_is_of_numbers() -> None:
    assert VP.scaled_linear() == VP.scaled_linear() == from_config(SD)
    assert hash(VP.scaled_linear()) == hash(VP.scaled_linear())
    assert (
        len(
            {VP.scaled_linear(), VP.linear(), VP.scaled_linear().zero_terminal_snr(), VE(), VE(40.0), Flow(), Flow(100)}
        )
        == 7
    )
    assert Flow() != VE()


def test_spread_keeps_dtype_of_like() -> None:
    like = torch.zeros(2, 3, 4, dtype=torch.float32)
    assert spread(torch.ones(2, dtype=torch.float64), like).shape == (2, 1, 1)
    assert spread(torch.tensor(1.0, dtype=torch.float64), like).shape == ()
    assert spread(torch.ones(2, dtype=torch.float64), like).dtype == torch.float32


@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 10, 15, 20, 28, 30, 50, 77, 100, 333, 750, 999, 1000])
def test_grids_are_the_timesteps_of_diffusers(spacing: str, steps: int) -> None:
    schedule = VP.scaled_linear()
    levels = grid(schedule, steps, spacing)
    assert levels.shape == (steps + 1,)
    assert (levels.diff() < 0).all()
    assert levels[-1] == 0
    if spacing == "linspace" and steps == 1:
        assert levels[0] == 1  # the reference would evaluate its only step at clean data
        return
    reference = diffusers.DDIMScheduler(**SD, timestep_spacing=spacing)
    reference.set_timesteps(steps)
    np.testing.assert_array_equal(schedule.timestep(levels[:-1]).round().numpy(), reference.timesteps.numpy())
    np.testing.assert_allclose(schedule.timestep(levels[:-1]).numpy(), reference.timesteps.numpy(), atol=1e-9)


@pytest.mark.parametrize("start", [0.05, 0.3, 0.5, 0.98, 1.0])
@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace", "uniform", "karras", "log-snr"])
@pytest.mark.parametrize("schedule", [VP.scaled_linear(), VP.cosine().zero_terminal_snr(), Flow()], ids=repr)
def test_grids_decrease_from_start_to_data(schedule: Schedule, spacing: str, start: float) -> None:
    levels = grid(schedule, 12, spacing, start=start)
    assert levels.shape == (13,)
    assert levels.dtype == torch.float64
    assert levels[-1] == 0
    assert levels[0] <= start + 1e-12
    assert (levels.diff() < 0).all()


def test_even_spacings() -> None:
    schedule = VE(80.0)
    torch.testing.assert_close(
        grid(schedule, 4, "uniform", start=0.8), torch.tensor([0.8, 0.6, 0.4, 0.2, 0.0], dtype=torch.float64)
    )
    gaps = schedule.log_snr(grid(schedule, 9, "log-snr")[:-1]).diff()
    torch.testing.assert_close(gaps, gaps[:1].expand_as(gaps))
    roots = (
        -VP.scaled_linear().log_snr(grid(VP.scaled_linear(), 9, "karras", rho=5.0, sigma_min=0.05)[:-1]) / 2
    ).exp() ** (1 / 5)
    torch.testing.assert_close(roots.diff(), roots.diff()[:1].expand(8), rtol=1e-9, atol=0)
    assert roots[-1].item() ** 5 == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: grid(Flow(), 0), r"^steps must be at least 1, not 0\.$"),
        (lambda: grid(Flow(), 5, start=0.0), r"^start must lie in \(0, 1\], not 0\.0\.$"),
        (lambda: grid(Flow(), 5, start=1.5), r"^start must lie in \(0, 1\], not 1\.5\.$"),
        (
            lambda: grid(VE(), 5, "trailing"),
            r"spacing 'trailing' needs a schedule with training steps; VE\(sigma_max=80\) takes",
        ),
        (lambda: grid(VP.scaled_linear(), 1001), r"^steps must be at most the 1000 training steps"),
        (lambda: grid(VP.scaled_linear(), 60, start=0.05), r"^steps must be at most the 50 training steps"),
        (lambda: grid(Flow(), 5, "quadratic"), r"spacing must be trailing, leading, .* or log-snr, not 'quadratic'\."),
        (lambda: grid(VE(), 5, "karras", sigma_min=0.0), r"^sigma_min must lie between 0 and .*, not 0\.0\.$"),
        (lambda: grid(VE(), 5, "log-snr", sigma_min=90.0), r"^sigma_min must lie between 0 and .*, not 90\.0\.$"),
        (lambda: VE(0.0), r"^sigma_max must be positive, not 0\.0\.$"),
        (lambda: VE(math.nan), r"^sigma_max must be positive, not nan\.$"),
        (lambda: VP(torch.tensor([0.5])), r"alpha_bar must be a vector of at least 2 entries, not of shape \(1,\)\."),
        (lambda: VP(torch.tensor([0.5, 0.5])), r"^alpha_bar must decrease strictly within \[0, 1\)\.$"),
        (lambda: VP(torch.tensor([1.0, 0.5])), r"^alpha_bar must decrease strictly within \[0, 1\)\.$"),
        (lambda: VP(torch.tensor([0.5, -0.1])), r"^alpha_bar must decrease strictly within \[0, 1\)\.$"),
        (lambda: VP(torch.tensor([0.5, math.nan])), r"^alpha_bar must decrease strictly within \[0, 1\)\.$"),
    ],
)
def test_bad_input(call, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()

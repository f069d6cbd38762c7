"""Round trips from data to noise and back."""

import itertools

import pytest
import torch

from scorekit.analytic import GaussianMixture
from scorekit.denoiser import Denoiser
from scorekit.inversion import Inversion, invert
from scorekit.sampling import sample
from scorekit.schedule import VE, VP, Flow

F64 = torch.float64


def gaussian_data(n: int = 32) -> torch.Tensor:
    return 0.7 + 0.25 * torch.randn(n, 1, generator=torch.Generator().manual_seed(0), dtype=F64)


@pytest.mark.parametrize("schedule", [VP.scaled_linear(), Flow()], ids=repr)
def test_the_error_of_ddim_falls_with_the_step(gaussian_on, schedule) -> None:
    score, x0 = gaussian_on(schedule).given(), gaussian_data()
    errors = [
        float((invert(score, x0, method="ddim", steps=n).sample(score) - x0).abs().max()) for n in (10, 20, 40, 80)
    ]
    assert all(1.5 < a / b < 2.6 for a, b in itertools.pairwise(errors)), errors
    assert errors[-1] > 0.02  # it is never exact


@pytest.mark.parametrize("method", ["ddim", "bdia"])
def test_inversion_follows_the_ode(gaussian_on, method: str) -> None:
    """The flow of N(m, s^2) carries m + s z to z."""
    x0 = gaussian_data()
    found = invert(gaussian_on(Flow()).given(), x0, method=method, steps=200)
    assert float((found.x_T - (x0 - 0.7) / 0.25).abs().max()) < (0.06 if method == "ddim" else 0.002)


@pytest.mark.parametrize("schedule", [VP.scaled_linear(), VP.cosine().zero_terminal_snr(), Flow(), VE(80.0)], ids=repr)
@pytest.mark.parametrize("steps", [2, 3, 25])
def test_bdia_is_exact(mixture_on, schedule, steps: int) -> None:
    score = mixture_on(schedule).given("red")
    x0 = torch.randn(5, 4, generator=torch.Generator().manual_seed(1), dtype=F64)
    found = invert(score, x0, steps=steps)
    torch.testing.assert_close(found.sample(score), x0, rtol=0, atol=1e-9)
    assert found.x_T.dtype == F64
    # and in float32
    single = invert(score, x0.float(), steps=steps)
    torch.testing.assert_close(single.sample(score), x0.float(), rtol=0, atol=1e-6)


def test_bdia_is_exact_with_a_real_network_and_guidance() -> None:
    from diffusers import UNet2DModel

    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=8, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(8, 16), norm_num_groups=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    ).eval().requires_grad_(False)  # fmt: skip

    def model(scale: float) -> Denoiser:
        return Denoiser(lambda x, t: scale * unet(x, t).sample, VP.scaled_linear(), "eps", (3, 8, 8))

    score = 1.5 * model(1.0).given() - 0.5 * model(0.8).given()
    x0 = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = invert(score, x0, steps=20)
    assert found.sample(score).dtype == torch.float32
    assert float((found.sample(score) - x0).abs().max()) < 1e-5
    ddim = invert(score, x0, steps=20, method="ddim")
    assert float((ddim.sample(score) - x0).abs().max()) > 1e-3
    other = found.sample(model(0.5).given())
    assert other.isfinite().all()
    assert float((other - x0).abs().max()) > 1e-2


def test_halfway_and_callbacks(mixture_on) -> None:
    score = mixture_on(VP.cosine()).given()
    x0 = torch.randn(2, 4, generator=torch.Generator().manual_seed(1), dtype=F64)
    seen: list[float] = []
    for method in ("ddim", "bdia"):
        seen.clear()
        found = invert(score, x0, method=method, steps=10, start=0.5, callback=lambda s: seen.append(float(s.t)))
        assert found.levels[0] == 0.5
        assert seen == sorted(seen)
        assert seen[-1] == 0.5
        seen.clear()
        found.sample(score, callback=lambda s: seen.append(float(s.t)))
        assert seen[-1] == 0
        assert seen == sorted(seen, reverse=True)
    plain = invert(score, x0, method="ddim", steps=10, start=0.5)
    again = sample(score, (2, 4), x_T=plain.x_T, levels=plain.levels, solver="ddim", dtype=F64)
    assert torch.equal(again, plain.sample(score))
    assert isinstance(plain, Inversion)
    assert plain.x_next is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"method": "edict"}, r"^method must be one of ddim, bdia, not 'edict'\.$"),
        ({"x0": torch.zeros(2, 5)}, r"^x0 must have the shape \(B, 3\), not \(2, 5\)\.$"),
        ({"steps": 1}, r"^levels must be a vector of three or more levels"),
        ({"levels": torch.tensor([1.0, 0.5, 0.1])}, r"^levels must be .* to 0\.$"),
        ({"start": 2.0}, r"^start must lie in \(0, 1\], not 2\.0\.$"),
    ],
)
def test_bad_input(counted, arguments: dict, sentence: str) -> None:
    subject = counted(VP.cosine())
    with pytest.raises(ValueError, match=sentence):
        invert(subject.model.given("a"), **({"x0": torch.zeros(2, 3)} | arguments))
    assert subject.network.batches == []


def test_another_schedule_is_refused() -> None:
    mean = torch.zeros(1, 1, dtype=torch.float64)
    here, there = GaussianMixture(mean, 1.0, VP.cosine()), GaussianMixture(mean, 1.0, Flow())
    found = invert(here.given(), torch.ones(2, 1, dtype=torch.float64), steps=4)
    with pytest.raises(
        ValueError, match=r"^score must be on the schedule of the inversion, VP\(.*\), not on Flow\(steps=1000\)\.$"
    ):
        found.sample(there.given())


@pytest.mark.parametrize("method", ["bdia", "ddim"])
def test_the_step_that_is_not_finite_is_named(method: str) -> None:
    broken = Denoiser(lambda x, t: x / (t < 500), Flow(), "flow", (3,))
    with pytest.raises(
        FloatingPointError, match=r"^invert\(\) gave values that are not finite in step \d of \d, to t = 0\.[5-8]"
    ):
        invert(broken.given(), torch.ones(1, 3), steps=8, method=method)

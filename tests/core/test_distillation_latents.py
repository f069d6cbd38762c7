"""Pictures through a codec: distillation in latents reaches the pixels by the encoder's transpose."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import saved, stable_diffusion
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.distillation import constant, distill, interval_matching
from scorekit.models import load


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Denoiser:
    pipe: tuple[Any, Path] = saved(stable_diffusion("epsilon"), tmp_path_factory.mktemp("sd") / "tiny")
    return load(str(pipe[1]))


def pictures(size: int = 16) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.mark.parametrize("size", [16, 40])  # also of another size than the model's
def test_gradient_of_pixels_is_the_encoder_s_transpose(model: Denoiser, size: int) -> None:
    rgb, t = pictures(size), torch.tensor([0.3, 0.7], dtype=torch.float64)
    cond, null = model.given("a red cube"), model.given(None)
    x = model.encode(rgb)
    assert x.shape == (2, 4, 8, 8)
    eps = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    distill(null + 7.5 * (cond - null), x, t, eps=eps, weight=constant).backward()
    with torch.no_grad():
        at = model.schedule.noised(x, eps, t)
        wanted = null(at, t).eps + 7.5 * (cond(at, t).eps - null(at, t).eps) - eps
    fresh = pictures(size)
    (expected,) = torch.autograd.grad(model.encode(fresh), fresh, grad_outputs=wanted)
    assert rgb.grad is not None
    torch.testing.assert_close(rgb.grad, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max()))
    assert expected.abs().max() > 0


def test_a_small_step_of_pixels_lowers_the_disagreement_of_latents(model: Denoiser) -> None:
    """The slope along the gradient is its square: what distill's gradient promises of x, carried to the pixels."""
    rgb, t = pictures(), 0.5
    null, cond = model.given(None), model.given("a blue mushroom")
    x = model.encode(rgb)
    eps, before = interval_matching(null, x, t)
    (towards,) = torch.autograd.grad(distill(cond, x, t, eps=eps, baseline=before, weight=constant), x)
    x = model.encode(rgb)
    (step,) = torch.autograd.grad(distill(cond, x, t, eps=eps, baseline=before, weight=constant), rgb)
    h = 1e-3 / float(step.norm())
    with torch.no_grad():
        moved = model.encode(rgb - h * step) - model.encode(rgb + h * step)
    slope = float((moved * towards).sum()) / (2 * h)
    assert slope == pytest.approx(-float(step.square().sum()), rel=0.02)
    assert model.codec is not None
    assert all(p.grad is None for p in model.codec.vae.parameters())  # type: ignore[attr-defined]

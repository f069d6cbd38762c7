"""What the distillation pulls toward: exact gradients, prompts per picture, and refusals."""

import pytest
import torch
from exact_model import load

from scorekit.analytic import GaussianMixture
from scorekit.denoiser import Denoiser
from scorekit.distillation import distill, sigma_squared, toward_x0
from scorekit.guidance import clipped
from scorekit.schedule import VP
from scorekit_text_to_3d.cameras import orbit
from scorekit_text_to_3d.guidance import Guidance


@pytest.fixture(scope="module")
def model() -> Denoiser:
    made: Denoiser = load("cpu", torch.float32)
    return made


def test_the_gradient_is_the_way_to_the_bounded_x0(model: Denoiser) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, *model.shape, generator=generator).requires_grad_()
    eps, t = torch.randn(x.shape, generator=generator), torch.tensor([0.3, 0.9])
    guided = model.given(None) + 30.0 * (model.given("a red mushroom") - model.given(None))
    (gradient,) = torch.autograd.grad(distill(clipped(guided), x, t, weight=toward_x0, eps=eps), x)
    noised = model.schedule.noised(x.detach(), eps, t)
    x0 = guided(noised, t).x0
    assert x0[1].abs().max() > 1.5  # unbounded, guidance asks for colours that do not exist
    torch.testing.assert_close(gradient, x.detach() - x0.clamp(-1, 1), atol=2e-4, rtol=1e-3)


def test_each_picture_has_its_own_view_and_background(model: Denoiser) -> None:
    guidance = Guidance(model, "a red mushroom", "sds", 1.0, view_prompts=True, avoid_others=False)
    target, baseline = guidance(orbit(4, elevation=10.0), [None] * 4)
    assert baseline is None
    x, t = torch.randn(4, *model.shape, generator=torch.Generator().manual_seed(1)), torch.full((4,), 0.8)
    both = target(x, t).x0
    for i, view in enumerate(("front", "side", "back", "side")):
        alone = clipped(model.given(f"a red mushroom, {view} view"))(x[i : i + 1], t[i : i + 1]).x0
        torch.testing.assert_close(both[i : i + 1], alone, atol=1e-4, rtol=1e-4)


def test_csd_is_the_scaled_difference_of_the_two_scores(model: Denoiser) -> None:
    guidance = Guidance(model, "a red mushroom", "csd", 3.0, view_prompts=False, avoid_others=False)
    assert guidance.weight is sigma_squared
    target, null = guidance(orbit(2), [None, None])
    assert null is not None
    x, t = torch.randn(2, *model.shape), torch.full((2,), 0.7)
    difference = (model.given("a red mushroom") - model.given(None))(x, t).eps
    torch.testing.assert_close((target - null)(x, t).eps, 3 * difference, atol=1e-4, rtol=1e-3)


def test_a_background_is_asked_for_on_both_sides_of_guidance() -> None:
    means = torch.stack([torch.full((3, 4, 4), v) for v in (0.9, -0.9)])
    model = GaussianMixture(means, 0.05, VP.cosine(), captions=["a ball, on white", "a ball, on black"])
    guidance = Guidance(model, "a ball", "sds", 50.0, view_prompts=False, avoid_others=False)
    target, _ = guidance(orbit(2), ["white", "black"])
    x0 = target(torch.zeros(2, 3, 4, 4), 0.9).x0
    torch.testing.assert_close(x0.mean((1, 2, 3)), torch.tensor([0.9, -0.9]), atol=0.02, rtol=0)  # not exaggerated


def test_a_model_without_prompts_is_refused() -> None:
    silent = GaussianMixture(torch.zeros(1, 3, 4, 4), 1.0, VP.cosine(), name="silent")
    with pytest.raises(ValueError, match="silent takes no prompt"):
        Guidance(silent, "a ball", "sds", 1.0, view_prompts=True, avoid_others=False)

"""Heads, trunk and picture encoder: shapes, what depends on what, and that what is kept is what would be worked out anew."""

import copy

import pytest
import torch

from scorekit_diffusion_policy.config import NetworkConfig
from scorekit_diffusion_policy.encoders import PictureEncoder, spatial_softmax
from scorekit_diffusion_policy.networks import Head, Trunk, make_head
from scorekit_diffusion_policy.networks.unet import Convolution

CONFIGS = {
    "mlp": NetworkConfig(kind="mlp", width=32, depth=2, trunk=24),
    "unet": NetworkConfig(kind="unet", width=16, depth=3, trunk=24),
    "transformer": NetworkConfig(kind="transformer", width=64, depth=2, trunk=24),
}


def head(kind: str, horizon: int = 16, action_dim: int = 3) -> Head:
    torch.manual_seed(0)
    made = make_head(CONFIGS[kind], horizon, action_dim, 100)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    return made


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("horizon", [1, 7, 16])
def test_any_horizon_fits(kind: str, horizon: int) -> None:
    made = head(kind, horizon)
    film = made.project(torch.randn(5, 24))
    assert made(torch.randn(5, horizon, 3), torch.arange(5.0), film).shape == (5, horizon, 3)


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_answer_depends_on_actions_level_and_context(kind: str) -> None:
    made, x, context = head(kind), torch.randn(2, 16, 3), torch.randn(2, 24)
    base = made(x, torch.tensor([10.0, 10.0]), made.project(context))
    for other in (
        made(x.flip(1), torch.tensor([10.0, 10.0]), made.project(context)),
        made(x, torch.tensor([90.0, 90.0]), made.project(context)),
        made(x, torch.tensor([10.0, 10.0]), made.project(-context)),
    ):
        assert float((other - base).abs().amax((1, 2)).min()) > 1e-3


@pytest.mark.parametrize("kind", CONFIGS)
def test_samples_do_not_see_each_other(kind: str) -> None:
    made, x, told = head(kind).eval(), torch.randn(6, 16, 3), torch.linspace(0, 99, 6)
    film = made.project(torch.randn(6, 24))
    alone = torch.cat([made(x[i : i + 1], told[i : i + 1], film[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(made(x, told, film), alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_kept_level_is_the_level_and_goes_with_its_weights(kind: str) -> None:
    made = head(kind).eval().requires_grad_(False)
    x, film, told = torch.randn(4, 16, 3), made.project(torch.randn(4, 24)), torch.tensor(37.0)
    one_by_one = made(x, told.repeat(4), film)
    for _ in range(2):
        torch.testing.assert_close(made(x, told.expand(4), film), one_by_one)
    other = copy.deepcopy(made)
    with torch.no_grad():
        other.level.second.weight.mul_(2)
    torch.testing.assert_close(other(x, told.expand(4), film), other(x, told.repeat(4), film))
    assert float((other(x, told.expand(4), film) - one_by_one).abs().max()) > 1e-3
    other.load_state_dict(made.state_dict())
    torch.testing.assert_close(other(x, told.expand(4), film), one_by_one)


def test_what_is_kept_does_not_grow_for_ever() -> None:
    from scorekit_diffusion_policy.networks.head import MOST_LEVELS

    level = head("mlp").eval().requires_grad_(False).level
    for t in torch.linspace(0, 99, MOST_LEVELS + 10):
        level(t[None])
    assert len(level._kept) <= MOST_LEVELS


@pytest.mark.parametrize(
    ("kind", "width", "sentence"), [("unet", 20, "multiple of 8"), ("transformer", 40, "multiple of 32")]
)
def test_widths_that_do_not_fit_are_named(kind: str, width: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"width of a {kind} must be a {sentence}, not {width}"):
        make_head(CONFIGS[kind].model_copy(update={"width": width}), 16, 2, 100)


def test_a_new_trunk_is_a_linear_map_behind_a_norm() -> None:
    trunk, x = Trunk(5, 16, 3), torch.randn(4, 5)
    torch.testing.assert_close(trunk(x), torch.nn.functional.layer_norm(trunk.first(x), (16,)))


def test_spatial_softmax_finds_a_bright_spot() -> None:
    maps = torch.zeros(1, 2, 9, 11)
    maps[0, 0, 0, 10] = 100  # top right
    maps[0, 1, 4, 5] = 100  # middle
    torch.testing.assert_close(spatial_softmax(maps)[0], torch.tensor([[1.0, -1.0], [0.0, 0.0]]), atol=1e-6, rtol=0)


def test_frames_of_a_picture_history_are_read_alike_and_in_order() -> None:
    torch.manual_seed(0)
    encoder = PictureEncoder(3, 2).eval()
    first, second = torch.rand(2, 1, 3, 48, 48)
    both = encoder(torch.stack([first, second], 1))
    assert both.shape == (1, encoder.features)
    swapped = encoder(torch.stack([second, first], 1))
    torch.testing.assert_close(swapped, torch.cat(both.chunk(2, 1)[::-1], 1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("batch", "places"), [(1, 16), (32, 4), (40, 16), (3, 5)])
def test_a_convolution_by_matrices_is_the_convolution(batch: int, places: int) -> None:
    made = Convolution(128, 256, 5, padding=2)
    x = torch.randn(batch, 128, places, requires_grad=True)
    wanted = torch.nn.functional.conv1d(x, made.weight, made.bias, padding=2)
    torch.testing.assert_close(made(x), wanted, atol=1e-5, rtol=1e-4)
    gradients = [torch.autograd.grad(one.square().sum(), [x, made.weight]) for one in (made(x), wanted)]
    torch.testing.assert_close(*gradients, atol=1e-2, rtol=1e-3)

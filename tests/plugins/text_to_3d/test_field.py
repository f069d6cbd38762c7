"""Fields: start as a soft ball, have true normals, refine without change, and learn."""

import pytest
import torch

from scorekit_text_to_3d import regularisers
from scorekit_text_to_3d.cameras import orbit
from scorekit_text_to_3d.field import Field, GridField
from scorekit_text_to_3d.hash_field import HashField
from scorekit_text_to_3d.render import render


def make(kind: str) -> Field:
    torch.manual_seed(0)
    if kind == "grid":
        return GridField(32)
    pytest.importorskip("nerfstudio")
    return HashField(finest=64, log2_table=12)


@pytest.mark.parametrize("kind", ["grid", "hash"])
def test_starts_as_a_ball_dense_inside_and_thin_outside(kind: str) -> None:
    field = make(kind)
    density = field.density(torch.tensor([[0.0, 0, 0], [0.3, 0, 0], [0.0, 0, 0.9], [0.0, 1.2, 0]]))
    assert density[0] > density[1] > 5
    assert 0 < density[2] < 1.5
    assert density[3] == 0  # outside the ball there is nothing


@pytest.mark.parametrize("kind", ["grid", "hash"])
def test_normals_of_the_first_ball_point_outward(kind: str) -> None:
    points = (
        torch.nn.functional.normalize(torch.randn(200, 3, generator=torch.Generator().manual_seed(0)), dim=-1) * 0.5
    )
    normal = make(kind).sample(points, normals=True).normal
    assert normal is not None
    cosine = (normal * points / 0.5).sum(-1)
    assert cosine.min() > 0.97


@pytest.mark.parametrize("kind", ["grid", "hash"])
def test_every_parameter_learns_from_a_picture(kind: str) -> None:
    field = make(kind)
    pictures = render(field, orbit(2), 12, generator=torch.Generator().manual_seed(0), normals=True)
    assert pictures.normal is not None
    (pictures.rgb.square().mean() + pictures.normal.square().mean()).backward()
    for name, parameter in field.named_parameters():
        assert parameter.grad is not None, name
        assert 0 < parameter.grad.abs().sum() < torch.inf, name


def test_grid_normals_are_the_gradient_of_the_density() -> None:
    field = GridField(48)
    with torch.no_grad():
        axis = torch.linspace(-field.radius, field.radius, 48)
        z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
        field.raw[0, 0] = 2 * x - y + 0.5 * z  # linear: differences and interpolation are exact
    normal = field.sample(torch.rand(50, 3) - 0.5, normals=True).normal
    truth = torch.nn.functional.normalize(torch.tensor([-2.0, 1.0, -0.5]), dim=0)
    torch.testing.assert_close(normal, truth.expand(50, 3), atol=1e-4, rtol=0)


def test_grid_reads_x_y_z_in_the_right_places() -> None:
    field = GridField(16)
    with torch.no_grad():
        field.raw[0, 1, :, :, 12:] = 9.0  # red where x is large
        field.raw[0, 2, :, 12:, :] = 9.0  # green where y is large
        field.raw[0, 3, 12:, :, :] = 9.0  # blue where z is large
    rgb = field.sample(torch.eye(3) * 0.9).rgb
    torch.testing.assert_close(rgb, 0.5 + 0.5 * torch.eye(3), atol=1e-2, rtol=0)


def test_refining_keeps_the_field() -> None:
    coarse = GridField(24)
    with torch.no_grad():
        coarse.raw[:, 1:] = torch.randn(1, 3, 24, 24, 24, generator=torch.Generator().manual_seed(0)) * 0.1
    fine = coarse.refined(47)  # 47 = 2 * 24 - 1: every coarse node is a fine node
    points = (torch.rand(300, 3, generator=torch.Generator().manual_seed(1)) - 0.5) * 2
    before, after = coarse.sample(points), fine.sample(points)
    torch.testing.assert_close(before.density, after.density, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(before.rgb, after.rgb, atol=1e-4, rtol=0)


def test_a_grid_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="resolution is 2"):
        GridField(2)


def test_regularisers_know_solid_from_fog() -> None:
    solid, fog = torch.tensor([0.0, 1.0, 1.0, 0.0]), torch.full((4,), 0.5)
    assert regularisers.entropy(solid) < 0.01 < 0.99 < regularisers.entropy(fog)
    assert regularisers.sparsity(torch.zeros(4)) == pytest.approx(0, abs=1e-6)
    assert regularisers.sparsity(torch.ones(4)) > 0.8
    one_surface, spread = torch.zeros(1, 10), torch.full((1, 10), 0.1)
    one_surface[0, 4] = 1
    assert regularisers.concentration(one_surface) < 0.15 * regularisers.concentration(spread)


def test_concentration_is_the_double_sum() -> None:
    weights = torch.rand(3, 7, generator=torch.Generator().manual_seed(0))
    place = (torch.arange(7) + 0.5) / 7
    double = torch.einsum("ri,rj,ij->r", weights, weights, (place[:, None] - place).abs())
    truth = (double + weights.square().sum(-1) / 21).mean()
    torch.testing.assert_close(regularisers.concentration(weights), truth)


def test_orientation_sees_surfaces_that_face_away() -> None:
    field = GridField(32, blob_density=200.0)
    outward = render(field, orbit(2), 16, normals=True)
    with torch.no_grad():
        field.raw[:, 0].neg_()  # a hollow ball: its inner wall faces the far side
    inward = render(field, orbit(2), 16, normals=True)
    assert regularisers.orientation(inward) > 5 * regularisers.orientation(outward)
    with pytest.raises(ValueError, match="normals=True"):
        regularisers.orientation(render(field, orbit(1), 4))


def test_total_variation_of_a_smooth_grid_is_less_than_of_noise() -> None:
    field = GridField(16)
    smooth = field.total_variation()
    with torch.no_grad():
        field.raw.add_(torch.randn(field.raw.shape, generator=torch.Generator().manual_seed(0)))
    rough = field.total_variation()
    assert rough[0] > 3 * smooth[0]
    assert rough[1] > 0.05 > smooth[1]

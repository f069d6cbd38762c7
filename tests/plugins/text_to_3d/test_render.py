"""Volume rendering against closed forms, and against nerfstudio's own compositing."""

import math

import pytest
import torch
from analytic_fields import FormulaField, ball

from scorekit.zoo.render import look
from scorekit_text_to_3d.cameras import SUBPIXELS, orbit, random_cameras
from scorekit_text_to_3d.field import GridField
from scorekit_text_to_3d.occupancy import occupancy
from scorekit_text_to_3d.render import ball_chord, composite, render
from scorekit_text_to_3d.shading import Shading, random_shading


@pytest.mark.parametrize("density", [0.2, 1.0, 5.0])
def test_constant_density_dims_light_by_beer_lambert(density: float) -> None:
    field = FormulaField(lambda p: torch.full((len(p),), density), rgb=(1.0, 0.0, 0.0), radius=1.0)
    camera, size = look(30.0), 16
    pictures = render(field, camera, size, samples=7, background=0.0)
    origin, direction = camera.rays(size, size)
    near, far = ball_chord(origin.expand_as(direction).reshape(-1, 3), direction.reshape(-1, 3), 1.0)
    truth = (1 - torch.exp(-density * (far - near).clamp(min=0))).view(1, 1, size, size)
    torch.testing.assert_close(pictures.opacity, truth, atol=1e-4, rtol=0)
    torch.testing.assert_close(pictures.rgb[:, :1], truth, atol=1e-4, rtol=0)  # red on black
    assert pictures.rgb[:, 1:].abs().max() == 0


def test_chord_of_a_ball() -> None:
    origin = torch.tensor([[3.0, 0, 0], [3.0, 0.6, 0], [3.0, 2.0, 0], [0.0, 0, 0]])
    direction = torch.tensor([[-1.0, 0, 0]]).expand(4, 3)
    near, far = ball_chord(origin, direction, 1.0)
    torch.testing.assert_close((far - near).clamp(min=0), torch.tensor([2.0, 1.6, 0.0, 1.0]))


def test_composite_is_exact_for_piecewise_constant_density_and_agrees_with_nerfstudio() -> None:
    rays = pytest.importorskip("nerfstudio.cameras.rays")
    from nerfstudio.model_components.renderers import RGBRenderer

    generator = torch.Generator().manual_seed(0)
    density = torch.rand(5, 9, generator=generator) * 8
    edges = torch.rand(5, 10, generator=generator).cumsum(-1)
    rgb = torch.rand(5, 9, 3, generator=generator)
    ours = composite(density, edges)
    truth = 1 - torch.exp(-(density * edges.diff(dim=-1)).sum(-1))
    torch.testing.assert_close(ours.opacity, truth)

    frustums = rays.Frustums(
        torch.zeros(5, 9, 3), torch.ones(5, 9, 3), edges[:, :-1, None], edges[:, 1:, None], torch.ones(5, 9, 1)
    )
    theirs = rays.RaySamples(frustums, deltas=edges.diff(dim=-1)[..., None]).get_weights(density[..., None])
    torch.testing.assert_close(ours.weights, theirs[..., 0], atol=1e-6, rtol=1e-5)
    white = RGBRenderer.combine_rgb(rgb, theirs, background_color=torch.ones(3))
    mine = (ours.weights[..., None] * rgb).sum(1) + (1 - ours.opacity)[:, None]
    torch.testing.assert_close(mine, white, atol=1e-6, rtol=1e-5)


def test_gradient_of_composite() -> None:
    density = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    edges = torch.linspace(0, 1, 5, dtype=torch.float64).expand(2, -1)
    assert torch.autograd.gradcheck(lambda d: composite(d, edges).weights, (density,))


def test_depth_and_normals_of_a_solid_ball() -> None:
    field = FormulaField(ball(0.7, density=2000.0))
    camera = look(0.0, elevation=0.0)
    pictures = render(field, camera, 33, samples=400, normals=True)
    assert pictures.normal is not None
    depth, normal = pictures.depth[0, 0, 16, 16], pictures.normal[0, :, 16, 16]
    assert depth.item() == pytest.approx(camera.distance.item() - 0.7, abs=0.1)  # the density starts a little outside
    torch.testing.assert_close(normal, torch.tensor([1.0, 0.0, 0.0]), atol=0.05, rtol=0)
    assert torch.isinf(pictures.depth[0, 0, 0, 0])


@pytest.mark.parametrize(
    ("azimuth", "elevation", "colour"),
    [(0, 0, "front"), (180, 0, "back"), (90, 0, "left"), (-90, 0, "right"), (0, 80, "top")],
)
def test_each_side_is_seen_from_where_the_data_renderer_puts_it(azimuth: int, elevation: int, colour: str) -> None:
    paint = {
        "front": (1, 0, 0),
        "back": (0, 1, 0),
        "left": (0, 0, 1),
        "right": (1, 1, 0),
        "top": (0, 1, 1),
        "bottom": (1, 0, 1),
    }

    def sides(points: torch.Tensor) -> torch.Tensor:
        axis = points.abs().argmax(-1)
        positive = points.gather(1, axis[:, None])[:, 0] > 0
        index = 2 * axis + (~positive).long()
        return torch.tensor([paint[s] for s in ("front", "back", "left", "right", "top", "bottom")]).float()[index]

    pictures = render(FormulaField(ball(0.8, 500.0), sides), look(azimuth, elevation), 17, samples=200)
    torch.testing.assert_close(pictures.rgb[0, :, 8, 8], torch.tensor(paint[colour]).float(), atol=0.02, rtol=0)


def test_up_is_the_top_of_the_picture_and_left_is_on_the_right_seen_from_the_front() -> None:
    raised = render(FormulaField(ball(0.3, 300.0, (0.0, 0.0, 0.5))), look(0, 0), 32).opacity[0, 0]
    assert raised[:16].sum() > 20 * raised[16:].sum()
    beside = render(FormulaField(ball(0.3, 300.0, (0.0, 0.5, 0.0))), look(0, 0), 32).opacity[0, 0]
    assert beside[:, 16:].sum() > 20 * beside[:, :16].sum()  # +y is to the right of a camera on +x


def test_jittered_pictures_average_to_the_anti_aliased_one() -> None:
    field = FormulaField(ball(0.6, 200.0))
    generator = torch.Generator().manual_seed(0)
    camera = look(0.0)
    mean = torch.stack([render(field, camera, 16, 64, generator=generator).opacity for _ in range(64)]).mean(0)
    fine = render(field, camera, 16 * SUBPIXELS, 256).opacity
    smooth = torch.nn.functional.avg_pool2d(fine, SUBPIXELS)
    assert (mean - smooth).abs().mean() < 0.01
    assert (mean - smooth).abs().max() < 0.2


def test_skipping_empty_space_changes_nothing_that_can_be_seen() -> None:
    field = FormulaField(ball(0.4, 80.0, (0.3, 0.0, 0.0)))
    where = occupancy(field)
    assert 0.02 < where.cells.float().mean() < 0.3
    camera = orbit(3)
    everywhere, there = render(field, camera, 24), render(field, camera, 24, occupied=where)
    torch.testing.assert_close(everywhere.rgb, there.rgb, atol=2e-3, rtol=0)


def test_lambertian_light_follows_the_cosine_and_textureless_drops_the_colour() -> None:
    albedo, normal = torch.tensor([[[1.0, 0.5, 0.0]]]), torch.tensor([[[0.0, 0.0, 1.0]]])
    point, picture = torch.zeros(1, 1, 3), torch.zeros(1, dtype=torch.long)
    light = torch.tensor([[0.0, math.sin(math.pi / 3), math.cos(math.pi / 3)]]) * 4
    lit = Shading(light, ambient=0.2, diffuse=0.8)
    torch.testing.assert_close(lit.shade(albedo, normal, point, picture), albedo * 0.6)
    bare = Shading(light, 0.2, 0.8, textureless=True)
    torch.testing.assert_close(bare.shade(albedo, normal, point, picture), torch.full((1, 1, 3), 0.6))
    behind = Shading(-light, ambient=0.2, diffuse=0.8)
    torch.testing.assert_close(behind.shade(albedo, normal, point, picture), albedo * 0.2)


def test_shading_modes_are_drawn_at_their_rates() -> None:
    generator = torch.Generator().manual_seed(0)
    camera = random_cameras(2, generator)
    drawn = [random_shading(camera, generator, lambertian=0.5, textureless=0.2) for _ in range(600)]
    assert sum(s is None for s in drawn) / 600 == pytest.approx(0.3, abs=0.06)
    assert sum(s is not None and s.textureless for s in drawn) / 600 == pytest.approx(0.2, abs=0.05)


def test_a_grid_lit_from_the_camera_is_brighter_in_the_middle() -> None:
    camera = look(0.0, 0.0)
    shading = Shading(camera.position(), ambient=0.0, diffuse=1.0, textureless=True)
    picture = render(GridField(24, blob_density=200.0), camera, 25, shading=shading, background=0.0)
    solid = picture.opacity[0, 0] > 0.99
    middle, rim = picture.rgb[0, 0, 12, 12], picture.rgb[0, 0][solid].min()
    assert middle > 0.9 > 0.75 > rim

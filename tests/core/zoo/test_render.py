"""The sphere tracer and its cameras against projections, meshes and the distance field itself."""

import pytest
import torch
import torch.nn.functional as F

from scorekit.zoo.objects import KINDS, sample_object
from scorekit.zoo.render import (
    DISTANCE_FACTOR,
    FOV_RANGE,
    HIGH_SHARE,
    Camera,
    correspondences,
    fitting_distance,
    look,
    render,
    render_rgba,
    sample_camera,
)

SIZE = 48


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scene(kind: str, n: int = 2):
    generator = seeded(11)
    return sample_object(kind, "blue", generator, n), sample_camera(n, generator)


@pytest.mark.parametrize("kind", KINDS)
def test_hits_lie_on_the_surface_and_project_to_their_pixel(kind: str) -> None:
    obj, camera = scene(kind)
    view = render(obj, camera, SIZE, supersample=1)
    points = view.points.flatten(2).transpose(1, 2)
    hit = torch.isfinite(points[..., 0])
    assert hit.float().mean() > 0.08
    assert torch.equal(hit, torch.isfinite(view.depth).flatten(1))
    assert torch.equal(hit, (view.part >= 0).flatten(1))
    residual = obj.sdf(points.nan_to_num(5.0))[hit]
    # A ray arrives when the bound is below 1e-3 and then moves by it: a grazing one ends up to twice as far off.
    assert residual.abs().max() < 2e-3
    assert residual.abs().mean() < 5e-4
    row, column, depth = camera.project(points, SIZE, SIZE)
    index = torch.arange(SIZE * SIZE)
    assert (row - (index // SIZE + 0.5))[hit].abs().max() < 0.01
    assert (column - (index % SIZE + 0.5))[hit].abs().max() < 0.01
    assert (depth - view.depth.flatten(1))[hit].abs().max() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_stands_before_a_hit_nor_on_a_miss(kind: str) -> None:
    """Marching in small fixed steps, which cannot overshoot anything thick, finds the same first surface."""
    obj, camera = scene(kind, 1)
    view = render(obj, camera, 24, supersample=1)
    origin, direction = camera.rays(24, 24)
    depth = view.depth[:, 0, ..., None].clamp(max=1e3)
    reach = torch.where(torch.isfinite(view.depth[:, 0, ..., None]), depth - 0.02, camera.distance + 1.0)
    share = torch.linspace(0, 1, 100)
    start = camera.distance - 1.0
    along = start + share * (reach - start)
    samples = origin[..., None, :] + along[..., None] * direction[..., None, :]
    assert obj.sdf(samples).amin() > -2e-3


@pytest.mark.parametrize("kind", KINDS)
def test_alpha_matches_the_projected_mesh(kind: str) -> None:
    obj, camera = scene(kind, 1)
    _, alpha = render_rgba(obj, camera, SIZE, supersample=4)
    ((vertices, faces, _),) = obj.mesh(88)
    corners = vertices[faces]
    weights = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]]).float()
    surface = torch.einsum("sk,fkc->fsc", weights / weights.sum(1, keepdim=True), corners).reshape(1, -1, 3)
    row, column, _ = camera.project(surface, SIZE * 4, SIZE * 4)
    splat = torch.zeros(SIZE * 4, SIZE * 4)
    splat[row[0].long(), column[0].long()] = 1
    splat = -F.max_pool2d(-F.max_pool2d(splat[None, None], 3, 1, 1), 3, 1, 1)  # close pinholes between samples
    coverage = F.avg_pool2d(splat, 4)
    assert (coverage - alpha).abs().mean() < 0.012
    assert (coverage - alpha).abs().sum() / alpha.sum() < 0.06
    solid = F.max_pool2d(1 - alpha, 3, 1, 1) == 0  # well inside the silhouette there is no doubt
    assert (coverage[solid] == 1).float().mean() > 0.99


def test_correspondences_land_where_the_other_camera_sees_the_point() -> None:
    obj = sample_object("house", ["red", "blue"], seeded(1), 2)
    camera_a, camera_b = look(-20.0, n=2), look(15.0, 25.0, n=2)
    a, b = render(obj, camera_a, SIZE, 1), render(obj, camera_b, SIZE, 1)
    item, at, to = correspondences(a, b, camera_b)
    assert set(item.tolist()) == {0, 1}
    assert len(item) > 0.5 * torch.isfinite(a.depth).sum()
    points = a.points[item, :, at[:, 0], at[:, 1]]
    for i in range(2):
        row, column, _ = camera_b[i : i + 1].project(points[item == i][None], SIZE, SIZE)
        landed = torch.stack([row[0], column[0]], 1).floor().long()
        assert torch.equal(landed, to[item == i])
    gap = (points - b.points[item, :, to[:, 0], to[:, 1]]).norm(dim=-1)
    assert gap.max() <= 0.05


def test_correspondences_of_a_view_with_itself_and_with_the_far_side() -> None:
    obj = sample_object("ball", "green", seeded(1))
    front = render(obj, look(0.0), SIZE, 1)
    item, at, to = correspondences(front, front, look(0.0))
    assert torch.equal(at, to)
    assert len(item) == torch.isfinite(front.depth).sum()
    item, _, _ = correspondences(front, render(obj, look(180.0, -15.0), SIZE, 1), look(180.0, -15.0))
    assert len(item) < 0.15 * torch.isfinite(front.depth).sum()  # the rims alone


def test_camera_stands_where_the_angles_say() -> None:
    expected = {(0, 0): (3, 0, 0), (90, 0): (0, 3, 0), (0, 90): (0, 0, 3), (180, 0): (-3, 0, 0)}
    for (azimuth, elevation), place in expected.items():
        camera = Camera(*(torch.tensor([float(v)]) for v in (azimuth, elevation, 3, 40)))
        torch.testing.assert_close(camera.position()[0], torch.tensor(place).float(), atol=1e-5, rtol=0)
    # Seen from the front, +y is to the right and +z above.
    row, column, _ = look(0.0, 0.0).project(torch.tensor([[[0.0, 0.5, 0.5]]]), 10, 10)
    assert row < 5 < column
    frame = sample_camera(20, seeded(0)).frame()
    torch.testing.assert_close(frame @ frame.transpose(1, 2), torch.eye(3).expand(20, 3, 3), atol=1e-5, rtol=0)
    assert torch.linalg.det(frame).min() > 0.99


def test_rays_are_inverse_to_project_in_oblong_pictures() -> None:
    camera = sample_camera(3, seeded(4))
    origin, direction = camera.rays(6, 10)
    points = (origin + 2.5 * direction).flatten(1, 2)
    row, column, depth = camera.project(points, 6, 10)
    torch.testing.assert_close(row[0], torch.arange(6).repeat_interleave(10) + 0.5, atol=1e-4, rtol=0)
    torch.testing.assert_close(column[2], torch.arange(10).repeat(6) + 0.5, atol=1e-4, rtol=0)
    torch.testing.assert_close(depth, torch.full_like(depth, 2.5))


def test_sampled_cameras_keep_to_their_ranges() -> None:
    camera = sample_camera(4000, seeded(0))
    factor = camera.distance / fitting_distance(camera.fov)
    assert DISTANCE_FACTOR[0] <= factor.min() < factor.max() <= DISTANCE_FACTOR[1] + 1e-5
    assert FOV_RANGE[0] <= camera.fov.min() < camera.fov.max() <= FOV_RANGE[1]
    assert abs((camera.elevation >= 55).float().mean() - HIGH_SHARE) < 0.02
    assert not ((camera.elevation > 45) & (camera.elevation < 55)).any()
    quarters = torch.histc(camera.azimuth, 4, -180, 180) / 4000
    assert (quarters - 0.25).abs().max() < 0.03


def test_main_colour_dominates_and_light_is_steady() -> None:
    """From the front, every ball's mean colour is nearest to its own name, and no picture is blown out or black."""
    from scorekit.zoo.objects import COLORS

    names = list(COLORS)
    obj = sample_object("cylinder", names, seeded(2), len(names))
    view = render(obj, look(120.0, n=len(names)), 32, 1)
    body = (view.part == 0).expand_as(view.rgb)
    mean = torch.stack([view.rgb[i][body[i]].view(3, -1).mean(1) for i in range(len(names))])
    nearest = torch.cdist(mean, torch.tensor(list(COLORS.values()))).argmin(1)
    assert nearest.tolist() == list(range(len(names)))


def test_background_and_supersampling() -> None:
    obj = sample_object("ball", "red", seeded(0))
    grey = render(obj, look(20.0, 10.0), 40, 2, background=0.5)
    assert grey.rgb[0, :, 0, 0].tolist() == [0.5, 0.5, 0.5]
    assert len(grey.alpha.unique()) == 5  # 0 to 4 of 2 x 2 rays


def test_bad_input_is_named() -> None:
    obj = sample_object("ball", "red", n=2)
    with pytest.raises(ValueError, match="2 objects, 1 cameras"):
        render(obj, look(0.0), 8)
    with pytest.raises(ValueError, match=r"supersample.*0"):
        render(obj, look(0.0, n=2), 8, supersample=0)
    with pytest.raises(ValueError, match=r"height and width.*0"):
        look(0.0).rays(0, 4)

"""Geometry of the procedural objects against sampling, meshes and the definition of a distance bound."""

import pytest
import torch

from scorekit.zoo.objects import BOUND, COLORS, KINDS, Object, sample_object


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(kind: str, n: int = 2) -> Object:
    return sample_object(kind, list(COLORS)[:n], seeded(3), n)


def cube_points(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, count, 3, generator=seeded(seed)) * 2 - 1


@pytest.mark.parametrize("kind", KINDS)
def test_distance_is_1_lipschitz(kind: str) -> None:
    """A bound that is safe for sphere tracing changes no faster than the point moves, near and far."""
    obj = draw(kind)
    a = cube_points(8_000) * 1.5
    for reach in (1e-2, 0.3):
        step = torch.randn(a.shape, generator=seeded(1)) * reach
        change = (obj.sdf(a + step) - obj.sdf(a)).abs()
        assert (change <= step.norm(dim=-1) * (1 + 2e-3) + 1e-6).all()


@pytest.mark.parametrize("kind", KINDS)
def test_object_fits_the_ball_that_is_traced(kind: str) -> None:
    obj = sample_object(kind, "red", seeded(5), 60)
    direction = torch.nn.functional.normalize(torch.randn(1, 2000, 3, generator=seeded(2)), dim=-1)
    outside = obj.occupancy(direction * (BOUND + 1e-4)).any(1).float().mean()
    assert outside < 0.06  # the rare corners that the comment at BOUND owns up to
    for radius in (BOUND + 0.02, 1.1):
        assert not obj.occupancy(direction * radius).any()


@pytest.mark.parametrize("kind", KINDS)
def test_mesh_volume_and_normals(kind: str) -> None:
    """The mesh encloses the occupied volume, with faces that look outwards."""
    obj = draw(kind, 1)
    inside = obj.occupancy(cube_points(80_000)).float().mean()
    ((vertices, faces, colors),) = obj.mesh(64)
    a, b, c = vertices[faces].unbind(1)
    normal = torch.linalg.cross(b - a, c - a)
    volume = (a * normal).sum() / 6  # divergence theorem: negative if the faces were wound inwards
    sampling = 8 * (inside * (1 - inside) / 80_000).sqrt()
    assert abs(volume - 8 * inside) < 0.02 * volume + 4 * sampling
    area = normal.norm(dim=-1)
    centre, unit = (a + b + c) / 3, normal / area.clamp_min(1e-12)[:, None]
    outer, inner = obj.sdf((centre + 0.01 * unit)[None])[0], obj.sdf((centre - 0.01 * unit)[None])[0]
    outwards = (area * (outer > inner)).sum() / area.sum()
    assert outwards > 0.99
    assert colors.shape == vertices.shape
    assert colors.min() >= 0
    assert colors.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_parts_agree_with_distance_and_paint(kind: str) -> None:
    obj = draw(kind)
    points = cube_points(3000)
    found, part, albedo = obj.parts(points)
    assert torch.equal(found, obj.sdf(points))
    assert torch.equal(found < 0, obj.occupancy(points))
    assert part.min() >= 0
    assert part.max() < len(obj.part_names)
    assert torch.equal(albedo[1], obj.colors[1, part[1]])


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_shows_on_the_surface(kind: str) -> None:
    obj = draw(kind, 1)
    ((vertices, _, _),) = obj.mesh(72)
    _, part, _ = obj.parts(vertices[None])
    assert set(part.unique().tolist()) == set(range(len(obj.part_names)))


def test_ball_is_exact() -> None:
    ball = draw("ball", 2)
    points = cube_points(500)
    radius = (ball.params[:, 0] * ball.params[:, -1])[:, None]
    torch.testing.assert_close(ball.sdf(points), points.norm(dim=-1) - radius, atol=1e-5, rtol=0)


def test_indexing_matches_the_batch() -> None:
    obj, points = draw("car", 3), cube_points(100)
    whole = obj.sdf(points)
    assert torch.equal(obj[1].sdf(points)[0], whole[1])
    assert torch.equal(obj[-1].sdf(points)[0], whole[2])
    assert len(obj[1:]) == 2


def test_same_seed_same_object_and_jitter_differs() -> None:
    a, b = draw("mug", 4), draw("mug", 4)
    assert torch.equal(a.params, b.params)
    assert torch.equal(a.colors, b.colors)
    assert len(a.params[:, 0].unique()) == 4


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sample_object("dragon", "red"), ["kind", "mushroom", "dragon"]),
        (lambda: sample_object("ball", "mauve"), ["color", "purple", "mauve"]),
        (lambda: sample_object("ball", ["red", "blue"], n=3), ["color", "n = 3", "2"]),
        (lambda: sample_object("ball", "red", n=0), ["n at least 1"]),
        (lambda: draw("ball").mesh(4), ["resolution", "8", "4"]),
        (lambda: draw("ball").sdf(torch.zeros(3, 5, 3)), ["points", "(2, ..., 3)"]),
        (lambda: draw("ball").sdf(torch.zeros(2, 5, 2)), ["points", "(2, 5, 2)"]),
    ],
)
def test_bad_input_is_named(call, words) -> None:
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)

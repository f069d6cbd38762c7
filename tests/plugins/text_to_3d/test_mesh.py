"""Meshes of known fields: size, closure, orientation, colour, cleaning, refusals; their files; their pictures."""

import io
import json
import struct

import numpy as np
import pytest
import torch
import trimesh
from analytic_fields import FormulaField, ball

from scorekit.zoo.render import look
from scorekit_text_to_3d.export import from_y_up, glb, linear_to_srgb, obj, srgb_to_linear, to_y_up
from scorekit_text_to_3d.mesh import Mesh, MeshError, extract
from scorekit_text_to_3d.raster import rasterise

RED_FRONT = (0.8, 0.2, 0.1)
BLUE_BACK = (0.1, 0.3, 0.6)


def two_tone(points: torch.Tensor) -> torch.Tensor:
    front = (points[:, :1] > 0).float()
    return front * points.new_tensor(RED_FRONT) + (1 - front) * points.new_tensor(BLUE_BACK)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return extract(FormulaField(ball(0.6), two_tone), resolution=64)


def solid(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def test_a_ball_is_closed_faces_outward_and_has_its_size(mesh: Mesh) -> None:
    body = solid(mesh)
    assert body.is_watertight
    assert body.is_winding_consistent
    assert body.volume == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=0.15)  # positive: outward
    radius = np.linalg.norm(mesh.vertices, axis=1)
    assert radius.std() < 0.01
    np.testing.assert_allclose(mesh.normals, mesh.vertices / radius[:, None], atol=0.15)


def test_vertices_take_the_colour_of_their_side(mesh: Mesh) -> None:
    front, back = mesh.vertices[:, 0] > 0.1, mesh.vertices[:, 0] < -0.1
    np.testing.assert_allclose(mesh.colours[front], np.tile(RED_FRONT, (front.sum(), 1)), atol=0.02)
    np.testing.assert_allclose(mesh.colours[back], np.tile(BLUE_BACK, (back.sum(), 1)), atol=0.02)


def test_the_level_gives_the_outline_of_the_pictures() -> None:
    field = FormulaField(ball(0.6))
    radius = np.linalg.norm(extract(field, 64).vertices, axis=1).mean()
    assert radius == pytest.approx(0.62, abs=0.02)  # opacity passes one half a little outside the half-density radius


def test_specks_go_and_cavities_close_but_real_pieces_stay() -> None:
    big, twin = ball(0.35, centre=(0.5, 0, 0)), ball(0.3, centre=(-0.5, 0, 0))
    speck, hole = ball(0.06, centre=(0, 0, 0.9)), ball(0.2, centre=(0.5, 0, 0))
    field = FormulaField(lambda p: torch.maximum(torch.maximum(big(p) - hole(p), twin(p)), speck(p)).clamp(min=0))
    body = solid(extract(field, 64))
    assert body.is_watertight
    assert len(body.split()) == 2
    assert body.volume == pytest.approx(4 / 3 * np.pi * (0.35**3 + 0.3**3), rel=0.2)


def test_an_object_that_touches_the_edge_is_still_closed() -> None:
    body = solid(extract(FormulaField(lambda p: 60 * (p[:, 2] < -0.2)), 48))
    assert body.is_watertight
    assert body.volume > 0


@pytest.mark.parametrize(
    ("density", "level", "sentence"),
    [
        (lambda p: torch.zeros(len(p)), None, "the field is empty"),
        (lambda p: torch.zeros(len(p)), 5.0, "the field is empty"),
        (lambda p: torch.full((len(p),), 80.0), None, "filled the ball"),
        (lambda p: torch.full((len(p),), torch.nan), None, "not finite"),
    ],
)
def test_nothing_is_never_a_mesh(density, level, sentence) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MeshError, match=sentence):
        extract(FormulaField(density), 32, level=level)


def test_glb_colours_are_linear_and_the_front_faces_plus_z(mesh: Mesh) -> None:
    raw = glb(mesh).export(file_type="glb")
    length = struct.unpack("<I", raw[12:16])[0]
    header = json.loads(raw[20 : 20 + length])
    accessor = header["accessors"][header["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    assert accessor["normalized"] is True
    back = trimesh.load(io.BytesIO(raw), file_type="glb", force="mesh", process=False)
    front = back.vertices[:, 2] > 0.1
    shown = linear_to_srgb(back.visual.vertex_colors[front][:, :3] / 255)  # what a glTF viewer puts on the screen
    np.testing.assert_allclose(np.median(shown, axis=0), RED_FRONT, atol=0.02)
    assert back.is_watertight
    assert back.volume > 0
    assert len(back.vertices) == len(mesh.vertices)


def test_obj_colours_are_srgb(mesh: Mesh) -> None:
    text = obj(mesh).export(file_type="obj")
    rows = np.array([line.split()[1:] for line in text.splitlines() if line.startswith("v ")], dtype=float)
    assert rows.shape == (len(mesh.vertices), 6)
    np.testing.assert_allclose(from_y_up(rows[:, :3]), mesh.vertices, atol=1e-4)
    np.testing.assert_allclose(rows[:, 3:], mesh.colours, atol=0.01)


def test_axes_and_colours_round_trip() -> None:
    points = np.eye(3)
    np.testing.assert_allclose(to_y_up(points), [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(from_y_up(to_y_up(points)), points)
    values = np.linspace(0, 1, 50)
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-6)
    assert srgb_to_linear(np.array(0.5)) == pytest.approx(0.2140, abs=1e-4)


def test_rasterised_ball_has_the_area_of_its_outline(mesh: Mesh) -> None:
    camera = look(0.0, 0.0)
    colours, cover = rasterise(mesh, camera, 64)
    radius, distance = np.linalg.norm(mesh.vertices, axis=1).mean(), camera.distance.item()
    tangent = radius / np.sqrt(distance**2 - radius**2) / np.tan(np.deg2rad(camera.fov.item() / 2)) * 32
    assert cover.sum().item() == pytest.approx(np.pi * tangent**2, rel=0.02)
    np.testing.assert_allclose(colours[0, :, 32, 32], RED_FRONT, atol=0.03)
    np.testing.assert_allclose(rasterise(mesh, look(180.0, 0.0), 64)[0][0, :, 32, 32], BLUE_BACK, atol=0.03)


def test_the_nearer_of_two_triangles_wins_and_a_large_one_is_drawn_whole() -> None:
    near = [[1.0, -0.5, -0.5], [1.0, 0.5, -0.5], [1.0, 0.0, 0.6]]
    far = [[-1.0, -3.0, -3.0], [-1.0, 3.0, -3.0], [-1.0, 0.0, 5.0]]
    colours = np.array([[1, 0, 0]] * 3 + [[0, 0, 1]] * 3, dtype=np.float32)
    normals = np.tile(np.float32([1, 0, 0]), (6, 1))
    scene = Mesh(np.float32(near + far), np.array([[3, 4, 5], [0, 1, 2]]), colours, normals)
    picture, cover = rasterise(scene, look(0.0, 0.0), 48)
    assert cover[0, 0, 4:44, 4:44].min() == 1
    torch.testing.assert_close(picture[0, :, 24, 24], torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(picture[0, :, 24, 4], torch.tensor([0.0, 0.0, 1.0]))

"""From a field to a solid mesh: a level of density, a voxel clean-up, marching cubes, colours baked from the field."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from scorekit_text_to_3d.cameras import orbit
from scorekit_text_to_3d.field import Field
from scorekit_text_to_3d.render import composite, render

SPECK = 0.02  # a piece smaller than this share of the largest one is dropped
MIN_VOLUME = 1e-3  # share of the ball below which there is no object to speak of
LEVELS: list[float] = np.geomspace(
    0.7, 45.0, 13
).tolist()  # densities tried for the surface: from thin fog to opaque within a voxel
MAX_VOLUME = 0.9  # share of the ball above which the field has filled everything: it exploded


class MeshError(ValueError):
    """The field holds nothing that a mesh could be cut from; the sentence says what was found instead."""


class Mesh(NamedTuple):
    """A closed surface. vertices (V, 3) world units, +z up; faces (F, 3), counter-clockwise seen from outside;
    colours (V, 3) sRGB in [0, 1]; normals (V, 3) unit, outward."""

    vertices: np.ndarray
    faces: np.ndarray
    colours: np.ndarray
    normals: np.ndarray


@torch.no_grad()
def extract(field: Field, resolution: int = 96, level: float | None = None, smooth: float = 0.7) -> Mesh:
    """Cut the surface where the density crosses `level`, keep its solid pieces, and colour it.

    resolution  nodes along an edge of the lattice that the density is read on.
    level       density, inverse world units; None chooses the one whose outline agrees best with the pictures.
    smooth      standard deviation, in lattice nodes, of the blur that takes the steps out of the surface.

    Raises MeshError when the field is not finite, empty, or has filled the whole ball.
    """
    level = choose_level(field, resolution, smooth) if level is None else level
    vertices, faces = _cut(_lattice(field, resolution), level, smooth, field.radius)
    spacing = 2 * field.radius / (resolution - 1)
    normals = _vertex_normals(vertices, faces)
    device = next(field.parameters()).device
    colours = surface_colours(
        field,
        torch.as_tensor(vertices, dtype=torch.float32, device=device),
        torch.as_tensor(normals, dtype=torch.float32, device=device),
        depth=6 * spacing,
    )
    return Mesh(vertices.astype(np.float32), faces.astype(np.int64), colours.cpu().numpy(), normals.astype(np.float32))


@torch.no_grad()
def choose_level(field: Field, resolution: int = 96, smooth: float = 0.7, size: int = 64, views: int = 8) -> float:
    """The level at which the outline of the cut agrees best with the pictures: with {opacity > 1/2}, over all views.

    resolution, smooth  as in `extract`: what is scored is the very surface that will be cut.
    size, views         pixels and number of the pictures

    Raises MeshError when nothing is opaque, or no level gives a solid.
    """
    from scorekit_text_to_3d.raster import outline

    density = _lattice(field, resolution)
    camera = orbit(views, elevation=15.0, start=360 / views / 2)
    pictures = render(field, camera.to(next(field.parameters()).device), size, samples=96)
    seen = (pictures.opacity > 0.5).cpu()
    if seen.float().mean() < 1e-3:
        raise MeshError("the field is empty: nothing opaque is in view; try more steps or a higher guidance")
    scores: dict[float, float] = {}
    failure = MeshError("the field holds no solid piece at any level")
    for level in LEVELS:
        try:
            scores[level] = _overlap(outline(*_cut(density, level, smooth, field.radius), camera, size), seen)
        except MeshError as error:
            failure = error
    if not scores:
        raise failure
    return max(scores, key=lambda level: scores[level])


def _cut(density: np.ndarray, level: float, smooth: float, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and outward faces of the solid {density > level}, a lattice over the cube that holds the ball."""
    from scipy import ndimage  # type: ignore[import-untyped]
    from skimage.measure import marching_cubes

    _check_volume(density, level)
    # Marching cubes on log density: it varies evenly across a surface, where the density itself jumps by decades.
    height = np.clip(np.log(np.maximum(density, level * 1e-2) / level), -2.0, 2.0)
    if smooth > 0:
        height = ndimage.gaussian_filter(height, smooth)
    solid = keep_solid(height > 0)
    if solid.sum() < MIN_VOLUME * solid.size:
        raise MeshError("the field holds no solid piece at this level; try more steps or a lower level")
    filled = np.where(solid, np.maximum(height, 0.05), np.minimum(height, -0.05))
    filled = np.where(solid & (height <= 0), 2.0, filled)  # cavities: inside a solid, nothing to see
    filled = np.pad(filled, 1, constant_values=-2.0)  # closed even where the object touches the edge
    spacing = 2 * radius / (len(density) - 1)
    vertices, faces, _, _ = marching_cubes(filled.astype(np.float32), 0.0, spacing=(spacing,) * 3)
    vertices = vertices - spacing - radius
    return vertices, _outward(vertices, faces)


def keep_solid(occupied: np.ndarray) -> np.ndarray:
    """A boolean lattice without specks and with its cavities filled: what is seen from outside."""
    from scipy import ndimage

    labels, pieces = ndimage.label(occupied)
    if pieces > 1:
        volume = np.bincount(labels.ravel())[1:]
        kept = np.flatnonzero(volume >= SPECK * volume.max()) + 1
        occupied = np.isin(labels, kept)
    filled: np.ndarray = ndimage.binary_fill_holes(occupied)
    return filled


@torch.no_grad()
def surface_colours(field: Field, vertices: Tensor, normals: Tensor, depth: float, samples: int = 24) -> Tensor:
    """What a ray that comes straight at the surface sees: the field's colours composited along it, (V, 3).

    Reading the colour at the vertex alone would take it from where the density is thin and the colour untrained.
    """
    count = len(vertices)
    edges = torch.linspace(0, 2 * depth, samples + 1, device=vertices.device).expand(count, -1)
    middle = (edges[:, 1:] + edges[:, :-1]) / 2 - depth
    points = (vertices[:, None] - normals[:, None] * middle[..., None]).reshape(-1, 3)
    found = field.sample(points)
    weights = composite(found.density.view(count, samples), edges).weights
    colour = (weights[..., None] * found.rgb.view(count, samples, 3)).sum(1)
    return (colour / weights.sum(1, keepdim=True).clamp(min=1e-6)).clamp(0, 1)


def _lattice(field: Field, resolution: int) -> np.ndarray:
    """Density on a cube of nodes, indexed x, y, z. Raises MeshError where it is not finite."""
    axis = torch.linspace(-field.radius, field.radius, resolution, device=next(field.parameters()).device)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)
    planes = [field.density(plane).cpu() for plane in points]  # a plane at a time bounds the memory
    density: np.ndarray = torch.stack(planes).numpy()
    if not np.isfinite(density).all():
        raise MeshError("the field holds values that are not finite: the optimisation diverged; try a lower lr")
    return density


def _check_volume(density: np.ndarray, level: float) -> None:
    ball = np.pi / 6 * (len(density) - 1) ** 3  # cells inside the ball
    share = float((density > level).sum() / ball)
    if share < MIN_VOLUME:
        raise MeshError(f"the field is empty: only {share:.2%} of the ball is denser than {level:.3g}; try more steps")
    if share > MAX_VOLUME:
        raise MeshError(
            f"the field has filled the ball: {share:.0%} of it is denser than {level:.3g}; "
            "try more sparsity or a lower lr"
        )


def _overlap(a: Tensor, b: Tensor) -> float:
    return float((a & b).sum() / (a | b).sum().clamp(min=1))


def _outward(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Faces wound so that the signed volume, sum of a . (b x c) / 6, is positive."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum()
    return faces if volume > 0 else faces[:, ::-1]


def _vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted means of the normals of the faces around each vertex, (V, 3)."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], across)
    unit: np.ndarray = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return unit

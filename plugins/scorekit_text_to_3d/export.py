"""Meshes to files: GLB and OBJ that show right in Blender, three.js and MeshLab.

Both formats are +y up here, with the front facing +z as glTF asks; colours are linear in GLB (glTF 2.0, COLOR_0) and
sRGB in OBJ (what MeshLab and Blender read after the coordinates of a vertex).
"""

from typing import TYPE_CHECKING

import numpy as np

from scorekit_text_to_3d.mesh import Mesh

if TYPE_CHECKING:
    import trimesh

_Y_UP = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])  # (x front, y left, z up) -> (left, up, front)


def to_y_up(points: np.ndarray) -> np.ndarray:
    """World coordinates (N, 3), +z up and the front on +x, as a file has them: +y up and the front on +z."""
    rotated: np.ndarray = points @ _Y_UP.T
    return rotated


def from_y_up(points: np.ndarray) -> np.ndarray:
    """The inverse of `to_y_up`: what a reader of our files needs to compare them with the world."""
    rotated: np.ndarray = points @ _Y_UP
    return rotated


def srgb_to_linear(srgb: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1 decoding of values in [0, 1]."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """The inverse of `srgb_to_linear`."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)


def glb(mesh: Mesh) -> "trimesh.Trimesh":
    """A trimesh whose GLB export shows the mesh's colours: save it as `mesh.glb`."""
    return _trimesh(mesh, srgb_to_linear(mesh.colours))


def obj(mesh: Mesh) -> "trimesh.Trimesh":
    """A trimesh whose OBJ export shows the mesh's colours: save it as `mesh.obj`."""
    return _trimesh(mesh, mesh.colours)


def _trimesh(mesh: Mesh, colours: np.ndarray) -> "trimesh.Trimesh":
    import trimesh

    rgba = np.concatenate([np.round(colours * 255), np.full((len(colours), 1), 255.0)], axis=1).astype(np.uint8)
    return trimesh.Trimesh(
        to_y_up(mesh.vertices), mesh.faces, vertex_normals=to_y_up(mesh.normals), vertex_colors=rgba, process=False
    )

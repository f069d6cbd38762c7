"""Pictures of a mesh: an exact z-buffer in torch, so that a mesh can be looked at and measured without a GL context."""

import numpy as np
import torch
from torch import Tensor

from scorekit.zoo.render import Camera
from scorekit_text_to_3d.cameras import camera_at
from scorekit_text_to_3d.mesh import Mesh

_NEAR = 1e-3
_CHUNK = 4_000_000  # candidate (triangle, pixel) pairs held at once


def rasterise(
    mesh: Mesh, camera: Camera, size: int, supersample: int = 2, background: float = 1.0, light: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Colours (n, 3, size, size) on the background and coverage (n, 1, size, size), both in [0, 1].

    light  share of a vertex's colour that depends on a lamp beside the camera: 0 shows the mesh's own colours.
    Faces are seen from both sides. Coverage is the share of supersample^2 pixel centres that a triangle covers.
    """
    fine = size * supersample
    pictures = [_one(mesh, camera_at(camera, slice(view, view + 1)), fine, light) for view in range(len(camera))]
    rgba = torch.stack(pictures).view(len(camera), size, supersample, size, supersample, 4).mean((2, 4))
    rgba = rgba.permute(0, 3, 1, 2)
    alpha = rgba[:, 3:]
    return rgba[:, :3] + (1 - alpha) * background, alpha


def outline(vertices: np.ndarray, faces: np.ndarray, camera: Camera, size: int) -> Tensor:
    """Which pixel centres a surface covers, (n, 1, size, size) bool: vertices (V, 3), faces (F, 3)."""
    blank = np.zeros_like(vertices, dtype=np.float32)
    return rasterise(Mesh(vertices.astype(np.float32), faces.astype(np.int64), blank, blank), camera, size, 1)[1] > 0.5


def _one(mesh: Mesh, one: Camera, size: int, light: float) -> Tensor:
    """Premultiplied colour and coverage (size, size, 4) of one camera."""
    one = one.to("cpu")
    vertices = torch.as_tensor(mesh.vertices, dtype=torch.float32)
    faces = torch.as_tensor(mesh.faces)
    local = (vertices - one.position()) @ one.frame()[0].T  # right, up, back
    depth = -local[:, 2]
    scale = size / 2 / torch.tan(torch.deg2rad(one.fov[0]) / 2)
    screen = torch.stack([local[:, 0], -local[:, 1]], dim=1) / depth.clamp(min=_NEAR)[:, None] * scale + size / 2

    corners = screen[faces]  # (F, 3, 2) in pixels, x right and y down
    inverse = 1 / depth[faces].clamp(min=_NEAR)  # linear on the screen, unlike the depth
    low = (corners.amin(1) - 0.5).ceil().clamp(min=0, max=size).long()
    high = (corners.amax(1) - 0.5).floor().clamp(min=-1, max=size - 1).long()
    extent = (high - low + 1).clamp(min=0)
    visible = (extent.amin(1) > 0) & (depth[faces].amin(1) > _NEAR)

    nearest = torch.zeros(size * size)  # greatest inverse depth so far
    winner = torch.full((size * size,), -1)
    barycentric = torch.zeros(size * size, 3)
    side = extent.amax(1).clamp(min=1).log2().ceil().exp2().long()  # triangles of like size are tested together
    for width in sorted(set(side[visible].tolist())):
        chosen = (visible & (side == width)).nonzero().squeeze(1)
        for part in chosen.split(max(1, _CHUNK // width**2)):
            _draw(part, width, corners, inverse, low, size, nearest, winner, barycentric)
    picture = torch.zeros(size * size, 4)
    hit = (winner >= 0).nonzero().squeeze(1)
    weight = barycentric[hit] * inverse[winner[hit]]  # perspective-correct interpolation
    weight = weight / weight.sum(1, keepdim=True)
    colours = _lit(mesh, one, light)[faces[winner[hit]]]
    picture[hit, :3] = (weight[..., None] * colours).sum(1)
    picture[hit, 3] = 1
    return picture.view(size, size, 4)


def _lit(mesh: Mesh, one: Camera, light: float) -> Tensor:
    """Colours of the vertices (V, 3) under a distant lamp up and to the right of the camera."""
    right, up, back = one.frame()[0]
    lamp = torch.nn.functional.normalize(back + 0.7 * up + 0.5 * right, dim=0)
    lambert = (torch.as_tensor(mesh.normals, dtype=torch.float32) @ lamp).clamp(min=0)
    return torch.as_tensor(mesh.colours, dtype=torch.float32) * (1 - light + light * lambert)[:, None]


def _draw(
    part: Tensor,
    width: int,
    corners: Tensor,
    inverse: Tensor,
    low: Tensor,
    size: int,
    nearest: Tensor,
    winner: Tensor,
    barycentric: Tensor,
) -> None:
    """Test width x width pixels of each triangle in `part` and write the nearest hits into the three buffers."""
    step = torch.arange(width)
    offset = torch.stack(torch.meshgrid(step, step, indexing="xy"), dim=-1).view(-1, 2)
    pixel = low[part][:, None] + offset  # (T, width^2, 2)
    a, b, c = (corners[part][:, None, i] for i in range(3))
    point = pixel + 0.5
    area = _cross(b - a, c - a)
    share = torch.stack([_cross(c - b, point - b), _cross(a - c, point - c), _cross(b - a, point - a)], dim=-1)
    share = share / torch.where(area.abs() < 1e-12, torch.inf, area)[..., None]
    inside = (share >= 0).all(-1) & (area.abs() >= 1e-12) & (pixel < size).all(-1)
    triangle, place = inside.nonzero(as_tuple=True)
    if len(triangle) == 0:
        return
    share = share[triangle, place]
    closeness = (share * inverse[part][triangle]).sum(-1)
    index = pixel[triangle, place, 1] * size + pixel[triangle, place, 0]
    nearest.scatter_reduce_(0, index, closeness, "amax")
    won = closeness >= nearest[index]  # pixels won by an earlier chunk keep their greater value
    winner[index[won]] = part[triangle[won]]
    barycentric[index[won]] = share[won]


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]

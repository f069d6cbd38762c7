"""Cameras and a batched sphere tracer (Hart 1996) for the procedural objects.

The tracer keeps only live rays and drops those that have left the bounding ball, so an image costs a few
milliseconds on one CPU thread at 32 x 32.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scorekit.zoo.objects import BOUND, Object, distance, nearest_part

FOV_RANGE = (35.0, 45.0)  # degrees, vertical
LOW_ELEVATION = (-10.0, 45.0)  # degrees, for most cameras
HIGH_ELEVATION = (55.0, 85.0)  # degrees, from above
HIGH_SHARE = 0.12  # share of cameras that look from above
# At distance factor 1 the unit ball touches the edges of the picture; the range keeps apparent size within +-7 %.
DISTANCE_FACTOR = (0.955, 1.095)

AMBIENT, SUN, HEADLIGHT = 0.50, 0.38, 0.14
SUN_DIRECTION = (0.35, 0.22, 0.91)  # world frame, so that light is baked in alike over views of one object

_SURFACE = 1e-3  # a ray has arrived when the distance bound is below this
_NORMAL_STEP = 2e-3
_MAX_STEPS = 96


@dataclass(frozen=True)
class Camera:
    """n pinhole cameras that look at the origin with +z up.

    azimuth (n,) degrees: 0 stands on +x and sees the front, 90 stands on +y. elevation (n,) degrees in [-90, 90].
    distance (n,) from the origin. fov (n,) vertical field of view in degrees.
    """

    azimuth: Tensor
    elevation: Tensor
    distance: Tensor
    fov: Tensor

    def __len__(self) -> int:
        return self.azimuth.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Camera:
        return Camera(self.azimuth[index], self.elevation[index], self.distance[index], self.fov[index])

    def to(self, device: torch.device | str) -> Camera:
        return Camera(*(v.to(device) for v in (self.azimuth, self.elevation, self.distance, self.fov)))

    def position(self) -> Tensor:
        """Camera centres (n, 3)."""
        return self.frame()[:, 2] * self.distance[:, None]

    def frame(self) -> Tensor:
        """Orthonormal axes (n, 3, 3): rows are right, up and back (from the origin to the camera)."""
        a, e = torch.deg2rad(self.azimuth), torch.deg2rad(self.elevation)
        sa, ca, se, ce = a.sin(), a.cos(), e.sin(), e.cos()
        right = torch.stack([-sa, ca, torch.zeros_like(sa)], -1)
        up = torch.stack([-se * ca, -se * sa, ce], -1)
        back = torch.stack([ce * ca, ce * sa, se], -1)
        return torch.stack([right, up, back], 1)

    def rays(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Origins (n, 1, 1, 3) and unit directions (n, H, W, 3) through pixel centres (i + .5); row 0 is the top."""
        if height < 1 or width < 1:
            raise ValueError(f"height and width must be at least 1; got {height} x {width}")
        device = self.azimuth.device
        tangent = torch.tan(torch.deg2rad(self.fov) / 2)[:, None, None]
        v = (1 - (torch.arange(height, device=device) + 0.5) * (2 / height)).view(1, -1, 1) * tangent
        u = ((torch.arange(width, device=device) + 0.5) * (2 / width) - 1).view(1, 1, -1) * tangent * (width / height)
        right, up, back = (axis[:, None, None] for axis in self.frame().unbind(1))
        direction = u[..., None] * right + v[..., None] * up - back
        return self.position()[:, None, None], direction / direction.norm(dim=-1, keepdim=True)

    def project(self, points: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Row, column (continuous; pixel centres at i + .5) and distance from the camera, (n, M) each, of (n, M, 3)."""
        offset = points - self.position()[:, None]
        local = torch.einsum("nij,nmj->nmi", self.frame(), offset)
        depth = -local[..., 2]
        tangent = torch.tan(torch.deg2rad(self.fov) / 2)[:, None]
        row = (1 - local[..., 1] / (depth * tangent)) * (height / 2)
        column = (local[..., 0] / (depth * tangent) * (height / width) + 1) * (width / 2)
        return row, column, offset.norm(dim=-1)


@dataclass(frozen=True)
class Rendering:
    """Pictures of n objects: rgb (n, 3, H, W) on the background, alpha, and the geometry at pixel centres.

    alpha (n, 1, H, W) in [0, 1]; depth (n, 1, H, W) along the ray, inf where empty; part (n, 1, H, W) int64, -1 where
    empty; points (n, 3, H, W) on the surface in the canonical frame, NaN where empty.
    """

    rgb: Tensor
    alpha: Tensor
    depth: Tensor
    part: Tensor
    points: Tensor


def sample_camera(n: int, generator: torch.Generator | None = None) -> Camera:
    """Draw n cameras: azimuth uniform in [-180, 180), elevation and field of view from the ranges of this module."""
    draw = torch.rand(5, n, generator=generator)
    low = LOW_ELEVATION[0] + draw[1] * (LOW_ELEVATION[1] - LOW_ELEVATION[0])
    high = HIGH_ELEVATION[0] + draw[1] * (HIGH_ELEVATION[1] - HIGH_ELEVATION[0])
    fov = FOV_RANGE[0] + draw[3] * (FOV_RANGE[1] - FOV_RANGE[0])
    factor = DISTANCE_FACTOR[0] + draw[4] * (DISTANCE_FACTOR[1] - DISTANCE_FACTOR[0])
    elevation = torch.where(draw[2] < HIGH_SHARE, high, low)
    return Camera(draw[0] * 360 - 180, elevation, fitting_distance(fov) * factor, fov)


def look(azimuth: float, elevation: float = 15.0, fov: float = 40.0, n: int = 1) -> Camera:
    """n equal cameras at the mean of the training distances."""
    fovs = torch.full((n,), fov)
    middle = sum(DISTANCE_FACTOR) / 2
    return Camera(torch.full((n,), azimuth), torch.full((n,), elevation), fitting_distance(fovs) * middle, fovs)


def fitting_distance(fov: Tensor) -> Tensor:
    """Distance at which the unit ball touches the edges of a picture with this vertical field of view (degrees)."""
    return 1 / torch.sin(torch.deg2rad(fov) / 2)


def render_rgba(obj: Object, camera: Camera, size: int, supersample: int = 2) -> tuple[Tensor, Tensor]:
    """Premultiplied colour (n, 3, size, size) and alpha (n, 1, size, size), box-filtered over supersample^2 rays."""
    if supersample < 1:
        raise ValueError(f"supersample must be at least 1; got {supersample}")
    hits = _trace(obj, camera, size * supersample)
    rgba = torch.zeros(hits.total, 4, device=obj.params.device)
    rgba[hits.ray] = torch.cat([_shade(obj, camera, hits), torch.ones_like(hits.depth)[:, None]], 1)
    rgba = rgba.view(len(obj), size, supersample, size, supersample, 4).mean((2, 4)).permute(0, 3, 1, 2)
    return rgba[:, :3], rgba[:, 3:]


def render(obj: Object, camera: Camera, size: int, supersample: int = 2, background: float = 1.0) -> Rendering:
    """Render object i with camera i. Raises ValueError when their numbers differ."""
    color, alpha = render_rgba(obj, camera, size, supersample)
    hits = _trace(obj, camera, size)
    device = obj.params.device
    depth = torch.full((hits.total,), torch.inf, device=device)
    depth[hits.ray] = hits.depth
    part = torch.full((hits.total,), -1, device=device)
    part[hits.ray] = _part(obj, hits)
    points = torch.full((hits.total, 3), torch.nan, device=device)
    points[hits.ray] = hits.points.T
    shape = (len(obj), size, size)
    return Rendering(
        color + (1 - alpha) * background,
        alpha,
        depth.view(shape)[:, None],
        part.view(shape)[:, None],
        points.view(*shape, 3).permute(0, 3, 1, 2),
    )


def correspondences(
    a: Rendering, b: Rendering, camera_b: Camera, tolerance: float = 0.05
) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels of view a and view b that show one surface point.

    a and b show the same objects. Returns item (M,) int64, pixels in a (M, 2) int64 and in b (M, 2) int64 as (row,
    column). A point of a counts as visible in b when b's surface at that pixel lies within `tolerance` world units.
    """
    width = a.points.shape[3]
    points = a.points.flatten(2).transpose(1, 2)
    row, column, _ = camera_b.project(points, *b.points.shape[2:])
    finite = torch.isfinite(points[..., 0])
    r = torch.where(finite, row, -1.0).floor().long()
    c = torch.where(finite, column, -1.0).floor().long()
    within = (r >= 0) & (r < b.points.shape[2]) & (c >= 0) & (c < b.points.shape[3])
    item, pixel = within.nonzero(as_tuple=True)
    r, c = r[item, pixel], c[item, pixel]
    gap = (b.points[item, :, r, c] - points[item, pixel]).norm(dim=-1)
    seen = gap <= tolerance  # NaN, an empty pixel of b, compares false
    item, pixel, r, c = item[seen], pixel[seen], r[seen], c[seen]
    return item, torch.stack([pixel // width, pixel % width], 1), torch.stack([r, c], 1)


@dataclass(frozen=True)
class _Hits:
    """Rays that met a surface. `ray` indexes the flat n * size * size rays; points is (3, K), columns (P, K)."""

    total: int
    ray: Tensor
    item: Tensor
    depth: Tensor
    points: Tensor
    columns: Tensor


def _trace(obj: Object, camera: Camera, size: int) -> _Hits:
    if len(obj) != len(camera):
        raise ValueError(f"camera must hold one camera per object: {len(obj)} objects, {len(camera)} cameras")
    origin, direction = camera.rays(size, size)
    per_image = size * size
    along = -(origin * direction).sum(-1).flatten()  # ray parameter nearest to the origin
    outside = origin.square().sum(-1).flatten().repeat_interleave(per_image) - BOUND**2
    chord = along.square() - outside
    ray = (chord > 0).nonzero().squeeze(1)
    item = ray // per_image
    half = chord[ray].sqrt()
    # One matrix holds all that a ray needs, so that dropping finished rays is a single gather.
    state = torch.cat(
        [
            origin.view(-1, 3)[item].T,
            direction.reshape(-1, 3)[ray].T,
            (along[ray] - half)[None],
            (along[ray] + half)[None],
            obj.params[item].T,
        ]
    )
    kept: list[tuple[Tensor, Tensor]] = []
    for _ in range(_MAX_STEPS):
        x, y, z = (state[i] + state[6] * state[3 + i] for i in range(3))
        gap = distance(obj.kind, x, y, z, list(state[8:]))
        state[6] += gap
        arrived = gap < _SURFACE
        kept.append((ray[arrived], state[:, arrived]))
        alive = (~arrived & (state[6] < state[7])).nonzero().squeeze(1)
        if alive.numel() == 0:
            break
        state, ray = state.index_select(1, alive), ray.index_select(0, alive)
    ray = torch.cat([r for r, _ in kept])
    state = torch.cat([s for _, s in kept], 1)
    points = state[:3] + state[6] * state[3:6]
    return _Hits(len(obj) * per_image, ray, ray // per_image, state[6], points, state[8:])


def _part(obj: Object, hits: _Hits) -> Tensor:
    x, y, z = hits.points
    return nearest_part(obj.kind, x, y, z, list(hits.columns))


def _shade(obj: Object, camera: Camera, hits: _Hits) -> Tensor:
    """RGB (K, 3): albedo under ambient light, a sun with wrapped diffuse falloff, and a weak light at the camera."""
    normal = _normals(obj.kind, hits)
    sun = torch.tensor(SUN_DIRECTION, device=normal.device)
    to_camera = camera.position()[hits.item].T - hits.points
    to_camera = to_camera / to_camera.norm(dim=0)
    wrapped = (sun / sun.norm() @ normal) * 0.5 + 0.5
    facing = (normal * to_camera).sum(0).clamp_min(0)
    light = AMBIENT + SUN * wrapped + HEADLIGHT * facing
    color: Tensor = obj.colors[hits.item, _part(obj, hits)] * light[:, None]
    return color.clamp(0, 1)


def _normals(kind: str, hits: _Hits) -> Tensor:
    """Outward unit normals (3, K) from four samples at the corners of a tetrahedron."""
    x, y, z = hits.points
    columns = list(hits.columns)
    total = torch.zeros_like(hits.points)
    for sx, sy, sz in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)):
        h = _NORMAL_STEP
        value = distance(kind, x + sx * h, y + sy * h, z + sz * h, columns)
        total += value * torch.tensor([[sx], [sy], [sz]], device=x.device)
    return torch.nn.functional.normalize(total, dim=0)

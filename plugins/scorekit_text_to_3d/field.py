"""Radiance fields: a density and a colour at every point of a ball, and nothing outside it.

A field is the thing that score distillation sculpts. Two are offered behind one interface: `GridField`, a dense voxel
grid that a CPU renders quickly, and `HashField` (hash_field.py), a multi-resolution hash encoding for a GPU.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RADIUS = 1.05
"""Radius of the ball that holds the object. Cameras frame the unit ball: the rest is room to grow in."""

BLOB_DENSITY, BLOB_RADIUS = 10.0, 0.4  # inverse world units; world units


class FieldSample(NamedTuple):
    """What a field says at N points.

    density  (N,), >= 0, in inverse length: light crossing dl of it is dimmed by exp(-density dl).
    rgb      (N, 3), sRGB values in [0, 1].
    normal   (N, 3), unit, pointing where the density falls; zero where it is flat. None when not asked for.
    """

    density: Tensor
    rgb: Tensor
    normal: Tensor | None


class Field(nn.Module, ABC):
    """A density and a colour inside the ball of radius `radius` around the origin (+z up, the front faces +x)."""

    radius: float

    @abstractmethod
    def sample(self, points: Tensor, normals: bool = False) -> FieldSample:
        """Evaluate at points (N, 3) in world units, differentiably in the field's parameters."""

    @abstractmethod
    def total_variation(self, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Roughness of (density, colour): mean squared differences between neighbours, two scalars.

        A field without nodes compares random neighbours, drawn from the generator (on the field's device).
        """

    def density(self, points: Tensor) -> Tensor:
        """Density alone at points (..., 3), zero outside the ball: what a mesh is cut from. Shape (...)."""
        flat = points.reshape(-1, 3)
        inside = flat.square().sum(-1) <= self.radius**2
        density = self.sample(flat).density * inside
        return density.reshape(points.shape[:-1])


def blob(squared_distance: Tensor, peak: float, radius: float, scale: float) -> Tensor:
    """Raw density, before scale softplus(.), that starts a field as a soft ball: peak exp(-r^2 / (2 radius^2)).

    DreamFusion starts alike (arXiv:2209.14988, appendix A.2): something in the middle of every picture to carve from.
    """
    density = peak * torch.exp(-squared_distance / (2 * radius**2))
    return torch.log(torch.expm1((density / scale).clamp(min=1e-4)))


class GridField(Field):
    """A dense grid of raw density and colour, read by trilinear interpolation and then activated.

    Activating after interpolation lets one voxel hold a sharp surface (DVGO, arXiv:2111.11215).
    density = scale softplus(raw), rgb = sigmoid(raw).

    resolution     nodes along an edge of the cube that holds the ball.
    blob_density, blob_radius   the soft ball that it starts as, see `blob`.
    density_scale  density, in inverse world units, of softplus(raw) = 1.
    """

    def __init__(
        self,
        resolution: int = 64,
        radius: float = RADIUS,
        blob_density: float = BLOB_DENSITY,
        blob_radius: float = BLOB_RADIUS,
        density_scale: float = 12.0,
    ) -> None:
        super().__init__()
        if resolution < 4:
            raise ValueError(f"resolution is {resolution}; a grid needs at least 4 nodes along an edge")
        self.radius = radius
        self.density_scale = density_scale
        axis = torch.linspace(-radius, radius, resolution)
        z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
        raw = torch.zeros(1, 4, resolution, resolution, resolution)
        raw[0, 0] = blob(x * x + y * y + z * z, blob_density, blob_radius, density_scale)
        self.raw = nn.Parameter(_channels_last(raw))  # (1, 4, z, y, x): density, then red, green, blue

    @property
    def resolution(self) -> int:
        """Nodes along an edge."""
        return self.raw.shape[-1]

    @property
    def spacing(self) -> float:
        """Distance between neighbouring nodes, in world units."""
        return 2 * self.radius / (self.resolution - 1)

    def sample(self, points: Tensor, normals: bool = False) -> FieldSample:
        """See `Field.sample`. Normals are central differences at the nodes, interpolated: no second derivative of
        the interpolation is needed (torch has none in three dimensions) and the cost is three channels more."""
        grid: Tensor = self.raw
        if normals:
            grid = _channels_last(torch.cat([grid, _central_difference(grid[:, :1])], dim=1))
        where = (points / self.radius).view(1, 1, 1, -1, 3)
        values = F.grid_sample(grid, where.to(grid.dtype), mode="bilinear", padding_mode="border", align_corners=True)
        values = values[0, :, 0, 0]  # (channels, N)
        density = self.density_scale * F.softplus(values[0])
        normal = F.normalize(-values[4:7].T, dim=-1, eps=1e-6) if normals else None
        return FieldSample(density, torch.sigmoid(values[1:4]).T, normal)

    def total_variation(self, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Mean squared difference of neighbouring nodes, of the raw density and of the colours."""
        del generator  # all neighbours are compared: nothing is drawn
        colour = torch.sigmoid(self.raw[:, 1:])
        return _roughness(self.raw[:, :1]), _roughness(colour)

    def refined(self, resolution: int) -> "GridField":
        """The same field on a finer (or coarser) grid: the coarse-to-fine step."""
        fine = GridField(resolution, self.radius, density_scale=self.density_scale).to(self.raw)
        with torch.no_grad():
            fine.raw.copy_(F.interpolate(self.raw, size=(resolution,) * 3, mode="trilinear", align_corners=True))
        return fine


def _channels_last(grid: Tensor) -> Tensor:
    """The four numbers of a voxel side by side in memory: reading them costs half the time on a CPU."""
    return grid.contiguous(memory_format=torch.channels_last_3d)


def _central_difference(grid: Tensor) -> Tensor:
    """d/dx, d/dy, d/dz of a (1, 1, z, y, x) grid up to the constant 2 h. (1, 3, z, y, x)."""
    padded = F.pad(grid, (1, 1, 1, 1, 1, 1), mode="replicate")[:, 0]
    inner = slice(1, -1)
    dx = padded[:, inner, inner, 2:] - padded[:, inner, inner, :-2]
    dy = padded[:, inner, 2:, inner] - padded[:, inner, :-2, inner]
    dz = padded[:, 2:, inner, inner] - padded[:, :-2, inner, inner]
    return torch.stack([dx, dy, dz], dim=1)


def _roughness(grid: Tensor) -> Tensor:
    """Mean over nodes of the squared differences along the three axes of (1, C, z, y, x), summed over channels."""
    total = torch.zeros((), device=grid.device, dtype=grid.dtype)
    for axis in (-1, -2, -3):
        total = total + grid.diff(dim=axis).square().sum(dim=1).mean()
    return total

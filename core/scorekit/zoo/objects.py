"""Procedural objects: sixteen kinds in ten colours, with exact geometry, parts and paint.

An `Object` is a batch of n instances of one kind. The canonical frame is right-handed with +z up and the front at +x;
lengths are in world units and every object fits the unit ball.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from skimage.measure import marching_cubes
from torch import Tensor

from scorekit.zoo.kinds import CATALOGUE, Kind, Sizes

KINDS: tuple[str, ...] = tuple(CATALOGUE)
COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.88, 0.11, 0.11),
    "orange": (1.00, 0.52, 0.04),
    "yellow": (0.98, 0.88, 0.10),
    "green": (0.15, 0.63, 0.20),
    "cyan": (0.12, 0.82, 0.86),
    "blue": (0.12, 0.28, 0.88),
    "purple": (0.54, 0.17, 0.72),
    "pink": (1.00, 0.55, 0.76),
    "brown": (0.47, 0.26, 0.11),
    "gray": (0.55, 0.55, 0.56),
}
# Rays are traced inside the ball of this radius. Sizes at the far end of their jitter put a corner of about one table or
# chair in seventy, and one cone in four hundred, up to 0.02 outside: the tracer clips that corner.
BOUND = 0.95
SIZE_JITTER = 0.06  # each size is drawn within +-6 % of its mean
SCALE_JITTER = 0.025  # and the whole object within +-2.5 %
LIGHTNESS_JITTER = 0.035  # added to all channels of the main colour together
HUE_JITTER = 0.015  # and to each channel on its own


def _kind(name: str) -> Kind:
    if name not in CATALOGUE:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {name!r}")
    return CATALOGUE[name]


@dataclass(frozen=True)
class Object:
    """n instances of one kind.

    params: (n, P) float32, the sizes in the catalogue's order, then the scale.
    colors: (n, parts, 3) RGB in [0, 1], in the order of `part_names`.
    """

    kind: str
    params: Tensor
    colors: Tensor

    def __len__(self) -> int:
        return self.params.shape[0]

    def __getitem__(self, index: int | slice | Tensor) -> Object:
        """A sub-batch; an integer gives a batch of one."""
        chosen: slice | Tensor = slice(index, index + 1 or None) if isinstance(index, int) else index
        return Object(self.kind, self.params[chosen], self.colors[chosen])

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of the solid parts, then of the painted marks."""
        return tuple(_kind(self.kind).paints)

    def to(self, device: torch.device | str) -> Object:
        return Object(self.kind, self.params.to(device), self.colors.to(device))

    def sdf(self, points: Tensor) -> Tensor:
        """Signed distance at points (n, ..., 3) -> (n, ...): negative inside, elsewhere a lower bound on distance."""
        x, y, z = self._split(points)
        return distance(self.kind, x, y, z, self._columns(points.ndim - 2))

    def parts(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Distance (n, ...), part index (n, ...) int64 and albedo (n, ..., 3) at points (n, ..., 3)."""
        x, y, z = self._split(points)
        columns = self._columns(points.ndim - 2)
        found, part = distance(self.kind, x, y, z, columns), nearest_part(self.kind, x, y, z, columns)
        item = torch.arange(len(self), device=points.device).view(-1, *[1] * (points.ndim - 2))
        return found, part, self.colors[item, part]

    def occupancy(self, points: Tensor) -> Tensor:
        """Whether points (n, ..., 3) lie inside, as bool (n, ...)."""
        return self.sdf(points) < 0

    def mesh(self, resolution: int = 96) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Surface of each instance by marching cubes (Lorensen and Cline 1987) on `resolution`^3 samples.

        Returns per instance: vertices (V, 3), faces (F, 3) int64 wound so that normals point outwards, and vertex
        colours (V, 3) in [0, 1]. Raises ValueError for a resolution below 8.
        """
        if resolution < 8:
            raise ValueError(f"resolution must be at least 8; got {resolution}")
        axis = torch.linspace(-1.0, 1.0, resolution, device=self.params.device)
        grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
        step = 2.0 / (resolution - 1)
        meshes = []
        for i in range(len(self)):
            one = self[i]
            volume = one.sdf(grid[None])[0].cpu().numpy()
            corners, faces, _, _ = marching_cubes(volume, 0.0, spacing=(step,) * 3, gradient_direction="descent")
            vertices = torch.from_numpy(np.ascontiguousarray(corners - 1.0)).to(self.params)
            _, _, paint = one.parts(vertices[None])
            meshes.append((vertices, torch.from_numpy(faces.astype(np.int64)).to(self.params.device), paint[0]))
        return meshes

    def _columns(self, extra: int) -> list[Tensor]:
        shape = (-1, *[1] * extra)
        return [column.view(shape) for column in self.params.unbind(1)]

    def _split(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if points.ndim < 2 or points.shape[0] not in (1, len(self)) or points.shape[-1] != 3:
            raise ValueError(f"points must have shape ({len(self)}, ..., 3); got {tuple(points.shape)}")
        x, y, z = points.unbind(-1)
        return x, y, z


def _scaled(
    kind: str, x: Tensor, y: Tensor, z: Tensor, columns: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Tensor, Sizes]:
    sizes = dict(zip(CATALOGUE[kind].sizes, columns, strict=False))
    inverse = 1.0 / columns[-1]
    return x * inverse, y * inverse, z * inverse, sizes


def distance(kind: str, x: Tensor, y: Tensor, z: Tensor, columns: Sequence[Tensor]) -> Tensor:
    """Signed distance with each size given as a tensor that broadcasts against the coordinates."""
    px, py, pz, sizes = _scaled(kind, x, y, z, columns)
    found = CATALOGUE[kind].solids(px, py, pz, sizes)
    nearest = found[0]
    for other in found[1:]:
        nearest = torch.minimum(nearest, other)
    return nearest * columns[-1]


def nearest_part(kind: str, x: Tensor, y: Tensor, z: Tensor, columns: Sequence[Tensor]) -> Tensor:
    """Index of the part seen at each point: the nearest solid, or the last mark that covers it there."""
    spec = CATALOGUE[kind]
    names = list(spec.paints)
    px, py, pz, sizes = _scaled(kind, x, y, z, columns)
    solid = torch.stack([part.expand(px.shape) for part in spec.solids(px, py, pz, sizes)]).argmin(0)
    part = solid
    for mark, host, region in spec.marks(px, py, pz, sizes):
        covered = (solid == names.index(host)) & (region < 0)
        part = torch.where(covered, names.index(mark), part)
    return part


def _uniform(shape: tuple[int, ...], spread: float, generator: torch.Generator | None) -> Tensor:
    return (2 * torch.rand(shape, generator=generator) - 1) * spread


def sample_object(
    kind: str, color: str | Sequence[str], generator: torch.Generator | None = None, n: int = 1
) -> Object:
    """Draw n instances of a kind with jittered proportions and paint, on the CPU.

    color: one colour name for all, or n names. Raises ValueError for unknown names or a wrong count.
    """
    spec = _kind(kind)
    names = [color] * n if isinstance(color, str) else list(color)
    if n < 1 or len(names) != n:
        raise ValueError(f"color must be one name or n = {n} names (n at least 1); got {len(names)} names")
    for name in names:
        if name not in COLORS:
            raise ValueError(f"color must be one of {', '.join(COLORS)}; got {name!r}")
    means = torch.tensor(list(spec.sizes.values()))
    sizes = means * (1 + _uniform((n, len(means)), SIZE_JITTER, generator))
    scale = spec.scale * (1 + _uniform((n, 1), SCALE_JITTER, generator))
    main = torch.tensor([COLORS[name] for name in names])
    main = main + _uniform((n, 1), LIGHTNESS_JITTER, generator) + _uniform((n, 3), HUE_JITTER, generator)
    main = main.clamp(0, 1)
    paints = []
    for paint in spec.paints.values():
        base = main if paint.rgb is None else torch.tensor(paint.rgb).expand(n, 3)
        target = 1.0 if paint.tint > 0 else 0.0
        paints.append(base + (target - base) * abs(paint.tint))
    return Object(kind, torch.cat([sizes, scale], 1), torch.stack(paints, 1))

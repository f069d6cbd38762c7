"""Signed-distance primitives on separate coordinate tensors.

Every function returns a lower bound on the distance to its solid (exact where that is cheap), negative inside, so
that sphere tracing (Hart 1996, "Sphere tracing") never steps through a surface. Coordinates and sizes broadcast;
they are kept apart as x, y, z because contiguous components are what makes tracing fast on a CPU.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Size = Tensor | float


def length2(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean norm of (x, y), with a finite gradient at zero."""
    return torch.sqrt(x * x + y * y + 1e-12)


def length3(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Euclidean norm of (x, y, z), with a finite gradient at zero."""
    return torch.sqrt(x * x + y * y + z * z + 1e-12)


def union(first: Tensor, *rest: Tensor) -> Tensor:
    """Distance to the nearest of several solids."""
    for other in rest:
        first = torch.minimum(first, other)
    return first


def both(first: Tensor, *rest: Tensor) -> Tensor:
    """Intersection of several solids."""
    for other in rest:
        first = torch.maximum(first, other)
    return first


def sphere(x: Tensor, y: Tensor, z: Tensor, radius: Size) -> Tensor:
    """Ball around the origin (exact)."""
    return length3(x, y, z) - radius


def ellipsoid(x: Tensor, y: Tensor, z: Tensor, wide: Tensor, high: Tensor) -> Tensor:
    """Spheroid with semi-axes (wide, wide, high): the scaled unit-ball bound, exact only for wide == high."""
    return (length3(x / wide, y / wide, z / high) - 1.0) * torch.minimum(wide, high)


def box(x: Tensor, y: Tensor, z: Tensor, half: tuple[Size, Size, Size], round_: float = 0.0) -> Tensor:
    """Box with outer half sizes `half` and edges rounded by `round_` (exact outside)."""
    a = x.abs() - (half[0] - round_)
    b = y.abs() - (half[1] - round_)
    c = z.abs() - (half[2] - round_)
    inside = both(a, b, c)
    if round_ == 0.0:
        return inside
    return length3(a.clamp_min(0), b.clamp_min(0), c.clamp_min(0)) + inside.clamp_max(0) - round_


def cylinder(radial: Tensor, axial: Tensor, radius: Size, half: Size, round_: float = 0.0) -> Tensor:
    """Solid of revolution with outer radius and half height; `radial` is the distance from its axis."""
    a = radial - (radius - round_)
    b = axial.abs() - (half - round_)
    inside = torch.maximum(a, b)
    if round_ == 0.0:
        return inside
    return length2(a.clamp_min(0), b.clamp_min(0)) + inside.clamp_max(0) - round_


def frustum(radial: Tensor, axial: Tensor, low: Size, high: Size, r_low: Size, r_high: Size) -> Tensor:
    """Cone frustum between axial = low and high; the intersection of its slanted side and its two end planes."""
    slope = (r_high - r_low) / (high - low)
    side = radial - r_low - slope * (axial - low)
    norm = torch.sqrt(1 + slope * slope) if isinstance(slope, Tensor) else math.sqrt(1 + slope * slope)
    return both(side / norm, axial - high, low - axial)


def torus(radial: Tensor, axial: Tensor, ring: Size, tube: Size) -> Tensor:
    """Torus with ring radius and tube radius (exact)."""
    return length2(radial - ring, axial) - tube

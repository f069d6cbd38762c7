"""What a kind of object is: two functions of coordinates and sizes, and the paint of its parts.

`solids` gives one signed distance per solid part. `marks` gives regions of a solid's surface that carry another paint
and change no geometry: (mark, host solid, region), with region < 0 inside. Marks and accessories differ between front
and back wherever a kind would otherwise be symmetric, so that the viewing direction can be read from a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from scorekit.zoo.kinds.paints import Paint
from scorekit.zoo.sdf import length3, union

Sizes = dict[str, Tensor]
Solids = Callable[[Tensor, Tensor, Tensor, Sizes], list[Tensor]]
Mark = tuple[str, str, Tensor]
Marks = Callable[[Tensor, Tensor, Tensor, Sizes], list[Mark]]


class Kind(NamedTuple):
    """Sizes at their mean (jittered per instance), the overall scale, paints of solids then marks, and geometry."""

    sizes: dict[str, float]
    scale: float
    paints: dict[str, Paint]
    solids: Solids
    marks: Marks


def no_marks(_x: Tensor, _y: Tensor, _z: Tensor, _sizes: Sizes) -> list[Mark]:
    return []


def dot(x: Tensor, y: Tensor, z: Tensor, radius: Tensor | float) -> Tensor:
    return length3(x, y, z) - radius


def spots(
    x: Tensor, y: Tensor, z: Tensor, wide: Tensor, high: Tensor, size: Tensor, places: list[tuple[float, float, float]]
) -> Tensor:
    """Union of dots on a spheroid at (azimuth, elevation, relative size)."""
    dots = []
    for azimuth, elevation, relative in places:
        a, e = math.radians(azimuth), math.radians(elevation)
        ring = wide * math.cos(e)
        dots.append(dot(x - ring * math.cos(a), y - ring * math.sin(a), z - high * math.sin(e), size * relative))
    return union(*dots)

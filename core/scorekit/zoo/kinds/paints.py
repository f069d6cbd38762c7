"""Paints: shades of the main colour that a caption names, and fixed colours for what does not carry it."""

from __future__ import annotations

from typing import NamedTuple


class Paint(NamedTuple):
    """A fixed RGB colour, or (rgb None) the object's main colour mixed by `tint` with white (> 0) or black (< 0)."""

    rgb: tuple[float, float, float] | None = None
    tint: float = 0.0


MAIN = Paint()
LIGHT = Paint(tint=0.62)
SOFT = Paint(tint=0.25)
SHADE = Paint(tint=-0.24)
DEEP = Paint(tint=-0.34)
WHITE = Paint((0.98, 0.98, 0.97))
OFFWHITE = Paint((0.93, 0.93, 0.95))
CREAM = Paint((0.96, 0.90, 0.76))
BLACK = Paint((0.10, 0.10, 0.12))
CARROT = Paint((0.98, 0.48, 0.05))
WOOD = Paint((0.45, 0.29, 0.16))
DOOR = Paint((0.34, 0.20, 0.11))
DOUGH = Paint((0.87, 0.67, 0.40))
WAFFLE = Paint((0.74, 0.52, 0.26))
GLASS = Paint((0.68, 0.87, 0.98))
STEEL = Paint((0.58, 0.60, 0.64))
LAMP = Paint((1.00, 0.93, 0.45))
TAIL = Paint((0.72, 0.03, 0.08))

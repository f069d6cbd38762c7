"""The sixteen kinds of object, in the canonical frame: right-handed, +z up, the front at +x."""

from __future__ import annotations

from scorekit.zoo.kinds.household import HOUSEHOLD
from scorekit.zoo.kinds.kind import Kind, Sizes
from scorekit.zoo.kinds.machines import MACHINES
from scorekit.zoo.kinds.outdoors import OUTDOORS
from scorekit.zoo.kinds.paints import Paint
from scorekit.zoo.kinds.solids import SOLIDS

__all__ = ["CATALOGUE", "Kind", "Paint", "Sizes"]

# Data sets store kinds by their place in this order: append, never reorder.
_ORDER = (
    "ball",
    "cube",
    "cone",
    "cylinder",
    "donut",
    "mushroom",
    "snowman",
    "table",
    "chair",
    "rocket",
    "tree",
    "mug",
    "ice cream cone",
    "dumbbell",
    "house",
    "car",
)
_ALL = SOLIDS | OUTDOORS | HOUSEHOLD | MACHINES
CATALOGUE: dict[str, Kind] = {name: _ALL[name] for name in _ORDER}

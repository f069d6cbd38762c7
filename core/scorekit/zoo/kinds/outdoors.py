"""Kinds met outdoors: mushroom, snowman and tree."""

from __future__ import annotations

from torch import Tensor

from scorekit.zoo.kinds.kind import Kind, Mark, Sizes, dot, no_marks, spots
from scorekit.zoo.kinds.paints import BLACK, CARROT, CREAM, MAIN, WHITE, WOOD
from scorekit.zoo.sdf import both, cylinder, ellipsoid, frustum, length2, sphere, union


def _mushroom(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    r = length2(x, y)
    cap = both(ellipsoid(x, y, z + 0.02, q["wide"], q["high"]), -0.02 - z)
    stem = frustum(r, z, -0.8, 0.1, q["stem"] * 1.12, q["stem"] * 0.88)
    return [cap, stem]


def _mushroom_marks(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Mark]:
    places = [
        (0.0, 38.0, 1.25), (-48.0, 22.0, 0.9), (48.0, 22.0, 0.9), (-100.0, 40.0, 1.0), (100.0, 40.0, 1.0),
        (180.0, 30.0, 0.8), (180.0, 86.0, 0.9),
    ]  # fmt: skip
    gills = z + 0.005
    return [
        ("gills", "cap", gills),
        ("spots", "cap", spots(x, y, z + 0.02, q["wide"], q["high"], q["spot"], places)),
    ]


def _snowman(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    head_z = 0.42
    body = union(
        sphere(x, y, z + 0.45, q["low"]), sphere(x, y, z - 0.06, q["middle"]), sphere(x, y, z - head_z, q["head"])
    )
    # The carrot lies along +x and narrows outwards.
    nose = frustum(length2(y, z - head_z), x, q["head"] * 0.8, q["head"] + q["nose"], 0.085, 0.015)
    eyes = dot(x - q["head"] * 0.85, y.abs() - q["head"] * 0.42, z - head_z - q["head"] * 0.38, 0.058)
    buttons = union(dot(x - q["middle"] * 0.97, y, z - 0.11, 0.06), dot(x - q["low"] * 0.97, y, z + 0.36, 0.065))
    r = length2(x, y)
    base = head_z + q["head"] * 0.72
    hat = union(cylinder(r, z - base, q["head"] * 1.05, 0.035), cylinder(r, z - base - 0.12, q["head"] * 0.66, 0.14))
    return [body, nose, eyes, buttons, hat]


def _tree(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    r = length2(x, y)
    w = q["wide"]
    crown = union(
        frustum(r, z, -0.5, 0.18, w, w * 0.3),
        frustum(r, z, -0.1, 0.5, w * 0.8, w * 0.2),
        frustum(r, z, 0.28, q["top"], w * 0.58, 0.01),
    )
    trunk = cylinder(r, z + 0.65, q["trunk"], 0.25)
    # Baubles hang on the front only.
    baubles = union(
        dot(x - w * 0.82, y + 0.06, z + 0.34, 0.085),
        dot(x - w * 0.52, y - 0.3, z + 0.0, 0.08),
        dot(x - w * 0.47, y + 0.2, z - 0.2, 0.08),
        dot(x - w * 0.38, y - 0.05, z - 0.5, 0.075),
    )
    return [crown, trunk, baubles]


OUTDOORS: dict[str, Kind] = {
    "mushroom": Kind(
        {"wide": 0.78, "high": 0.68, "stem": 0.25, "spot": 0.15}, 1.0,
        {"cap": MAIN, "stem": CREAM, "gills": CREAM, "spots": WHITE}, _mushroom, _mushroom_marks,
    ),
    "snowman": Kind(
        {"low": 0.46, "middle": 0.37, "head": 0.28, "nose": 0.26}, 0.95,
        {"body": MAIN, "nose": CARROT, "eyes": BLACK, "buttons": BLACK, "hat": BLACK}, _snowman, no_marks,
    ),
    "tree": Kind(
        {"wide": 0.62, "top": 0.86, "trunk": 0.15}, 0.98,
        {"crown": MAIN, "trunk": WOOD, "baubles": WHITE}, _tree, no_marks,
    ),
}  # fmt: skip

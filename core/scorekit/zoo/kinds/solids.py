"""Geometric kinds: ball, cube, cone and cylinder, each marked at the front."""

from __future__ import annotations

from torch import Tensor

from scorekit.zoo.kinds.kind import Kind, Mark, Sizes, dot
from scorekit.zoo.kinds.paints import LIGHT, MAIN, SOFT, WHITE
from scorekit.zoo.sdf import both, box, cylinder, frustum, length2, sphere


def _ball(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    return [sphere(x, y, z, q["radius"])]


def _ball_marks(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Mark]:
    r = q["radius"]
    return [("band", "ball", z.abs() - q["band"]), ("mark", "ball", dot(x - r, y, z, q["mark"]))]


def _cube(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    return [box(x, y, z, (q["half"], q["half"], q["half"]), 0.05)]


def _cube_marks(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Mark]:
    face = both(length2(y, z) - q["mark"], 0.3 - x)
    # A lighter frame on the two sides tells them from the plain back.
    side = both((x.abs() - 0.28), (z.abs() - 0.28), 0.3 - y.abs())
    return [("panel", "cube", side), ("mark", "cube", face)]


def _cone(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    return [frustum(length2(x, y), z, -q["half"], q["half"], q["radius"], 0.02)]


def _cone_marks(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Mark]:
    at = q["radius"] * 0.72
    return [
        ("band", "cone", (z - 0.12).abs() - q["band"]),
        ("mark", "cone", dot(x - at, y, z + q["half"] * 0.45, q["mark"])),
    ]


def _cylinder(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    return [cylinder(length2(x, y), z, q["radius"], q["half"], 0.04)]


def _cylinder_marks(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Mark]:
    top = both(q["half"] - 0.045 - z, length2(x, y) - q["radius"] + 0.07)
    label = both(y.abs() - q["mark"], (z + 0.05).abs() - q["half"] * 0.45, 0.1 - x)
    return [("top", "cylinder", top), ("label", "cylinder", label)]


SOLIDS: dict[str, Kind] = {
    "ball": Kind(
        {"radius": 0.76, "band": 0.13, "mark": 0.3}, 1.0,
        {"ball": MAIN, "band": LIGHT, "mark": WHITE}, _ball, _ball_marks,
    ),
    "cube": Kind(
        {"half": 0.52, "mark": 0.26}, 0.99, {"cube": MAIN, "panel": SOFT, "mark": WHITE}, _cube, _cube_marks,
    ),
    "cone": Kind(
        {"radius": 0.62, "half": 0.66, "band": 0.1, "mark": 0.17}, 0.985,
        {"cone": MAIN, "band": LIGHT, "mark": WHITE}, _cone, _cone_marks,
    ),
    "cylinder": Kind(
        {"radius": 0.5, "half": 0.68, "mark": 0.2}, 1.0,
        {"cylinder": MAIN, "top": LIGHT, "label": WHITE}, _cylinder, _cylinder_marks,
    ),
}  # fmt: skip

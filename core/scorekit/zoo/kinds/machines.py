"""Buildings and vehicles: rocket, house and car."""

from __future__ import annotations

import torch
from torch import Tensor

from scorekit.zoo.kinds.kind import Kind, Mark, Sizes
from scorekit.zoo.kinds.paints import BLACK, DEEP, DOOR, GLASS, LAMP, MAIN, OFFWHITE, STEEL, TAIL
from scorekit.zoo.sdf import both, box, cylinder, ellipsoid, frustum, length2, length3, union


def _rocket(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    r = length2(x, y)
    body = cylinder(r, z + 0.1, q["radius"], 0.45, 0.03)
    nose = both(ellipsoid(x, y, z - 0.3, q["radius"] * 1.06, q["nose"]), 0.3 - z)
    ax, ay = x.abs(), y.abs()
    outline = both((torch.maximum(ax, ay) - q["fin"] + 0.75 * (z + 0.5)) / 1.25, -0.76 - z, z - 0.1)
    fins = both(torch.minimum(ax, ay) - 0.075, outline)
    nozzle = frustum(r, z, -0.72, -0.5, q["radius"] * 0.75, q["radius"] * 0.55)
    front = length3(x - q["radius"], y, z - 0.08) - 0.2
    window = both(length2(y, z - 0.08) - q["window"], front, r - q["radius"] - 0.02)
    return [body, nose, fins, nozzle, window]


def _rocket_marks(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Mark]:
    rim = both(length2(y, z - 0.08) - q["window"] - 0.06, 0.0 - x)
    return [("skirt", "body", z + 0.24), ("rim", "body", rim)]


def _house(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    deep, wide = q["deep"], q["wide"]
    walls = union(
        box(x, y, z + 0.26, (deep, wide, 0.4)),
        # The gables fill the space under the roof.
        both(x.abs() - deep, (y.abs() * 0.9 + z - 0.6) / 1.345, 0.1 - z),
    )
    rise = q["rise"]
    slope = (y.abs() * 0.9 + z - rise) / 1.345
    roof = both(x.abs() - deep - 0.1, slope, -0.12 - slope, 0.04 - z)
    chimney = box(x + 0.2, y - 0.26, z - 0.48, (0.1, 0.1, 0.26))
    return [walls, roof, chimney]


def _house_marks(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Mark]:
    front = 0.2 - x
    door = both(y.abs() - q["door"], z + 0.2, front)
    panes = union(
        both((y.abs() - 0.32).abs() - 0.085, (z + 0.12).abs() - 0.11, front),
        both(length2(y, z - 0.22) - 0.11, front),
        both((x.abs() - 0.2).abs() - 0.1, (z + 0.2).abs() - 0.12, 0.3 - y.abs()),
    )
    return [("windows", "walls", panes), ("door", "walls", door)]


def _car_cabin(x: Tensor, z: Tensor, q: Sizes) -> tuple[Tensor, Tensor]:
    """Height above the cabin's floor, and the signed distance to its sloping front and rear panes."""
    lift = z - 0.04
    return lift, ((x + 0.1).abs() + 0.6 * lift - q["cabin"]) / 1.166


def _car(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    ay, ax = y.abs(), x.abs()
    body = box(x, y, z + 0.12, (q["long"], q["wide"], 0.2), 0.06)
    lift, panes = _car_cabin(x, z, q)
    cabin = both(panes, ay - q["wide"] + 0.06, lift - q["roof"], -lift - 0.1)
    wheels = cylinder(length2(ax - 0.48, z + 0.3), ay - q["wide"] + 0.05, q["wheel"], 0.1, 0.02)
    return [union(body, cabin), wheels]


def _car_marks(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Mark]:
    lift, panes = _car_cabin(x, z, q)
    ay = y.abs()
    band = both(0.07 - lift, lift - q["roof"] + 0.06)
    side = both(panes + 0.07, 0.035 - (x + 0.1).abs())
    screen = both(ay - q["wide"] + 0.12, -0.03 - panes)
    lamps = length2(ay - q["wide"] + 0.12, z + 0.08) - q["lamp"]
    hub = both(length2(x.abs() - 0.48, z + 0.3) - 0.085, 0.1 - ay)
    grille = both(ay - 0.13, (z + 0.16).abs() - 0.05, 0.5 - x)
    return [
        ("windows", "body", both(band, union(side, screen))),
        ("headlights", "body", both(lamps, q["long"] - 0.08 - x)),
        ("tail lights", "body", both(lamps, q["long"] - 0.08 + x)),
        ("grille", "body", grille),
        ("hubs", "wheels", hub),
    ]


MACHINES: dict[str, Kind] = {
    "rocket": Kind(
        {"radius": 0.3, "nose": 0.58, "fin": 0.52, "window": 0.13}, 0.87,
        {"body": OFFWHITE, "nose": MAIN, "fins": MAIN, "nozzle": STEEL, "window": GLASS, "skirt": MAIN, "rim": DEEP},
        _rocket, _rocket_marks,
    ),
    "house": Kind(
        {"deep": 0.46, "wide": 0.5, "rise": 0.72, "door": 0.14}, 0.96,
        {"walls": MAIN, "roof": DEEP, "chimney": STEEL, "windows": GLASS, "door": DOOR}, _house, _house_marks,
    ),
    "car": Kind(
        {"long": 0.8, "wide": 0.4, "cabin": 0.52, "roof": 0.36, "wheel": 0.2, "lamp": 0.085}, 0.97,
        {
            "body": MAIN, "wheels": BLACK, "windows": GLASS, "headlights": LAMP, "tail lights": TAIL,
            "grille": BLACK, "hubs": OFFWHITE,
        },
        _car, _car_marks,
    ),
}  # fmt: skip

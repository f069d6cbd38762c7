"""The sixteen kinds of object: solids, surface marks and paint, in the canonical frame (+z up, the front at +x).

A kind is two functions of coordinates and sizes. `solids` gives one signed distance per solid part. `marks` gives
regions of a solid's surface that carry another paint and change no geometry: (mark, host solid, region), with
region < 0 inside. Marks and accessories differ between front and back wherever a kind would otherwise be symmetric,
so that the viewing direction can be read from a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from scorekit.zoo.sdf import (
    both,
    box,
    cylinder,
    ellipsoid,
    frustum,
    length2,
    length3,
    sphere,
    torus,
    union,
)

Sizes = dict[str, Tensor]
Solids = Callable[[Tensor, Tensor, Tensor, Sizes], list[Tensor]]
Mark = tuple[str, str, Tensor]
Marks = Callable[[Tensor, Tensor, Tensor, Sizes], list[Mark]]


class Paint(NamedTuple):
    """A fixed RGB colour, or (rgb None) the object's main colour mixed by `tint` with white (> 0) or black (< 0)."""

    rgb: tuple[float, float, float] | None = None
    tint: float = 0.0


class Kind(NamedTuple):
    """Sizes at their mean (jittered per instance), the overall scale, paints of solids then marks, and geometry."""

    sizes: dict[str, float]
    scale: float
    paints: dict[str, Paint]
    solids: Solids
    marks: Marks


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


def no_marks(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Mark]:
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
        dots.append(
            dot(x - ring * math.cos(a), y - ring * math.sin(a), z - high * math.sin(e), size * relative)
        )
    return union(*dots)


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


def _donut(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    return [torus(length2(x, y), z, q["ring"], q["tube"])]


def _donut_marks(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Mark]:
    angle = torch.atan2(y, x)
    dough = z + 0.12 + 0.05 * torch.sin(7 * angle)
    grains = []
    # Sprinkles lie on the front half only: (azimuth, angle around the tube).
    for azimuth, around in ((0, 50), (-35, 75), (32, 95), (-62, 35), (60, 30), (-12, 115), (12, 15), (-30, 12)):
        a, e = math.radians(azimuth), math.radians(around)
        ring = q["ring"] + q["tube"] * math.cos(e)
        grains.append(dot(x - ring * math.cos(a), y - ring * math.sin(a), z - q["tube"] * math.sin(e), q["grain"]))
    return [("dough", "icing", dough), ("sprinkles", "icing", union(*grains))]


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
    buttons = union(
        dot(x - q["middle"] * 0.97, y, z - 0.11, 0.06), dot(x - q["low"] * 0.97, y, z + 0.36, 0.065)
    )
    r = length2(x, y)
    base = head_z + q["head"] * 0.72
    hat = union(cylinder(r, z - base, q["head"] * 1.05, 0.035), cylinder(r, z - base - 0.12, q["head"] * 0.66, 0.14))
    return [body, nose, eyes, buttons, hat]


def _table(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    top = box(x, y, z - 0.38, (q["deep"], q["wide"], 0.08), 0.03)
    ax, ay = x.abs() - (q["deep"] - 0.13), y.abs() - (q["wide"] - 0.13)
    legs = box(ax, ay, z + 0.12, (q["leg"], q["leg"], 0.46), 0.02)
    drawer = box(x - 0.12, y, z - 0.21, (q["deep"] - 0.2, q["wide"] * 0.52, 0.12))
    knob = dot(x - q["deep"] + 0.06, y, z - 0.2, 0.075)
    return [top, legs, drawer, knob]


def _chair(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    h = q["half"]
    seat = box(x, y, z + 0.08, (h, h, 0.09), 0.03)
    back = box(x + h - 0.08, y, z - 0.3, (0.085, h, q["back"]), 0.03)
    legs = box(x.abs() - h + q["leg"], y.abs() - h + q["leg"], z + 0.43, (q["leg"], q["leg"], 0.32), 0.02)
    return [union(seat, back), legs]


def _chair_marks(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Mark]:
    # A light cushion on the seat and a light panel on the back rest, which only the front shows.
    seat = both(x.abs() - q["half"] * 0.72, y.abs() - q["half"] * 0.72, 0.005 - z, z - 0.05)
    panel = both(y.abs() - q["half"] * 0.6, (z - 0.36).abs() - q["back"] * 0.42, -x - q["half"] + 0.13, x)
    return [("cushion", "frame", seat), ("panel", "frame", panel)]


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


def _mug(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    y = y + 0.16
    r = length2(x, y)
    wall = cylinder(r, z, q["radius"], q["half"], 0.03)
    cup = both(wall, -cylinder(r, z - 0.12, q["radius"] - 0.1, q["half"]))
    handle = both(torus(length2(y - q["radius"] - 0.02, z), x, q["handle"], 0.095), q["radius"] - 0.06 - r)
    return [cup, handle]


def _mug_marks(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Mark]:
    y = y + 0.16
    inside = both(length2(x, y) - q["radius"] + 0.085, q["half"] * -1 + 0.06 - z, z - q["half"] + 0.02)
    badge = both(length2(y, z) - q["mark"], 0.2 - x)
    return [("inside", "cup", inside), ("badge", "cup", badge)]


def _ice_cream(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    r = length2(x, y)
    scoop = union(sphere(x, y, z - 0.36, q["scoop"]), torus(r, z - 0.1, q["scoop"] * 0.72, 0.11))
    cone = frustum(r, z, -0.9, 0.12, 0.03, q["mouth"])
    # The wafer leans out of the back of the scoop.
    u, v = 0.92 * x + 0.39 * z, -0.39 * x + 0.92 * z
    wafer = box(u + 0.06, y, v - 0.66, (0.055, 0.13, 0.3))
    return [scoop, cone, wafer]


def _ice_cream_marks(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Mark]:
    places = [
        (0.0, 25.0, 1.0), (-38.0, 38.0, 0.9), (38.0, 34.0, 0.9), (-20.0, 0.0, 0.9), (24.0, 2.0, 0.9), (0.0, 62.0, 0.9),
    ]  # fmt: skip
    angle = torch.atan2(y, x)
    lines = torch.minimum(torch.sin(6 * angle + 9 * z).abs(), torch.sin(6 * angle - 9 * z).abs()) - 0.18
    chips = spots(x, y, z - 0.36, q["scoop"], q["scoop"], q["chip"], places)
    return [("waffle", "cone", lines), ("chips", "scoop", chips)]


def _dumbbell(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Tensor]:
    r = length2(x, z)
    side = y.abs()
    inner = cylinder(r, side - 0.44, q["radius"], q["thick"], 0.04)
    outer = cylinder(r, side - 0.44 - q["thick"] - 0.09, q["radius"] * 0.72, 0.1, 0.03)
    bar = cylinder(r, y, q["bar"], 0.86)
    return [inner, outer, bar]


def _dumbbell_marks(x: Tensor, y: Tensor, z: Tensor, q: Sizes) -> list[Mark]:
    return [("mark", "plates", both(length2(z, y.abs() - 0.44) - q["mark"], 0.2 - x))]


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


CATALOGUE: dict[str, Kind] = {
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
    "donut": Kind(
        {"ring": 0.56, "tube": 0.3, "grain": 0.085}, 1.0,
        {"icing": MAIN, "dough": DOUGH, "sprinkles": WHITE}, _donut, _donut_marks,
    ),
    "mushroom": Kind(
        {"wide": 0.78, "high": 0.68, "stem": 0.25, "spot": 0.15}, 1.0,
        {"cap": MAIN, "stem": CREAM, "gills": CREAM, "spots": WHITE}, _mushroom, _mushroom_marks,
    ),
    "snowman": Kind(
        {"low": 0.46, "middle": 0.37, "head": 0.28, "nose": 0.26}, 0.95,
        {"body": MAIN, "nose": CARROT, "eyes": BLACK, "buttons": BLACK, "hat": BLACK}, _snowman, no_marks,
    ),
    "table": Kind(
        {"deep": 0.5, "wide": 0.68, "leg": 0.1}, 0.93,
        {"top": MAIN, "legs": SHADE, "drawer": SOFT, "knob": WHITE}, _table, no_marks,
    ),
    "chair": Kind(
        {"half": 0.42, "back": 0.44, "leg": 0.095}, 0.97,
        {"frame": MAIN, "legs": SHADE, "cushion": LIGHT, "panel": LIGHT}, _chair, _chair_marks,
    ),
    "rocket": Kind(
        {"radius": 0.3, "nose": 0.58, "fin": 0.52, "window": 0.13}, 0.87,
        {"body": OFFWHITE, "nose": MAIN, "fins": MAIN, "nozzle": STEEL, "window": GLASS, "skirt": MAIN, "rim": DEEP},
        _rocket, _rocket_marks,
    ),
    "tree": Kind(
        {"wide": 0.62, "top": 0.86, "trunk": 0.15}, 0.98,
        {"crown": MAIN, "trunk": WOOD, "baubles": WHITE}, _tree, no_marks,
    ),
    "mug": Kind(
        {"radius": 0.5, "half": 0.56, "handle": 0.29, "mark": 0.22}, 0.98,
        {"cup": MAIN, "handle": MAIN, "inside": DEEP, "badge": WHITE}, _mug, _mug_marks,
    ),
    "ice cream cone": Kind(
        {"scoop": 0.46, "mouth": 0.36, "chip": 0.085}, 0.93,
        {"scoop": MAIN, "cone": DOUGH, "wafer": WAFFLE, "waffle": WAFFLE, "chips": WHITE}, _ice_cream, _ice_cream_marks,
    ),
    "dumbbell": Kind(
        {"radius": 0.42, "thick": 0.14, "bar": 0.11, "mark": 0.12}, 0.98,
        {"plates": MAIN, "caps": SHADE, "bar": STEEL, "mark": WHITE}, _dumbbell, _dumbbell_marks,
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

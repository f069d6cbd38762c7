"""Kinds met indoors: donut, ice cream cone, table, chair, mug and dumbbell."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorekit.zoo.kinds.kind import Kind, Mark, Sizes, dot, no_marks, spots
from scorekit.zoo.kinds.paints import DEEP, DOUGH, LIGHT, MAIN, SHADE, SOFT, STEEL, WAFFLE, WHITE
from scorekit.zoo.sdf import both, box, cylinder, frustum, length2, sphere, torus, union


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


HOUSEHOLD: dict[str, Kind] = {
    "donut": Kind(
        {"ring": 0.56, "tube": 0.3, "grain": 0.085}, 1.0,
        {"icing": MAIN, "dough": DOUGH, "sprinkles": WHITE}, _donut, _donut_marks,
    ),
    "table": Kind(
        {"deep": 0.5, "wide": 0.68, "leg": 0.1}, 0.93,
        {"top": MAIN, "legs": SHADE, "drawer": SOFT, "knob": WHITE}, _table, no_marks,
    ),
    "chair": Kind(
        {"half": 0.42, "back": 0.44, "leg": 0.095}, 0.97,
        {"frame": MAIN, "legs": SHADE, "cushion": LIGHT, "panel": LIGHT}, _chair, _chair_marks,
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
}  # fmt: skip

"""A crystal as CIF, as data for the viewer, and as a picture."""

import math
from itertools import product
from typing import Any

from PIL import Image, ImageDraw

from scorekit_crystals.prototypes import CELL, RADIUS, Crystal

TINTS = ("#8f5fd0", "#3f9e4d", "#8a8f98", "#c9803a", "#6b7fa8", "#d64545", "#3fa7b5")  # of the columns of the table


def cif(crystal: Crystal) -> str:
    """Crystallographic Information File, all atoms listed in P 1 (Hall, Allen and Brown 1991)."""
    lines = [f"data_{crystal.formula or 'empty'}", "_symmetry_space_group_name_H-M 'P 1'"]
    lines += [f"_cell_length_{axis} {crystal.a:.4f}" for axis in "abc"]
    lines += [f"_cell_angle_{angle} 90" for angle in ("alpha", "beta", "gamma")]
    lines += ["loop_", "_atom_site_label", "_atom_site_type_symbol", *(f"_atom_site_fract_{axis}" for axis in "xyz")]
    for name, points in crystal.sites.items():
        lines += [f"{name}{n} {name} {x:.4f} {y:.4f} {z:.4f}" for n, (x, y, z) in enumerate(points, 1)]
    return "\n".join(lines) + "\n"


def as_data(crystal: Crystal, fault: str) -> dict[str, Any]:
    """What crystals.json holds of a crystal. Balls are (symbol, x, y, z, radius, colour) in angstrom about the middle of the cell;
    atoms at its border are shown at all borders."""
    balls = []
    for name, points in crystal.sites.items():
        for point in points:
            for where in product(*((v, v + 1) if v < 0.04 else (v - 1, v) if v > 0.96 else (v,) for v in point)):
                place = [round((v - 0.5) * crystal.a, 3) for v in where]
                balls.append([name, *place, 0.4 * RADIUS[name], TINTS[CELL[name][1]]])
    sites = {name: [[round(v, 4) for v in point] for point in points] for name, points in crystal.sites.items()}
    return {"formula": crystal.formula, "a": round(crystal.a, 4), "fault": fault, "sites": sites, "balls": balls}


def picture(crystals: list[dict[str, Any]], columns: int = 4, side: int = 240) -> Image.Image:
    """Crystals, as `as_data` describes them, in rows, seen from a little above, each with its formula."""
    sheet = Image.new("RGB", (side * min(columns, len(crystals)), side * math.ceil(len(crystals) / columns)), "white")
    pen, cos, sin, up, down = ImageDraw.Draw(sheet), math.cos(0.6), math.sin(0.6), math.cos(0.35), math.sin(0.35)
    for index, crystal in enumerate(crystals):
        left, top = side * (index % columns + 0.5), side * (index // columns + 0.46)
        unit, half = 0.5 * side / crystal["a"], crystal["a"] / 2
        seen = [
            (
                left + unit * (x * cos - y * sin),
                top - unit * (z * up - (x * sin + y * cos) * down),
                (x * sin + y * cos) * up + z * down,
            )
            for x, y, z in [*product((-half, half), repeat=3), *(ball[1:4] for ball in crystal["balls"])]
        ]
        for one, other in product(range(8), repeat=2):
            if (one ^ other).bit_count() == 1:
                pen.line([seen[one][:2], seen[other][:2]], fill="#9aa3ad")
        for (x, y, _), (*_, radius, tint) in sorted(
            zip(seen[8:], crystal["balls"], strict=True), key=lambda pair: -pair[0][2]
        ):
            r = radius * unit
            pen.ellipse([x - r, y - r, x + r, y + r], fill=tint, outline="#30363d")
            pen.ellipse([x - 0.55 * r, y - 0.6 * r, x - 0.15 * r, y - 0.2 * r], fill="white")
        pen.text((left, top + 0.5 * side), crystal["formula"], fill="black", anchor="ms")
    return sheet

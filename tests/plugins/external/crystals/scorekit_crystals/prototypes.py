"""Crystals that are known without a data base: cubic prototypes, filled by charge and size of the ions.

Ionic radii for coordination six: Shannon 1976, Acta Cryst. A32, 751. Cells of metals: Kittel, Introduction to Solid State Physics,
8th ed., table 1.3.
"""

from dataclasses import dataclass
from itertools import product

# (row, column) of a small periodic table: symbol, charge, radius in angstrom
ELEMENTS = {
    (0, 0): ("Li", 1, 0.76), (1, 0): ("Na", 1, 1.02), (2, 0): ("K", 1, 1.38), (3, 0): ("Rb", 1, 1.52), (4, 0): ("Cs", 1, 1.67),
    (1, 1): ("Mg", 2, 0.72), (2, 1): ("Ca", 2, 1.00), (3, 1): ("Sr", 2, 1.18), (4, 1): ("Ba", 2, 1.35),
    (2, 2): ("Ti", 4, 0.605), (3, 2): ("Zr", 4, 0.72), (4, 2): ("Hf", 4, 0.71),
    (2, 3): ("Cu", 1, 0.77), (3, 3): ("Ag", 1, 1.15), (2, 4): ("Zn", 2, 0.74), (3, 4): ("Cd", 2, 0.95),
    (0, 5): ("O", -2, 1.40), (1, 5): ("S", -2, 1.84), (2, 5): ("Se", -2, 1.98), (3, 5): ("Te", -2, 2.21),
    (0, 6): ("F", -1, 1.33), (1, 6): ("Cl", -1, 1.81), (2, 6): ("Br", -1, 1.96), (3, 6): ("I", -1, 2.20),
}  # fmt: skip
ROWS, COLUMNS, SLOTS = 5, 7, 8  # of the table, and atoms of one element in a cell
CELL = {symbol: cell for cell, (symbol, _, _) in ELEMENTS.items()}
CHARGE = {symbol: charge for symbol, charge, _ in ELEMENTS.values()}
RADIUS = {symbol: radius for symbol, _, radius in ELEMENTS.values()}
METALS = {
    "Li": ("bcc", 3.491), "Na": ("bcc", 4.225), "K": ("bcc", 5.225), "Rb": ("bcc", 5.585), "Cs": ("bcc", 6.045), "Ba": ("bcc", 5.02),
    "Ca": ("fcc", 5.58), "Sr": ("fcc", 6.08), "Cu": ("fcc", 3.61), "Ag": ("fcc", 4.09),
}  # fmt: skip

Point = tuple[float, float, float]
CORNER: tuple[Point, ...] = ((0.0, 0.0, 0.0),)
CENTRE: tuple[Point, ...] = ((0.5, 0.5, 0.5),)
FCC = (*CORNER, (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0))
EDGES: tuple[Point, ...] = ((0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.5))
QUARTERS: tuple[Point, ...] = tuple(product((0.25, 0.75), (0.25, 0.75), (0.25, 0.75)))
ZINC = tuple(point for point in QUARTERS if point.count(0.75) % 2 == 0)


@dataclass(frozen=True)
class Crystal:
    """A cubic cell: its side `a` in angstrom, and for each symbol the fractional coordinates of its atoms."""

    prototype: str
    a: float
    sites: dict[str, tuple[Point, ...]]

    @property
    def formula(self) -> str:
        """What the cell holds, "Na4Cl4"."""
        return "".join(
            f"{name}{len(points)}"
            for name, points in sorted(self.sites.items(), key=lambda s: (CHARGE[s[0]] < 0, CHARGE[s[0]]))
        )


def catalogue() -> list[Crystal]:
    """All crystals of the prototypes whose charges cancel and whose ions fit, one for each composition."""
    found = [Crystal(kind, a, {name: FCC if kind == "fcc" else CORNER + CENTRE}) for name, (kind, a) in METALS.items()]
    for metal, other in product(CHARGE, repeat=2):
        length, ratio = RADIUS[metal] + RADIUS[other], RADIUS[metal] / RADIUS[other]
        charges = CHARGE[metal], CHARGE[other]
        if charges in ((1, -1), (2, -2)):  # Pauling's radius ratios: eight, six or four neighbours
            if ratio > 0.732:
                found.append(Crystal("CsCl", 2 * length / 3**0.5, {metal: CORNER, other: CENTRE}))
            elif ratio > 0.414:
                found.append(Crystal("rock salt", 2 * length, {metal: FCC, other: EDGES + CENTRE}))
            else:
                found.append(Crystal("zinc blende", 4 * length / 3**0.5, {metal: FCC, other: ZINC}))
        elif charges in ((2, -1), (4, -2), (1, -2)):
            one, two = (other, metal) if charges == (1, -2) else (metal, other)  # antifluorite turns the ions round
            found.append(Crystal("fluorite", 4 * length / 3**0.5, {one: FCC, two: QUARTERS}))
    for large, small, other in product(CHARGE, repeat=3):
        if (CHARGE[large], CHARGE[small], CHARGE[other]) in ((1, 2, -1), (2, 4, -2)):
            length = RADIUS[small] + RADIUS[other]
            if 0.8 < (RADIUS[large] + RADIUS[other]) / (2**0.5 * length) < 1.05:  # Goldschmidt's tolerance factor
                found.append(Crystal("perovskite", 2 * length, {large: CENTRE, small: CORNER, other: EDGES}))
    return [crystal for crystal in found if not fault(crystal)]


def apart(here: Point, there: Point) -> float:
    """The distance of two sites, to the nearest image, in sides of the cell."""
    steps = [(x - y) % 1 for x, y in zip(here, there, strict=True)]
    return float(sum(min(step, 1 - step) ** 2 for step in steps) ** 0.5)


def fault(crystal: Crystal) -> str:
    """Why it cannot be a crystal of ions or of a metal: charges do not cancel, or two atoms overlap. "" where it can."""
    charges = [CHARGE[name] * len(points) for name, points in crystal.sites.items()]
    metal = len(charges) == 1 and charges[0] > 0
    if not charges or (sum(charges) != 0 and not metal):
        return "its charges do not cancel" if charges else "it is empty"
    atoms = [(name, point) for name, points in crystal.sites.items() for point in points]
    for index, (one, here) in enumerate(atoms):
        for other, there in [(one, None), *atoms[:index]]:  # an atom is `a` from its own image
            near = crystal.a * (1.0 if there is None else apart(here, there))
            if near < 0.75 * (RADIUS[one] + RADIUS[other]):
                return f"{one} and {other} are {near:.2f} angstrom apart"
    return ""

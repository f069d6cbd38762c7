"""Path data, the `d` of an SVG path: https://www.w3.org/TR/SVG11/paths.html#PathData."""

import math
import re
from collections.abc import Iterator

from scorekit_text_to_svg.outline import Point, Step, Subpath

_TOKEN = re.compile(r"\s*,?\s*([MmLlHhVvCcSsQqTtAaZz]|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
_FLAG = re.compile(r"\s*,?\s*([01])")
_COUNT = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}


def parse_path(data: str) -> list[Subpath]:
    """Subpaths of path data; quadratic curves and elliptical arcs become cubics (arcs to 3e-4 of their radius).

    Raises ValueError for what is not path data.
    """
    subpaths: list[Subpath] = []
    here: Point = (0.0, 0.0)
    handle: tuple[str, Point] = ("", here)  # the last control point, and of which kind of curve
    for command, numbers in _commands(data):
        kind, x, y = command.upper(), here[0], here[1]
        ox, oy = here if command.islower() else (0.0, 0.0)
        if kind != "M" and not subpaths:
            raise ValueError("path data must begin with M")
        if kind == "M":
            here = (ox + numbers[0], oy + numbers[1])
            subpaths.append(Subpath(here))
            handle = ("", here)
            continue
        current = subpaths[-1]
        if kind == "Z":
            current.closed = True
            here = current.start
            handle = ("", here)
            continue
        if current.closed:  # drawing goes on from the start of what was closed
            current = Subpath(here)
            subpaths.append(current)
        pairs = [(ox + a, oy + b) for a, b in zip(numbers[::2], numbers[1::2], strict=False)]
        mirrored = (2 * x - handle[1][0], 2 * y - handle[1][1])
        if kind in "CS":
            first = pairs.pop(0) if kind == "C" else mirrored if handle[0] == "C" else here
            current.steps.append((first, pairs[0], pairs[1]))
            handle, here = ("C", pairs[0]), pairs[1]
        elif kind in "QT":
            middle = pairs.pop(0) if kind == "Q" else mirrored if handle[0] == "Q" else here
            current.steps.append(_quadratic(here, middle, pairs[0]))
            handle, here = ("Q", middle), pairs[0]
        elif kind == "A":
            end = (ox + numbers[5], oy + numbers[6])
            current.steps.extend(_arc(here, numbers, end))
            handle, here = ("", end), end
        else:
            if kind == "H":
                here = (ox + numbers[0], y)
            elif kind == "V":
                here = (x, oy + numbers[0])
            else:
                here = pairs[0]
            current.steps.append((here,))
            handle = ("", here)
    return subpaths


def _commands(data: str) -> Iterator[tuple[str, list[float]]]:
    """Commands with exactly their numbers; a command's further numbers repeat it, those of M as L."""
    at, end, command = 0, len(data.rstrip()), ""
    while at < end:
        match = _TOKEN.match(data, at)
        if match is None:
            raise ValueError(f"path data has {data[at : at + 12].strip()!r} where a command or a number is expected")
        if match[1].isalpha():
            command, at = match[1], match.end()
        elif not command or command in "Zz":
            raise ValueError(f"path data has the number {match[1]} where a command is expected")
        numbers: list[float] = []
        for index in range(_COUNT[command.upper()]):
            flag = command in "Aa" and index in (3, 4)  # flags may stand without anything between them
            match = (_FLAG if flag else _TOKEN).match(data, at)
            if match is None or match[1].isalpha():
                raise ValueError(f"path data has too few numbers after {command}")
            numbers.append(float(match[1]))
            at = match.end()
        if not all(map(math.isfinite, numbers)):
            raise ValueError("path data has a number that is not finite")
        yield command, numbers
        command = {"M": "L", "m": "l"}.get(command, command)


def _quadratic(start: Point, middle: Point, end: Point) -> Step:
    """The cubic that is this quadratic curve."""

    def toward(point: Point) -> Point:
        return (point[0] + 2 / 3 * (middle[0] - point[0]), point[1] + 2 / 3 * (middle[1] - point[1]))

    return (toward(start), toward(end), end)


def _arc(start: Point, numbers: list[float], end: Point) -> list[Step]:
    """Cubics for an elliptical arc, one for each quarter turn (SVG 1.1, appendix F.6)."""
    rx, ry, turn, large, sweep = abs(numbers[0]), abs(numbers[1]), math.radians(numbers[2]), numbers[3], numbers[4]
    if start == end:
        return []
    if rx == 0 or ry == 0:
        return [(end,)]
    cos, sin = math.cos(turn), math.sin(turn)
    dx, dy = (start[0] - end[0]) / 2, (start[1] - end[1]) / 2
    # In the ellipse's own frame, divided by its radii, it is a unit circle.
    ux, uy = (cos * dx + sin * dy) / rx, (cos * dy - sin * dx) / ry
    apart = ux * ux + uy * uy
    if apart > 1:  # radii too small to reach: they grow until they do
        rx, ry = rx * math.sqrt(apart), ry * math.sqrt(apart)
        ux, uy, apart = ux / math.sqrt(apart), uy / math.sqrt(apart), 1.0
    off = math.sqrt(max(0.0, 1 / apart - 1)) * (-1 if large == sweep else 1)
    cx, cy = off * uy, -off * ux
    first = math.atan2(uy - cy, ux - cx)
    extent = math.atan2(-uy - cy, -ux - cx) - first
    extent += 2 * math.pi * ((extent < 0) - 0 if sweep else -(extent > 0))
    pieces = max(1, math.ceil(abs(extent) / (math.pi / 2) - 1e-9))
    step = extent / pieces
    reach = 4 / 3 * math.tan(step / 4)
    mx, my = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2

    def place(px: float, py: float) -> Point:
        px, py = rx * (px + cx), ry * (py + cy)
        return (mx + cos * px - sin * py, my + sin * px + cos * py)

    steps: list[Step] = []
    for index in range(pieces):
        a = first + index * step
        b = a + step
        to = end if index == pieces - 1 else place(math.cos(b), math.sin(b))
        steps.append(
            (
                place(math.cos(a) - reach * math.sin(a), math.sin(a) + reach * math.cos(a)),
                place(math.cos(b) + reach * math.sin(b), math.sin(b) - reach * math.cos(b)),
                to,
            )
        )
    return steps

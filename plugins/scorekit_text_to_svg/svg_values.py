"""Values of SVG attributes: numbers, lengths, colours, transforms."""

import math
import re
from collections.abc import Mapping

Matrix = tuple[float, float, float, float, float, float]  # a b c d e f of SVG: x' = a x + c y + e, y' = b x + d y + f
Colour = tuple[float, float, float]

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_UNITS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4}
_CALL = re.compile(r"\s*,?\s*(matrix|translate|scale|rotate|skewX|skewY)\s*\(([^)]*)\)\s*")


def numbers(text: str) -> list[float]:
    """A list of numbers divided by spaces or commas. Raises ValueError for anything else in it."""
    if re.sub(rf"{_NUMBER}|[\s,]", "", text):
        raise ValueError(f"{text[:24]!r} is not a list of numbers")
    values = [float(match) for match in re.findall(_NUMBER, text)]
    if not all(map(math.isfinite, values)):
        raise ValueError("a number is not finite")
    return values


def length(text: str) -> float:
    """A length in user units; px, pt, pc, in, cm and mm are known. Raises ValueError for others, percentages too."""
    match = re.fullmatch(rf"\s*({_NUMBER})\s*([a-z]*)\s*", text)
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text[:24]!r} is not a length in px, pt, pc, in, cm or mm")
    value = float(match[1]) * _UNITS[match[2]]
    if not math.isfinite(value):
        raise ValueError("a number is not finite")
    return value


def colour(text: str, inherited: Mapping[str, str] | None = None) -> tuple[Colour, float] | None:
    """RGB in [0, 1] and alpha of a CSS colour; None for none. `currentColor` is the inherited `color`.

    Raises ValueError for what is not a plain colour.
    """
    from PIL import ImageColor

    name = text.strip().lower()
    if name in ("none", "transparent"):
        return None
    if name == "currentcolor":
        name = (inherited or {}).get("color", "black").strip().lower()
    try:
        red, green, blue, *alpha = ImageColor.getrgb(name)
    except ValueError as error:
        raise ValueError(f"{text[:24]!r} is not a plain colour") from error
    return (red / 255, green / 255, blue / 255), (alpha[0] / 255 if alpha else 1.0)


def transform(text: str) -> Matrix:
    """The matrix of a list of transforms. Raises ValueError for unknown ones and for wrong numbers of arguments."""
    matrix, at = IDENTITY, 0
    while at < len(text.rstrip()):
        match = _CALL.match(text, at)
        if match is None:
            raise ValueError(f"{text[at : at + 24]!r} is not a transform")
        matrix = compose(matrix, _single(match[1], numbers(match[2])))
        at = match.end()
    return matrix


def _single(name: str, v: list[float]) -> Matrix:
    match name, len(v):
        case "matrix", 6:
            return (v[0], v[1], v[2], v[3], v[4], v[5])
        case "translate", 1 | 2:
            return (1.0, 0.0, 0.0, 1.0, v[0], v[1] if len(v) == 2 else 0.0)
        case "scale", 1 | 2:
            return (v[0], 0.0, 0.0, v[-1], 0.0, 0.0)
        case "rotate", 1 | 3:
            cos, sin = math.cos(math.radians(v[0])), math.sin(math.radians(v[0]))
            x, y = v[1:] if len(v) == 3 else (0.0, 0.0)
            return (cos, sin, -sin, cos, x - cos * x + sin * y, y - sin * x - cos * y)
        case "skewX", 1:
            return (1.0, 0.0, math.tan(math.radians(v[0])), 1.0, 0.0, 0.0)
        case "skewY", 1:
            return (1.0, math.tan(math.radians(v[0])), 0.0, 1.0, 0.0, 0.0)
    raise ValueError(f"{name} does not take {len(v)} numbers")


def compose(outer: Matrix, inner: Matrix) -> Matrix:
    """First `inner`, then `outer`."""
    a, b, c, d, e, f = outer
    p, q, r, s, x, y = inner
    return (a * p + c * q, b * p + d * q, a * r + c * s, b * r + d * s, a * x + c * y + e, b * x + d * y + f)


def scale_of(matrix: Matrix) -> float:
    """By how much lengths grow, in the mean of all directions: the root of the determinant."""
    return math.sqrt(abs(matrix[0] * matrix[3] - matrix[1] * matrix[2]))

"""SVG files from outside to drawings: what can be drawn is read, what could do harm is refused.

The file is read as a stream by expat, which loads nothing from elsewhere, and is stopped at the first thing that is not allowed: a document
type (without which there are no entities to expand), a processing instruction, a script, a link, or one element too many.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from xml.parsers import expat

from scorekit_text_to_svg.drawing import Drawing
from scorekit_text_to_svg.outline import Paint, Path, Point, Step, Subpath, assemble, reversed_subpath
from scorekit_text_to_svg.svg_path import parse_path
from scorekit_text_to_svg.svg_values import Matrix, colour, compose, length, numbers, scale_of, transform

SVG = "http://www.w3.org/2000/svg"
MOST_BYTES = 4_000_000
MOST_PATHS = 2000
MOST_SEGMENTS = 50_000
DEEPEST = 64
SHAPES = {"path", "rect", "circle", "ellipse", "line", "polyline", "polygon"}
WITHOUT_INK = {"title", "desc", "metadata", "defs"}
HOSTILE = {"script", "foreignObject", "handler", "listener", "iframe", "embed", "object"}
INHERITED = ("fill", "fill-opacity", "fill-rule", "stroke", "stroke-opacity", "stroke-width", "color")


class SvgError(ValueError):
    """Why a file is not read; one sentence."""


def read_svg(data: bytes, bounded: bool = True) -> Drawing:
    """The drawing in an SVG file, fitted into the square canvas with its proportions kept, in the middle.

    Reads path, rect, circle, ellipse, line, polyline, polygon and groups with transforms; fill, stroke, stroke-width and opacities as
    attributes or in `style`. What is filled and stroked becomes two paths. A group's opacity is that of each of its members. All caps and
    joins are taken as round. Contours under the even-odd rule are turned so that the nonzero rule shows the same, where they do not
    cross each other.

    bounded  refuse what is too much; False for files of our own, which may hold any number of squares

    Raises SvgError for what is no SVG, is too much (4 MB, 2000 paths, 50,000 segments, 64 levels), refers to something outside, holds
    scripts, entities or event handlers, or draws by means that are not listed here.
    """
    if bounded and len(data) > MOST_BYTES:
        raise SvgError(f"the file has {len(data):,} bytes; at most {MOST_BYTES:,} are read.")
    reader = _Reader(bounded)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.EntityDeclHandler = reader.doctype
    parser.ProcessingInstructionHandler = reader.instruction
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise SvgError(f"the file is not well-formed XML ({error}).") from error
    if not reader.paths:
        raise SvgError(
            "the file draws nothing: no path, rect, circle, ellipse, line, polyline or polygon with a paint."
        )
    return assemble(reader.paths)


@dataclass(frozen=True)
class _Style:
    """What an element hands on to those in it."""

    matrix: Matrix
    opacity: float
    paint: Mapping[str, str]


class _Reader:
    """Collects paths from the events of one document."""

    def __init__(self, bounded: bool = True) -> None:
        self.bounded = bounded
        self.paths: list[Path] = []
        self.segments = 0
        self.stack: list[_Style] = []
        self.depth = 0
        self.silent = 0  # the depth of the outermost element whose inside is not drawn

    def doctype(self, *_: object) -> None:
        raise SvgError("the file has a document type or entities, which are not read.")

    def instruction(self, target: str, _data: str) -> None:
        raise SvgError(f"the file has the processing instruction <?{target}?>, which is not read.")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, tag = name.rpartition(" ")
        self.depth += 1
        if self.depth > DEEPEST:
            raise SvgError(f"the file is nested deeper than {DEEPEST} levels.")
        _refuse_harm(tag, attributes)
        if self.depth == 1:
            if tag != "svg" or space not in (SVG, ""):
                raise SvgError(f"the file is not an SVG: its first element is <{tag}>.")
            self.stack.append(_Style(_fitted(attributes), 1.0, _Reader._own({}, attributes)))
            return
        if self.silent:
            return
        if space not in (SVG, "") or tag in WITHOUT_INK:
            self.silent = self.depth
            return
        if tag not in SHAPES and tag != "g":
            raise SvgError(
                f"the file uses <{tag}>, which is not read: convert it to plain paths with plain colours before."
            )
        style = self._style(attributes)
        if tag == "g":
            self.stack.append(style)
            return
        self.silent = self.depth
        if style.paint.get("display") == "none" or style.paint.get("visibility") in ("hidden", "collapse"):
            return
        try:
            self._paint(_shape(tag, attributes), style)
        except ValueError as error:
            raise SvgError(f"the file has a <{tag}> that cannot be read: {str(error).rstrip('.')}.") from error

    def end(self, _name: str) -> None:
        if self.silent == self.depth:
            self.silent = 0
        elif not self.silent:
            self.stack.pop()
        self.depth -= 1

    def _style(self, attributes: Mapping[str, str]) -> _Style:
        outer = self.stack[-1]
        paint = self._own(outer.paint, attributes)
        try:
            matrix = compose(outer.matrix, transform(attributes.get("transform", "")))
            opacity = outer.opacity * _share(paint.get("opacity", "1"))
        except ValueError as error:
            raise SvgError(f"the file cannot be read: {str(error).rstrip('.')}.") from error
        return replace(outer, matrix=matrix, opacity=opacity, paint=paint)

    @staticmethod
    def _own(outer: Mapping[str, str], attributes: Mapping[str, str]) -> dict[str, str]:
        """The properties in force at an element: inherited, then its attributes, then its `style`."""
        own = {name: outer[name] for name in (*INHERITED, "visibility", "display") if name in outer}
        inline: dict[str, str] = {}
        for item in attributes.get("style", "").split(";"):
            name, _, value = item.partition(":")
            inline[name.strip()] = value.strip()
        for name in (*INHERITED, "opacity", "visibility", "display", "clip-path", "mask", "filter"):
            value = inline.get(name, attributes.get(name, "")).replace("!important", "").strip()
            if value and value != "inherit":
                own[name] = value
        if used := [name for name in ("clip-path", "mask", "filter") if own.get(name, "none") != "none"]:
            raise SvgError(f"the file uses {used[0]}, which is not read.")
        return own

    def _paint(self, subpaths: list[Subpath], style: _Style) -> None:
        """A shape's fill, then its stroke."""
        paint, count = style.paint, sum(max(1, len(subpath.steps)) for subpath in subpaths)
        for subpath in subpaths:
            _move(subpath, style.matrix)
        fill = colour(paint.get("fill", "black"), paint)
        if fill is not None and count:
            even = paint.get("fill-rule") == "evenodd" and len(subpaths) > 1
            contours = _turned(subpaths) if even else subpaths
            self._add(Path(contours, Paint(fill[0], _alpha(fill[1], style, "fill-opacity"))), count)
        stroke = colour(paint.get("stroke", "none"), paint)
        width = length(paint.get("stroke-width", "1")) * scale_of(style.matrix)
        if stroke is not None and width > 0 and count:
            self._add(Path(subpaths, Paint(stroke[0], _alpha(stroke[1], style, "stroke-opacity"), width)), count)

    def _add(self, path: Path, count: int) -> None:
        self.segments += count
        self.paths.append(path)
        if not self.bounded:
            return
        if len(self.paths) > MOST_PATHS:
            raise SvgError(f"the file has more than {MOST_PATHS} paths.")
        if self.segments > MOST_SEGMENTS:
            raise SvgError(f"the file has more than {MOST_SEGMENTS:,} segments.")


def _refuse_harm(tag: str, attributes: Mapping[str, str]) -> None:
    if tag in HOSTILE:
        raise SvgError(f"the file has a <{tag}>, which could run something.")
    for name, value in attributes.items():
        plain = name.rpartition(" ")[2]
        if plain.lower().startswith("on"):
            raise SvgError(f"the file has the event handler {plain}, which could run something.")
        if plain in ("href", "src") and not value.lstrip().startswith("#"):
            raise SvgError(f"the file refers to something outside itself by {plain}.")
        for target in re.findall(r"url\(\s*['\"]?\s*([^)'\"]*)", value, re.IGNORECASE):
            if not target.startswith("#"):
                raise SvgError(f"the file refers to something outside itself by url() in {plain}.")


def _fitted(attributes: Mapping[str, str]) -> Matrix:
    """From the file's units to shares of the square canvas: SVG's xMidYMid meet."""
    try:
        if "viewBox" in attributes:
            box = numbers(attributes["viewBox"])
            if len(box) != 4:
                raise ValueError(f"viewBox must hold four numbers, not {len(box)}")
            left, top, width, height = box
        else:
            left = top = 0.0
            width, height = (length(attributes.get(name, "100")) for name in ("width", "height"))
    except ValueError as error:
        raise SvgError(f"the file's size cannot be read: {error}.") from error
    if not (width > 0 and height > 0):
        raise SvgError(f"the file's size must be positive; it is {width:g} x {height:g}.")
    scale = 1 / max(width, height)
    return (scale, 0.0, 0.0, scale, 0.5 - scale * (left + width / 2), 0.5 - scale * (top + height / 2))


def _shape(tag: str, attributes: Mapping[str, str]) -> list[Subpath]:
    """A shape's contours in its own units."""

    def get(name: str, default: str = "0") -> float:
        return length(attributes.get(name, default))

    if tag == "path":
        return parse_path(attributes.get("d", ""))
    if tag == "line":
        return [Subpath((get("x1"), get("y1")), [((get("x2"), get("y2")),)])]
    if tag in ("polyline", "polygon"):
        values = numbers(attributes.get("points", ""))
        places = list(zip(values[::2], values[1::2], strict=False))
        if not places:
            return []
        return [Subpath(places[0], [(place,) for place in places[1:]], tag == "polygon")]
    if tag == "rect":
        x, y, width, height = get("x"), get("y"), get("width"), get("height")
        rx, ry = get("rx", attributes.get("ry", "0")), get("ry", attributes.get("rx", "0"))
        rx, ry = min(rx, width / 2), min(ry, height / 2)
        if width <= 0 or height <= 0:
            return []
        if rx <= 0 or ry <= 0:
            corners: list[Step] = [((x + width, y),), ((x + width, y + height),), ((x, y + height),)]
            return [Subpath((x, y), corners, True)]
        arc = f"a{rx} {ry} 0 0 1"
        across, down = width - 2 * rx, height - 2 * ry
        return parse_path(
            f"M{x + rx} {y}h{across}{arc} {rx} {ry}v{down}{arc} {-rx} {ry}h{-across}{arc} {-rx} {-ry}v{-down}{arc} {rx} {-ry}z"
        )
    radii = (get("r"), get("r")) if tag == "circle" else (get("rx"), get("ry"))
    if min(radii) <= 0:
        return []
    arc = f"A{radii[0]} {radii[1]} 0 0 1"
    cx, cy = get("cx"), get("cy")
    return parse_path(f"M{cx - radii[0]} {cy}{arc} {cx + radii[0]} {cy}{arc} {cx - radii[0]} {cy}Z")


def _move(subpath: Subpath, matrix: Matrix) -> None:
    a, b, c, d, e, f = matrix

    def moved(point: Point) -> Point:
        place = (a * point[0] + c * point[1] + e, b * point[0] + d * point[1] + f)
        if not all(map(math.isfinite, place)):
            raise ValueError("a coordinate is not finite")
        return place

    subpath.start = moved(subpath.start)
    steps: list[Step] = [
        (moved(step[0]), moved(step[1]), moved(step[2])) if len(step) == 3 else (moved(step[0]),)
        for step in subpath.steps
    ]
    subpath.steps = steps


def _alpha(own: float, style: _Style, name: str) -> float:
    return own * style.opacity * _share(style.paint.get(name, "1"))


def _share(text: str) -> float:
    percent = text.endswith("%")
    return min(max(length(text[:-1] if percent else text) / (100 if percent else 1), 0.0), 1.0)


def _turned(subpaths: list[Subpath]) -> list[Subpath]:
    """Contours in alternating directions from the outside in: what even-odd shows, the nonzero rule then shows."""
    rings = [[subpath.start, *(step[-1] for step in subpath.steps)] for subpath in subpaths]
    turned = []
    for index, (subpath, ring) in enumerate(zip(subpaths, rings, strict=True)):
        depth = sum(_inside(ring[0], other) for place, other in enumerate(rings) if place != index)
        clockwise = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, ring[1:] + ring[:1], strict=True)) > 0
        closed = replace(subpath, closed=True)
        turned.append(closed if clockwise == (depth % 2 == 0) else reversed_subpath(closed))
    return turned


def _inside(point: Point, ring: list[Point]) -> bool:
    x, y = point
    crossings = 0
    for (x0, y0), (x1, y1) in zip(ring, ring[1:] + ring[:1], strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            crossings += 1
    return crossings % 2 == 1

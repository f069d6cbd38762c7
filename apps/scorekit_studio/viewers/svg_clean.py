"""SVG for a browser: only what is on a list stays, all else is left out, and layers can be told apart.

The file is read by expat as a stream of events; nothing is loaded from elsewhere, and entities are refused. What is written anew is built
from allowed elements and attributes only, so a name that nobody thought of does not get through. References are local (`#id`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from scorekit_studio.viewers.trouble import Unshowable

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
XML = "http://www.w3.org/XML/1998/namespace"
MOST_BYTES = 4_000_000
MOST_ELEMENTS = 50_000
MOST_LAYERS = 400
MOST_USES = 200  # and each may only use what uses nothing itself
DEEPEST = 64
SHAPES = {"path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "use"}
STORES = {"defs", "symbol", "clipPath", "mask", "pattern", "marker", "linearGradient", "radialGradient"}
TEXTS = {"text", "tspan", "title", "desc"}
ELEMENTS = SHAPES | STORES | TEXTS | {"svg", "g", "stop"}
PAINT = {
    "fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-linecap", "stroke-linejoin",
    "stroke-miterlimit", "stroke-dasharray", "stroke-dashoffset", "opacity", "color", "display", "visibility", "stop-color",
    "stop-opacity", "clip-path", "clip-rule", "mask", "paint-order", "font-family", "font-size", "font-weight", "font-style",
    "text-anchor", "dominant-baseline", "letter-spacing", "mix-blend-mode", "isolation", "vector-effect", "shape-rendering",
    "marker-start", "marker-mid", "marker-end", "mask-type",
}  # fmt: skip
GEOMETRY = {
    "d", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "fx", "fy", "fr", "dx", "dy", "rotate", "width", "height",
    "points", "transform", "viewBox", "preserveAspectRatio", "offset", "gradientUnits", "gradientTransform", "spreadMethod",
    "clipPathUnits", "maskUnits", "maskContentUnits", "patternUnits", "patternContentUnits", "patternTransform", "markerWidth",
    "markerHeight", "markerUnits", "refX", "refY", "orient", "pathLength", "textLength", "lengthAdjust",
}  # fmt: skip
ALLOWED = PAINT | GEOMETRY
LOCAL = re.compile(r"#[\w.:-]{1,200}")
PLACE = re.compile(r"url\(\s*(['\"]?)#[\w.:-]{1,200}\1\s*\)", re.IGNORECASE)
CALL = re.compile(r"([\w-]+)\s*\(", re.ASCII)
CALLS = {
    "rgb", "rgba", "hsl", "hsla", "calc",
    "matrix", "translate", "translatex", "translatey", "scale", "scalex", "scaley", "rotate", "skewx", "skewy",
}  # fmt: skip
PLAIN_COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}|[a-zA-Z]{3,20}|rgba?\([\d\s,.%]{5,40}\)")
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
UNITS = {"": 1.0, "px": 1.0, "pt": 96 / 72, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4, "em": 16.0}


@dataclass(frozen=True)
class Layer:
    """One shape that can be hidden: `index` is its data-layer in the text."""

    index: int
    name: str
    colour: str | None


@dataclass(frozen=True)
class Cleaned:
    """The text that is safe to show, its size in CSS pixels, its layers, and how many elements and attributes were left out."""

    text: str
    width: float
    height: float
    layers: tuple[Layer, ...]
    left_out: int


def clean(content: bytes) -> Cleaned:
    """Raises Unshowable for what is no SVG, declares entities, or is too much: 4 MB, 50,000 elements, 64 levels."""
    if len(content) > MOST_BYTES:
        raise Unshowable(f"The drawing has {len(content) / 1e6:.1f} MB; up to {MOST_BYTES / 1e6:.0f} MB are shown.")
    writer = _Writer()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = writer.start
    parser.EndElementHandler = writer.end
    parser.CharacterDataHandler = writer.text
    parser.EntityDeclHandler = writer.entity
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, Unshowable):
            raise
        raise Unshowable("The file is no well-formed SVG, or was not written to its end.") from None
    return Cleaned("".join(writer.out), *writer.size, tuple(writer.layers), writer.left_out)


@dataclass
class _Writer:
    out: list[str] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    size: tuple[float, float] = (300.0, 150.0)
    left_out: int = 0
    elements: int = 0
    uses: int = 0
    open: list[str] = field(default_factory=list)  # the elements around, as kept
    named: int = 0  # how many of them have an id
    marks: list[bool] = field(default_factory=list)  # whether each of them has one
    silent: int = 0  # depth inside something that is left out

    def entity(self, *_: object) -> None:
        raise Unshowable("The drawing declares entities, which are not read.")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if self.elements > MOST_ELEMENTS:
            raise Unshowable(f"The drawing has more than {MOST_ELEMENTS:,} elements.")
        if self.silent:
            self.silent += 1
            return
        if len(self.open) >= DEEPEST:
            raise Unshowable(f"The drawing is nested deeper than {DEEPEST} levels.")
        space, _, tag = name.rpartition(" ")
        first = not self.open
        if first and (tag != "svg" or space not in (SVG, "")):
            raise Unshowable(f"The file is no SVG: its first element is <{tag[:40]}>.")
        if space not in (SVG, "") or tag not in ELEMENTS or not self._may_use(tag, attributes):
            self.left_out += 1
            self.silent = 1
            return
        kept = self._attributes(tag, attributes)
        if first:
            self.size = _size(kept)
            kept = {"xmlns": SVG, "viewBox": f"0 0 {self.size[0]:g} {self.size[1]:g}"} | kept
        if tag in SHAPES and not STORES & set(self.open) and len(self.layers) < MOST_LAYERS:
            index = len(self.layers)
            kept["data-layer"] = str(index)
            label = kept.get("id") or f"{tag} {index + 1}"
            self.layers.append(Layer(index, label[:80], _colour(kept)))
        self.out.append(f"<{tag}{''.join(f' {key}={quoteattr(value)}' for key, value in kept.items())}>")
        self.open.append(tag)
        self.marks.append("id" in kept)
        self.named += "id" in kept

    def end(self, _: str) -> None:
        if self.silent:
            self.silent -= 1
            return
        self.out.append(f"</{self.open.pop()}>")
        self.named -= self.marks.pop()

    def text(self, text: str) -> None:
        if not self.silent and self.open and self.open[-1] in TEXTS:
            self.out.append(escape(text))

    def _may_use(self, tag: str, attributes: dict[str, str]) -> bool:
        """A use inside something that can itself be used multiplies, level by level: it is left out."""
        if tag != "use":
            return True
        self.uses += 1
        return (
            self.uses <= MOST_USES
            and not self.named
            and not any(name.rpartition(" ")[2] == "id" for name in attributes)
        )

    def _attributes(self, tag: str, attributes: dict[str, str]) -> dict[str, str]:
        kept: dict[str, str] = {}
        # What is stored for use elsewhere refers to nothing itself: patterns of patterns would multiply, level by level.
        stored = tag in STORES or bool(STORES & set(self.open))
        for full, value in attributes.items():
            space, _, name = full.rpartition(" ")
            if (
                name == "href"
                and space in ("", XLINK)
                and tag in ("use", "linearGradient", "radialGradient", "pattern")
            ):
                good = bool(LOCAL.fullmatch(value.strip()))
                kept |= {"href": value.strip()} if good else {}
            elif space == "" and name == "style":
                declared, lost = _declarations(value, stored)
                kept |= declared
                self.left_out += lost
                continue
            elif space == "" and name == "id":
                good = bool(LOCAL.fullmatch(f"#{value}"))
                kept |= {"id": value} if good else {}
            elif space == XML and name == "space":
                good = True
                kept |= {"xml:space": "preserve"} if value == "preserve" else {}
            else:
                good = space == "" and name in ALLOWED and _good(value, stored)
                # A style attribute comes after and wins, as in CSS.
                kept |= {name: value} if good and name not in kept else {}
            self.left_out += not good and name not in ("version", "class", "baseProfile", "data-name")
        return kept


def harmless(value: str) -> bool:
    """Whether a value can refer to nothing but a place in its own file: no address, no CSS escape, no unknown function."""
    rest = PLACE.sub("", value)
    if any(mark in rest for mark in ("\\", "@", "&", "<", "/*", "//", "data:")) or "javascript" in rest.lower():
        return False
    return all(called.lower() in CALLS for called in CALL.findall(rest))


def _good(value: str, stored: bool) -> bool:
    return harmless(value) and not (stored and "url(" in value.lower())


def _declarations(style: str, stored: bool) -> tuple[dict[str, str], int]:
    kept, lost = {}, 0
    for declaration in filter(str.strip, style.split(";")):
        name, colon, value = declaration.partition(":")
        name, value = name.strip().lower(), value.replace("!important", "").strip()
        if colon and name in PAINT and _good(value, stored):
            kept[name] = value
        else:
            lost += not name.startswith("-")
    return kept, lost


def _size(kept: dict[str, str]) -> tuple[float, float]:
    """Width and height in CSS pixels, by the view box where they are not given; from 1 to 10,000, never more than 100 to 1."""
    box = [float(number) for number in re.findall(NUMBER, kept.get("viewBox", ""))]
    seen = (box[2], box[3]) if len(box) == 4 and box[2] > 0 and box[3] > 0 else None
    if seen is None:
        kept.pop("viewBox", None)
    width, height = _length(kept.pop("width", "")), _length(kept.pop("height", ""))
    if width is None and height is None:
        width, height = seen or (300.0, 150.0)
    ratio = seen[0] / seen[1] if seen else 1.0
    width = height * ratio if width is None and height is not None else width
    height = width / ratio if height is None and width is not None else height
    assert width is not None
    assert height is not None
    longer = min(max(width, height, 1.0), 10_000.0)
    factor = longer / max(width, height, 1e-9)
    return max(width * factor, longer / 100), max(height * factor, longer / 100)


def _length(text: str) -> float | None:
    found = re.fullmatch(rf"\s*({NUMBER})\s*([a-z]*)\s*", text)
    if not found or found[2] not in UNITS:
        return None
    value = float(found[1]) * UNITS[found[2]]
    return value if 0 < value < 1e9 else None


def _colour(kept: dict[str, str]) -> str | None:
    for name in ("fill", "stroke"):
        value = kept.get(name, "").strip()
        if value.lower() != "none" and PLAIN_COLOUR.fullmatch(value):
            return value
    return None


def names(layers: Iterable[Layer]) -> list[dict[str, object]]:
    """Layers as JSON values."""
    return [{"index": layer.index, "name": layer.name, "colour": layer.colour} for layer in layers]

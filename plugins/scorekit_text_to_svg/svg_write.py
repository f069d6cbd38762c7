"""A drawing as SVG 1.1 text: the same drawing gives the same bytes."""

from xml.sax.saxutils import escape

import torch

from scorekit_text_to_svg.drawing import Drawing

CANVAS = 256  # units of the file along an edge
DECIMALS = 1  # of coordinates: 1/20 unit at most is lost, 1/80 pixel of a picture of 64


def svg(drawing: Drawing, title: str, description: str = "", decimals: int = DECIMALS) -> str:
    """The text of a file that shows one drawing (a batch of one), on a transparent canvas of 256 x 256 units.

    title, description  for people and screen readers; control characters, which XML does not allow, are left out
    decimals            of coordinates, 0 to 4

    Paths are written in painting order, each with its fill or its stroke; fully transparent ones are left out, as are, for fills, those
    that enclose nothing at this precision. Raises ValueError for more than one drawing and for decimals out of range.
    """
    if len(drawing) != 1:
        raise ValueError(f"drawing must be a batch of one, not of {len(drawing)}")
    if not 0 <= decimals <= 4:
        raise ValueError(f"decimals must lie in 0 to 4, not {decimals}")
    drawing = drawing.detach().to("cpu")
    topology = drawing.topology
    points = [
        (_number(x, decimals), _number(y, decimals))
        for x, y in (torch.nan_to_num(drawing.points[0]).double() * CANVAS).tolist()
    ]
    rows, straight = topology.segments.tolist(), topology.straight.tolist()
    lines = []
    for path, runs in enumerate(topology.subpaths()):
        opacity = round(float(drawing.opacity[0, path].clamp(0, 1)), 3)
        stroke = bool(topology.stroked[path])
        data = "".join(_data(run, rows, straight, points, closed=not stroke) for run in runs)
        if opacity == 0 or not data:
            continue
        colour = "#" + "".join(f"{round(c * 255):02x}" for c in drawing.colour[0, path].clamp(0, 1).tolist())
        if stroke:
            width = _number(float(drawing.width[0, path]) * CANVAS, max(decimals, 2))
            paint = f'fill="none" stroke="{colour}" stroke-width="{width}"'
        else:
            paint = f'fill="{colour}"'
        if opacity < 1:
            paint += f' {"stroke" if stroke else "fill"}-opacity="{_number(opacity, 3)}"'
        lines.append(f'    <path {paint} d="{data}"/>')
    head = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" version="1.1" width="{CANVAS}" height="{CANVAS}" '
        f'viewBox="0 0 {CANVAS} {CANVAS}">',
        f"  <title>{_text(title)}</title>",
        *([f"  <desc>{_text(description)}</desc>"] if description else []),
        '  <g fill-rule="nonzero" stroke-linecap="round" stroke-linejoin="round">',
    ]
    return "\n".join([*head, *lines, "  </g>", "</svg>", ""])


def _data(
    run: list[int], rows: list[list[int]], straight: list[bool], points: list[tuple[str, str]], closed: bool
) -> str:
    """One subpath as path data; nothing for a fill all of whose points coincide as written."""
    returns = rows[run[0]][0] == rows[run[-1]][3]
    if closed and len({points[i] for s in run for i in rows[s]}) < 3:
        return ""
    text = "M" + " ".join(points[rows[run[0]][0]])
    for place, segment in enumerate(run):
        _, first, second, end = rows[segment]
        if not straight[segment]:
            text += "C" + " ".join(" ".join(points[i]) for i in (first, second, end))
        elif not (returns and place == len(run) - 1):  # Z draws the last straight line
            text += "L" + " ".join(points[end])
    return text + ("Z" if closed or returns else "")


def _number(value: float, decimals: int) -> str:
    """The shortest text of a rounded number: "0.5" as ".5", "-0" as "0"."""
    text = f"{value:.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if text.startswith(("0.", "-0.")):
        text = text.replace("0.", ".", 1)
    return "0" if text in ("-0", "") else text


def _text(text: str) -> str:
    allowed = (
        ch for ch in text if ch in "\t\n\r" or "\x20" <= ch <= "\ud7ff" or "\ue000" <= ch <= "\ufffd" or ch > "\uffff"
    )
    return escape("".join(allowed))

"""Drawings to pictures, differentiably, in torch alone or by pydiffvg."""

from importlib.util import find_spec
from typing import Literal

import torch
from torch import Tensor

from scorekit_text_to_svg.compositing import composite
from scorekit_text_to_svg.coverage import coverage
from scorekit_text_to_svg.drawing import Drawing
from scorekit_text_to_svg.flatten import Edges, flatten
from scorekit_text_to_svg.strokes import REACH, stroke_coverage
from scorekit_text_to_svg.tiles import Tiles

Backend = Literal["torch", "diffvg"]
FAR = 1e6  # canvases; a point beyond is taken as this far, so that nothing overflows
WIDEST = 4.0  # canvases; a stroke of more would be all there is to see


def layers(drawing: Drawing, size: int, backend: Backend = "torch") -> Tensor:
    """B drawings over nothing, `size` x `size` pixels: (B, 4, size, size), premultiplied RGB and transmittance, float32.

    Exact coverage of fills (`coverage.py`), nearly exact of strokes (`strokes.py`), in painting order. Gradients flow to points, colours,
    opacities and widths. Whatever the drawing (paths without area, off the canvas, huge, not a number), picture and gradients are finite.

    backend  "torch", as said above; "diffvg" draws with pydiffvg, before black and before white, which tells the transmittance

    Raises ValueError where pydiffvg is asked for and not installed.
    """
    if backend == "diffvg":
        ends = torch.stack([torch.zeros(3), torch.ones(3)]).to(drawing.points.device)
        black, white = (render(drawing, size, end, backend) for end in ends)
        return torch.cat([black, (white - black).mean(1, keepdim=True)], 1)
    topology, batch = drawing.topology, len(drawing)
    device = drawing.points.device
    points = torch.nan_to_num(drawing.points.double(), 0.0, FAR, -FAR).clamp(-FAR, FAR) * size
    width = torch.nan_to_num(drawing.width.double(), 0.0, 0.0, 0.0).clamp(0, WIDEST) * size
    colour = torch.nan_to_num(drawing.colour.float()).clamp(0, 1)
    opacity = torch.nan_to_num(drawing.opacity.float()).clamp(0, 1)

    number = torch.arange(batch, device=device)[:, None] * topology.paths + topology.owner
    control = points[:, topology.segments].reshape(-1, 4, 2)
    stroked = topology.stroked.repeat(batch)
    edges = flatten(control, number.reshape(-1), topology.straight.repeat(batch))
    half = width.reshape(-1) / 2
    tiles = Tiles.around(edges, torch.where(stroked, half.detach() + REACH, 0.0), size)
    cover = torch.zeros(tiles.total, dtype=torch.float64, device=device)
    is_stroke = stroked[edges.path]
    any_stroke, any_fill = bool(topology.stroked.any()), not bool(topology.stroked.all())
    if any_fill:
        fills = edges if not any_stroke else Edges(*(part[~is_stroke] for part in edges))
        cover = coverage(fills, tiles)
    if any_stroke:
        place, share = stroke_coverage(Edges(*(part[is_stroke] for part in edges)), half, tiles)
        cover = cover.index_add(0, place, share)
    return composite(cover.float(), colour, opacity, tiles, size)


def refuse_absent(backend: Backend) -> None:
    """Raise ValueError where the backend is not installed."""
    if backend == "diffvg" and find_spec("pydiffvg") is None:
        raise ValueError(
            "rasteriser must be torch: pydiffvg is not installed (build it from github.com/BachiLi/diffvg)."
        )


def over(layered: Tensor, background: Tensor) -> Tensor:
    """Layers (B, 4, H, W) over background colours (B, 3) or (3,): (B, 3, H, W)."""
    return layered[:, :3] + layered[:, 3:] * background[..., None, None]


def render(drawing: Drawing, size: int, background: Tensor, backend: Backend = "torch") -> Tensor:
    """B drawings over opaque backgrounds (3,) or (B, 3): (B, 3, size, size) in [0, 1], float32.

    backend  "torch", or "diffvg" for pydiffvg

    Raises ValueError where pydiffvg is asked for and not installed.
    """
    if backend == "torch":
        return over(layers(drawing, size), background.to(drawing.points.device))
    refuse_absent(backend)
    from scorekit_text_to_svg import diffvg

    return diffvg.render(drawing, size, background.expand(len(drawing), 3))

"""What a path looks like before it is optimised, per style: an outline around the origin that is placed, stretched and turned."""

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from scorekit_text_to_svg.drawing import Drawing, Topology

Style = Literal["flat", "sketch", "pixel-art", "low-poly"]
SEGMENTS = 4  # of a flat shape, as in VectorFusion
SIDES = 4  # of a low-poly shape
STROKE = 0.022  # first width of a stroke
THINNEST, WIDEST = 0.008, 0.04  # of strokes


class Template(NamedTuple):
    """points (K, 2) about the origin within radius 1; segments (s, 4) into them; whether it is a stroke."""

    points: Tensor
    segments: Tensor
    stroked: bool


def template(style: Style) -> Template:
    """The path of a style: a circle of four cubics, a stroke of two, or a square."""
    if style == "sketch":
        x = torch.linspace(-1, 1, 7)
        return Template(torch.stack([x, torch.zeros(7)], 1), torch.tensor([[0, 1, 2, 3], [3, 4, 5, 6]]), True)
    if style == "low-poly":
        turn = (torch.arange(SIDES) + 0.5) * (2 * math.pi / SIDES)
        corner = torch.arange(SIDES)
        after = corner.roll(-1)
        return Template(torch.stack([turn.cos(), turn.sin()], 1), torch.stack([corner, corner, after, after], 1), False)
    turn = torch.arange(SEGMENTS) * (2 * math.pi / SEGMENTS)
    place, along = torch.stack([turn.cos(), turn.sin()], 1), torch.stack([-turn.sin(), turn.cos()], 1)
    reach = 4 / 3 * math.tan(math.pi / (2 * SEGMENTS))  # of the handles of a circle
    points = torch.stack([place, place + reach * along, (place - reach * along).roll(-1, 0)], 1).flatten(0, 1)
    first = 3 * torch.arange(SEGMENTS)
    return Template(points, torch.stack([first, first + 1, first + 2, (first + 3) % len(points)], 1), False)


def placed(form: Template, centre: Tensor, radii: Tensor, angle: Tensor) -> Tensor:
    """The template's points at centres (..., 2), with half axes `radii` (..., 2), turned by `angle` (...) in radians: (..., K, 2)."""
    scaled = form.points.to(centre) * radii[..., None, :]
    cos, sin = angle.cos()[..., None], angle.sin()[..., None]
    x, y = scaled.unbind(-1)
    return torch.stack([cos * x - sin * y, sin * x + cos * y], -1) + centre[..., None, :]


def random_points(form: Template, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Templates at random places (*shape, K, 2), on the generator's device; most near the middle, of radius .04 to .16."""

    def uniform(*last: int) -> Tensor:
        return torch.rand(*shape, *last, generator=generator, device=generator.device)

    centre = 0.5 + 0.6 * (uniform(2) + uniform(2) - 1)
    radius = 0.04 + 0.12 * uniform(1)
    radii = torch.cat([radius, radius * (0.5 + 0.5 * uniform(1))], -1)
    return placed(form, centre, radii, math.pi * uniform())


def copies(form: Template, points: Tensor, colour: Tensor, opacity: Tensor) -> Drawing:
    """A drawing of P copies of a template: points (B, P, K, 2), colour (B, P, 3), opacity (B, P)."""
    paths, each = points.shape[1:3]
    number = torch.arange(paths, device=points.device)
    topology = Topology(
        (form.segments.to(points.device) + each * number[:, None, None]).reshape(-1, 4),
        number.repeat_interleave(len(form.segments)),
        torch.full((paths,), form.stroked, device=points.device),
    )
    return Drawing(topology, points.flatten(1, 2), colour, opacity, torch.full_like(opacity, STROKE))

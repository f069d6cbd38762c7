"""Coverage of lines with a width, round joins and round caps, by distance from their middle."""

import torch
from torch import Tensor

from scorekit_text_to_svg.coverage import _ragged, _whole
from scorekit_text_to_svg.flatten import Edges
from scorekit_text_to_svg.tiles import Tiles

REACH = 0.75  # px beyond the stroke's own border in which a pixel may still be touched; half a pixel's diagonal is .71


def stroke_coverage(edges: Edges, half_width: Tensor, tiles: Tiles) -> tuple[Tensor, Tensor]:
    """Which places of the tiles' buffer the strokes touch (m,), and the share of each pixel that they cover (m,).

    half_width  (P,) px

    The coverage of a pixel is that of a straight strip through it, at the distance and in the direction of the nearest point of the middle
    line: exact along straight strokes, of any width, and where a stroke crosses itself the union; near joins and caps, and in curves
    whose radius is about a pixel, it is off by a few percent. Differentiable in the points and the width.
    """
    with torch.no_grad():
        pair_edge, place, centre = _near(edges, half_width, tiles)
        apart = _squared_distance(edges, pair_edge, centre)
        nearest = apart.new_full((tiles.total,), torch.inf).scatter_reduce(0, place, apart, "amin")
        # One winner per pixel; of edges that are equally near, any.
        choice = place.new_full((tiles.total,), -1)
        winners = torch.nonzero(apart == nearest[place])[:, 0]
        choice[place[winners]] = winners
        winners = choice[choice >= 0]
        edge, place, centre = pair_edge[winners], place[winners], centre[winners]
    away = _away(edges, edge, centre)
    distance = (away.square().sum(1) + 1e-18).sqrt()
    with torch.no_grad():
        along = edges.end[edge] - edges.start[edge]
        across = torch.stack([-along[:, 1], along[:, 0]], 1)
        # On the line itself the way to it has no direction: there the line's own is taken.
        normal = torch.where((distance < 1e-6)[:, None], across, away)
        normal = normal / normal.square().sum(1, keepdim=True).sqrt().clamp(min=1e-300)
    r = half_width[edges.path[edge]]
    return place, _half_plane(r - distance, normal) - _half_plane(-r - distance, normal)


def _near(edges: Edges, half_width: Tensor, tiles: Tiles) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of an edge and a pixel that it may touch: the edge, the pixel's place and its centre (m, 2)."""
    path = edges.path
    reach = (half_width[path] + REACH)[:, None]
    low = (torch.minimum(edges.start, edges.end) - reach).floor()
    high = (torch.maximum(edges.start, edges.end) + reach).ceil()
    left, top = tiles.left[path], tiles.top[path]
    right, bottom = left + tiles.width[path], top + tiles.height[path]
    x_from, x_to = _whole(low[:, 0], left, right), _whole(high[:, 0], left, right)
    y_from, y_to = _whole(low[:, 1], top, bottom), _whole(high[:, 1], top, bottom)
    columns = x_to - x_from
    edge, number = _ragged(columns * (y_to - y_from))
    wide = columns[edge].clamp(min=1)
    column = x_from[edge] + number % wide
    row = y_from[edge] + torch.div(number, wide, rounding_mode="floor")
    owner = path[edge]
    place = tiles.offset[owner] + (row - tiles.top[owner]) * (tiles.width[owner] + 1) + column - tiles.left[owner]
    return edge, place, torch.stack([column, row], 1).to(edges.start) + 0.5


def _away(edges: Edges, edge: Tensor, centre: Tensor) -> Tensor:
    """From the nearest point of each edge to the centre beside it (m, 2)."""
    start = edges.start[edge]
    along = edges.end[edge] - start
    length = along.square().sum(1).clamp(min=1e-12)
    t = (((centre - start) * along).sum(1) / length).clamp(0, 1)
    return centre - start - t[:, None] * along


def _squared_distance(edges: Edges, edge: Tensor, centre: Tensor) -> Tensor:
    return _away(edges, edge, centre).square().sum(1)


def _half_plane(depth: Tensor, normal: Tensor) -> Tensor:
    """The share of a unit pixel in a half-plane whose border has this unit `normal` (m, 2) and lies `depth` (m,) beyond the centre.

    The distance of a point of the pixel along the normal is the sum of two uniform variables of widths |nx| and |ny|; this is the
    distribution function of that sum.
    """
    a, b = normal.abs().amax(1), normal.abs().amin(1)
    far = depth.abs()
    outer, inner = (a + b) / 2, (a - b) / 2
    corner = 0.5 - (outer - far).clamp(min=0).square() / (2 * a * b).clamp(min=1e-12)
    beyond = torch.where(far <= inner, far / a.clamp(min=1e-12), corner).clamp(max=0.5)
    return 0.5 + depth.sign() * beyond

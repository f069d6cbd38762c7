"""Exact signed-area coverage of closed contours, and its exact gradient.

The coverage of a pixel is the area of the shape inside it. As the shape's boundary moves, that area changes by the boundary's length
inside the pixel times its normal velocity, so the gradient needs no more than which part of which edge lies in which pixel: the forward
pass finds those parts, the backward pass reads them again, and nothing in between is kept.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from scorekit_text_to_svg.flatten import Edges
from scorekit_text_to_svg.tiles import Tiles


def coverage(edges: Edges, tiles: Tiles) -> Tensor:
    """The share of each pixel that is inside, by the nonzero rule, in the tiles' buffer: (total,) float64.

    The running sum of signed areas gives the winding number integrated over the pixel, W; the coverage is min(|W|, 1). It is exact where
    the winding number in the pixel is 0 or one sign of 1, so for every pixel of a simple contour, and inside any overlap of equal
    orientation. Only a pixel in which two boundaries of one path overlap or cross may be off.

    The contours of each path have to be closed. A row's sum is taken in float64: the buffer may hold any number of paths.
    """
    winding: Tensor = _Winding.apply(edges.start, edges.end, edges.path, tiles)  # type: ignore[no-untyped-call]
    return winding.abs().clamp(max=1)


class _Parts(NamedTuple):
    """The part of an edge from parameter `u` to `v` that lies in the pixel at `place` of the buffer; `inside` the tile or beside it."""

    edge: Tensor
    place: Tensor
    column: Tensor
    u: Tensor
    v: Tensor
    inside: Tensor


def _ragged(count: Tensor) -> tuple[Tensor, Tensor]:
    """For rows with `count` (n,) items each: the row (m,) of each item and its number (m,) in the row."""
    row = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
    first = count.cumsum(0) - count
    return row, torch.arange(len(row), device=count.device) - first[row]


def _whole(value: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Coordinates as integers between two bounds, compared as floats: a huge one does not fit an integer."""
    return torch.minimum(torch.maximum(value, low.to(value)), high.to(value)).long()


def _parts(start: Tensor, end: Tensor, path: Tensor, tiles: Tiles) -> _Parts:
    """Cut the edges at pixel borders, rows first. Above and below a tile nothing is kept; what is beside it is one part each side."""
    x0, y0 = start.unbind(1)
    dx, dy = (end - start).unbind(1)
    left, top, width, height = (side[path] for side in (tiles.left, tiles.top, tiles.width, tiles.height))
    low, high = torch.minimum(y0, y0 + dy), torch.maximum(y0, y0 + dy)
    first = _whole(low.floor(), top, top + height)
    last = _whole(high.ceil(), top, top + height)
    edge, step = _ragged((last - first).clamp(min=0))
    row = first[edge] + step
    u, v = _between(row.to(x0), (row + 1).to(x0), y0[edge], dy[edge])

    ends = torch.stack([x0[edge] + dx[edge] * u, x0[edge] + dx[edge] * v])
    right = (left + width)[edge]
    first = _whole(ends.amin(0).floor(), left[edge] - 1, right)
    last = _whole((ends.amax(0).ceil() - 1), left[edge] - 1, right)
    line, step = _ragged((last - first).clamp(min=0) + 1)
    edge, row, u, v = edge[line], row[line], u[line], v[line]
    column = first[line] + step
    left, right = left[edge], right[line]
    infinity = torch.full_like(u, torch.inf)
    from_, to = _between(
        torch.where(column < left, -infinity, column.to(u)),
        torch.where(column >= right, infinity, (column + 1).to(u)),
        x0[edge],
        dx[edge],
    )
    # A vertical edge is whole in its column; rounding may put the last part of a slanted one a little past its row.
    u, v = torch.maximum(u, from_), torch.minimum(v, to)
    v = torch.maximum(u, v)
    owner = path[edge]
    place = tiles.offset[owner] + (row - tiles.top[owner]) * (tiles.width[owner] + 1) + (column - left)
    return _Parts(edge, place, column, u, v, (column >= left) & (column < right))


def _between(low: Tensor, high: Tensor, origin: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Parameters in [0, 1] between which origin + slope t lies in [low, high]; all of it where the slope is 0."""
    flat = slope == 0
    slope = torch.where(flat, 1.0, slope)
    a, b = (low - origin) / slope, (high - origin) / slope
    u, v = torch.minimum(a, b).clamp(0, 1), torch.maximum(a, b).clamp(0, 1)
    return torch.where(flat, 0.0, u), torch.where(flat, 1.0, v)


class _Winding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, start: Tensor, end: Tensor, path: Tensor, tiles: Tiles) -> Tensor:
        parts = _parts(start, end, path, tiles)
        edge, u, v = parts.edge, parts.u, parts.v
        delta = end - start
        climb = delta[edge, 1] * (v - u)
        # How far the part is from the left border of its pixel: that share of what it climbs reaches the next pixel only.
        shift = start[edge, 0] + delta[edge, 0] * (u + v) / 2 - parts.column
        here = torch.where(parts.inside, climb * (1 - shift), climb)
        beside = torch.where(parts.inside, climb * shift, 0.0)
        # What is left of the tile counts in full from its first column on.
        place = parts.place + (parts.column < tiles.left[path[edge]])
        differences = start.new_zeros(tiles.total + 1)
        differences.index_add_(0, place, here)
        differences.index_add_(0, place + 1, beside)
        within = parts.inside
        ctx.save_for_backward(delta, edge[within], parts.place[within], u[within], v[within])
        return differences.cumsum(0)[:-1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        delta, edge, place, u, v = ctx.saved_tensors
        late = (v * v - u * u) / 2  # the integral of t, which carries the end; that of 1 - t carries the start
        early = v - u - late
        sideways = torch.stack([-delta[:, 1], delta[:, 0]], 1)
        pull = grad[place]
        zero = delta.new_zeros(len(delta))
        to_start = zero.index_add(0, edge, pull * early)[:, None] * sideways
        to_end = zero.index_add(0, edge, pull * late)[:, None] * sideways
        return to_start, to_end, None, None

"""Cubic Beziers as chains of straight edges, finely enough that no pixel can tell."""

from typing import NamedTuple

import torch
from torch import Tensor

TOLERANCE = 0.02  # px between a curve and its edges: at most 1/50 of a pixel's coverage
MOST = 128  # edges of one segment


class Edges(NamedTuple):
    """start, end (E, 2) in pixels, float64; path (E,) to which each belongs."""

    start: Tensor
    end: Tensor
    path: Tensor


def flatten(control: Tensor, path: Tensor, straight: Tensor) -> Edges:
    """Edges of segments `control` (S, 4, 2) in pixels, float64, of paths `path` (S,); differentiable in the control points.

    A segment is cut at equal steps of its parameter, into n edges where n is the least with

        max |B''| / (8 n^2) <= TOLERANCE,    max |B''| <= 6 max(|p0 - 2 p1 + p2|, |p1 - 2 p2 + p3|),

    the bound of linear interpolation; at most MOST. Segments that are `straight` (S,) are one edge, whatever their handles.
    """
    with torch.no_grad():
        bend = torch.stack(
            [
                control[:, 0] - 2 * control[:, 1] + control[:, 2],
                control[:, 1] - 2 * control[:, 2] + control[:, 3],
            ]
        )
        count = (6 / 8 / TOLERANCE * bend.square().sum(-1).sqrt().amax(0)).sqrt().ceil().clamp(1, MOST).long()
        count = torch.where(straight, 1, count)
        segment = torch.repeat_interleave(torch.arange(len(control), device=control.device), count)
        first = count.cumsum(0) - count
        step = torch.arange(len(segment), device=control.device) - first[segment]
        n = count[segment]
        weights = _bernstein(torch.stack([step / n, (step + 1) / n]).to(control.dtype))  # (2, E, 4)
    at = torch.einsum("kec,ecd->ked", weights, control[segment])
    return Edges(at[0], at[1], path[segment])


def _bernstein(t: Tensor) -> Tensor:
    """The four cubic Bernstein polynomials at t (...): (..., 4)."""
    s = 1 - t
    return torch.stack([s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t], -1)

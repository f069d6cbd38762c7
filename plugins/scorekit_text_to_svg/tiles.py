"""The rectangle of pixels that each path may touch, and one buffer for all of them, one after the other."""

from dataclasses import dataclass

import torch
from torch import Tensor

from scorekit_text_to_svg.flatten import Edges


@dataclass(frozen=True)
class Tiles:
    """left, top, width, height, offset (P,) int64: path p covers pixels [top, top + height) x [left, left + width) of the canvas.

    In the buffer a row of path p takes width + 1 places: the last is for what lies to the right, so that every row of closed contours
    sums to zero and one running sum serves all rows of all paths. `total` places in all.
    """

    left: Tensor
    top: Tensor
    width: Tensor
    height: Tensor
    offset: Tensor
    total: int

    @classmethod
    def around(cls, edges: Edges, margin: Tensor, size: int) -> "Tiles":
        """Tiles of paths 0 .. P - 1 around their edges and `margin` (P,) pixels more, inside a canvas of `size` x `size` pixels."""
        paths = len(margin)
        with torch.no_grad():
            index = edges.path[:, None].expand(-1, 2)
            low = edges.start.new_full((paths, 2), float(size))
            high = edges.start.new_zeros((paths, 2))
            low = low.scatter_reduce(0, index, torch.minimum(edges.start, edges.end), "amin")
            high = high.scatter_reduce(0, index, torch.maximum(edges.start, edges.end), "amax")
            low = (low - margin[:, None]).floor().clamp(0, size).long()
            high = (high + margin[:, None]).ceil().clamp(0, size).long()
            width, height = (high - low).clamp(min=0).unbind(1)
            places = height * (width + 1) * (width > 0)
            height = torch.where(width > 0, height, 0)
            ends = places.cumsum(0)
        return cls(low[:, 0], low[:, 1], width, height, ends - places, int(ends[-1]) if paths else 0)

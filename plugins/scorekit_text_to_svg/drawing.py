"""A drawing: paths of cubic Beziers in painting order, each filled or stroked with one colour.

Coordinates are shares of a square canvas, x to the right and y down: (0, 0) is its upper left corner and (1, 1) its lower right one.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Topology:
    """Which control points make which path; what an optimiser leaves as it is.

    segments  (S, 4) indices into the points: start, two handles, end. Segments of a path stand one after the other; one begins where
              the one before it ends, by index, or else a new subpath begins. [a, a, b, b] is a straight line.
    owner     (S,) the path of each segment, ascending
    stroked   (P,) bool: drawn as a line with round caps and joins, instead of filled by the nonzero rule
    """

    segments: Tensor
    owner: Tensor
    stroked: Tensor

    @property
    def paths(self) -> int:
        return len(self.stroked)

    @property
    def straight(self) -> Tensor:
        """(S,) bool: the segments that are straight lines by index."""
        return (self.segments[:, 0] == self.segments[:, 1]) & (self.segments[:, 2] == self.segments[:, 3])

    @property
    def point_owner(self) -> Tensor:
        """(N,) the path that each control point belongs to, for points 0 to the last that is used."""
        owner = self.segments.new_zeros(int(self.segments.max()) + 1 if len(self.segments) else 0)
        owner[self.segments.flatten()] = self.owner.repeat_interleave(4)
        return owner

    def subpaths(self) -> list[list[list[int]]]:
        """Runs of joined segments, one list per path: [[segment, ...], ...]."""
        runs: list[list[list[int]]] = [[] for _ in range(self.paths)]
        rows, owners = self.segments.tolist(), self.owner.tolist()
        for index, (row, owner) in enumerate(zip(rows, owners, strict=True)):
            joined = index > 0 and owners[index - 1] == owner and rows[index - 1][3] == row[0]
            # A run that is back at its start is finished, even where the next one leaves from the same point.
            if joined and rows[runs[owner][-1][0]][0] != rows[index - 1][3]:
                runs[owner][-1].append(index)
            else:
                runs[owner].append([index])
        return runs

    def to(self, device: torch.device | str) -> Self:
        return replace(
            self, segments=self.segments.to(device), owner=self.owner.to(device), stroked=self.stroked.to(device)
        )


@dataclass(frozen=True)
class Drawing:
    """B drawings of one topology with P paths and N control points.

    points   (B, N, 2) in shares of the canvas
    colour   (B, P, 3) RGB in [0, 1], sRGB-encoded as in a file
    opacity  (B, P) in [0, 1]
    width    (B, P) of strokes, a share of the canvas' side; of no meaning for fills
    """

    topology: Topology
    points: Tensor
    colour: Tensor
    opacity: Tensor
    width: Tensor

    def __len__(self) -> int:
        return len(self.points)

    @property
    def paths(self) -> int:
        return self.topology.paths

    def detach(self) -> Self:
        return replace(
            self,
            points=self.points.detach(),
            colour=self.colour.detach(),
            opacity=self.opacity.detach(),
            width=self.width.detach(),
        )

    def to(self, device: torch.device | str) -> Self:
        return replace(
            self,
            topology=self.topology.to(device),
            points=self.points.to(device),
            colour=self.colour.to(device),
            opacity=self.opacity.to(device),
            width=self.width.to(device),
        )

    def one(self, index: int) -> Self:
        """Drawing `index` of the batch, as a batch of one."""
        rows = slice(index, index + 1)
        return replace(
            self,
            points=self.points[rows],
            colour=self.colour[rows],
            opacity=self.opacity[rows],
            width=self.width[rows],
        )

    def only(self, keep: Tensor) -> Self:
        """Those paths for which `keep` (P,) is true, in their order; the points stay where they are."""
        old = self.topology
        number = keep.cumsum(0) - 1
        chosen = keep[old.owner]
        topology = Topology(old.segments[chosen], number[old.owner[chosen]], old.stroked[keep])
        return replace(
            self,
            topology=topology,
            colour=self.colour[:, keep],
            opacity=self.opacity[:, keep],
            width=self.width[:, keep],
        )

    @classmethod
    def of(cls, pieces: "list[Drawing]") -> Self:
        """The paths of several drawings of equal batch size, painted one drawing after the other."""
        points = [len(piece.points[0]) for piece in pieces]
        paths = [piece.paths for piece in pieces]
        first_point = [sum(points[:i]) for i in range(len(pieces))]
        first_path = [sum(paths[:i]) for i in range(len(pieces))]
        topology = Topology(
            torch.cat([piece.topology.segments + at for piece, at in zip(pieces, first_point, strict=True)]),
            torch.cat([piece.topology.owner + at for piece, at in zip(pieces, first_path, strict=True)]),
            torch.cat([piece.topology.stroked for piece in pieces]),
        )
        return cls(
            topology,
            torch.cat([piece.points for piece in pieces], 1),
            torch.cat([piece.colour for piece in pieces], 1),
            torch.cat([piece.opacity for piece in pieces], 1),
            torch.cat([piece.width for piece in pieces], 1),
        )

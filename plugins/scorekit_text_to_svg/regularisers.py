"""Terms that keep paths in shape. Each is near zero for what a person would draw."""

from itertools import pairwise

import torch
from torch import Tensor

from scorekit_text_to_svg.drawing import Drawing, Topology


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _unit(a: Tensor) -> Tensor:
    return a / (a.square().sum(-1, keepdim=True) + 1e-8).sqrt()


def crossing(drawing: Drawing) -> Tensor:
    """The self-intersection loss of LIVE (Ma et al. 2022, arXiv:2206.04655, eq. 6-8), mean over the curved segments of all paths.

    A cubic A B C D crosses itself where its last leg CD turns against the way from AB to BC: the loss is the sine of the angle between AB
    and CD, with its sign, where that sign is not that of AB x BC.
    """
    bent = ~drawing.topology.straight
    if not bent.any():
        return drawing.points.sum() * 0
    a, b, c, d = drawing.points[:, drawing.topology.segments[bent]].unbind(2)
    side = (_cross(b - a, c - b) > 0).to(a)
    sine = _cross(_unit(b - a), _unit(d - c))
    return (side * (-sine).relu() + (1 - side) * sine.relu()).mean()


def joints(topology: Topology) -> Tensor:
    """(J, 3) point indices: handle before, joint and handle after, of every joint of two curved segments of one path."""
    rows, straight = topology.segments.tolist(), topology.straight.tolist()
    found = []
    for runs in topology.subpaths():
        for run in runs:
            pairs = list(pairwise(run))
            if rows[run[-1]][3] == rows[run[0]][0]:
                pairs.append((run[-1], run[0]))
            found += [[rows[a][2], rows[b][0], rows[b][1]] for a, b in pairs if not straight[a] and not straight[b]]
    return torch.tensor(found, dtype=torch.long, device=topology.segments.device).reshape(-1, 3)


def kinks(points: Tensor, joined: Tensor) -> Tensor:
    """Mean over `joints` of how far the outline turns at them: 0 smooth, 1 a right angle, 2 a spike. Points (B, N, 2)."""
    if not len(joined):
        return points.sum() * 0
    before, at, after = points[:, joined].unbind(2)
    turn = 1 - (_unit(at - before) * _unit(after - at)).sum(-1)
    # A corner is a decision: beyond a right angle it costs no more, so that cubes keep theirs.
    return turn.clamp(max=1).mean()


def slivers(drawing: Drawing, paths: int) -> Tensor:
    """Mean over filled paths of length^2 / (4 pi area), less 1, kept below 4: circles cost nothing, hairs much."""
    control = drawing.points[:, drawing.topology.segments]
    legs = control[:, :, 1:] - control[:, :, :-1]
    length = (legs.square().sum(-1) + 1e-12).sqrt().sum(-1)
    # Of the control polygon, which encloses the curve: cheap, and as telling.
    area = 0.5 * _cross(control[:, :, :-1], control[:, :, 1:]).sum(-1)
    owner = drawing.topology.owner.expand(len(drawing), -1)
    total = length.new_zeros(len(drawing), paths)
    around, inside = total.scatter_add(1, owner, length), total.scatter_add(1, owner, area).abs()
    ratio = around.square() / (12.566 * inside + 1e-4) - 1
    return torch.tanh(ratio.clamp(min=0) / 4).mul(4).mean()

"""Where the next path belongs: LIVE's layer-wise start (Ma et al. 2022, arXiv:2206.04655, section 3.2)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

LEVELS = (
    6,
    3,
    1,
)  # of each colour channel, when pixels are told to belong together; coarser where fine bins leave crumbs
EDGE = 0.16  # slope of a picture, per pixel, from which a sketch has a full line there
NOTICED = 0.08  # root mean square difference of a pixel's channels below which it needs no path


class Region(NamedTuple):
    """A patch of a picture as an ellipse in shares of the canvas, and its colour."""

    centre: Tensor  # (2,)
    radii: Tensor  # (2,), the longer first
    angle: Tensor  # () of the longer, in radians
    colour: Tensor  # (3,)


def worst_regions(target: Tensor, drawn: Tensor, count: int, thin: bool = False) -> list[Region]:
    """Up to `count` connected regions in which a picture (3, S, S) is not yet drawn, the greatest total error first.

    Pixels belong together where they touch and their target colours fall in one bin of LEVELS per channel, of coarser ones only
    when the finer are used up. Fewer regions come back where fewer are left.
    The white background is nobody's: what reaches into it has to draw back, not to be painted over. Unless lines are drawn (`thin`), a
    region that holds no square of 2 x 2 pixels is none: it is the blurred border of another, and moves when that one does.
    """
    error = (target - drawn).square().mean(0)
    left = (error > NOTICED**2) & ~outside(target)
    found: list[Region] = []
    for levels in LEVELS:
        for mask in _masks(target, error, left, levels, thin)[: count - len(found)]:
            found.append(_region(target, mask))
            left = left & ~mask
    return found


def _masks(target: Tensor, error: Tensor, left: Tensor, levels: int, thin: bool) -> list[Tensor]:
    """The regions among the pixels that are `left`, for bins of `levels` a channel, those of greatest error first."""
    bins = (target * levels).long().clamp(max=levels - 1)
    kind = (bins[0] * levels + bins[1]) * levels + bins[2] + 1
    label = _components(kind * left)
    names, flat = torch.unique(label, return_inverse=True)
    mass = error.new_zeros(len(names)).index_add(0, flat.flatten(), error.flatten()) * (names > 0)
    if not thin:
        square = (
            (label[1:, 1:] == label[:-1, :-1]) & (label[1:, :-1] == label[:-1, 1:]) & (label[1:, 1:] == label[1:, :-1])
        )
        mass = mass * torch.isin(names, label[1:, 1:][square])
    return [label == names[place] for place in mass.argsort(descending=True, stable=True).tolist() if mass[place] > 0]


def _components(kind: Tensor) -> Tensor:
    """Numbers (S, S) that are equal exactly for touching pixels of equal kind; 0 stays 0."""
    side = kind.shape[-1]
    label = torch.arange(1, kind.numel() + 1, device=kind.device).view_as(kind) * (kind > 0)
    shifts = ((0, 1), (1, 0), (0, -1), (-1, 0))
    for _ in range(side * side):
        before = label
        for dy, dx in shifts:
            near_kind, near = kind.roll((dy, dx), (0, 1)), label.roll((dy, dx), (0, 1))
            touching = near_kind == kind
            if dy:
                touching[0 if dy > 0 else -1] = False  # rolled in from the far side
            else:
                touching[:, 0 if dx > 0 else -1] = False
            label = torch.where(touching & (kind > 0), torch.maximum(label, near), label)
        if torch.equal(label, before):
            break
    return label


def _region(target: Tensor, mask: Tensor) -> Region:
    size = mask.shape[-1]
    y, x = torch.nonzero(mask).unbind(1)
    place = (torch.stack([x, y], 1).to(target) + 0.5) / size
    centre = place.mean(0)
    off = place - centre
    spread = off.T @ off / len(place) + torch.eye(2, device=target.device) * (0.3 / size) ** 2
    values, axes = torch.linalg.eigh(spread)
    # A uniform ellipse has variance radius^2 / 4 along each axis.
    radii = 2 * values.flip(0).sqrt()
    colour = target[:, mask].median(1).values
    return Region(centre, radii.clamp(max=0.5), torch.atan2(axes[1, 1], axes[0, 1]), colour)


def line_drawing(picture: Tensor) -> Tensor:
    """What a sketch of a picture (3, S, S) on white should look like: lines in a dark tone of its colours where it has edges."""
    padded = torch.nn.functional.pad(picture[None], (1, 1, 1, 1), mode="replicate")[0]
    across = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2
    edge = (across.square() + down.square()).sum(0).sqrt()
    strength = (edge / EDGE - 0.3).clamp(0, 1)
    # The tone is the darkest nearby: an outline takes the object's colour, not the paper's.
    tone = -max_pool2d(-picture[None], 3, 1, 1)[0] * 0.6
    return 1 - strength * (1 - tone)


def outside(picture: Tensor) -> Tensor:
    """Which pixels of a picture (3, S, S) are its white background: near white, and joined to the border by such. Bool (S, S)."""
    white = (picture.amin(0) > 0.96).long()
    label = _components(white)
    border = torch.cat([label[0], label[-1], label[:, 0], label[:, -1]])
    return torch.isin(label, border[border > 0])

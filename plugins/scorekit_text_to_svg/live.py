"""Where the next path belongs: LIVE's layer-wise start (Ma et al. 2022, arXiv:2206.04655, section 3.2)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

LEVELS = (6, 3, 1)  # of each channel, when pixels are told to belong together; coarser where fine bins leave crumbs
PALE = 0.25  # distance from white of a colour below which it cannot be told from the background
HOLE = (
    0.9,
    0.98,
)  # least brightness of the pixels of a hole, and of their mean: white paint is in the light, and darker
CRUMB = 5  # pixels of the smallest hole
NOTICED = 0.08  # root mean square difference of a pixel's channels below which it needs no path


class Region(NamedTuple):
    """A patch of a picture as an ellipse in shares of the canvas, and its colour."""

    centre: Tensor  # (2,)
    radii: Tensor  # (2,), the longer first
    angle: Tensor  # () of the longer, in radians
    colour: Tensor  # (3,)


class CutOut(NamedTuple):
    """A picture without its white background.

    layers      (4, S, S) as `rasterise.layers`
    background  bool (S, S)
    unknown     bool (S, S): white as paper inside the object, and what borders on it: a hole or paint, which only white can stand behind
    """

    layers: Tensor
    background: Tensor
    unknown: Tensor

    def over(self, shade: float) -> Tensor:
        """Before a background of one grey: (3, S, S)."""
        return self.layers[:3] + self.layers[3:] * shade


def cut_out(picture: Tensor) -> CutOut:
    """What is object in a picture (3, S, S) on white: all but its background, half of what lies on the border.

    A pixel c at the border, of an object that has colour f nearby, is a f + (1 - a) white; a follows by least squares. Where f is white
    as well nothing can be told, and all of the pixel is object.
    """
    background = outside(picture)
    solid = (~background).to(picture)
    edge = (max_pool2d(background[None].to(picture), 3, 1, 1)[0] > 0) & ~background
    core = solid * ~edge
    weight = avg_pool2d(core[None], 5, 1, 2)[0]
    near = avg_pool2d((picture * core)[None], 5, 1, 2)[0] / weight.clamp(min=1e-6)
    ink, own = 1 - near, 1 - picture
    share = ((ink * own).sum(0) / ink.square().sum(0).clamp(min=1e-6)).clamp(0, 1)
    told = edge & (weight > 0) & (ink.square().sum(0) > PALE**2)
    opacity = torch.where(told, share, solid)
    colour = torch.minimum((picture - (1 - opacity)).clamp(min=0), opacity)
    unknown = max_pool2d(_holes(picture, background)[None].to(picture), 3, 1, 1)[0] > 0
    return CutOut(torch.cat([colour, 1 - opacity[None]]), background, unknown)


def mismatch(target: CutOut, drawn: Tensor) -> Tensor:
    """Squared difference, mean over colours, of a target and layers (4, S, S) before white and before black: (S, S).

    White paint on the white background shows before black. What is unknown is looked at before white only.
    """
    off = target.layers - drawn
    white, black = (off[:3] + off[3:]).square().mean(0), off[:3].square().mean(0)
    return (white + torch.where(target.unknown, white, black)) / 2


def silhouette(target: CutOut) -> Region:
    """The whole object as one region."""
    solid = ~target.background
    return _region(target.over(1.0), solid if solid.any() else ~solid)


def worst_regions(target: CutOut, drawn: Tensor, count: int) -> list[Region]:
    """Up to `count` connected regions in which a picture is not yet drawn, the greatest total error first.

    drawn  layers (4, S, S) of what there is so far

    Pixels belong together where they touch and their
    target colours fall in one bin of LEVELS per channel, of coarser ones only when the finer are used up. Fewer regions come back where
    fewer are left. The background is nobody's: what reaches into it has to draw back, not to be painted over. A region that holds no
    square of 2 x 2 pixels is none: it is the blurred border of another, and moves when that one does.
    """
    error = mismatch(target, drawn)
    left = (error > NOTICED**2) & ~target.background
    picture = target.over(1.0)
    found: list[Region] = []
    for levels in LEVELS:
        for mask in _masks(picture, error, left, levels)[: count - len(found)]:
            found.append(_region(picture, mask))
            left = left & ~mask
    return found


def _masks(target: Tensor, error: Tensor, left: Tensor, levels: int) -> list[Tensor]:
    """The regions among the pixels that are `left`, for bins of `levels` a channel, those of greatest error first."""
    bins = (target * levels).long().clamp(max=levels - 1)
    kind = (bins[0] * levels + bins[1]) * levels + bins[2] + 1
    label = _components(kind * left)
    names, flat = torch.unique(label, return_inverse=True)
    mass = error.new_zeros(len(names)).index_add(0, flat.flatten(), error.flatten()) * (names > 0)
    square = (label[1:, 1:] == label[:-1, :-1]) & (label[1:, :-1] == label[:-1, 1:]) & (label[1:, 1:] == label[1:, :-1])
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


def outside(picture: Tensor) -> Tensor:
    """Which pixels of a picture (3, S, S) are its white background: near white, and joined to the border by such. Bool (S, S)."""
    white = (picture.amin(0) > 0.96).long()
    label = _components(white)
    border = torch.cat([label[0], label[-1], label[:, 0], label[:, -1]])
    return torch.isin(label, border[border > 0])


def _holes(picture: Tensor, background: Tensor) -> Tensor:
    """White patches inside an object on which no shade lies: perhaps the background seen through it. Bool (S, S)."""
    label = _components(((picture.amin(0) > HOLE[0]) & ~background).long())
    names, flat, count = torch.unique(label, return_inverse=True, return_counts=True)
    mean = picture.new_zeros(len(names)).index_add(0, flat.flatten(), picture.amin(0).flatten()) / count
    return torch.isin(label, names[(names > 0) & (count >= CRUMB) & (mean >= HOLE[1])])

"""Filled shapes to the lines that a person would draw around them: outlines, less what other shapes hide of them."""

import math
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, max_pool2d

from scorekit_text_to_svg.drawing import Drawing
from scorekit_text_to_svg.outline import Paint, Path, Step, Subpath, assemble
from scorekit_text_to_svg.rasterise import layers
from scorekit_text_to_svg.templates import STROKE

SAMPLES = 24  # of each segment, where it is asked whether it is hidden
SIZE = 96  # px at which it is looked
APART = 2  # px of these: a line nearer than this to a shape in front of it is that shape's own border
SHORTEST = 0.06  # of the canvas: lines shorter than this are not drawn, gaps shorter than this are drawn through
ASIDE = 0.015  # of the canvas: how far from a line on both sides it is looked at what it parts
DIFFERENT = 0.08  # in one channel: difference of colour that deserves a line
JOIN = 0.05  # of the canvas: how far a line goes on at most to meet the shape that hides it
TONE = 0.55  # of a shape's colour, for its line


@torch.no_grad()
def outlined(flat: Drawing, paths: int) -> Drawing:
    """The visible outlines of a drawing of closed shapes (a batch of one), as open strokes: at most `paths`, the longest ones.

    A stroke runs along one shape, on exactly its curve, from where a later shape ends hiding it to where one begins to. Two borders of
    shapes that touch are one line, that of the shape in front; between shapes of the same colour there is none. A
    side that is straight stays straight.
    """
    drawing, hidden, whole = flat.detach(), _hidden(flat), layers(flat, SIZE).cpu().double()
    strokes: list[Path] = []
    for path, runs in enumerate(drawing.topology.subpaths()):
        r, g, b = (TONE * drawing.colour[0, path]).tolist()
        for run in runs:
            loop = drawing.points[0, drawing.topology.segments[run]].cpu().double()
            straight = drawing.topology.straight[run].tolist()
            for first, last in _runs(loop, *hidden[path], whole):
                strokes.append(Path([_stretch(loop, straight, first, last)], Paint((r, g, b), 1.0, STROKE)))
    longest = sorted(range(len(strokes)), key=lambda i: -_length(strokes[i].subpaths[0]))[:paths]
    return assemble([strokes[i] for i in sorted(longest)]).to(flat.points.device)


def _hidden(flat: Drawing) -> list[tuple[Tensor, Tensor]]:
    """For each path how much of each pixel the later ones hide, and the most of that in the neighbourhood: (1, 1, SIZE, SIZE) each."""
    found, nothing = [], flat.points.new_zeros(1, 1, SIZE, SIZE)
    order = torch.arange(flat.paths, device=flat.points.device)
    for path in range(flat.paths - 1, -1, -1):
        found.append((nothing.cpu(), max_pool2d(nothing, 2 * APART + 1, 1, APART).cpu()))
        nothing = torch.maximum(nothing, 1 - layers(flat.only(order == path), SIZE)[:, 3:])
    return found[::-1]


def _curve(loop: Tensor) -> Tensor:
    """Places at SAMPLES equal steps of each segment (s, 4, 2): (s * SAMPLES, 2)."""
    t = torch.arange(SAMPLES, dtype=loop.dtype) / SAMPLES
    s = 1 - t
    weights = torch.stack([s**3, 3 * s * s * t, 3 * s * t * t, t**3], 1)
    return torch.einsum("tk,skc->stc", weights, loop).flatten(0, 1)


def _runs(loop: Tensor, hiding: Tensor, near_hiding: Tensor, whole: Tensor) -> list[tuple[float, float]]:
    """Stretches (first, last) of the loop's parameter, in segments, that are to be drawn; last may pass the loop's end once."""
    places = _curve(loop)
    steps = (places.roll(-1, 0) - places).square().sum(1).sqrt().tolist()
    along = places.roll(-1, 0) - places.roll(1, 0)
    aside = (
        ASIDE * torch.stack([-along[:, 1], along[:, 0]], 1) / along.square().sum(1, keepdim=True).sqrt().clamp(min=1e-9)
    )
    parted = (_at(whole, places + aside) - _at(whole, places - aside)).abs().amax(0) > DIFFERENT
    worth = ((places > 0) & (places < 1)).all(1) & parted

    def free(mask: Tensor) -> list[bool]:
        flags: list[bool] = (worth & (_at(mask.double(), places)[0] < 0.5)).tolist()
        return flags

    in_front, clear, count = free(hiding), free(near_hiding), len(steps)

    def length(first: int, last: int) -> float:
        return math.fsum(steps[place % count] for place in range(first, last))

    for value in (False, True):  # first gaps are closed, then crumbs go
        for first, last in _stretches(clear, value):
            if length(first, last) < SHORTEST and (value or last - first < count):
                for place in range(first, last):
                    clear[place % count] = not value
    runs = []
    for first, last in _stretches(clear, True):
        if last - first == count:
            runs.append((0.0, count / SAMPLES))
            continue
        low, high = first, last - 1
        while in_front[(low - 1) % count] and length(low - 1, first) < JOIN and high - low < count - 2:
            low -= 1
        while in_front[(high + 1) % count] and length(last - 1, high + 1) < JOIN and high - low < count - 2:
            high += 1
        runs.append((low / SAMPLES, high / SAMPLES))
    return runs


def _at(picture: Tensor, places: Tensor) -> Tensor:
    """The channels (C, n) of a picture (1, C, S, S) at places (n, 2)."""
    grid = (2 * places.clamp(0, 1) - 1)[None, None]
    return grid_sample(picture, grid, padding_mode="border", align_corners=False)[0, :, 0]


def _stretches(flags: list[bool], value: bool) -> list[tuple[int, int]]:
    """Stretches (first, last), last excluded, of flags that equal `value`, around a circle; the whole circle is (0, its length)."""
    count = len(flags)
    starts = [place for place in range(count) if flags[place] == value and flags[place - 1] != value]
    if not starts:
        return [(0, count)] if flags and flags[0] == value else []
    found = []
    for first in starts:
        last = first
        while flags[last % count] == value:
            last += 1
        found.append((first, last))
    return found


def _stretch(loop: Tensor, straight: list[bool], first: float, last: float) -> Subpath:
    """The part of a closed curve from one parameter to another."""
    whole = range(int(first // 1) + 1, int(-(-last // 1)))
    cuts = [first, *(float(k) for k in whole), last]
    steps: list[Step] = []
    start = (0.0, 0.0)
    for low, high in pairwise(cuts):
        segment = int(((low + high) / 2) // 1)
        control = loop[segment % len(loop)]
        u, v = low - segment, high - segment
        a, b, c, d = (
            (float(x), float(y))
            for x, y in (_blossom(control, *t) for t in ((u, u, u), (u, u, v), (u, v, v), (v, v, v)))
        )
        if not steps:
            start = a
        steps.append((d,) if straight[segment % len(loop)] else (b, c, d))
    return Subpath(start, steps, closed=last - first >= len(loop))


def _blossom(control: Tensor, r: float, s: float, t: float) -> Tensor:
    """The polar form of a cubic (4, 2) at three parameters: equal ones give its places, others the handles of its parts."""
    one = control[:-1] + r * (control[1:] - control[:-1])
    two = one[:-1] + s * (one[1:] - one[:-1])
    return two[0] + t * (two[1] - two[0])


def _length(subpath: Subpath) -> float:
    places = torch.tensor([subpath.start, *(place for step in subpath.steps for place in step)])
    return float((places[1:] - places[:-1]).square().sum(1).sqrt().sum())

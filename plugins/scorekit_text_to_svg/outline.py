"""Paths as lists of numbers, as files hold them, and their assembly into a Drawing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from scorekit_text_to_svg.drawing import Drawing, Topology

Point = tuple[float, float]
Step = tuple[Point] | tuple[Point, Point, Point]  # a straight line to a point, or two handles and a point


@dataclass
class Subpath:
    """A start and the steps from there; closed contours end where they start, by a straight line if need be."""

    start: Point
    steps: list[Step] = field(default_factory=list)
    closed: bool = False

    @property
    def end(self) -> Point:
        return self.steps[-1][-1] if self.steps else self.start


class Paint(NamedTuple):
    """Colour in [0, 1], opacity in [0, 1], and for strokes the width in shares of the canvas; None fills."""

    colour: tuple[float, float, float]
    opacity: float = 1.0
    width: float | None = None


class Path(NamedTuple):
    """Subpaths painted together."""

    subpaths: list[Subpath]
    paint: Paint


def assemble(paths: Sequence[Path]) -> Drawing:
    """A drawing (a batch of one) of these paths, in their order; neighbouring segments share their points.

    Subpaths without steps are a dot: a stroke paints them, a fill does not. Fills are closed whether their subpaths say so or not.
    """
    points: list[Point] = []
    segments: list[list[int]] = []
    owner: list[int] = []
    for number, path in enumerate(paths):
        for subpath in path.subpaths:
            first = at = len(points)
            points.append(subpath.start)
            filled = path.paint.width is None
            back = (subpath.closed or filled) and bool(subpath.steps)
            steps: list[Step] = list(subpath.steps) or [(subpath.start,)]
            if back and not _near(steps[-1][-1], subpath.start):
                steps.append((subpath.start,))
            for index, step in enumerate(steps):
                last = back and index == len(steps) - 1
                handles = list(step[:-1])
                a = len(points)
                points.extend(handles)
                if last:
                    to = first
                else:
                    to = len(points)
                    points.append(step[-1])
                segments.append([at, a, a + 1, to] if handles else [at, at, to, to])
                owner.append(number)
                at = to
    stroked = [path.paint.width is not None for path in paths]
    topology = Topology(
        torch.tensor(segments, dtype=torch.long).reshape(-1, 4),
        torch.tensor(owner, dtype=torch.long),
        torch.tensor(stroked, dtype=torch.bool),
    )
    return Drawing(
        topology,
        torch.tensor(points, dtype=torch.float32).reshape(1, -1, 2),
        torch.tensor([path.paint.colour for path in paths], dtype=torch.float32).reshape(1, -1, 3),
        torch.tensor([[path.paint.opacity for path in paths]], dtype=torch.float32),
        torch.tensor([[path.paint.width or 0.0 for path in paths]], dtype=torch.float32),
    )


def _near(a: Point, b: Point) -> bool:
    return abs(a[0] - b[0]) < 1e-7 and abs(a[1] - b[1]) < 1e-7


def reversed_subpath(subpath: Subpath) -> Subpath:
    """The same contour the other way round."""
    places = [subpath.start, *(step[-1] for step in subpath.steps)]
    steps: list[Step] = []
    for step, to in zip(reversed(subpath.steps), reversed(places[:-1]), strict=True):
        steps.append((step[1], step[0], to) if len(step) == 3 else (to,))
    return Subpath(places[-1], steps, subpath.closed)

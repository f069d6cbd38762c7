"""How a clip of an object is drawn: painted on white or black, or sketched: ink along the contours over a wash of paint on paper."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# How much ink a step of the coverage, or of the paint, of 1 per pixel leaves.
OUTLINE, CREASE = 1.6, 2.4


@dataclass(frozen=True)
class Look:
    """A kind of sketch. paper, ink: RGB in [0, 1]; wash: how much of the paint is left, in [0, 1]."""

    paper: tuple[float, float, float]
    ink: tuple[float, float, float]
    wash: float


PENCIL = Look(paper=(0.96, 0.91, 0.80), ink=(0.13, 0.15, 0.34), wash=0.3)  # the narrow style of pico-video-sketch


def painted(frames: Tensor, background: float) -> Tensor:
    """Premultiplied RGBA frames (T, 4, H, W) in [0, 1] over a grey of this lightness: (T, 3, H, W)."""
    return frames[:, :3] + (1 - frames[:, 3:]) * background


def sketched(frames: Tensor, look: Look) -> Tensor:
    """Premultiplied RGBA frames (T, 4, H, W) in [0, 1] as a sketch (T, 3, H, W) in [0, 1]."""
    paper, ink = (torch.tensor(color).view(3, 1, 1) for color in (look.paper, look.ink))
    alpha = frames[:, 3:]
    paint = frames[:, :3] + (1 - alpha) * paper
    lightness = frames[:, :3].mean(1, keepdim=True) / alpha.clamp_min(1e-3) * (alpha > 0.5)
    # A crease counts inside the thing only, where all neighbours are covered: at its rim the outline is drawn already.
    inside = -torch.nn.functional.max_pool2d(-alpha, 3, 1, 1)
    line = (OUTLINE * _slope(alpha) + CREASE * _slope(lightness) * inside).clamp(0, 1)
    washed = paper + look.wash * (paint - paper)
    return (washed + line * (ink - washed)).clamp(0, 1)


def draw_look(generator: torch.Generator) -> Look:
    """Any sketch: light paper with dark ink, or one time in four the other way round, and any wash."""
    draw = torch.rand(8, generator=generator).tolist()
    light = tuple(0.78 + 0.22 * value for value in draw[:3])
    dark = tuple(0.4 * value for value in draw[3:6])
    paper, ink = (dark, light) if draw[6] < 0.25 else (light, dark)
    return Look((paper[0], paper[1], paper[2]), (ink[0], ink[1], ink[2]), 0.8 * draw[7])


def _slope(values: Tensor) -> Tensor:
    """Length of the gradient (T, 1, H, W) by central differences, per pixel."""
    padded = torch.nn.functional.pad(values, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return (across.square() + down.square()).sqrt()

"""Prompts that know where the camera stands, and Perp-Neg's weights against heads on every side (the Janus problem)."""

from collections.abc import Mapping

import torch
from torch import Tensor

FRONT_HALF_ANGLE = 45.0  # |azimuth| up to here is the front
BACK_FROM = 135.0  # |azimuth| from here is the back
OVERHEAD_FROM = 50.0  # elevation above here is overhead, whatever the azimuth


def views_of(azimuth: Tensor, elevation: Tensor, named: Mapping[str, tuple[float, float]] | None = None) -> list[str]:
    """The view that each camera has; degrees (n,), any winding of the azimuth.

    named  the views that the model was taught, by their azimuth and elevation: the nearest in elevation is taken and of these the
           nearest in azimuth. Without them, the four of DreamFusion (arXiv:2209.14988, section 3.2): front, side, back, overhead.
    """
    angles = zip(azimuth.tolist(), elevation.tolist(), strict=True)
    if not named:
        return [_side(abs(_turned(a)), e) for a, e in angles]
    views = named.items()
    return [min(views, key=lambda view: (abs(view[1][1] - e), abs(_turned(view[1][0] - a))))[0] for a, e in angles]


def _turned(azimuth: float) -> float:
    return (azimuth + 180) % 360 - 180


def _side(turned: float, elevation: float) -> str:
    if elevation > OVERHEAD_FROM:
        return "overhead"
    if turned <= FRONT_HALF_ANGLE:
        return "front"
    return "back" if turned >= BACK_FROM else "side"


def prompt_for(prompt: str, view: str | None) -> str:
    """The prompt as a training caption names the view: "a red mushroom, front view"."""
    return prompt if view is None else f"{prompt}, {view} view"


def perp_neg(azimuth: Tensor, elevation: Tensor) -> list[tuple[str, Tensor]]:
    """Which views to push cameras at these angles (n,), degrees, away from, and how hard (n,) >= 0.

    Perp-Neg (arXiv:2304.04968, section 4.2). Between front and side, both neighbours are pushed from as the camera
    leaves them; between side and back, the side is pushed from lightly and the front always. Weights decay as
    a exp(-b r) + c, with r the closeness to the pushed view, and vanish at that view itself. A camera overhead is
    pushed from nothing.
    """
    turned = ((azimuth + 180) % 360 - 180).abs()
    low = (elevation <= OVERHEAD_FROM).to(turned)
    ahead = turned <= 90
    closeness = torch.where(ahead, 1 - turned / 90, 2 - turned / 90)  # to the front, or to the side: 1 at it, 0 far
    front = torch.where(ahead, _decay(closeness, 4.0, -2.426), _decay(closeness, 1.0, 0.967))
    side = torch.where(ahead, _decay(1 - closeness, 4.0, -2.426), _decay(closeness, 1.0, -0.606))
    return [("front", front * low), ("side", side * low)]


def _decay(closeness: Tensor, a: float, c: float, b: float = 0.5) -> Tensor:
    return (a * torch.exp(-b * closeness) + c).clamp(min=0)

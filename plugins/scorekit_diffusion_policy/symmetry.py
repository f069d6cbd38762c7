"""Mirror images of experience: what a task's own symmetry gives for nothing.

PushT's goal has one axis of symmetry, the line x + y = 512, which is also a diagonal of its arena: whatever happens there happens in
the mirror image, too (to the pixel: the walls stand at 5 and 506).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

SIDE = 512.0
# Corners of the block in the order of the keypoints, in its own frame; its axis of symmetry is y.
CORNERS = ((-60, 0), (60, 0), (60, 30), (-60, 30), (-15, 30), (15, 30), (15, 120), (-15, 120))
PARTNERS = (1, 0, 3, 2, 5, 4, 7, 6)
MIRRORED = ("state", "keypoints", "pixels")


def mirrored(history: Mapping[str, Tensor], actions: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """The mirror image of PushT observations and actions; applied twice it changes nothing.

    history  "state" (..., 5): agent, block, angle; "keypoints" (..., 18): the block's eight corners, then the agent, or (..., 16)
             without it; "pixels" (..., H, H, 3)
    actions  (..., 2), positions in pixels

    Raises ValueError for an observation of another name.
    """
    images: dict[str, Tensor] = {}
    for name, value in history.items():
        if name == "state":
            agent, block, angle = value[..., :2], value[..., 2:4], value[..., 4:5]
            # A body whose own mirror image has x reversed: the reflection turns it to pi / 2 - angle.
            images[name] = torch.cat([_reflected(agent), _reflected(block), (math.pi / 2 - angle) % (2 * math.pi)], -1)
        elif name == "keypoints":
            points = value.reshape(*value.shape[:-1], -1, 2)
            order = [*PARTNERS, *range(8, points.shape[-2])]
            images[name] = _reflected(points[..., order, :]).flatten(-2)
        elif name == "pixels":
            images[name] = value.transpose(-3, -2).flip(-3, -2)
        else:
            raise ValueError(f"mirror knows the observations {', '.join(MIRRORED)} of PushT, not {name!r}.")
    return images, _reflected(actions)


def _reflected(points: Tensor) -> Tensor:
    return SIDE - points.flip(-1)

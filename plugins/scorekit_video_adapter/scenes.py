"""Clips drawn by the thousand: a picture or a strip, a motion and a look in, a captioned clip out.

A scene is drawn from the pictures of pico-image's training set (motions in the picture plane) and from rendered strips (turning, orbiting);
nothing is stored but these.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scorekit.zoo.dataset import ImageSet
from scorekit.zoo.dataset import load as load_pictures
from scorekit.zoo.objects import COLORS, KINDS
from scorekit_video_adapter.captions import HELD_OUT_MOTIONS, LOOSE, MOTIONS, SPACE, TURNING_KINDS, caption
from scorekit_video_adapter.looks import Look, painted, sketched
from scorekit_video_adapter.motions import draw_path, place
from scorekit_video_adapter.strips import FRAMES, SIDE, Strips
from scorekit_video_adapter.strips import load as load_strips

ORBIT = "camera orbiting"
Pair = tuple[str, str]  # kind and motion


@dataclass(frozen=True)
class Scene:
    """One clip (3, T, H, W) in [0, 1], and what it shows: names of its kind, color and motion."""

    clip: Tensor
    kind: str
    color: str
    motion: str


class Stage:
    """Where scenes are drawn: pictures and strips sorted by what they show.

    Raises ValueError where a pair of kind and motion that is asked for has no pictures.
    """

    def __init__(self, pictures: ImageSet, strips: Strips) -> None:
        self.pictures, self.strips = pictures, strips
        self._pictures = {kind: np.flatnonzero(pictures.kind == k) for k, kind in enumerate(KINDS)}
        self._strips = {
            (kind, orbit): np.flatnonzero((strips.kind == k) & (strips.orbit == orbit))
            for k, kind in enumerate(KINDS)
            for orbit in (False, True)
        }

    @classmethod
    def load(cls, pictures: Path, strips: Path) -> Stage:
        """From the folders that `scorekit.zoo.dataset.build` and `strips.build` wrote."""
        return cls(load_pictures(pictures), load_strips(strips))

    def shown(self, pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
        """Those of the pairs that there are pictures of: all, but in small sets. Raises ValueError where there are none."""
        found = tuple(pair for pair in pairs if len(self._where(*pair)))
        if not found:
            raise ValueError("there are no pictures of any kind and motion that is asked for; render more")
        return found

    def draw(
        self,
        generator: torch.Generator,
        pairs: tuple[Pair, ...],
        look: Look | None = None,
        background: float = 1.0,
        color: str | None = None,
    ) -> Scene:
        """A scene of one of these pairs of kind and motion, painted on a background of this lightness, or sketched where a look is given.

        color  the thing's; None: any that the pictures have
        """
        kind, motion = pairs[int(torch.randint(len(pairs), (), generator=generator))]
        frames, found = self._frames(kind, motion, color, generator)
        placed = place(frames, draw_path(motion, FRAMES, generator), SIDE).clamp(0, 1)
        clip = painted(placed, background) if look is None else sketched(placed, look)
        return Scene(clip.transpose(0, 1), kind, found, motion)

    def _where(self, kind: str, motion: str) -> npt.NDArray[np.intp]:
        """Which strips, or which pictures, show the kind so that this motion can be made of it."""
        return self._strips[kind, motion == ORBIT] if motion in SPACE else self._pictures[kind]

    def _frames(self, kind: str, motion: str, color: str | None, generator: torch.Generator) -> tuple[Tensor, str]:
        """Premultiplied RGBA pictures (T, 4, S, S) in [0, 1] of a thing that stands where it is, and its colour."""
        names = list(COLORS)
        space, where = motion in SPACE, self._where(kind, motion)
        source = self.strips if space else self.pictures
        if color is not None:
            where = where[source.color[where] == names.index(color)]
        if len(where) == 0:
            raise ValueError(f"there are no pictures of {caption(kind, color, motion)}")
        index = int(where[int(torch.randint(len(where), (), generator=generator))])
        if space:
            rgba = torch.from_numpy(self.strips.rgba[index]).permute(0, 3, 1, 2).float() / 255
            flip = motion == "turning right" or (motion == ORBIT and float(torch.rand((), generator=generator)) < 0.5)
            rgba = rgba.flip(0) if flip else rgba  # azimuths grow along a strip: its near side moves left
        else:
            still = [torch.from_numpy(self.pictures.images[index]), torch.from_numpy(self.pictures.alpha[index])[None]]
            rgba = (torch.cat(still).float() / 255).expand(FRAMES, -1, -1, -1)
        alpha = rgba[:, 3:]
        return torch.cat([(rgba[:, :3] - (1 - alpha)).clamp_min(0), alpha], 1), names[int(source.color[index])]


def pairs_of(
    kinds: tuple[str, ...] = KINDS, motions: tuple[str, ...] = MOTIONS, *, held_out: bool = False
) -> tuple[Pair, ...]:
    """All pairs of kind and motion that can be seen, without those held out of training unless `held_out`."""
    return tuple(
        (kind, motion)
        for kind in kinds
        for motion in motions
        if (held_out or (kind, motion) not in HELD_OUT_MOTIONS)
        and (kind in TURNING_KINDS or not motion.startswith("turning"))
    )


def describe(scene: Scene, generator: torch.Generator, *, sketch: bool = False, background: str | None = None) -> str:
    """A random training caption: rarely without the colour or the motion, sometimes without the motion's direction."""
    colorless, motionless, loose = (torch.rand(3, generator=generator) < torch.tensor([0.05, 0.05, 0.1])).tolist()
    motion = None if motionless else LOOSE.get(scene.motion, scene.motion) if loose else scene.motion
    return caption(scene.kind, None if colorless else scene.color, motion, sketch=sketch, background=background)

"""What a training draws from: clips with a caption each, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scorekit_video_adapter.captions import TASKS
from scorekit_video_adapter.looks import draw_look
from scorekit_video_adapter.scenes import Stage, describe, pairs_of


class Source(Protocol):
    """Draws a clip (3, T, H, W) in [0, 1], its caption, and the caption that is left of it when it is dropped for guidance."""

    def draw(self, generator: torch.Generator) -> tuple[Tensor, str, str]: ...


class ClipSet:
    """Clips (N, 3, T, H, W) uint8 with a caption each. Raises ValueError for other shapes or numbers."""

    def __init__(self, clips: npt.NDArray[np.uint8], captions: Sequence[str]) -> None:
        if clips.ndim != 5 or clips.shape[1] != 3 or clips.dtype != np.uint8 or not len(clips):
            raise ValueError(
                f"clips must be (N, 3, T, H, W) of type uint8, N at least 1; got {clips.dtype} {clips.shape}"
            )
        if len(captions) != len(clips):
            raise ValueError(f"captions must be one for each of the {len(clips)} clips; got {len(captions)}")
        self.clips, self.captions = clips, list(captions)

    def __len__(self) -> int:
        return len(self.clips)

    def draw(self, generator: torch.Generator) -> tuple[Tensor, str, str]:
        index = int(torch.randint(len(self), (), generator=generator))
        return torch.from_numpy(self.clips[index]).float() / 255, self.captions[index], ""


class Broad:
    """What the prior sees: objects painted on white or black, sketches of any look, and a robot arm seen from anywhere.

    stage    of the objects
    robots   clips (N, T, H, W, 3) uint8 and their tasks (N,), indices into captions.TASKS; None: no robots, whatever their share
    sketch, robot  shares of the clips; black, white: of the painted ones, that are on black, and that say that they are on white
    """

    def __init__(
        self,
        stage: Stage,
        robots: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None,
        *,
        sketch: float = 0.22,
        robot: float = 0.13,
        black: float = 0.2,
        white: float = 0.15,
    ) -> None:
        self.stage, self.robots, self.shares = stage, robots, (sketch, robot if robots else 0.0, black, white)
        self.pairs = stage.shown(pairs_of())

    def draw(self, generator: torch.Generator) -> tuple[Tensor, str, str]:
        sketch, robot, black, white = self.shares
        which, ground = torch.rand(2, generator=generator).tolist()
        if self.robots is not None and which < robot:
            clips, tasks = self.robots
            index = int(torch.randint(len(clips), (), generator=generator))
            clip = torch.from_numpy(clips[index]).permute(3, 0, 1, 2).float() / 255
            return clip, list(TASKS.values())[int(tasks[index])], ""
        if which < robot + sketch:
            scene = self.stage.draw(generator, self.pairs, draw_look(generator))
            return scene.clip, describe(scene, generator, sketch=True), ""
        background = "black" if ground < black else "white" if ground < black + white else None
        scene = self.stage.draw(generator, self.pairs, background=0.0 if background == "black" else 1.0)
        left = f"on {background}" if background else ""
        return scene.clip, describe(scene, generator, background=background), left

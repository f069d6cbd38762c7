"""The narrow domains of the small models, and the captions on which they are tested.

sketch  eight kinds, drawn with one pencil on one paper, each in half of the motions; the test asks for the other half
robot   eight tasks of Meta-World under one camera, 30 episodes each; the test asks for the same tasks, from other starts
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from scorekit.zoo.objects import COLORS
from scorekit_video_adapter import robots
from scorekit_video_adapter.captions import MOTIONS, TASKS, caption
from scorekit_video_adapter.clip_sets import ClipSet
from scorekit_video_adapter.looks import PENCIL
from scorekit_video_adapter.scenes import Pair, Stage

SKETCH_KINDS = ("mug", "car", "chair", "house", "mushroom", "rocket", "donut", "table")
SKETCH_CLIPS = 480
ROBOT_EPISODES, ROBOT_SEED = 30, 20000


def sketch_pairs(split: str) -> tuple[Pair, ...]:
    """Pairs of kind and motion: "train" is half of a checkerboard, "validation" a quarter of the rest, "test" what is left."""
    every = [(i + j, (kind, motion)) for i, kind in enumerate(SKETCH_KINDS) for j, motion in enumerate(MOTIONS)]
    if split == "train":
        return tuple(pair for place, pair in every if place % 2 == 0)
    rest = [pair for place, pair in every if place % 2]
    if split not in ("validation", "test"):
        raise ValueError(f"split must be train, validation or test; got {split!r}")
    return tuple(pair for n, pair in enumerate(rest) if (n % 4 == 0) == (split == "validation"))


def sketch_set(stage: Stage, n: int = SKETCH_CLIPS, seed: int = 0, split: str = "train") -> ClipSet:
    """n captioned sketches of the domain, drawn with this seed."""
    generator = torch.Generator().manual_seed(seed)
    clips, captions, pairs = [], [], stage.shown(sketch_pairs(split))
    for i in range(n):
        scene = stage.draw(generator, (pairs[i % len(pairs)],), PENCIL)
        clips.append((scene.clip * 255).round().byte().numpy())
        captions.append(caption(scene.kind, scene.color, scene.motion, sketch=True))
    return ClipSet(np.stack(clips), captions)


def sketch_captions(n: int, split: str, seed: int = 0) -> list[str]:
    """n captions of a split, its pairs in turn and colours at random, none that no picture has."""
    from scorekit.zoo.captions import HELD_OUT

    generator = torch.Generator().manual_seed(seed)
    pairs, texts = sketch_pairs(split), []
    for i in range(n):
        kind, motion = pairs[i % len(pairs)]
        known = [color for color in COLORS if (color, kind) not in HELD_OUT]
        color = known[int(torch.randint(len(known), (), generator=generator))]
        texts.append(caption(kind, color, motion, sketch=True))
    return texts


def robot_set(folder: Path) -> ClipSet:
    """The captioned episodes that `robots.build` left in a folder."""
    clips, tasks = robots.load(folder)
    sentences = list(TASKS.values())
    return ClipSet(np.ascontiguousarray(clips.transpose(0, 4, 1, 2, 3)), [sentences[int(task)] for task in tasks])


def robot_captions(n: int) -> list[str]:
    """n captions, the tasks in turn."""
    sentences = list(TASKS.values())
    return [sentences[i % len(sentences)] for i in range(n)]

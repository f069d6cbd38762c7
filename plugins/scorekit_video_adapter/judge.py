"""The judge: a small video classifier, trained on true clips only, that measures the video models and is no part of any.

It names kind, colour and motion of an object and the task of a robot, and its features stand for the clips in Frechet distances. Those
distances are this judge's own: they are not the FVD of the literature, whose features are I3D's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor, nn

from scorekit.models.video import fold, unfold
from scorekit.training import Settings, train
from scorekit.zoo.objects import COLORS, KINDS
from scorekit_video_adapter.captions import MOTIONS, TASKS, parse
from scorekit_video_adapter.looks import PENCIL, draw_look
from scorekit_video_adapter.scenes import Stage, pairs_of

HEADS: dict[str, tuple[str, ...]] = {
    "kind": KINDS,
    "color": tuple(COLORS),
    "motion": MOTIONS,
    "task": tuple(TASKS.values()),
}
WEIGHTS = "model.safetensors"
FRAME_WIDTH, CLIP_WIDTH = 64, 128


@dataclass(frozen=True)
class Recipe:
    """How the judge is trained. robot, sketch, black: shares of the clips; noise: standard deviation of what is added, at most."""

    batch: int = 32
    steps: int = 6000
    lr: float = 2e-3
    warmup: int = 50
    cooldown: int = 2500
    ema: float = 0.99
    seed: int = 7
    robot: float = 0.1
    sketch: float = 0.5
    black: float = 0.1
    noise: float = 0.05


def labels_of(caption: str) -> tuple[int, int, int, int]:
    """Indices of the kind, colour, motion and task that a caption names, in the order of HEADS; -1 for each that it does not."""
    if caption in HEADS["task"]:
        return -1, -1, -1, HEADS["task"].index(caption)
    color, kind, motion = parse(caption)
    found = {"kind": kind, "color": color, "motion": motion}
    kind_, color_, motion_ = (HEADS[h].index(v) if v is not None else -1 for h, v in found.items())
    return kind_, color_, motion_, -1


class Judge(nn.Module):
    """Clips (N, 3, T, H, W) in [0, 1] -> log-probabilities for each of HEADS."""

    def __init__(self) -> None:
        super().__init__()
        # Group norm and no batch statistics: a clip's verdict does not depend on its neighbours in the batch.
        self.frame = nn.Sequential(
            nn.Conv2d(3, 24, 5, stride=2, padding=2), nn.GroupNorm(8, 24), nn.ReLU(),
            nn.Conv2d(24, 48, 3, stride=2, padding=1), nn.GroupNorm(8, 48), nn.ReLU(),
            nn.Conv2d(48, FRAME_WIDTH, 3, padding=1), nn.GroupNorm(8, FRAME_WIDTH), nn.ReLU(),
        )  # fmt: skip
        self.clip = nn.Sequential(
            nn.Conv3d(FRAME_WIDTH, 96, 3, stride=(1, 2, 2), padding=1), nn.GroupNorm(8, 96), nn.ReLU(),
            nn.Conv3d(96, CLIP_WIDTH, 3, stride=(2, 1, 1), padding=1), nn.GroupNorm(8, CLIP_WIDTH), nn.ReLU(),
        )  # fmt: skip
        self.heads = nn.ModuleDict({name: nn.Linear(CLIP_WIDTH, len(names)) for name, names in HEADS.items()})

    def features(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Of the clips (N, CLIP_WIDTH), and of each frame by itself (N, T, FRAME_WIDTH)."""
        inner = self.frame(fold(clips) * 2 - 1)
        frames = unfold(inner, len(clips))
        return self.clip(frames).mean((2, 3, 4)), frames.mean((3, 4)).transpose(1, 2)

    def forward(self, clips: Tensor) -> dict[str, Tensor]:
        features, _ = self.features(clips)
        return {name: F.log_softmax(head(features), 1) for name, head in self.heads.items()}

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        """The trained judge, of the package or of a folder. Raises ValueError where the folder holds no weights."""
        path = Path(folder or Path(__file__).parent / "judge-weights") / WEIGHTS
        if not path.exists():
            raise ValueError(f"folder must hold the judge's {WEIGHTS}; got {path.parent}")
        judge = cls()
        judge.load_state_dict({name: value.float() for name, value in load_file(path).items()})
        return judge.eval().requires_grad_(False)

    def save(self, folder: Path) -> None:
        """Write the weights in float16, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f"{WEIGHTS}.tmp"
        temporary.write_bytes(save({name: value.half().contiguous() for name, value in self.state_dict().items()}))
        temporary.replace(folder / WEIGHTS)

    @torch.no_grad()
    def verdicts(self, clips: npt.NDArray[np.uint8]) -> tuple[Tensor, Tensor, Tensor]:
        """What clips (N, 3, T, H, W) uint8 are named, (N, 4) in the order of HEADS; features of clips and of frames, as `features`."""
        named, of_clips, of_frames = [], [], []
        for start in range(0, len(clips), 64):
            features, frames = self.features(torch.from_numpy(clips[start : start + 64]).float() / 255)
            named.append(torch.stack([head(features).argmax(1) for head in self.heads.values()], 1))
            of_clips.append(features)
            of_frames.append(frames)
        return torch.cat(named), torch.cat(of_clips), torch.cat(of_frames)


def right(named: Tensor, captions: list[str]) -> Tensor:
    """Which share of what its caption names is named right, (N,) from 0 to 1; verdicts (N, 4)."""
    wanted = torch.tensor([labels_of(text) for text in captions])
    told = wanted >= 0
    return ((named == wanted) & told).sum(1) / told.sum(1)


def frechet(a: Tensor, b: Tensor) -> float:
    """The Frechet distance of two sets of features (N, D) and (M, D) as Gaussians: |m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2))
    (Dowson and Landau 1982)."""
    a, b = a.double(), b.double()
    first, second = a.T.cov(), b.T.cov()
    # tr (A B)^(1/2) is the sum of the singular values of A^(1/2) B^(1/2).
    cross = torch.linalg.svdvals(_root(first) @ _root(second)).sum()
    gap = (a.mean(0) - b.mean(0)).square().sum()
    return float(gap + first.trace() + second.trace() - 2 * cross)


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    return root


def train_judge(
    recipe: Recipe,
    stage: Stage,
    films: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]],
    folder: Path,
    report: Callable[[int, int, dict[str, float]], None],
) -> Judge:
    """Train on true clips and return the averaged weights. Goes on from `folder` where it holds a checkpoint.

    films  clips (N, T, H, W, 3) of robots and their tasks (N,)
    """
    torch.manual_seed(recipe.seed)
    pairs = pairs_of(held_out=True)

    def one(generator: torch.Generator) -> tuple[Tensor, tuple[int, int, int, int]]:
        which, how = torch.rand(2, generator=generator).tolist()
        if which < recipe.robot:
            clips, tasks = films
            index = int(torch.randint(len(clips), (), generator=generator))
            return torch.from_numpy(clips[index]).permute(3, 0, 1, 2).float() / 255, (-1, -1, -1, int(tasks[index]))
        if which < recipe.robot + recipe.sketch:
            scene = stage.draw(generator, pairs, PENCIL if how < 0.75 else draw_look(generator))
        else:
            scene = stage.draw(generator, pairs, background=float(how > recipe.black))
        found = HEADS["kind"].index(scene.kind), HEADS["color"].index(scene.color), HEADS["motion"].index(scene.motion)
        return scene.clip, (*found, -1)

    def batches(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        drawn = [one(generator) for _ in range(recipe.batch)]
        clips = torch.stack([clip for clip, _ in drawn])
        level = recipe.noise * torch.rand(recipe.batch, 1, 1, 1, 1, generator=generator)
        noisy = clips + level * torch.randn(clips.shape, generator=generator)
        return noisy.clamp(0, 1), torch.tensor([labels for _, labels in drawn])

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor], _generator: torch.Generator) -> Tensor:
        clips, labels = batch
        total = clips.new_zeros(())
        for scores, truth in zip(network(clips).values(), labels.unbind(1), strict=True):
            # Summed and divided by the batch: a head without labels in a batch has no mean.
            total = total + F.nll_loss(scores, truth, ignore_index=-1, reduction="sum") / len(clips)
        return total

    trained = train(Judge(), loss, batches, Settings.of(recipe), folder, report, cpu=True)
    assert isinstance(trained, Judge)
    return trained

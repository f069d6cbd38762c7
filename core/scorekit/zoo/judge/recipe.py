"""How the judge is trained and tested: pictures, loss, and accuracy on fresh renders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorekit.training import Settings, train
from scorekit.zoo.dataset import ImageSet, build, load
from scorekit.zoo.judge.augment import augment
from scorekit.zoo.judge.network import SIDE, Judge
from scorekit.zoo.proportion import Proportion

Report = Callable[[int, int, dict[str, float]], None]
HELD_OUT_SHARE = 10  # one pair in ten is held out from the models; the judge sees all pairs equally often


@dataclass(frozen=True)
class Recipe:
    """pictures and test: how many are rendered for training and for the test; each has its own seed."""

    pictures: int = 6826
    test: int = 2048
    data_seed: int = 7001
    test_seed: int = 7011
    batch: int = 48
    steps: int = 3000
    lr: float = 3e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.test_seed == self.data_seed:
            raise ValueError(f"test_seed must differ from data_seed; got {self.test_seed} for both")


def pictures(folder: Path, n: int, seed: int, workers: int = 1) -> ImageSet:
    """Render n pictures of all pairs into folder/trained and folder/held-out (resuming), and read them as one set."""
    held = n // HELD_OUT_SHARE
    build(folder / "trained", n - held, SIDE, seed, workers)
    build(folder / "held-out", held, SIDE, seed, workers, held_out=True)
    sets = load(folder / "trained"), load(folder / "held-out")
    return ImageSet(*(np.concatenate([getattr(part, field.name) for part in sets]) for field in fields(ImageSet)))


def train_judge(recipe: Recipe, data: ImageSet, folder: Path, report: Report, *, cpu: bool = False) -> Judge:
    """Train by the recipe and return the averaged weights. Goes on from `folder` where it holds a checkpoint."""
    torch.manual_seed(recipe.seed)
    judge = Judge()
    images = torch.from_numpy(data.images)
    labels = torch.from_numpy(np.stack([data.kind, data.color], 1)).long()

    def batches(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(data), (recipe.batch,), generator=generator)
        return augment(images[chosen].float() / 255, generator), labels[chosen]

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor], _generator: torch.Generator) -> Tensor:
        x, truth = batch
        kind, color = network(x)
        return F.nll_loss(kind, truth[:, 0]) + F.nll_loss(color, truth[:, 1])

    settings = Settings.of(recipe, warmup=100, cooldown=recipe.steps // 2, ema=0.995)
    trained = train(judge, loss, batches, settings, folder, report, cpu=cpu)
    assert isinstance(trained, Judge)
    return trained


@torch.no_grad()
def accuracy(
    judge: Judge, data: ImageSet, disturb: Callable[[Tensor], Tensor] = lambda images: images
) -> dict[str, Proportion]:
    """Shares of pictures whose kind, colour, and both are named right: {"kind", "color", "both"}.

    disturb is applied to batches of pictures (n, 3, S, S) in [0, 1] before they are judged.
    """
    device = next(judge.parameters()).device
    right = []
    for start in range(0, len(data), 256):
        part = slice(start, start + 256)
        kind, color = judge(disturb(torch.from_numpy(data.images[part]).float() / 255).to(device))
        truth = torch.from_numpy(np.stack([data.kind[part], data.color[part]], 1)).long()
        right.append(torch.stack([kind.argmax(1), color.argmax(1)], 1).cpu() == truth)
    hits = torch.cat(right)
    counts = {"kind": hits[:, 0], "color": hits[:, 1], "both": hits.all(1)}
    return {name: Proportion(int(column.sum()), len(data)) for name, column in counts.items()}

"""The recipe: demonstrations, mirrored and turned as the maze can be, and the core's trainer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scorekit.training import Settings, denoising_loss, train
from scorekit_planning.maze import demonstrations
from scorekit_planning.network import SCHEDULE, Planner, Trajectories, between


def turned(x: Tensor, generator: torch.Generator) -> Tensor:
    """Trajectories (B, HORIZON, 6) under one of the eight symmetries of the square each, which are those of the maze."""
    sign = torch.randint(0, 2, (len(x), 1, 1, 2), generator=generator) * 2 - 1
    pairs = x.view(len(x), -1, 3, 2) * sign
    swap = torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5
    return torch.where(swap, pairs.flip(3), pairs).flatten(2)


def train_planner(params: Any, seed: int, folder: Path, progress: Callable[..., None], cpu: bool) -> dict[str, Tensor]:
    """Weights in half precision. A run that was stopped goes on from the trainer's checkpoint in `folder`."""
    data = Trajectories().encode(torch.from_numpy(demonstrations(params.demonstrations, seed)).float())
    torch.manual_seed(seed)

    def batches(generator: torch.Generator) -> Tensor:
        return turned(data[torch.randint(len(data), (params.batch,), generator=generator)], generator)

    def loss(network: nn.Module, x0: Tensor, generator: torch.Generator) -> Tensor:
        told = between(x0).fields["ends"] * (torch.rand(len(x0), 1, generator=generator) > 0.1).to(x0)  # 0: anywhere
        return denoising_loss(network, SCHEDULE, "x0", x0, {"ends": told}, generator)

    settings = Settings(steps=params.steps, lr=params.lr, cooldown=params.steps // 2, seed=seed)

    def report(step: int, total: int, metrics: dict[str, float]) -> None:
        progress(step, total, loss=metrics["loss"])

    trained = train(Planner(), loss, batches, settings, folder, report, cpu=cpu)
    return {name: value.half() for name, value in trained.state_dict().items()}

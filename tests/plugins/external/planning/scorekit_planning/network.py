"""The denoiser over whole trajectories: (B, HORIZON, 6) in units in which all six channels are about as large."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from scorekit import Condition, Denoiser
from scorekit.schedule import VP
from scorekit_planning.maze import HORIZON

SCHEDULE, SHAPE, ENDS = (
    VP.cosine(),
    (HORIZON, 6),
    6,
)  # the last: numbers that say where it begins (place, speed) and ends (place)
CENTRE = torch.tensor([3.5, 3.5, 0, 0, 0, 0])  # of the maze, m
SCALE = torch.tensor([1.3, 1.3, 0.4, 0.4, 0.5, 0.5])  # standard deviations of the demonstrations


class Trajectories:
    """Codec between trajectories in metres and seconds and what diffuses."""

    def encode(self, data: Tensor) -> Tensor:
        return (data - CENTRE.to(data)) / SCALE.to(data)

    def decode(self, x: Tensor) -> Tensor:
        return x * SCALE.to(x) + CENTRE.to(x)


class Planner(nn.Module):
    """A residual perceptron over the flattened trajectory, told the level by a scale and a shift in each block."""

    def __init__(self, width: int = 232, blocks: int = 3) -> None:
        super().__init__()
        size = SHAPE[0] * SHAPE[1]
        self.enter, self.leave = nn.Linear(size + ENDS, width), nn.Linear(width, size)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)) for _ in range(blocks)
        )
        self.level = nn.Sequential(nn.Linear(16 + ENDS, 48), nn.SiLU(), nn.Linear(48, 2 * width * blocks))

    def forward(self, x: Tensor, timestep: Tensor, ends: Tensor) -> Tensor:
        angle = (timestep / 1000)[:, None] * torch.pi * 2.0 ** torch.arange(8, device=x.device)
        told = self.level(torch.cat([angle.sin().to(x), angle.cos().to(x), ends], 1)).chunk(2 * len(self.blocks), 1)
        h = self.enter(torch.cat([x.flatten(1), ends], 1))
        for index, block in enumerate(self.blocks):
            normed = nn.functional.layer_norm(h, h.shape[1:])
            h = h + block(normed * (1 + told[2 * index]) + told[2 * index + 1])
        return torch.as_tensor(self.leave(nn.functional.layer_norm(h, h.shape[1:]))).view_as(x)


def load(weights: Path | None = None, *, device: Any = "cpu", dtype: torch.dtype = torch.float32) -> Denoiser:
    """The planner as a denoiser: the weights of this package, or those that `scorekit train maze-planner` wrote."""
    network = Planner()
    network.load_state_dict(load_file(weights or Path(str(files(__package__) / "planner.safetensors"))))
    network.to(device, dtype).eval().requires_grad_(False)

    def prompts(texts: Any) -> Condition:
        if texts is not None:
            raise ValueError("pico-maze takes no prompt; use given(None), or given(between(x)) for a start and a goal.")
        return Condition({"ends": torch.zeros(1, ENDS, device=device)}, key="anywhere")

    more: dict[str, Any] = {"prompts": prompts, "codec": Trajectories(), "name": "pico-maze"}
    return Denoiser(network, SCHEDULE, "x0", SHAPE, **more, device=device, dtype=dtype)


def between(x: Tensor) -> Condition:
    """The condition that trajectories begin and end as x (B, HORIZON, 6) does."""
    return Condition({"ends": torch.cat([x[:, 0, :4], x[:, -1, :2]], 1)}, label="a start and a goal")

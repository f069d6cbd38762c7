"""How long a training will take, told before it begins: measured on the device that trains, reckoned for a GPU that is not there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

MEASURED = 3  # steps, after one that warms up
GPU_FLOPS, GPU_LEAST = (
    5e12,
    0.03,
)  # what small layers get of a GPU a second, and the least that launching a step's kernels takes


@dataclass(frozen=True)
class Estimate:
    """seconds of a step on `device`, the floating-point operations of a step, and how many steps there are."""

    seconds: float
    flop: float
    steps: int
    device: str

    @property
    def total(self) -> float:
        """Seconds of the whole training on the device."""
        return self.seconds * self.steps

    @property
    def on_gpu(self) -> float:
        """Seconds of the whole training on a data-centre GPU: reckoned from 5 TFLOP/s and 30 ms a step at least, not measured."""
        return self.steps * max(self.flop / GPU_FLOPS, GPU_LEAST)

    def __str__(self) -> str:
        told = f"{self.steps} steps will take about {_spelled(self.total)} on this {self.device} ({self.seconds:.2f} s a step, measured)"
        if self.device == "cpu":
            told += (
                f", about {_spelled(self.on_gpu)} on a GPU ({self.flop * self.steps / 1e12:.3g} TFLOP in all, reckoned)"
            )
        return told


def estimate(
    model: nn.Module,
    loss: Callable[[nn.Module], Tensor],
    steps: int,
    device: torch.device,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Estimate:
    """Time a few steps of training: `loss(model)`, its gradient and AdamW. The model's weights are changed."""
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)

    def step() -> None:
        torch.autograd.backward(loss(model))
        optimizer.step()
        optimizer.zero_grad()

    with FlopCounterMode(display=False) as counter:
        step()
    taken = []
    for _ in range(MEASURED):
        _wait(device)
        began = clock()
        step()
        _wait(device)
        taken.append(clock() - began)
    return Estimate(sorted(taken)[MEASURED // 2], float(counter.get_total_flops()), steps, device.type)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _spelled(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

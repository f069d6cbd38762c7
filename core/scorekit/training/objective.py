"""The denoising objective: regress what the network is asked for, at random noise levels."""

from __future__ import annotations

import torch
from torch import Tensor

from scorekit.denoiser import Network
from scorekit.prediction import Kind, target
from scorekit.schedule import Schedule, spread


def denoising_loss(
    network: Network,
    schedule: Schedule,
    prediction: Kind,
    x0: Tensor,
    fields: dict[str, Tensor],
    generator: torch.Generator,
) -> Tensor:
    """Mean squared error of the prediction at uniform t, stratified over the batch (Kingma et al. 2021, appendix I.1).

    x0         (B, ...) data
    fields     condition fields (B, ...) of the network
    generator  on the CPU; draws t and eps
    """
    batch = len(x0)
    t = (torch.rand((), generator=generator, dtype=torch.float64) + torch.arange(batch) / batch) % 1
    # Levels of a table lie in [1 / N, 1]: below the first training step there is nothing to learn.
    lowest = 1 / getattr(schedule, "steps", 1000)
    t = (lowest + (1 - lowest) * t).to(x0.device)
    eps = torch.randn(x0.shape, generator=generator).to(x0)
    alpha, sigma = spread(schedule.alpha(t), x0), spread(schedule.sigma(t), x0)
    output = network(alpha * x0 + sigma * eps, schedule.timestep(t).float(), **fields)
    return (output.float() - target(prediction, x0, eps, alpha, sigma)).square().mean()

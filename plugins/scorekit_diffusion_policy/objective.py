"""What a policy is trained to: the core's denoising objective with several draws of noise for each observation, or regression."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from scorekit.schedule import Schedule
from scorekit.training import denoising_loss
from scorekit_diffusion_policy.config import PolicyConfig
from scorekit_diffusion_policy.model import kind_of, schedule_of


class Objective:
    """loss(model, (inputs, x0), generator), for `scorekit.training.train`.

    draws  of noise and level for each observation: reading it costs more than a pass of the head, and is paid once for all of them
    """

    def __init__(self, config: PolicyConfig, draws: int) -> None:
        self.regression = config.prediction == "regression"
        self.schedule: Schedule = schedule_of(config)
        self.kind = kind_of(config)
        self.draws = 1 if self.regression else draws

    def __call__(self, model: nn.Module, batch: Any, generator: torch.Generator) -> Tensor:
        inputs, x0 = cast(tuple[dict[str, Tensor], Tensor], batch)
        if self.regression:
            told = self.schedule.timestep(torch.ones(len(x0))).float().to(x0.device)
            answer: Tensor = model(torch.zeros_like(x0), told, **inputs)
            return (answer.float() - x0).square().mean()
        # Batch after batch, not draw after draw: levels are stratified over the whole, so each observation gets one of each part.
        return denoising_loss(model, self.schedule, self.kind, x0.repeat(self.draws, 1, 1), inputs, generator)

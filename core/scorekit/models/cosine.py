"""The cosine schedule in continuous time: noise levels as angles."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorekit.schedule import Schedule, Time, as_time, grid


class Cosine(Schedule):
    """alpha = cos(pi t / 2), sigma = sin(pi t / 2); the network is told t itself (Salimans and Ho 2022, section 4; Stable Audio,
    Evans et al. 2024, arXiv:2407.14358).

    In the variables of EDM, x / alpha, the noise is tan(pi t / 2) and a v prediction has the preconditioning of Karras et al. 2022 for
    data of deviation 1.

    sigma_max, sigma_min  noise-to-signal ratios at which the model's own sampler begins and makes its last step; 0 < min < max
    """

    def __init__(self, sigma_max: float = 500.0, sigma_min: float = 0.3) -> None:
        if not 0 < sigma_min < sigma_max:
            raise ValueError(f"sigma_min must lie between 0 and sigma_max, not at {sigma_min} with {sigma_max}.")
        self.sigma_max, self.sigma_min = sigma_max, sigma_min

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cosine)  # where a sampler walks is no part of what a level means

    def __hash__(self) -> int:
        return hash(Cosine)

    def __repr__(self) -> str:
        return f"Cosine(sigma_max={self.sigma_max:g}, sigma_min={self.sigma_min:g})"

    def alpha(self, t: Time) -> Tensor:
        return ((1 - as_time(t)) * (math.pi / 2)).sin()  # the sine is exactly 0 at t = 1, the cosine is not

    def sigma(self, t: Time) -> Tensor:
        return (as_time(t) * (math.pi / 2)).sin()

    def at_log_snr(self, log_snr: Tensor) -> Tensor:
        return (-log_snr.to(torch.float64) / 2).exp().atan() * (2 / math.pi)

    def timestep(self, t: Time) -> Tensor:
        return as_time(t).clone()

    def sampler_levels(self, steps: int) -> Tensor:
        """The levels of the model's own sampler, for `sample(..., levels=)`: (steps + 1,), even in log-SNR from sigma_max to sigma_min,
        and then 0."""
        start = math.atan(self.sigma_max) * 2 / math.pi
        return grid(self, steps, "log-snr", start=start, sigma_min=self.sigma_min)

"""Churn: noise that is added before a step and taken away by it (Karras et al. 2022, algorithm 2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorekit.schedule import Schedule
from scorekit.solvers.rows import Plan


def churned(
    schedule: Schedule, t: Tensor, s_churn: float, s_min: float, s_max: float, s_noise: float
) -> tuple[Plan, Tensor]:
    """Up from each level t (n,): a row without an evaluation, and the mask of the rows that do anything.

    s_churn       how much of it the whole run gets; 0 is none
    s_min, s_max  the noise-to-signal ratios sigma / alpha at which it acts
    s_noise       the scale of the added noise

    A level never leaves the schedule: at its noisiest end there is no churn.
    """
    if s_churn < 0 or s_noise < 0:
        raise ValueError(f"s_churn and s_noise must be at least 0, not {s_churn} and {s_noise}.")
    ratio = schedule.sigma(t) / schedule.alpha(t)
    gamma = min(s_churn / len(t), math.sqrt(2) - 1)
    end = schedule.sigma(1.0) / schedule.alpha(1.0)
    raised = torch.minimum(ratio * (1 + gamma), end)
    acts = (ratio >= s_min) & (ratio <= s_max) & (raised > ratio) & raised.isfinite()
    raised = torch.where(acts, raised, ratio)
    higher = torch.where(acts, schedule.at_log_snr(-2 * raised.log()), t)
    a = schedule.alpha(higher) / schedule.alpha(t)
    d = s_noise * schedule.alpha(higher) * (raised.square() - ratio.square()).sqrt()
    a, d = torch.where(acts, a, 1.0), torch.where(acts, d, 0.0)
    return Plan.of(t, higher, a, d=d, settled=False), acts

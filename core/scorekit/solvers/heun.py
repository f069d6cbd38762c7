"""Heun's method, with churn: the sampler of EDM."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from scorekit.schedule import Schedule
from scorekit.solvers.churn import churned
from scorekit.solvers.rows import Plan, between, weave


def heun(
    schedule: Schedule,
    t: Tensor,
    s_churn: float = 0.0,
    s_min: float = 0.0,
    s_max: float = math.inf,
    s_noise: float = 1.0,
) -> Plan:
    """Heun's second-order method on the probability-flow ODE (Karras et al. 2022, algorithm 2).

    s_churn, s_min, s_max, s_noise  the paper's: noise added before every step whose sigma / alpha lies in [s_min, s_max]; none by default

    In y = x / alpha and s = sigma / alpha with r = s' / s, Euler goes to y' = r y + (1 - r) x0, and averaging the slopes at both ends
    comes down to y'' = y' + (1 - r) / (2 r) (x0' - x0): a second row at the new level. Steps from pure noise (alpha = 0) and to clean
    data (sigma = 0) have no such slope and stay Euler's. 2 n - 1 evaluations at most.
    """
    up, acts = churned(schedule, t[:-1], s_churn, s_min, s_max, s_noise)
    first = between(schedule, up.after, t[1:])
    alpha, sigma, alpha_next, sigma_next = (
        f(level) for level in (up.after, t[1:]) for f in (schedule.alpha, schedule.sigma)
    )
    ratio = (alpha * sigma_next) / (alpha_next * sigma)
    corrected = ratio > 0
    correction = torch.where(corrected, alpha_next * (1 - ratio) / (2 * ratio), 0.0)
    second = Plan.of(t[1:], t[1:], torch.ones_like(ratio), correction, c=-correction)
    first = replace(first, settled=~corrected)
    return weave((up, acts), (first, torch.ones_like(acts)), (second, corrected))

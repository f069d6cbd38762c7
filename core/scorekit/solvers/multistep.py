"""Multistep solvers: the estimates of earlier steps make a step of second order from one evaluation."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from scorekit.schedule import Schedule
from scorekit.solvers.rows import Plan, between


def dpm_2m(schedule: Schedule, t: Tensor) -> Plan:
    """DPM-Solver++ 2M (Lu et al. 2022, arXiv:2211.01095, algorithm 2): x0 extrapolated in log-SNR from the last two estimates.

    The first step and the step to clean data are of first order.
    """
    return _extrapolated(schedule, t, eta=0.0)


def dpm_2m_sde(schedule: Schedule, t: Tensor) -> Plan:
    """SDE-DPM-Solver++ 2M (Lu et al. 2022, arXiv:2211.01095, midpoint): 2M on the reverse-time SDE.

    Of first order it is DDPM.
    """
    return _extrapolated(schedule, t, eta=1.0)


def _extrapolated(schedule: Schedule, t: Tensor, eta: float) -> Plan:
    first, h = between(schedule, t[:-1], t[1:], eta), _steps(schedule, t)
    weight = torch.zeros_like(h)  # of the extrapolation, h / (2 h_before); infinite steps at either end give none
    weight[1:] = torch.where(h[1:].isfinite() & h[:-1].isfinite(), h[1:] / (2 * h[:-1]), 0.0)
    return replace(first, b=first.b * (1 + weight), c=-first.b * weight)


def unipc(schedule: Schedule, t: Tensor) -> Plan:
    """UniPC of second order, B(h) = e^h - 1, predicting x0 (Zhao et al. 2023, arXiv:2302.04867).

    A step predicts x at the next level as 2M does; the estimate made there first corrects that x, then takes the next step. The x that
    was predicted and the corrected one differ by a weighted sum of estimates, so both are one row. Steps of infinite length, at either
    end of a schedule, are of first order and are not corrected.
    """
    first, h = between(schedule, t[:-1], t[1:]), _steps(schedule, t)
    # Step i goes over h_i; `back` is the distance to the estimate before it in units of h_i, negative.
    finite = h.isfinite()
    back = torch.full_like(h, -torch.inf)  # at infinity an estimate says nothing
    back[1:] = torch.where(finite[1:], -h[:-1] / h[1:], -torch.inf)
    pull = 0.5 * first.b / back  # of the estimate before, in the prediction
    # Weights of the correction of step i (the paper's rho, from a 2 by 2 system), when the estimate at its end is known
    decay = torch.expm1(-h)
    b1 = (decay / -h - 1) / decay
    b2 = 2 * ((decay / -h - 1) / -h - 0.5) / decay
    older = (b1 - b2) / (1 - back)
    newer = torch.where(back.isfinite(), b1 - older, 0.5)
    scale = torch.where(finite, first.b, 0.0)
    now = scale * torch.where(finite, newer, 0.0)
    oldest = scale * torch.where(back.isfinite(), (older - 0.5) / back, 0.0)
    # The row of step i corrects with the weights of step i - 1.
    now, oldest = (torch.cat([w.new_zeros(1), w[:-1]]) for w in (now, oldest))
    a = first.a
    return replace(
        first,
        b=first.b - pull + a * now,
        c=pull - a * (now + oldest),
        e=a * oldest,
    )


def _steps(schedule: Schedule, t: Tensor) -> Tensor:
    """The lengths of the steps in ln(alpha / sigma)."""
    return (schedule.log_snr(t) / 2).diff()

"""Solvers of first order, with and without noise: DDIM, DDPM, Euler, and annealed Langevin's empty steps."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from scorekit.schedule import Schedule
from scorekit.solvers.churn import churned
from scorekit.solvers.rows import Plan, between, weave


def ddim(schedule: Schedule, t: Tensor, eta: float = 0.0) -> Plan:
    """DDIM (Song et al. 2021, eq. 12): keep the direction of the noise, renew a part of it.

    t    (n + 1,) levels, decreasing
    eta  0 is deterministic, 1 has the variance of DDPM's posterior

    With eta = 0 it is also Euler's method on the probability-flow ODE: in x / alpha against sigma / alpha (EDM), in the variables of
    rectified flow, and DPM-Solver++ of first order.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie in [0, 1], not {eta}.")
    return between(schedule, t[:-1], t[1:], eta)


def ddpm(schedule: Schedule, t: Tensor) -> Plan:
    """Ancestral sampling from DDPM's posterior (Ho et al. 2020, eq. 6 and 7, the smaller variance).

    Where a network has learned its variance, that is taken: between the posterior's and beta (Nichol and Dhariwal 2021, eq. 15).
    """
    rows = ddim(schedule, t, eta=1.0)
    shrink = schedule.alpha(t[:-1]) / schedule.alpha(t[1:])
    beta = schedule.sigma(t[:-1]).square() - (shrink * schedule.sigma(t[1:])).square()
    return replace(rows, upper=torch.where(rows.d > 0, beta.clamp(min=0).sqrt(), 0.0))


def euler(
    schedule: Schedule,
    t: Tensor,
    s_churn: float = 0.0,
    s_min: float = 0.0,
    s_max: float = math.inf,
    s_noise: float = 1.0,
) -> Plan:
    """Euler's method on the probability-flow ODE, the same numbers as DDIM without noise; with churn as in `heun`."""
    up, acts = churned(schedule, t[:-1], s_churn, s_min, s_max, s_noise)
    return weave((up, acts), (between(schedule, up.after, t[1:]), torch.ones_like(acts)))


def euler_ancestral(schedule: Schedule, t: Tensor, eta: float = 1.0) -> Plan:
    """Euler's method down to a lower level than the next, and noise up to it: in x / alpha the same numbers as DDIM with eta.

    eta  the share of the noise that is renewed
    """
    return ddim(schedule, t, eta)


def annealed(schedule: Schedule, t: Tensor) -> Plan:  # noqa: ARG001
    """x stays what it is from level to level, until the last, clean one: what a corrector makes of that is annealed Langevin dynamics
    (Song and Ermon 2019, algorithm 1; the last step is their later denoising, x0 itself)."""
    clean = t[1:] == 0
    one, zero = torch.ones_like(t[1:]), torch.zeros_like(t[1:])
    return Plan.of(t[:-1], t[1:], torch.where(clean, zero, one), torch.where(clean, one, zero))

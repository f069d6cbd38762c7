"""Samplers as plans: everything a linear multistep solver does, as four numbers a row.

    x <- a x + b x0 + c x0_before + d noise

where x0 is the score's estimate at the row's level and x0_before that of the row before. The numbers are functions of the schedule
and the levels alone, made before the first step: no scheduler object, no state, no synchronisation with the device in the loop. In
terms of x0 every row is finite at both ends of a schedule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature

import torch
from torch import Tensor

from scorekit.schedule import Schedule


@dataclass(frozen=True)
class Plan:
    """n rows; all fields are (n,) float64 on the CPU.

    t      the level at which the score is evaluated
    after  the level at which x stands when the row is done
    """

    t: Tensor
    after: Tensor
    a: Tensor
    b: Tensor
    c: Tensor
    d: Tensor

    def __len__(self) -> int:
        return len(self.t)

    @property
    def stochastic(self) -> bool:
        return bool((self.d != 0).any())


def _levels(schedule: Schedule, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    return alpha[:-1], sigma[:-1], alpha[1:], sigma[1:]


def ddim(schedule: Schedule, t: Tensor, eta: float = 0.0) -> Plan:
    """DDIM (Song et al. 2021, eq. 12): keep the direction of the noise, renew a part of it.

    t    (n + 1,) levels, decreasing
    eta  0 is deterministic, 1 has the variance of DDPM's posterior

    With eta = 0 it is also Euler's method on the probability-flow ODE: in x / alpha against sigma / alpha (EDM), in the variables of
    rectified flow, and DPM-Solver++ of first order.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie in [0, 1], not {eta}.")
    alpha, sigma, alpha_next, sigma_next = _levels(schedule, t)
    ratio = (alpha * sigma_next) / (alpha_next * sigma)
    d = eta * sigma_next * (1 - ratio.square()).clamp(min=0).sqrt()  # eta times the posterior's standard deviation
    a = (sigma_next.square() - d.square()).clamp(min=0).sqrt() / sigma
    return Plan(t[:-1], t[1:], a, alpha_next - a * alpha, torch.zeros_like(a), d)


def ddpm(schedule: Schedule, t: Tensor) -> Plan:
    """Ancestral sampling from DDPM's posterior (Ho et al. 2020, eq. 6 and 7, the smaller variance)."""
    return ddim(schedule, t, eta=1.0)


def euler(schedule: Schedule, t: Tensor) -> Plan:
    """Euler's method on the probability-flow ODE; the same numbers as DDIM without noise."""
    return ddim(schedule, t)


def heun(schedule: Schedule, t: Tensor) -> Plan:
    """Heun's second-order method on the probability-flow ODE (Karras et al. 2022, algorithm 2, without churn).

    In y = x / alpha and s = sigma / alpha with r = s' / s, Euler goes to y' = r y + (1 - r) x0, and averaging the slopes at both ends
    comes down to y'' = y' + (1 - r) / (2 r) (x0' - x0): a second row at the new level. Steps from pure noise (alpha = 0) and to clean
    data (sigma = 0) have no such slope and stay Euler's. 2 n - 1 evaluations at most.
    """
    first = ddim(schedule, t)
    alpha, sigma, alpha_next, sigma_next = _levels(schedule, t)
    ratio = (alpha * sigma_next) / (alpha_next * sigma)
    correction = torch.where(ratio > 0, alpha_next * (1 - ratio) / (2 * ratio), torch.zeros_like(ratio))
    zero, one = torch.zeros_like(correction), torch.ones_like(correction)

    def interleave(euler_rows: Tensor, heun_rows: Tensor) -> Tensor:
        return torch.stack([euler_rows, heun_rows], 1).flatten()[keep]

    keep = torch.stack([torch.ones_like(ratio, dtype=torch.bool), ratio > 0], 1).flatten()
    return Plan(
        interleave(t[:-1], t[1:]),
        interleave(t[1:], t[1:]),
        interleave(first.a, one),
        interleave(first.b, correction),
        interleave(zero, -correction),
        interleave(zero, zero),
    )


def dpm_2m(schedule: Schedule, t: Tensor) -> Plan:
    """DPM-Solver++ 2M (Lu et al. 2022, arXiv:2211.01095, algorithm 2): x0 extrapolated in log-SNR from the last two estimates.

    The first step and the step to clean data are of first order.
    """
    first = ddim(schedule, t)
    half_log_snr = schedule.log_snr(t) / 2
    h = half_log_snr.diff()
    weight = torch.zeros_like(h)  # of the extrapolation, h / (2 h_before); infinite steps at either end give none
    weight[1:] = torch.where(h[1:].isfinite() & h[:-1].isfinite(), h[1:] / (2 * h[:-1]), 0.0)
    return Plan(first.t, first.after, first.a, first.b * (1 + weight), -first.b * weight, first.d)


SOLVERS: dict[str, Callable[..., Plan]] = {"ddpm": ddpm, "ddim": ddim, "euler": euler, "heun": heun, "dpm++2m": dpm_2m}


def plan(name: str, schedule: Schedule, t: Tensor, **options: float) -> Plan:
    """The plan of a named solver at levels t (n + 1,); ValueError for a name, an option or levels that it cannot take."""
    if name not in SOLVERS:
        raise ValueError(f"solver must be one of {', '.join(SOLVERS)}, not {name!r}.")
    known = list(signature(SOLVERS[name]).parameters)[2:]
    for option in options:
        if option not in known:
            raise ValueError(f"solver {name} takes {' and '.join(known) or 'no option'}, not {option!r}.")
    if t.ndim != 1 or len(t) < 2 or not (t.diff() < 0).all() or t[0] > 1 or t[-1] < 0:
        raise ValueError("levels must be a vector of two or more levels that decrease strictly within [0, 1].")
    return SOLVERS[name](schedule, t, **options)

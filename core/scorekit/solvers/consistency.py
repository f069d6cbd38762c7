"""Few steps of distilled models: each goes all the way to data, and back up with noise."""

from __future__ import annotations

import torch
from torch import Tensor

from scorekit.schedule import Schedule
from scorekit.solvers.rows import Plan, between


def consistency(schedule: Schedule, t: Tensor) -> Plan:
    """Multistep consistency sampling (Song et al. 2023, algorithm 1): x0, noised anew to the next level. Also what distilled "turbo"
    models and consistency models of rectified flow expect."""
    alpha, sigma = schedule.alpha(t[1:]), schedule.sigma(t[1:])
    return Plan.of(t[:-1], t[1:], torch.zeros_like(alpha), alpha, d=sigma)


def lcm(schedule: Schedule, t: Tensor, sigma_data: float = 0.5, scaling: float = 10.0) -> Plan:
    """Latent consistency models (Luo et al. 2023, arXiv:2310.04378): the consistency function is c_skip x + c_out x0.

    sigma_data, scaling  of the boundary condition: with s = scaling * timestep, c_skip = sigma_data^2 / (s^2 + sigma_data^2) and
                         c_out = s / sqrt(s^2 + sigma_data^2)

    Raises ValueError for a schedule without training steps.
    """
    if not hasattr(schedule, "steps"):
        raise ValueError(f"lcm needs a schedule with training steps; {schedule!r} has none.")
    if not sigma_data > 0 or not scaling > 0:
        raise ValueError(f"sigma_data and scaling must be positive, not {sigma_data} and {scaling}.")
    rows, scaled = consistency(schedule, t), scaling * schedule.timestep(t[:-1]).to(torch.float64)
    whole = scaled.square() + sigma_data**2
    return Plan.of(rows.t, rows.after, rows.b * sigma_data**2 / whole, rows.b * scaled / whole.sqrt(), d=rows.d)


def tcd(schedule: Schedule, t: Tensor, eta: float = 0.3) -> Plan:
    """Strategic stochastic sampling of trajectory consistency models (Zheng et al. 2024, arXiv:2402.19159): along the
    trajectory to the level (1 - eta) t' below the next one t', and with noise up to t'.

    eta  the paper's gamma: 0 is DDIM, 1 is consistency sampling
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie in [0, 1], not {eta}.")
    steps = getattr(schedule, "steps", None)
    below = (1 - eta) * t[1:]
    if steps is not None and eta > 0:  # the networks know training steps, whole ones, of which the first is not clean
        below = ((((1 - eta) * (t[1:] * steps - 1)).floor() + 1) / steps).clamp(min=0)
        below = torch.where(t[1:] > 0, torch.minimum(below, t[1:]), 0.0)
    down = between(schedule, t[:-1], below)
    up = schedule.alpha(t[1:]) / schedule.alpha(below)
    d = (schedule.sigma(t[1:]).square() - (up * schedule.sigma(below)).square()).clamp(min=0).sqrt()
    return Plan.of(t[:-1], t[1:], up * down.a, up * down.b, d=d)


def distilled_levels(schedule: Schedule, steps: int, start: float = 1.0, taught: int = 50) -> Tensor:
    """The grid on which latent consistency models were taught, thinned: (steps + 1,) decreasing to 0.

    taught  how many levels, spread evenly over the training steps, the student saw

    Raises ValueError for a schedule without training steps, and where fewer levels than steps lie below `start`.
    """
    total = getattr(schedule, "steps", None)
    if total is None:
        raise ValueError(f"lcm and tcd need a schedule with training steps, or levels; {schedule!r} has none.")
    seen = torch.arange(1, int(taught * start + 1e-9) + 1, dtype=torch.float64).flip(0) * (total // taught) / total
    if not 1 <= steps <= len(seen):
        raise ValueError(f"steps must lie in 1 to {len(seen)} with this solver, not {steps}.")
    chosen = (torch.arange(steps, dtype=torch.float64) * (len(seen) / steps)).floor().long()
    return torch.cat([seen[chosen], seen.new_zeros(1)])

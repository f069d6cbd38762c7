"""Going back up and down again: the resampling of RePaint as a transformation of plans."""

from __future__ import annotations

from dataclasses import fields

import torch

from scorekit.schedule import Schedule
from scorekit.solvers.rows import Plan


def resampled(rows: Plan, schedule: Schedule, times: int, jump: int = 1) -> Plan:
    """Every `jump` steps done `times` times, with x noised back up to where they began in between (Lugmayr et al. 2022, algorithm 1).

    Raises ValueError for numbers below 1, and for solvers whose steps use estimates of earlier ones: those would be of another level.
    """
    if times < 1 or jump < 1:
        raise ValueError(f"resample and jump must be at least 1, not {times} and {jump}.")
    if times == 1:
        return rows
    if rows.remembers:
        raise ValueError("resample needs a solver without memory of earlier steps: ddpm, ddim, euler, euler_a or heun.")
    parts: list[Plan] = []
    ends = (rows.settled.nonzero().flatten() + 1).tolist()
    begin = 0
    for end in [*ends[jump - 1 : -1 : jump], ends[-1]]:
        block, begin = torch.arange(begin, end), end
        low, high = rows.after[block[-1:]], rows.t[block[:1]]
        a = schedule.alpha(high) / schedule.alpha(low)
        d = (schedule.sigma(high).square() - (a * schedule.sigma(low)).square()).clamp(min=0).sqrt()
        up = Plan.of(low, high, a, d=d, settled=False)
        parts += [rows.at(block), *[up, rows.at(block)] * (times - 1)]
    return Plan(*(torch.cat([getattr(part, column.name) for part in parts]) for column in fields(Plan)))

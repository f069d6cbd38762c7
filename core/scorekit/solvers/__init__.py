"""Samplers by name, each a plan of coefficients: see `scorekit.solvers.rows`.

| name | what | noise | options |
| --- | --- | --- | --- |
| ddpm | ancestral (Ho et al. 2020); learned variances | yes | |
| ddim | (Song et al. 2021); also DPM-Solver++ 1 | eta | eta |
| euler | Euler on the probability-flow ODE | churn | s_churn, s_min, s_max, s_noise |
| euler_a | Euler ancestral | yes | eta |
| heun | EDM's algorithm 2 (Karras et al. 2022), second order | churn | s_churn, s_min, s_max, s_noise |
| dpm++1, dpm++2m, dpm++2m_sde | DPM-Solver++ (Lu et al. 2022) | sde | |
| unipc | UniPC of second order (Zhao et al. 2023) | no | |
| consistency, lcm, tcd | few steps of distilled models | yes | lcm: sigma_data, scaling; tcd: eta |
| langevin | none by itself: annealed Langevin dynamics is its corrector | no | |

DEIS is not here: its polynomial is in eps, whose history is no weighted sum of x and past x0.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature

from torch import Tensor

from scorekit.schedule import Schedule, Spacing, grid
from scorekit.solvers.consistency import consistency, distilled_levels, lcm, tcd
from scorekit.solvers.first_order import annealed, ddim, ddpm, euler, euler_ancestral
from scorekit.solvers.heun import heun
from scorekit.solvers.multistep import dpm_2m, dpm_2m_sde, unipc
from scorekit.solvers.resampling import resampled
from scorekit.solvers.rows import Plan

__all__ = [
    "SOLVERS", "Plan", "annealed", "consistency", "ddim", "ddpm", "distilled_levels", "dpm_2m", "dpm_2m_sde", "euler",
    "euler_ancestral", "heun", "lcm", "levels_for", "plan", "resampled", "tcd", "unipc",
]  # fmt: skip


def _dpm_1(schedule: Schedule, t: Tensor) -> Plan:
    return ddim(schedule, t)


SOLVERS: dict[str, Callable[..., Plan]] = {
    "ddpm": ddpm,
    "ddim": ddim,
    "euler": euler,
    "euler_a": euler_ancestral,
    "heun": heun,
    "dpm++1": _dpm_1,
    "dpm++2m": dpm_2m,
    "dpm++2m_sde": dpm_2m_sde,
    "unipc": unipc,
    "consistency": consistency,
    "lcm": lcm,
    "tcd": tcd,
    "langevin": annealed,
}


def plan(name: str, schedule: Schedule, t: Tensor, **options: float) -> Plan:
    """The plan of a named solver at levels t (n + 1,); ValueError for a name, an option or levels that it cannot take."""
    _refuse_unknown(name)
    known = list(signature(SOLVERS[name]).parameters)[2:]
    for option in options:
        if option not in known:
            raise ValueError(f"solver {name} takes {' and '.join(known) or 'no option'}, not {option!r}.")
    if t.ndim != 1 or len(t) < 2 or not (t.diff() < 0).all() or t[0] > 1 or t[-1] < 0:
        raise ValueError("levels must be a vector of two or more levels that decrease strictly within [0, 1].")
    return SOLVERS[name](schedule, t, **options)


def levels_for(
    name: str, schedule: Schedule, steps: int, spacing: Spacing | None = None, *, start: float = 1.0
) -> Tensor:
    """The grid (steps + 1,) that a solver takes unasked: trailing for schedules with training steps, karras for VE, and for lcm and tcd
    the levels at which such models were taught. `spacing` names another."""
    _refuse_unknown(name)
    if spacing is None and name in ("lcm", "tcd") and 0 < start <= 1:
        return distilled_levels(schedule, steps, start)
    if spacing is None and start == 1 and hasattr(schedule, "sampler_levels"):  # the model's own
        levels: Tensor = schedule.sampler_levels(steps)
        return levels
    return grid(schedule, steps, spacing or ("trailing" if hasattr(schedule, "steps") else "karras"), start=start)


def _refuse_unknown(name: str) -> None:
    if name not in SOLVERS:
        raise ValueError(f"solver must be one of {', '.join(SOLVERS)}, not {name!r}.")

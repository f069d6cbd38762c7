"""Noise schedules: how much data and how much noise a level t holds.

    x_t = alpha(t) x_0 + sigma(t) eps,    t in [0, 1],  t = 0 is data, t = 1 is noise

Every schedule answers `alpha`, `sigma`, `log_snr` and the inverse `at_log_snr` for tensors of any shape, in float64, on the device
of `t`: noise levels of two schedules are matched through their log-SNR. `timestep` is the number that a network trained on the
schedule is told (an index for DDPM, ln(sigma)/4 for EDM).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Time = float | Tensor
Spacing = Literal["trailing", "leading", "linspace", "uniform", "karras", "log-snr"]


def as_time(t: Time) -> Tensor:
    """t as a float64 tensor: a level near 0 must not lose its digits before alpha and sigma are taken from it."""
    return t.to(torch.float64) if isinstance(t, Tensor) else torch.tensor(t, dtype=torch.float64)


@dataclass(frozen=True, slots=True)
class Level:
    """Where one evaluation stands: t, alpha and sigma as numbers for all samples or as (B,) tensors, and what the network is told.

    Numbers where they can be: a product with a number waits for no device and starts no kernel of its own.
    """

    t: float | Tensor
    alpha: float | Tensor
    sigma: float | Tensor
    timestep: Tensor


class Schedule(ABC):
    """alpha(t) and sigma(t) on t in [0, 1], with their log-SNR = 2 ln(alpha / sigma) and its inverse."""

    @abstractmethod
    def alpha(self, t: Time) -> Tensor:
        """The scale of the data at t. float64, the shape of t."""

    @abstractmethod
    def sigma(self, t: Time) -> Tensor:
        """The standard deviation of the noise at t. float64, the shape of t."""

    @abstractmethod
    def at_log_snr(self, log_snr: Tensor) -> Tensor:
        """The t whose log-SNR is this; clamped to [0, 1] outside the schedule's range."""

    @abstractmethod
    def timestep(self, t: Time) -> Tensor:
        """What a network trained on this schedule is told at t."""

    def log_snr(self, t: Time) -> Tensor:
        """2 ln(alpha / sigma): +inf at no noise, -inf at no data."""
        t = as_time(t)
        return 2 * (self.alpha(t).log() - self.sigma(t).log())

    def levels(self, t: Tensor, device: torch.device) -> list[Level]:
        """The level of each t (n,), worked out together in float64 where t is, and told to networks on `device`."""
        columns = (t.tolist(), self.alpha(t).tolist(), self.sigma(t).tolist())
        told = self.timestep(t).to(torch.float32)
        # A single number is filled in on the device: copying it there would wait.
        told = torch.full((1,), told.item(), device=device) if len(t) == 1 else told.to(device)
        return [Level(*row) for row in zip(*columns, told, strict=True)]

    def level(self, t: Time, like: Tensor) -> Level:
        """The level t, a number or one for each sample of `like` (B, ...), shaped to multiply it, in its dtype and on its device."""
        t = as_time(t)
        if not t.ndim and t.device.type == "cpu":
            return self.levels(t[None], like.device)[0]
        t = t.to(like.device)
        return Level(t, spread(self.alpha(t), like), spread(self.sigma(t), like), self.timestep(t).to(torch.float32))

    def noised(self, x0: Tensor, eps: Tensor, t: Time) -> Tensor:
        """alpha(t) x0 + sigma(t) eps for x0, eps (B, ...) and t a number or (B,)."""
        return spread(self.alpha(t), x0) * x0 + spread(self.sigma(t), x0) * eps


def spread(per_sample: Tensor, like: Tensor) -> Tensor:
    """A number or a (B,) tensor shaped to multiply `like` (B, ...), in its dtype and on its device."""
    per_sample = per_sample.to(like.device, like.dtype)
    return (
        per_sample.reshape(per_sample.shape + (1,) * (like.ndim - per_sample.ndim)) if per_sample.ndim else per_sample
    )


class VP(Schedule):
    """A variance-preserving schedule, alpha^2 + sigma^2 = 1, given as a table of alpha_bar = alpha^2 (Ho et al. 2020).

    Training step k of N is t = (k + 1) / N, so that t = 0 is clean data; between table entries alpha_bar is linear. Exact at both
    ends: alpha(0) = 1, and alpha(1) = 0 where the table ends in 0 (zero terminal SNR).

    alpha_bar  (N,) decreasing, values in [0, 1); kept in float64.
    """

    def __init__(self, alpha_bar: Tensor) -> None:
        alpha_bar = alpha_bar.detach().to("cpu", torch.float64)
        if alpha_bar.ndim != 1 or len(alpha_bar) < 2:
            raise ValueError(
                f"alpha_bar must be a vector of at least 2 entries, not of shape {tuple(alpha_bar.shape)}."
            )
        if not (alpha_bar.diff() < 0).all() or alpha_bar[0] >= 1 or alpha_bar[-1] < 0:
            raise ValueError("alpha_bar must decrease strictly within [0, 1).")
        self.steps = len(alpha_bar)
        self._tables = {torch.device("cpu"): torch.cat([alpha_bar.new_ones(1), alpha_bar])}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VP) and torch.equal(
            self._table(torch.device("cpu")), other._table(torch.device("cpu"))
        )

    def __hash__(self) -> int:
        return hash((VP, self.steps, float(self.alpha_bar[-1])))

    def __repr__(self) -> str:
        return f"VP(steps={self.steps}, alpha_bar from {self.alpha_bar[0]:.6g} to {self.alpha_bar[-1]:.6g})"

    @property
    def alpha_bar(self) -> Tensor:
        """The table (N,), float64, on the CPU."""
        return self._table(torch.device("cpu"))[1:]

    def _table(self, device: torch.device) -> Tensor:
        if device not in self._tables:
            self._tables[device] = self._tables[torch.device("cpu")].to(device)
        return self._tables[device]

    def _alpha_bar_at(self, t: Time) -> Tensor:
        t = as_time(t)
        table, position = self._table(t.device), (t * self.steps).clamp(0, self.steps)
        below = position.floor().long().clamp(max=self.steps - 1)
        return torch.lerp(table[below], table[below + 1], position - below)

    def alpha(self, t: Time) -> Tensor:
        return self._alpha_bar_at(t).sqrt()

    def sigma(self, t: Time) -> Tensor:
        return (1 - self._alpha_bar_at(t)).sqrt()

    def at_log_snr(self, log_snr: Tensor) -> Tensor:
        alpha_bar = torch.sigmoid(log_snr.to(torch.float64))
        table = self._table(alpha_bar.device)
        # The table decreases; searchsorted wants it increasing.
        below = (self.steps + 1 - torch.searchsorted(table.flip(0), alpha_bar.contiguous())).clamp(1, self.steps) - 1
        fraction = (alpha_bar - table[below]) / (table[below + 1] - table[below])
        return ((below + fraction) / self.steps).clamp(0, 1)

    def timestep(self, t: Time) -> Tensor:
        """The index k in [0, N - 1]; fractional between training steps."""
        return (as_time(t) * self.steps - 1).clamp(min=0)

    def zero_terminal_snr(self) -> VP:
        """The table shifted and scaled so that its last entry is 0 and its first stays (Lin et al. 2023, algorithm 1)."""
        root = self.alpha_bar.sqrt()
        scaled = (root - root[-1]) * root[0] / (root[0] - root[-1])
        return VP(scaled.square())

    @classmethod
    def from_betas(cls, betas: Tensor) -> VP:
        """From the per-step variances (N,) of DDPM: alpha_bar = cumulative product of 1 - beta."""
        return cls((1 - betas.to(torch.float64)).cumprod(0))

    @classmethod
    def linear(cls, beta_start: float = 1e-4, beta_end: float = 0.02, steps: int = 1000) -> VP:
        """Betas linear in the step (Ho et al. 2020)."""
        return cls.from_betas(torch.linspace(beta_start, beta_end, steps, dtype=torch.float64))

    @classmethod
    def scaled_linear(cls, beta_start: float = 0.00085, beta_end: float = 0.012, steps: int = 1000) -> VP:
        """Betas whose square root is linear (latent diffusion, Rombach et al. 2022; the defaults are Stable Diffusion's)."""
        return cls.from_betas(torch.linspace(beta_start**0.5, beta_end**0.5, steps, dtype=torch.float64).square())

    @classmethod
    def cosine(cls, steps: int = 1000, max_beta: float = 0.999) -> VP:
        """Betas from cos^2 (Nichol and Dhariwal 2021, eq. 17), each at most `max_beta`."""
        grid = torch.arange(steps + 1, dtype=torch.float64) / steps
        bar = ((grid + 0.008) / 1.008 * math.pi / 2).cos().square()
        return cls.from_betas((1 - bar[1:] / bar[:-1]).clamp(max=max_beta))


class VE(Schedule):
    """Variance exploding: alpha = 1, sigma = t sigma_max (Song et al. 2021; EDM, Karras et al. 2022).

    sigma_max  the standard deviation of the noise at t = 1, in units of the data; > 0.
    """

    def __init__(self, sigma_max: float = 80.0) -> None:
        if not sigma_max > 0:
            raise ValueError(f"sigma_max must be positive, not {sigma_max}.")
        self.sigma_max = float(sigma_max)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VE) and self.sigma_max == other.sigma_max

    def __hash__(self) -> int:
        return hash((VE, self.sigma_max))

    def __repr__(self) -> str:
        return f"VE(sigma_max={self.sigma_max:g})"

    def alpha(self, t: Time) -> Tensor:
        return torch.ones_like(as_time(t))

    def sigma(self, t: Time) -> Tensor:
        return as_time(t) * self.sigma_max

    def at_log_snr(self, log_snr: Tensor) -> Tensor:
        return ((-log_snr.to(torch.float64) / 2).exp() / self.sigma_max).clamp(0, 1)

    def timestep(self, t: Time) -> Tensor:
        """c_noise = ln(sigma) / 4 (EDM, table 1)."""
        return self.sigma(t).log() / 4


class Flow(Schedule):
    """The straight path of rectified flow: alpha = 1 - sigma (Liu et al. 2023; Lipman et al. 2023).

        sigma(t) = shift t / (1 + (shift - 1) t)

    steps  the network is told sigma * steps, as the flow models of diffusers are
    shift  > 0; larger pictures want more of the steps at high noise (Esser et al. 2024, eq. 23). It renames the levels, and with them
           every grid of them, and is no part of the model: two flows of other shifts meet at equal noise.
    """

    def __init__(self, steps: int = 1000, shift: float = 1.0) -> None:
        if not shift > 0:
            raise ValueError(f"shift must be positive, not {shift}.")
        self.steps, self.shift = steps, float(shift)

    @classmethod
    def for_tokens(
        cls, tokens: int, steps: int = 1000, *, at_256: float = 0.5, at_4096: float = 1.15, exponential: bool = True
    ) -> Flow:
        """The shift that depends on resolution: its logarithm is linear in the number of tokens of a sample (Flux).

        at_256, at_4096  the logarithm of the shift there; the shift itself where `exponential` is false
        """
        mu = at_256 + (at_4096 - at_256) * (tokens - 256) / (4096 - 256)
        return cls(steps, math.exp(mu) if exponential else mu)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Flow) and (self.steps, self.shift) == (other.steps, other.shift)

    def __hash__(self) -> int:
        return hash((Flow, self.steps, self.shift))

    def __repr__(self) -> str:
        return f"Flow(steps={self.steps}" + (f", shift={self.shift:g})" if self.shift != 1 else ")")

    def alpha(self, t: Time) -> Tensor:
        t = as_time(t)
        return (1 - t) / (1 + (self.shift - 1) * t)

    def sigma(self, t: Time) -> Tensor:
        t = as_time(t)
        return self.shift * t / (1 + (self.shift - 1) * t)

    def at_log_snr(self, log_snr: Tensor) -> Tensor:
        # alpha / sigma = (1 - t) / (shift t), whose logarithm is half the log-SNR
        return torch.sigmoid(-log_snr.to(torch.float64) / 2 - math.log(self.shift))

    def timestep(self, t: Time) -> Tensor:
        return self.sigma(t) * self.steps


def from_config(config: Mapping[str, Any]) -> Schedule:
    """The schedule that a diffusers scheduler config describes (`scheduler/scheduler_config.json`).

    Raises ValueError where the config names a beta schedule that is not known here, or describes none.
    """
    name = str(config.get("_class_name", ""))
    if "FlowMatch" in name or config.get("prediction_type") == "flow_prediction":
        # Where the shift depends on the resolution it is the sampler's to choose (`Flow.for_tokens`).
        shift = 1.0 if config.get("use_dynamic_shifting") else config.get("shift", config.get("flow_shift")) or 1.0
        return Flow(int(config.get("num_train_timesteps", 1000)), float(shift))
    if name.startswith("EDM"):
        return VE(float(config.get("sigma_max", 80.0)))
    steps = int(config.get("num_train_timesteps", 1000))
    kind, betas = config.get("beta_schedule"), config.get("trained_betas")
    if kind is None and betas is None:
        raise ValueError(
            f"scheduler {name or 'without a name'} is not known: it has neither beta_schedule nor trained_betas."
        )
    start, end = float(config.get("beta_start", 1e-4)), float(config.get("beta_end", 0.02))
    if betas is not None:
        table = VP.from_betas(torch.as_tensor(betas))
    elif kind == "linear":
        table = VP.linear(start, end, steps)
    elif kind == "scaled_linear":
        table = VP.scaled_linear(start, end, steps)
    elif kind == "squaredcos_cap_v2":
        table = VP.cosine(steps)
    else:
        raise ValueError(f"beta_schedule must be linear, scaled_linear or squaredcos_cap_v2, not {kind!r}.")
    return table.zero_terminal_snr() if config.get("rescale_betas_zero_snr") else table


def grid(
    schedule: Schedule,
    steps: int,
    spacing: Spacing = "trailing",
    *,
    start: float = 1.0,
    rho: float = 7.0,
    sigma_min: float = 0.002,
) -> Tensor:
    """The levels that a sampler visits: (steps + 1,) float64, decreasing from `start` or below, ending in 0.

    spacing
        "trailing"  the last of every N / steps training steps, beginning at t = 1 (what zero-terminal-SNR models need)
        "leading"   the first of every N // steps training steps (the DDIM default of diffusers, without offset)
        "linspace"  training steps spread evenly over both ends of the table
        "uniform"   t spread evenly
        "karras"    noise-to-signal ratios whose rho-th roots are spread evenly down to `sigma_min` (EDM, eq. 5)
        "log-snr"   log-SNR spread evenly down to the noise-to-signal ratio `sigma_min`
    The first three are the spacings of Lin et al. 2023, table 2, for schedules with training steps.

    Raises ValueError for steps < 1 or more than there are training steps, start outside (0, 1], sigma_min outside the levels below
    start, or a spacing that the schedule does not have.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}.")
    if not 0 < start <= 1:
        raise ValueError(f"start must lie in (0, 1], not {start}.")
    if spacing == "uniform":
        return torch.linspace(start, 0, steps + 1, dtype=torch.float64)
    if spacing in ("trailing", "leading", "linspace"):
        n = getattr(schedule, "steps", None)
        if n is None:
            raise ValueError(
                f"spacing {spacing!r} needs a schedule with training steps; {schedule!r} takes uniform, karras or log-snr."
            )
        if steps > n * start + 1e-9:  # a training step visited twice is a solver's division by zero
            raise ValueError(
                f"steps must be at most the {int(n * start + 1e-9)} training steps of the schedule below start, not {steps}."
            )
        if spacing == "trailing":
            index = (n * start - torch.arange(steps, dtype=torch.float64) * (n * start / steps)).round() - 1
        elif spacing == "leading":
            index = (torch.arange(steps, dtype=torch.float64) * (int(n * start) // steps)).flip(0)
        else:
            index = torch.linspace(n * start - 1, 0, steps, dtype=torch.float64).round()
        return torch.cat([(index + 1) / n, index.new_zeros(1)])
    # Both remaining spacings are even in a function of the noise-to-signal ratio; VP schedules without noise-only end clamp below.
    first = (-schedule.log_snr(start) / 2).exp().clamp(max=1e4).item()
    if spacing in ("karras", "log-snr") and not 0 < sigma_min < first:
        raise ValueError(
            f"sigma_min must lie between 0 and {first:.6g}, the noise-to-signal ratio at start, not {sigma_min}."
        )
    if spacing == "karras":
        ramp = torch.linspace(first ** (1 / rho), sigma_min ** (1 / rho), steps, dtype=torch.float64).pow(rho)
    elif spacing == "log-snr":
        ramp = torch.linspace(math.log(first), math.log(sigma_min), steps, dtype=torch.float64).exp()
    else:
        raise ValueError(f"spacing must be trailing, leading, linspace, uniform, karras or log-snr, not {spacing!r}.")
    return torch.cat([schedule.at_log_snr(-2 * ramp.log()), ramp.new_zeros(1)])

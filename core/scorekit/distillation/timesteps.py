"""At which noise levels to distil, as an optimisation proceeds: high ones form the whole, low ones the detail."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

Fall = Literal["none", "linear", "sqrt", "step"]


@dataclass(frozen=True)
class Timesteps:
    """t uniform in [t_min, top], where `top` falls from t_max to t_max_end while the run's progress p goes from 0 to 1.

    fall    "none"    top = t_max
            "linear"  top = t_max + (t_max_end - t_max) p
            "sqrt"    top = t_max + (t_max_end - t_max) sqrt(p)
            "step"    top = t_max before p = `step_at`, then t_max_end
    random  False takes t = top itself. With "sqrt" and t_max_end = t_min that is HiFA's schedule (Zhu et al. 2023, arXiv:2305.18766).

    0 < t_min <= t_max <= 1 and t_min <= t_max_end <= 1, otherwise ValueError.
    """

    t_min: float = 0.02
    t_max: float = 0.98
    t_max_end: float = 0.5
    fall: Fall = "none"
    step_at: float = 0.5
    random: bool = True

    def __post_init__(self) -> None:
        if self.fall not in get_args(Fall):
            raise ValueError(f"fall must be one of {', '.join(get_args(Fall))}, not {self.fall!r}.")
        if not 0 < self.t_min <= 1:
            raise ValueError(f"t_min must lie in (0, 1], not {self.t_min}.")
        for name, value in (("t_max", self.t_max), ("t_max_end", self.t_max_end)):
            # What does not fall has no end.
            if (name == "t_max" or self.fall != "none") and not self.t_min <= value <= 1:
                raise ValueError(f"{name} must lie in [t_min, 1] = [{self.t_min:g}, 1], not {value}.")
        if not 0 <= self.step_at <= 1:
            raise ValueError(f"step_at must lie in [0, 1], not {self.step_at}.")

    def top(self, progress: float) -> float:
        """The highest level at `progress`, the share of the run that is done, in [0, 1]; otherwise ValueError."""
        if not 0 <= progress <= 1:
            raise ValueError(f"progress must lie in [0, 1], not {progress}.")
        fallen = {
            "none": 0.0,
            "linear": progress,
            "sqrt": math.sqrt(progress),
            "step": float(progress >= self.step_at),
        }[self.fall]
        return self.t_max + (self.t_max_end - self.t_max) * fallen

    def draw(
        self,
        progress: float,
        n: int,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """n levels (n,), float32, on `device`, that of the generator where absent."""
        top = self.top(progress)
        if device is None and generator is not None:
            device = generator.device
        if not self.random:
            return torch.full((n,), top, device=device)
        return torch.rand(n, generator=generator, device=device) * (top - self.t_min) + self.t_min

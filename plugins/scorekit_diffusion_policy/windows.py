"""Demonstrations in memory, as windows of fixed length: what a policy sees at each step, and what it should do from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from scorekit_diffusion_policy.episodes import Demonstrations, Episode


@dataclass(frozen=True)
class Windows:
    """One window for each step of each episode.

    Before its first step an episode repeats its first observation, after its last its last action: as the policy meets both.

    observations  each array of all episodes end to end, (N, ...)
    labels        (N, A), what the expert would do
    seen, done    rows of the observations (N, obs_steps) and of the labels (N, horizon) of each window
    """

    observations: dict[str, Tensor]
    labels: Tensor
    seen: Tensor
    done: Tensor

    def __len__(self) -> int:
        return len(self.seen)

    def history(self, chosen: Tensor) -> dict[str, Tensor]:
        """Observations of these windows, each (B, obs_steps, ...)."""
        rows = self.seen[chosen]
        return {name: value[rows] for name, value in self.observations.items()}

    def actions(self, chosen: Tensor) -> Tensor:
        """Labels of these windows, (B, horizon, A)."""
        return self.labels[self.done[chosen]]


def windows(episodes: Sequence[Episode], names: Sequence[str], obs_steps: int, horizon: int) -> Windows:
    """The windows of some episodes, whose observations `names` are kept.

    Raises ValueError for no episode, and for an observation that they do not have.
    """
    if not episodes:
        raise ValueError("the data set has no episode.")
    for name in names:
        if name not in episodes[0].observations:
            known = ", ".join(episodes[0].observations)
            raise ValueError(f"observations must be of {known}, which the data set has, not {name!r}.")
    lengths = torch.tensor([len(episode.labels) for episode in episodes])
    ends = lengths.cumsum(0).repeat_interleave(lengths)[:, None]
    first = ends - lengths.repeat_interleave(lengths)[:, None]
    now = torch.arange(int(lengths.sum()))[:, None]
    seen = torch.maximum(now + torch.arange(1 - obs_steps, 1), first)
    done = torch.minimum(now + torch.arange(horizon), ends - 1)
    observations = {
        name: torch.from_numpy(np.concatenate([episode.observations[name] for episode in episodes])) for name in names
    }
    labels = torch.from_numpy(np.concatenate([episode.labels for episode in episodes]).astype(np.float32))
    return Windows(
        {name: value if value.dtype == torch.uint8 else value.float() for name, value in observations.items()},
        labels, seen, done,
    )  # fmt: skip


def split(demonstrations: Demonstrations, share: float) -> tuple[tuple[Episode, ...], tuple[Episode, ...]]:
    """Episodes for training and for validation: every n-th is held out, n = 1 / share; share 0 holds out none."""
    if not 0 <= share <= 0.5:
        raise ValueError(f"validation must lie in [0, 0.5], not {share}.")
    every = round(1 / share) if share else len(demonstrations.episodes) + 1
    numbered = list(enumerate(demonstrations.episodes, 1))
    return tuple(e for i, e in numbered if i % every), tuple(e for i, e in numbered if i % every == 0)

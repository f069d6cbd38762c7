"""Demonstrations as arrays in memory: what experts leave, what readers return and what policies are trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Episode:
    """One demonstration of T steps.

    observations  by name, each (T, ...), before each action: float32, or uint8 (T, H, W, 3) for pictures
    actions       (T, A) float32, as executed: the expert's with the execution noise, in the environment's units
    labels        (T, A) float32, what a policy should imitate: the expert's action without that noise
    rewards       (T,) float32
    score         best of the episode in [0, 1]: coverage in PushT, 1.0 or 0.0 elsewhere
    final         observations after the last action, each (...), where they are known
    Raises ValueError when lengths disagree, or a value is not finite.
    """

    observations: dict[str, np.ndarray]
    actions: np.ndarray
    labels: np.ndarray
    rewards: np.ndarray
    seed: int
    success: bool
    score: float
    final: dict[str, np.ndarray] | None = None

    def __post_init__(self) -> None:
        steps = len(self.actions)
        if self.actions.ndim != 2 or steps == 0:
            raise ValueError(f"actions of an episode must be (T, A) with T of at least 1; got {self.actions.shape}")
        if self.labels.shape != self.actions.shape:
            raise ValueError(f"labels must have the shape of actions, {self.actions.shape}; got {self.labels.shape}")
        if self.rewards.shape != (steps,):
            raise ValueError(f"rewards must be ({steps},); got {self.rewards.shape}")
        if not self.observations:
            raise ValueError("an episode needs at least one observation")
        for name, values in {**self.observations, "actions": self.actions, "labels": self.labels}.items():
            if len(values) != steps:
                raise ValueError(f"{name} has {len(values)} steps, but there are {steps} actions")
            if values.dtype != np.uint8 and not np.isfinite(values).all():
                raise ValueError(f"{name} holds values that are not finite")

    def __len__(self) -> int:
        return len(self.actions)


@dataclass(frozen=True)
class Demonstrations:
    """Episodes of one task, all with the same observations and actions.

    task  "pusht", "metaworld/push-v3", or a Gymnasium id;  action_low, action_high  (A,) float32, the action space's
    Raises ValueError when episodes disagree about names or shapes.
    """

    task: str
    action_low: np.ndarray
    action_high: np.ndarray
    episodes: tuple[Episode, ...]

    def __post_init__(self) -> None:
        if self.action_low.shape != self.action_high.shape or self.action_low.ndim != 1:
            raise ValueError(
                f"action_low and action_high must both be (A,); got {self.action_low.shape} and {self.action_high.shape}"
            )
        if not self.episodes:
            return
        first = _shapes(self.episodes[0])
        if first["actions"] != self.action_low.shape:
            raise ValueError(f"actions have {first['actions']} numbers, their bounds {self.action_low.shape}")
        for place, episode in enumerate(self.episodes):
            if (shapes := _shapes(episode)) != first:
                raise ValueError(f"episode {place} has {shapes}, but the first one has {first}")

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def steps(self) -> int:
        """Steps of all episodes together."""
        return sum(len(episode) for episode in self.episodes)

    @property
    def observations(self) -> tuple[str, ...]:
        """Names of the observations that every episode has."""
        return tuple(self.episodes[0].observations) if self.episodes else ()

    def select(self, places: Sequence[int]) -> "Demonstrations":
        """The episodes at `places`, as demonstrations of the same task."""
        return Demonstrations(self.task, self.action_low, self.action_high, tuple(self.episodes[i] for i in places))


def _shapes(episode: Episode) -> dict[str, tuple[int, ...]]:
    return {name: values.shape[1:] for name, values in {**episode.observations, "actions": episode.actions}.items()}

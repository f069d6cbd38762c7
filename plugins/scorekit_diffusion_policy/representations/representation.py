"""What stands between a world and a network: observations into features, actions into the space that is diffused, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

History = Mapping[str, Tensor]


class Representation(nn.Module, ABC):
    """An nn.Module for its statistics alone: they are buffers, fitted once to the data and saved with the weights.

    A history holds each observation as (B, obs_steps, ...), the present one last. Every method is differentiable in the actions, so
    that goals and rewards told in the world's units can lead a plan.
    """

    features: int  # length of inputs(...)["features"]

    @abstractmethod
    def inputs(self, history: History) -> dict[str, Tensor]:
        """What the network reads: "features" (B, F), and "pixels" (B, obs_steps, 3, H, W) in [-1, 1] where there are pictures."""

    @abstractmethod
    def encode(self, actions: Tensor, history: History) -> Tensor:
        """Actions (B, horizon, A) in the world's units as x0, of about unit size."""

    @abstractmethod
    def decode(self, x: Tensor, history: History) -> Tensor:
        """The inverse of `encode`."""

    @abstractmethod
    def fit(self, history: History, actions: Tensor) -> None:
        """Take the statistics of these windows."""

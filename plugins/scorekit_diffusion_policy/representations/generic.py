"""Min-max normalised observations and actions: what fits any task."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scorekit_diffusion_policy.config import PolicyConfig
from scorekit_diffusion_policy.normalise import Normaliser
from scorekit_diffusion_policy.representations.representation import History, Representation


class Generic(Representation):
    """Every number of every vector observation, and of the actions, scaled to [-1, 1] by its range in the data.

    With `relative` the actions are positions, and their differences from the present position are scaled instead.
    Observations beyond three times their range are cut off there: what a network never saw it should not extrapolate from.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        vectors = {name: one.shape for name, one in config.observations.items() if one.dtype != "uint8"}
        self.pictures = tuple(name for name, one in config.observations.items() if one.dtype == "uint8")
        self.vectors = tuple(vectors)
        self.relative = config.relative
        self.observed = nn.ModuleList(Normaliser(*shape) for shape in vectors.values())
        self.acted = Normaliser(config.action_dim)
        self.features = config.obs_steps * sum(int(torch.Size(shape).numel()) for shape in vectors.values())

    def inputs(self, history: History) -> dict[str, Tensor]:
        some = next(iter(history.values()))
        known = zip(self.vectors, self.observed, strict=True)
        made = [normaliser(history[name]).clamp(-3, 3).flatten(1) for name, normaliser in known]
        inputs = {"features": torch.cat(made, 1) if made else torch.zeros(len(some), 0, device=some.device)}
        if self.pictures:
            # Several cameras stand side by side as further channels.
            frames = [history[name].movedim(-1, -3).float() / 127.5 - 1 for name in self.pictures]
            inputs["pixels"] = torch.cat(frames, -3)
        return inputs

    def encode(self, actions: Tensor, history: History) -> Tensor:
        encoded: Tensor = self.acted(actions - self._origin(history))
        return encoded

    def decode(self, x: Tensor, history: History) -> Tensor:
        return self.acted.inverse(x) + self._origin(history)

    def fit(self, history: History, actions: Tensor) -> None:
        for name, normaliser in zip(self.vectors, self.observed, strict=True):
            assert isinstance(normaliser, Normaliser)
            normaliser.fit_min_max(history[name][:, -1])
        self.acted.fit_min_max((actions - self._origin(history)).flatten(0, 1))

    def _origin(self, history: History) -> Tensor | float:
        if self.relative is None:
            return 0.0
        name, first = self.relative
        return history[name][:, -1:, first : first + len(self.acted.offset)]

"""PushT seen from the block: features of the poses, and actions relative to the agent in the block's frame.

Where to push depends on where the agent stands around the block, far less on where the block stands in the arena; how far the block
is from its goal matters to a pixel near the goal and to a hand's breadth far from it. So poses are told in each other's frames and
errors on several scales. The features need the pose, which the "state" observation gives: agent x, y, block x, y, angle.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorekit_diffusion_policy.config import PolicyConfig
from scorekit_diffusion_policy.normalise import Normaliser
from scorekit_diffusion_policy.representations.representation import History, Representation
from scorekit_diffusion_policy.symmetry import CORNERS

GOAL = (256.0, 256.0, math.pi / 4)
WAVES = (240.0, 120.0, 60.0)  # pixels: the block is 120 wide and 120 high, its bars 30
SCALES = (4.0, 16.0, 64.0)  # pixels of position error
ARM = 100.0  # pixels: how far an error of one radian moves the rim of the block
FEATURES = 51


class PushTFrame(Representation):
    """51 features of the present and the last state; actions in the block's frame over their root mean square, one for each step."""

    corners: Tensor

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        state = config.observations.get("state")
        if state is None or state.shape != (5,) or config.action_dim != 2:
            raise ValueError('pusht-frame needs the observation "state" of 5 numbers and actions of 2, those of PushT.')
        self.features = FEATURES
        self.acted = Normaliser(config.horizon, 2)
        self.before = max(0, config.obs_steps - 2)
        self.register_buffer("corners", torch.tensor(CORNERS, dtype=torch.float32), persistent=False)

    def inputs(self, history: History) -> dict[str, Tensor]:
        states = history["state"]
        now, before = states[:, -1], states[:, self.before]
        agent, block, angle = now[:, :2], now[:, 2:4], now[:, 4]
        agent_was, block_was, angle_was = before[:, :2], before[:, 2:4], before[:, 4]
        goal = now.new_tensor(GOAL[:2])
        turn, turn_was = _wrapped(angle - GOAL[2]), _wrapped(angle_was - GOAL[2])
        seen = _turned(agent - block, -angle)  # the agent in the block's frame
        missing = _turned(goal - block, -angle)  # the goal in the block's frame
        placed = _turned(block - goal, now.new_tensor(-GOAL[2]))  # the block in the goal's frame
        placed_was = _turned(block_was - goal, now.new_tensor(-GOAL[2]))
        error = torch.cat([placed, ARM * turn[:, None]], 1)
        error_was = torch.cat([placed_was, ARM * turn_was[:, None]], 1)
        waves = torch.cat([seen * (2 * math.pi / wave) for wave in WAVES], 1)
        # How far each of four outer corners has to go, in the block's frame.
        outer = self.corners[[0, 1, 6, 7]]
        goes = _turned(outer, -turn[:, None]) + missing[:, None] - outer
        features = [
            seen / 100,
            _turned(agent - block_was, -angle_was) / 100,
            _turned(agent_was - block_was, -angle_was) / 100,
            _turned(agent - goal, now.new_tensor(-GOAL[2])) / 250,
            placed / 150,
            missing / 150,
            turn.sin()[:, None],
            turn.cos()[:, None],
            *(torch.tanh(error / scale) for scale in SCALES),
            torch.tanh(error_was / SCALES[1]),
            waves.sin(),
            waves.cos(),
            torch.tanh(goes / 30).flatten(1),
            _turned(agent - agent_was, -angle) / 20,
            _turned(block - block_was, -angle) / 10,
            10 * _wrapped(angle - angle_was)[:, None],
        ]
        return {"features": torch.cat(features, 1)}

    def encode(self, actions: Tensor, history: History) -> Tensor:
        encoded: Tensor = self.acted(self._in_frame(actions, history))
        return encoded

    def decode(self, x: Tensor, history: History) -> Tensor:
        now = history["state"][:, -1]
        return now[:, None, :2] + _turned(self.acted.inverse(x), now[:, 4:5])

    def fit(self, history: History, actions: Tensor) -> None:
        self.acted.fit_rms(self._in_frame(actions, history), (2,))

    @staticmethod
    def _in_frame(actions: Tensor, history: History) -> Tensor:
        now = history["state"][:, -1]
        return _turned(actions - now[:, None, :2], -now[:, 4:5])


def _turned(points: Tensor, angle: Tensor) -> Tensor:
    """Points (..., 2) turned by an angle (...), which broadcast."""
    cos, sin = angle.cos(), angle.sin()
    x, y = points.unbind(-1)
    return torch.stack([cos * x - sin * y, sin * x + cos * y], -1)


def _wrapped(angle: Tensor) -> Tensor:
    """The same angle in [-pi, pi)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi

"""Goals as costs of plans: where the finger or the hand should be when a plan ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Cost = Callable[[Tensor, Mapping[str, Tensor]], Tensor]
UNITS = {
    "pusht": (2, 50.0),
    "metaworld": (3, 0.05),
}  # numbers of a place, and the distance from which on the pull is even
STEP = 0.01  # metres: how far an action of 1 moves Meta-World's hand


def places(task: str, actions: Tensor, history: Mapping[str, Tensor]) -> Tensor:
    """Where each action of plans (B, horizon, A) leads: (B, horizon, 2) pixels of PushT's arena, (B, horizon, 3) metres in Meta-World.

    Differentiable in the actions. In Meta-World the path starts at the hand, without the limits of its workspace.
    """
    if task == "pusht":
        return actions
    hand = history["state"][:, -1:, :3]
    return hand + STEP * actions[..., :3].clamp(-1, 1).cumsum(1)


def toward(task: str, goal: Sequence[float]) -> Cost:
    """The cost of ending a plan away from `goal`: sqrt(1 + d^2) - 1 at a distance d in units of 50 px or 5 cm.

    Near the goal it is a spring; from afar the pull no longer grows with the distance, which would tear plans apart.

    Raises ValueError for tasks whose actions are no places (torques), and for a goal of the wrong length.
    """
    kind = task.split("/")[0]
    if kind not in UNITS:
        raise ValueError(
            f"goal: the actions of {task} do not say where they lead; goals can be set in pusht and in metaworld/..."
        )
    count, unit = UNITS[kind]
    if len(goal) != count:
        raise ValueError(f"goal must be {count} numbers in {task}; got {len(goal)}")
    target = torch.tensor(list(goal), dtype=torch.float32)

    def cost(actions: Tensor, history: Mapping[str, Tensor]) -> Tensor:
        end = places(task, actions, history)[:, -1]
        return (1 + ((end - target.to(end)) / unit).square().sum(1)).sqrt() - 1

    return cost

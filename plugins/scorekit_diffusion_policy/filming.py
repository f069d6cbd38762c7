"""An episode that has been acted out, acted again to be filmed: the same actions, and the plans that they were taken from."""

from __future__ import annotations

from typing import Any

import numpy as np

from scorekit_diffusion_policy.policy import Policy
from scorekit_diffusion_policy.rollout import roll_out
from scorekit_diffusion_policy.table import Row
from scorekit_diffusion_policy.videos import Reel, reel

Filmed = Reel


class Replayed:
    """A policy whose plans begin with actions that are given.

    The world repeats itself exactly only under exactly the same actions, and a plan made alone differs in its last digits from the same
    plan made in a batch. So what was executed is executed again, and the rest of each plan is made anew.
    """

    def __init__(self, policy: Policy, actions: np.ndarray) -> None:
        self._policy, self._actions, self._step = policy, actions, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._policy, name)

    def plan(self, history: Any, generators: Any = None, **more: Any) -> np.ndarray:
        """A plan (1, horizon, A) for the step behind those that the plans before it covered."""
        made = self._policy.plan(history, generators, **more)
        known = self._actions[self._step : self._step + self._policy.action_steps]
        made[0, : len(known)] = known
        self._step += len(known)
        return made


def film(task: str, policy: Policy, row: Row, actions: np.ndarray, *, noise: int, size: int) -> Filmed:
    """The episode of `row` as frames of about `size` pixels, with its plans drawn; `actions` (T, A) as executed."""
    replayed = Replayed(policy, actions)
    outcome = roll_out(
        task,
        replayed,
        [row.seed],
        environments=1,
        noise=noise,
        record=[row.seed],
        frame_size=size,
        most_steps=len(actions),
    )[0]
    sides = [np.array(frame.shape[1::-1]) for frame in outcome.frames[:1]]
    plans = [(step, None if line is None else line * sides[0]) for step, _, line in outcome.plans]
    return reel(row.seed, row.success, row.score, outcome.frames, plans, size=size, action_steps=policy.action_steps)

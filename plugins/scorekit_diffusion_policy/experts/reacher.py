"""An expert for Gymnasium's Reacher: inverse kinematics of the two links, then computed torque.

The arm is driven as a critically damped spring in joint space; inertia and friction are read from the simulation, so
no constant is tuned but its stiffness.
"""

from typing import Any

import numpy as np

from scorekit_diffusion_policy.environments.world import World

FREQUENCY = 12.0  # of the spring, 1/s


class ReacherExpert:
    """Bends the elbow to the side that needs less turning; decided anew for every state, so it labels any of them."""

    def reset(self, seed: int) -> None:
        """It remembers nothing and decides nothing at random."""
        del seed

    def act(self, world: World) -> np.ndarray:
        """The action (2,), torques in [-1, 1], for the state that `world` is in, float32."""
        if not world.task.startswith("Reacher-"):
            raise ValueError(f"the Reacher expert acts in Reacher only; got {world.task}")
        import mujoco

        inner: Any = world.env.unwrapped
        model, data = inner.model, inner.data
        angles, speeds = np.array(data.qpos[:2]), np.array(data.qvel[:2])
        target = np.array(data.body("target").xpos[:2])
        upper = float(np.linalg.norm(model.body("body1").pos[:2]))
        lower = float(np.linalg.norm(model.body("fingertip").pos[:2]))
        goal = _joint_angles(target, upper, lower, angles, float(model.jnt_range[1, 1]))
        wanted = FREQUENCY**2 * (goal - angles) - 2 * FREQUENCY * speeds
        mass = np.zeros((model.nv, model.nv))
        mujoco.mj_fullM(model, mass, data.qM)
        force = mass[:2, :2] @ wanted + data.qfrc_bias[:2] - data.qfrc_passive[:2]
        torque: np.ndarray = np.clip(force / model.actuator_gear[:2, 0], -1, 1).astype(np.float32)
        return torque


def _joint_angles(target: np.ndarray, upper: float, lower: float, now: np.ndarray, limit: float) -> np.ndarray:
    """Angles (2,) that put the fingertip onto `target`, of the two solutions the one nearer to `now`."""
    reach = float(np.clip(np.linalg.norm(target), abs(upper - lower), upper + lower))
    bend = np.arccos(np.clip((reach**2 - upper**2 - lower**2) / (2 * upper * lower), -1, 1))
    bend = min(float(bend), limit)
    best, least = now, np.inf
    for elbow in (bend, -bend):
        shoulder = np.arctan2(target[1], target[0]) - np.arctan2(lower * np.sin(elbow), upper + lower * np.cos(elbow))
        turn = (shoulder - now[0] + np.pi) % (2 * np.pi) - np.pi  # the shoulder turns without end
        goal = np.array([now[0] + turn, elbow])
        cost = float(np.abs(goal - now).max())
        if cost < least:
            best, least = goal, cost
    return best

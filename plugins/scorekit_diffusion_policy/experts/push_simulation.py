"""A copy of PushT's physics to try pushes in: the environment's own bodies and walls, without its observations."""

import math

import numpy as np
import pymunk
from pymunk._chipmunk_cffi import lib

DT = 0.01  # seconds of a physics step; ten make a step of the environment
K_P, K_V = 100.0, 20.0  # of the controller that drives the finger
SUBSTEPS = 10


class PushSimulation:
    """The block moves only while it is pushed (the space is fully damped), so poses and the finger are its state."""

    def __init__(self) -> None:
        from gym_pusht.envs.pusht import PushTEnv

        self.space = pymunk.Space()
        self.space.gravity, self.space.damping = (0, 0), 0.0
        corners = [(5, 5), (506, 5), (506, 506), (5, 506)]
        walls = [
            PushTEnv.add_segment(self.space, a, b, 2) for a, b in zip(corners, corners[1:] + corners[:1], strict=True)
        ]
        self.space.add(*walls)
        self.finger = PushTEnv.add_circle(self.space, (256, 400), 15)
        self.block, _ = PushTEnv.add_tee(self.space, (256, 300), 0)

    def place(self, finger: np.ndarray, block: np.ndarray, velocity: tuple[float, float] = (0.0, 0.0)) -> None:
        """Put the finger at (2,) with a velocity in pixels a second, and the block at x, y, angle."""
        # A step far from everything forgets the contacts of the last trial, which the solver would start from.
        self.finger.position, self.finger.velocity = (-500.0, -500.0), (0.0, 0.0)
        self.space.step(DT)
        self.finger.position, self.finger.velocity = (float(finger[0]), float(finger[1])), velocity
        self.block.angle = float(block[2])  # first: turning is about the centre of gravity and moves the position
        self.block.position = (float(block[0]), float(block[1]))
        self.block.velocity, self.block.angular_velocity = (0.0, 0.0), 0.0

    def sweep(
        self, start: np.ndarray, direction: np.ndarray, block: np.ndarray, length: float, stride: float
    ) -> np.ndarray:
        """Poses (K, 3) of the block while the finger goes straight, after each `stride` pixels from 0 up to `length`."""
        self.place(start, block, (float(direction[0]) * stride / DT, float(direction[1]) * stride / DT))
        # pymunk's own properties and its step take five times as long as the step of the library beneath.
        step, position, angle = lib.cpSpaceStep, lib.cpBodyGetPosition, lib.cpBodyGetAngle
        space, body = self.space._space, self.block._body
        poses = [(float(block[0]), float(block[1]), float(block[2]))]
        for _ in range(math.ceil(length / stride)):
            step(space, DT)
            place = position(body)
            poses.append((place.x, place.y, angle(body)))
        return np.array(poses)

    def drive(self, action: np.ndarray) -> None:
        """One step of the environment: the controller pulls the finger towards `action` (2,)."""
        finger, step = self.finger, self.space.step
        x, y = float(action[0]), float(action[1])
        for _ in range(SUBSTEPS):
            (px, py), (vx, vy) = finger.position, finger.velocity
            finger.velocity = vx + (K_P * (x - px) - K_V * vx) * DT, vy + (K_P * (y - py) - K_V * vy) * DT
            step(DT)

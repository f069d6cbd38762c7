"""An expert for PushT: plans one push after another by trying pushes in a copy of the simulation.

A push is a place on the block's outline, a direction and a length. A fixed grid of places with three directions each
is tried first, then the best four are varied. What counts is the corner error that a push takes away per step, the
steps of the way to it included. Pushes that go on from the present contact need no way, which keeps the expert from
changing sides without need; counting by rate keeps it from dawdling there.
"""

from dataclasses import dataclass, replace

import numpy as np

from scorekit_diffusion_policy.environments.pusht import PushT
from scorekit_diffusion_policy.environments.world import World
from scorekit_diffusion_policy.experts.navigation import Ways
from scorekit_diffusion_policy.experts.push_simulation import PushSimulation
from scorekit_diffusion_policy.experts.tee import (
    FINGER,
    corner_error,
    coverage,
    distance,
    perimeter,
    to_block,
    to_world,
)

LEAD = 8.0  # pixels between the place where a push begins and the contact
LONGEST = 160.0
STRIDE, FINE_STRIDE = 4.0, 2.0  # pixels of a physics step of a trial
ANGLES = np.deg2rad([-35.0, 0.0, 35.0])
FAN = np.deg2rad([-60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0])  # directions that go on from the present contact
PUSH_AHEAD, TRAVEL_AHEAD = 20.0, 50.0  # the action lies so many pixels ahead of the finger; its speed is half a step's
FINISH = 15.0  # what success is worth, in pixels of corner error
GIVE_UP = 30  # steps of one push


@dataclass(frozen=True)
class Push:
    """start, direction  (2,) in the block's frame as it is at the beginning;  length  from `start`, in pixels

    rate    corner error that it takes away per step, in pixels;  travel  length of the way to `start`, in pixels
    here    goes on from the present contact
    """

    start: np.ndarray
    direction: np.ndarray
    length: float
    rate: float
    travel: float
    here: bool = False


def _grid(spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Starts (N, 2) and directions (N, 2) of all pushes of the fixed grid that the finger can get to."""
    points, normals = perimeter(spacing)
    starts, directions = [], []
    for point, normal in zip(points, normals, strict=True):
        touching = point + normal * FINGER
        if distance(touching) < FINGER - 0.1:
            continue  # in an inner corner the finger touches the other bar first
        for angle in ANGLES:
            c, s = np.cos(angle), np.sin(angle)
            direction = -np.array([c * normal[0] - s * normal[1], s * normal[0] + c * normal[1]])
            start = touching - LEAD * direction
            if distance(start) > FINGER + LEAD / 2:
                starts.append(start)
                directions.append(direction)
    return np.array(starts), np.array(directions)


class PushTExpert:
    """Acts on the true state of a PushT world. Same seed and same world: same actions.

    spread  pushes whose rates differ by about this share are chosen between at random, so that demonstrations show
            several ways to do the same; 0 always takes the best.
    """

    def __init__(self, spread: float = 0.05) -> None:
        self.spread = spread
        self._simulation = PushSimulation()
        self._starts, self._directions = _grid(20.0)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Begin an episode; `seed` decides between pushes that are as good."""
        self._random = np.random.default_rng(seed)
        self._push: Push | None = None
        self._line: tuple[np.ndarray, np.ndarray] | None = None  # start and direction in the arena, once pushing
        self._steps = 0

    def act(self, world: World) -> np.ndarray:
        """The action (2,) for the state that `world` is in, float32. Raises ValueError for a world that is not PushT."""
        if not isinstance(world, PushT):
            raise ValueError(f"the PushT expert acts in pusht only; got {world.task}")
        finger, _ = world.agent
        pose, mark = world.block, world.mark
        if self._push is not None and self._finished(finger):
            self._push = None
        if self._push is None:
            self._begin(self._choose(finger, pose, mark), finger, pose)
        action = self._on_line(finger) if self._line is not None else self._on_way(finger, pose)
        clipped: np.ndarray = np.clip(action, 2, 510).astype(np.float32)
        return clipped

    def _begin(self, push: Push, finger: np.ndarray, pose: np.ndarray) -> None:
        self._push, self._steps = push, 0
        self._line = None
        if push.here:
            self._set_line(pose, finger)

    def _set_line(self, pose: np.ndarray, finger: np.ndarray | None = None) -> None:
        assert self._push is not None
        start = to_world(self._push.start, pose)
        direction = to_world(self._push.direction, np.array([0.0, 0.0, pose[2]]))
        self._line = (start if finger is None else finger, direction)
        self._steps = 0

    def _finished(self, finger: np.ndarray) -> bool:
        assert self._push is not None
        self._steps += 1
        if self._line is None:
            return self._steps > 2 * GIVE_UP
        start, direction = self._line
        along = float((finger - start) @ direction)
        aside = float(np.linalg.norm(finger - start - along * direction))
        return along > self._push.length - 1.0 or aside > 14.0 or along < -20.0 or self._steps > GIVE_UP

    def _on_line(self, finger: np.ndarray) -> np.ndarray:
        assert self._push is not None
        assert self._line is not None
        start, direction = self._line
        along = float((finger - start) @ direction)
        return start + direction * min(along + PUSH_AHEAD, self._push.length + 0.5)

    def _on_way(self, finger: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """Towards the beginning of the push; there, the push begins."""
        assert self._push is not None
        goal = to_world(self._push.start, pose)
        if np.linalg.norm(goal - finger) < 5.0:
            self._set_line(pose)
            return self._on_line(finger)
        local, room = _freed(to_block(finger, pose))
        if room < LEAD / 2:  # first away from the block
            away = _outward(local)
            if float(away @ (self._push.start - local)) < 0.7 * float(np.linalg.norm(self._push.start - local)):
                return to_world(local + away * 1.5 * TRAVEL_AHEAD / 3, pose)
        ways = Ways(local, self._push.start[None], pose, room)
        if not np.isfinite(ways.length[0]):
            self._push = replace(self._push, length=0.0)  # no way any more: choose anew after this step
            self._line = (finger, np.array([1.0, 0.0]))
            return finger
        turns = to_world(ways.turns(0), pose)
        return _ahead(finger, turns, TRAVEL_AHEAD)

    def _choose(self, finger: np.ndarray, pose: np.ndarray, mark: np.ndarray) -> Push:
        """The push to do next."""
        local, room = _freed(to_block(finger, pose))
        pushes = self._from_here(local, room, pose, mark) + self._from_grid(local, room, pose, mark)
        if not pushes:  # walled in: anything else is better
            middle = to_block(np.array([256.0, 256.0]), pose) - local
            return Push(local, middle / max(float(np.linalg.norm(middle)), 1e-6), 40.0, 0.0, 0.0, here=True)
        best = sorted(pushes, key=lambda push: -push.rate)[:4]
        varied = [self._vary(push, pose, mark) for push in best]
        rates = np.array([push.rate for push in varied])
        best_rate = float(rates.max())
        if self.spread <= 0 or best_rate <= 0:
            return varied[int(rates.argmax())]
        weights = np.exp((rates / best_rate - 1) / self.spread)
        return varied[int(self._random.choice(len(varied), p=weights / weights.sum()))]

    def _from_grid(self, local: np.ndarray, room: float, pose: np.ndarray, mark: np.ndarray) -> list[Push]:
        ways = Ways(local, self._starts, pose, room)
        inside = np.abs(to_world(self._starts, pose) - 256).max(1) < 254
        return [
            self._try(self._starts[i], self._directions[i], float(ways.length[i]), pose, mark, STRIDE)
            for i in np.flatnonzero(inside & np.isfinite(ways.length))
        ]

    def _from_here(self, local: np.ndarray, room: float, pose: np.ndarray, mark: np.ndarray) -> list[Push]:
        if room > 3.0:
            return []
        inward = -_outward(local)
        pushes = []
        for angle in FAN:
            c, s = np.cos(angle), np.sin(angle)
            direction = np.array([c * inward[0] - s * inward[1], s * inward[0] + c * inward[1]])
            pushes.append(self._try(local, direction, 0.0, pose, mark, STRIDE, here=True))
        return pushes

    def _vary(self, push: Push, pose: np.ndarray, mark: np.ndarray) -> Push:
        """The best of small changes of `push`, found with finer trials."""
        best = self._try(push.start, push.direction, push.travel, pose, mark, FINE_STRIDE, push.length, push.here)
        for scale in (1.0, 1.0, 0.6, 0.6, 0.3, 0.3):
            turn = scale * self._random.normal(0, np.deg2rad(12))
            c, s = np.cos(turn), np.sin(turn)
            direction = np.array(
                [c * best.direction[0] - s * best.direction[1], s * best.direction[0] + c * best.direction[1]]
            )
            start = best.start
            if not push.here:
                shift = scale * self._random.normal(0, 6.0)
                start = start + shift * np.array([-best.direction[1], best.direction[0]])
                if distance(start) < FINGER + 2 or np.abs(to_world(start, pose) - 256).max() > 254:
                    continue
            trial = self._try(start, direction, push.travel, pose, mark, FINE_STRIDE, push.length, push.here)
            if trial.rate > best.rate:
                best = trial
        return best

    def _try(
        self,
        start: np.ndarray,
        direction: np.ndarray,
        travel: float,
        pose: np.ndarray,
        mark: np.ndarray,
        stride: float,
        around: float | None = None,
        here: bool = False,
    ) -> Push:
        """Push in the simulation; the length is the best one up to LONGEST, or up to a little more than `around`."""
        toward = to_world(direction, np.array([0.0, 0.0, pose[2]]))
        longest = LONGEST if around is None else min(LONGEST, around + 12.0)
        poses = self._simulation.sweep(to_world(start, pose), toward, pose, longest, stride)
        lengths = stride * np.arange(len(poses))
        error = corner_error(poses, mark)
        gain = error[0] - error
        best = int(error.argmin())
        if error[best] < 6 and coverage(poses[best], mark) > 0.955:
            gain[best] += FINISH
        moving = lengths / (PUSH_AHEAD / 2) + 3.0
        way = 0.0 if here else travel / (TRAVEL_AHEAD / 2) + 3.0
        rate = gain / (way + moving)
        chosen = 1 + int(rate[1:].argmax())
        return Push(start, direction, float(lengths[chosen]), float(rate[chosen]), travel, here)


def _freed(local: np.ndarray) -> tuple[np.ndarray, float]:
    """The finger's place and its distance to the block's surface; a finger pressed into the block counts as beside it."""
    room = float(distance(local)) - FINGER
    if room >= 0:
        return local, room
    return local - room * _outward(local), 0.0


def _outward(local: np.ndarray) -> np.ndarray:
    """Unit vector (2,) away from the block, in its frame."""
    steps = 0.5 * np.eye(2)
    slope = distance(local + steps) - distance(local - steps)
    size = float(np.linalg.norm(slope))
    unit: np.ndarray = slope / size if size > 1e-6 else np.array([0.0, -1.0])
    return unit


def _ahead(finger: np.ndarray, turns: np.ndarray, reach: float) -> np.ndarray:
    """The first turn, or a place `reach` pixels away on the way to it."""
    target: np.ndarray = turns[0]
    far = float(np.linalg.norm(target - finger))
    return target if far <= reach else finger + (target - finger) * (reach / far)

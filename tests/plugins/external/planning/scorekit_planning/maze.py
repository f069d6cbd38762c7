"""A point mass with inertia in a maze, as a Gymnasium environment, and a demonstrator that crosses it by random routes."""

import heapq
from typing import Any

import gymnasium
import numpy as np

ROOMS = ("#######", "#.....#", "#.#.#.#", "#.....#", "#.#.#.#", "#.....#", "#######")  # every room has two ways out
WALLS = np.array([[c == "#" for c in row] for row in ROOMS])
CELLS = [(int(x), int(y)) for y, x in np.argwhere(~WALLS)]
STEP, FORCE, NEAR, ZONE = (
    0.2,
    5.0,
    0.3,
    0.5,
)  # s; most acceleration, m/s^2; radius of the goal, m; radius of the zone, m
HORIZON = 32  # states in a plan


def in_wall(points: np.ndarray) -> np.ndarray:
    """Whether points (..., 2) are in a wall. Cell (x, y) of the maze is the square [x, x + 1] x [y, y + 1]."""
    x, y = np.clip(np.floor(np.asarray(points)).astype(int), 0, len(ROOMS) - 1).T
    return np.asarray(WALLS[y, x].T)


def route(start: tuple[int, int], goal: tuple[int, int], rng: Any = None, shut: Any = ()) -> list[tuple[int, int]]:
    """Cells from start to goal around those in `shut`: the fewest, or, with a generator, a way that is short by chance."""
    heap, cost, before = [(0.0, start)], {start: 0.0}, {start: start}
    while heap:
        _, (x, y) = heapq.heappop(heap)
        for cell in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            total = cost[x, y] + (rng.uniform(0.2, 2.0) if rng is not None else 1.0)
            if not WALLS[cell[1], cell[0]] and cell not in shut and total < cost.get(cell, np.inf):
                cost[cell], before[cell] = total, (x, y)
                heapq.heappush(heap, (total, cell))
    path = [goal]
    while path[-1] != start:
        path.append(before[path[-1]])
    return path[::-1]


def journey(rng: np.random.Generator, by_chance: bool = False) -> list[tuple[int, int]]:
    """A way of four cells or more between two places."""
    path: list[tuple[int, int]] = []
    while len(path) < 4:
        start, goal = (CELLS[i] for i in rng.choice(len(CELLS), 2, replace=False))
        path = route(start, goal, rng if by_chance else None)
    return path


class PointMaze(gymnasium.Env[np.ndarray, np.ndarray]):
    """Reach the goal without touching the zone.

    Observation (8,): position (m), velocity (m/s), goal (m), centre of the zone (m). Action (2,): acceleration (m/s^2), to which a
    disturbance of this standard deviation is added. Walls stop. Reward 1 at the goal. `info` says `harmed` once the zone was touched.
    """

    observation_space = gymnasium.spaces.Box(-10.0, 10.0, (8,), np.float64)
    action_space = gymnasium.spaces.Box(-FORCE, FORCE, (2,), np.float64)

    def __init__(self, disturbance: float = 0.3) -> None:
        self.disturbance = disturbance

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        rng = self.np_random
        path = journey(rng)
        start, goal = (np.array(cell) + rng.uniform(0.25, 0.75, 2) for cell in (path[0], path[-1]))
        self.state = np.concatenate([start, np.zeros(2)])
        self.goal, self.zone = goal, np.array(path[rng.integers(1, len(path) - 1)]) + 0.5  # it shuts a shortest way
        self.harmed, self.clock = False, 0
        return self.seen(), {"harmed": False}

    def seen(self) -> np.ndarray:
        return np.concatenate([self.state, self.goal, self.zone])

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        force = np.clip(action, -FORCE, FORCE) + self.disturbance * self.np_random.standard_normal(2)
        self.state[2:] += STEP * force
        for axis in (0, 1):
            moved = self.state[:2].copy()
            moved[axis] += STEP * self.state[2 + axis]
            if in_wall(moved):
                self.state[2 + axis] = 0.0
            else:
                self.state[:2] = moved
        self.clock += 1
        self.harmed |= bool(np.linalg.norm(self.state[:2] - self.zone) < ZONE)
        there = bool(np.linalg.norm(self.state[:2] - self.goal) < NEAR)
        return self.seen(), float(there), there, self.clock >= 2 * HORIZON, {"harmed": self.harmed}


def along(points: np.ndarray, count: int = HORIZON) -> np.ndarray:
    """States (count, 4) on the polyline through points (n, 2), corners rounded, from rest to rest."""
    far = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    t = np.linspace(0.0, 1.0, count)
    ease = np.convolve(np.pad(t, 3, mode="edge"), np.full(7, 1 / 7), "valid")
    line = np.stack([np.interp(ease * far[-1], far, points[:, axis]) for axis in (0, 1)], 1)
    padded = np.pad(line, ((2, 2), (0, 0)), mode="edge")
    line = np.stack([np.convolve(padded[:, axis], np.full(5, 1 / 5), "valid") for axis in (0, 1)], 1)
    return np.concatenate([line, np.gradient(line, STEP, axis=0)], 1)


def follow(plan: np.ndarray, state: np.ndarray, index: int) -> np.ndarray:
    """The acceleration (2,) that leads from `state` (4,) along a plan (n, 4): a proportional-derivative controller."""
    now, then = plan[min(index, len(plan) - 1)], plan[min(index + 1, len(plan) - 1)]
    return np.asarray((then[2:] - now[2:]) / STEP + 6.0 * (now[:2] - state[:2]) + 4.0 * (now[2:] - state[2:]))


def demonstrations(count: int, seed: int) -> np.ndarray:
    """What a demonstrator did, (count, HORIZON, 6): position, velocity and action, by random routes between random places."""
    rng, env = np.random.default_rng(seed), PointMaze(disturbance=0.0)
    found: list[np.ndarray] = []
    while len(found) < count:
        path = journey(rng, by_chance=True)
        points = np.array(path) + 0.5 + rng.uniform(-0.1, 0.1, (len(path), 2))
        points[[0, -1]] += rng.uniform(-0.15, 0.15, (2, 2))
        env.reset(seed=int(rng.integers(2**31)))
        env.state = np.concatenate([points[0], np.zeros(2)])
        plan, rows = along(points), []
        for index in range(HORIZON):
            action = np.clip(follow(plan, env.state, index), -FORCE, FORCE)
            rows.append(np.concatenate([env.state, action]))
            env.step(action)
        if np.linalg.norm(rows[-1][:2] - points[-1]) < NEAR:
            found.append(np.stack(rows))
    return np.stack(found)

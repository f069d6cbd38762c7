"""Ways around the block for the finger, by a visibility graph in the block's frame."""

import numpy as np

from scorekit_diffusion_policy.experts.tee import BARS, FINGER, to_world

CLEARANCE = 8.0  # between finger and block at a turn, pixels
LEAST = 4.0  # on the way between two turns
_GROWTH = FINGER + CLEARANCE
TURNS = np.array([[-60, 0], [60, 0], [60, 30], [15, 120], [-15, 120], [-60, 30]]) + _GROWTH * np.array(
    [[-1, -1], [1, -1], [1, 1], [1, 1], [-1, 1], [-1, 1]]
)


def blocked(starts: np.ndarray, ends: np.ndarray, growth: float) -> np.ndarray:
    """Whether segments from (..., 2) to (..., 2) in the block's frame cut the bars, grown by `growth`."""
    delta = np.where(np.abs(ends - starts) < 1e-9, 1e-9, ends - starts)
    cut: np.ndarray = np.zeros(np.broadcast_shapes(starts.shape, ends.shape)[:-1], dtype=bool)
    for bar in BARS:
        near, far = (bar[:2] - growth - starts) / delta, (bar[2:] + growth - starts) / delta
        enter = np.maximum(np.minimum(near, far).max(-1), 0.0)
        leave = np.minimum(np.maximum(near, far).min(-1), 1.0)
        cut |= enter < leave
    return cut


def _lengths(starts: np.ndarray, ends: np.ndarray, growth: float) -> np.ndarray:
    """(N, M) lengths of straight ways, infinite where blocked."""
    far: np.ndarray = np.linalg.norm(starts[:, None] - ends[None], axis=-1)
    far[blocked(starts[:, None], ends[None], growth)] = np.inf
    return far


BETWEEN_TURNS = _lengths(TURNS, TURNS, FINGER + LEAST)


class Ways:
    """Shortest ways from one place to many, all (.., 2) in the frame of a block at `pose`, inside the arena.

    finger  where the ways begin;  goals (N, 2)  where they end.
    length  (N,), infinite where there is no way
    """

    def __init__(self, finger: np.ndarray, goals: np.ndarray, pose: np.ndarray, room: float) -> None:
        self.goals = goals
        within = np.abs(to_world(TURNS, pose) - 256).max(1) < 256 - 2
        between = np.where(within[:, None] & within[None], BETWEEN_TURNS, np.inf)
        np.fill_diagonal(between, 0.0)
        # Close to the block, as after a push, less clearance has to do.
        growth = min(FINGER + LEAST, max(room + FINGER - 0.5, FINGER - 3.0))
        first = np.where(within, _lengths(finger[None], TURNS, growth)[0], np.inf)
        last = np.where(within[:, None], _lengths(TURNS, goals, FINGER + LEAST), np.inf)
        self._before = np.full(len(TURNS), -1)
        self._reach = first.copy()
        for _ in range(len(TURNS)):  # Bellman and Ford: six turns need no more than six rounds
            through = self._reach[:, None] + between
            best = through.argmin(0)
            better = through[best, np.arange(len(TURNS))] < self._reach - 1e-9
            self._before[better] = best[better]
            self._reach = np.where(better, through[best, np.arange(len(TURNS))], self._reach)
        direct = _lengths(finger[None], goals, growth)[0]
        around = self._reach[:, None] + last
        self._last = around.argmin(0)
        self.length = np.minimum(direct, around.min(0))
        self._straight = direct <= around.min(0)

    def turns(self, goal: int) -> np.ndarray:
        """(K, 2): the places where the way to goal number `goal` bends, and the goal."""
        way = [self.goals[goal]]
        if not self._straight[goal]:
            place = int(self._last[goal])
            while place >= 0:
                way.append(TURNS[place])
                place = int(self._before[place])
        return np.array(way[::-1])

"""Plans as samples: start and goal are inpainted, a zone is kept away from by an energy; and their execution."""

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from scorekit import Denoiser, energy, sample
from scorekit_planning.maze import ROOMS, WALLS, ZONE, PointMaze, along, follow, route
from scorekit_planning.network import between

COLOURS = {"guided": "#2468c9", "unguided": "#e0912f", "straight": "#9aa3ad"}


def plan(model: Denoiser, seen: np.ndarray, generator: torch.Generator, guidance: float, steps: int = 32) -> np.ndarray:
    """Trajectories (n, HORIZON, 6) for observations (n, 8) of the maze, in metres and seconds.

    guidance  weight of the energy that keeps away from the zone; 0 leaves it out
    """
    at = torch.as_tensor(seen, dtype=torch.float32, device=generator.device)
    known, mask = (torch.zeros(len(seen), *model.shape, device=generator.device) for _ in range(2))
    known[:, 0, :4], known[:, -1, :2] = at[:, :4], at[:, 4:6]
    mask[:, 0, :4] = mask[:, -1, :4] = 1  # at rest in the goal
    known = model.encode(known)

    def too_near(x0: Tensor) -> Tensor:
        away: Tensor = torch.linalg.vector_norm(model.decode(x0)[..., :2] - at[:, None, 6:], dim=-1)
        return (ZONE + 0.25 - away).relu().square().sum(1)

    score = model.given(between(known)) + guidance * energy(too_near)
    x = sample(score, len(seen), solver="ddpm", steps=steps, mask=mask, known=known, generator=generator)
    return np.asarray(model.decode(x).double().cpu())


def straight(seen: np.ndarray) -> np.ndarray:
    """The plan (HORIZON, 4) that knows of no walls."""
    return along(np.stack([seen[:2], seen[4:6]]))


def with_map(seen: np.ndarray) -> np.ndarray:
    """The plan (HORIZON, 4) by a search on the map of the maze, around the zone: what can be had at most."""
    start, goal, shut = ((int(place[0]), int(place[1])) for place in (seen[:2], seen[4:6], seen[6:]))
    points = np.array(route(start, goal, shut=[shut])) + 0.5
    points[0], points[-1] = seen[:2], seen[4:6]
    return along(points)


def execute(plan: np.ndarray, seed: int) -> tuple[np.ndarray, bool, bool]:
    """Follow a plan (n, >= 4) in the episode of `seed`: the way that was taken (m, 2), whether it reached the goal, and unharmed."""
    env = PointMaze()
    seen, info = env.reset(seed=seed)
    way, ended, there = [seen[:2]], False, False
    while not ended:
        seen, _, there, late, info = env.step(follow(plan[:, :4], seen[:4], len(way) - 1))
        way.append(seen[:2])
        ended = there or late
    return np.stack(way), there, there and not info["harmed"]


def wilson(won: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    centre, half = won / n + z * z / (2 * n), z * ((won / n * (1 - won / n) + z * z / (4 * n)) / n) ** 0.5
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def draw(episodes: list[tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]], side: int = 280) -> Image.Image:
    """Mazes side by side, each with its zone, named plans (n, >= 2) and the way that was taken (m, 2)."""
    unit, sheet = side / len(ROOMS), Image.new("RGB", (side * len(episodes), side), "white")
    pen = ImageDraw.Draw(sheet)
    for column, (seen, plans, way) in enumerate(episodes):

        def at(points: np.ndarray, left: int = column * side) -> list[tuple[float, float]]:
            return [(left + x * unit, y * unit) for x, y in np.atleast_2d(points)[:, :2]]

        def disc(centre: np.ndarray, radius: float, colour: str) -> None:
            pen.ellipse([*at(centre - radius)[0], *at(centre + radius)[0]], fill=colour)

        for y, x in np.argwhere(WALLS):
            pen.rectangle([*at(np.array([x, y]))[0], *at(np.array([x + 1, y + 1]))[0]], fill="#39424e")
        disc(seen[6:], ZONE, "#f3c6c0")
        for name, plan in plans.items():
            pen.line(at(plan), fill=COLOURS[name], width=4, joint="curve")
        pen.line(at(way), fill="black", width=1)
        disc(seen[:2], 0.13, "black")
        disc(seen[4:6], 0.13, "#1b7f4d")
    return sheet

"""The T-shaped block: its outline, distances to it, and how well a pose covers the mark."""

import numpy as np
import shapely

FINGER = 15.0  # radius of the finger, pixels
BARS = np.array([[-60.0, 0.0, 60.0, 30.0], [-15.0, 30.0, 15.0, 120.0]])  # x0, y0, x1, y1 in the block's frame
CENTRE = np.array([0.0, 45.0])  # of gravity
OUTLINE = np.array([[-60, 0], [60, 0], [60, 30], [15, 30], [15, 120], [-15, 120], [-15, 30], [-60, 30]], dtype=float)


def rotation(angle: float) -> np.ndarray:
    """(2, 2), counter-clockwise for x right and y up."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def to_world(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Points (..., 2) of the block's frame in the arena; pose x, y, angle."""
    placed: np.ndarray = points @ rotation(pose[2]).T + pose[:2]
    return placed


def to_block(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Points (..., 2) of the arena in the block's frame."""
    seen: np.ndarray = (points - pose[:2]) @ rotation(pose[2])
    return seen


def distance(points: np.ndarray) -> np.ndarray:
    """Signed distance (...) of points (..., 2) in the block's frame to the block; exact outside, negative inside."""
    middle, half = (BARS[:, :2] + BARS[:, 2:]) / 2, (BARS[:, 2:] - BARS[:, :2]) / 2
    beyond = np.abs(points[..., None, :] - middle) - half  # (..., bars, 2)
    outside = np.linalg.norm(np.maximum(beyond, 0), axis=-1)
    signed: np.ndarray = (outside + np.minimum(beyond.max(-1), 0)).min(-1)
    return signed


def perimeter(spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 2) along the outline about `spacing` apart, none on a corner, and outward normals (N, 2)."""
    points, normals = [], []
    for start, end in zip(OUTLINE, np.roll(OUTLINE, -1, axis=0), strict=True):
        edge = end - start
        length = float(np.linalg.norm(edge))
        count = max(1, round(length / spacing))
        points.append(start + edge * ((np.arange(count) + 0.5) / count)[:, None])
        normals.append(np.tile(np.array([edge[1], -edge[0]]) / length, (count, 1)))
    return np.concatenate(points), np.concatenate(normals)


def corner_error(pose: np.ndarray, mark: np.ndarray) -> np.ndarray:
    """Mean distance of the outline's corners from where they should be, (...) for poses (..., 3), in pixels."""
    c, s = np.cos(pose[..., 2]), np.sin(pose[..., 2])
    x = c[..., None] * OUTLINE[:, 0] - s[..., None] * OUTLINE[:, 1] + pose[..., 0, None]
    y = s[..., None] * OUTLINE[:, 0] + c[..., None] * OUTLINE[:, 1] + pose[..., 1, None]
    goal = to_world(OUTLINE, mark)
    error: np.ndarray = np.hypot(x - goal[:, 0], y - goal[:, 1]).mean(-1)
    return error


_TEE = shapely.Polygon(OUTLINE)


def coverage(pose: np.ndarray, mark: np.ndarray) -> float:
    """Share of the mark that a block at `pose` covers."""
    block, goal = shapely.Polygon(to_world(OUTLINE, pose)), shapely.Polygon(to_world(OUTLINE, mark))
    return float(block.intersection(goal).area / _TEE.area)

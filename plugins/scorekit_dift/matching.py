"""Matching descriptors: nearest neighbours in chunks, mutual ones, and places between the cells by soft-argmax."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from scorekit_dift.descriptors import Descriptors

CHUNK = 1 << 24  # similarities held at once


@dataclass(frozen=True)
class Matches:
    """source, target (N, 2): places (x, y) in pixels of the two pictures; score (N,): cosine similarity in [-1, 1]."""

    source: Tensor
    target: Tensor
    score: Tensor

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, index: Tensor | slice) -> Matches:
        return Matches(self.source[index], self.target[index], self.score[index])

    def best(self, count: int) -> Matches:
        """The `count` of highest score, best first."""
        return self[self.score.argsort(descending=True)[:count]]


def match_points(
    source: Descriptors, target: Descriptors, points: Tensor, *, window: int = 2, sharpness: float = 30.0
) -> Matches:
    """Where the places `points` (N, 2) of the source are in the target.

    The best cell, and then the mean of the places around it weighted by exp(sharpness * similarity).

    window  cells to each side of the best one that take part; 0: the middle of the best cell

    Raises ValueError for points outside the source.
    """
    queries = source.at(points.to(source.values.device, torch.float32))
    keys = target.vectors()
    found, score = [], []
    for rows in _chunks(queries, target):
        similarity = queries[rows] @ keys.T
        best, index = similarity.max(1)
        found.append(_refined(similarity, index, target, window, sharpness))
        score.append(best)
    return Matches(points.to(queries), torch.cat(found), torch.cat(score))


def mutual_matches(
    source: Descriptors, target: Descriptors, *, window: int = 2, sharpness: float = 30.0, tolerance: float = 0.0
) -> Matches:
    """Cells of the source whose best cell in the target has them as its best.

    tolerance  in cells: how far from the start the way there and back may end
    """
    there, _ = nearest(source, target)
    back, _ = nearest(target, source)
    ways = back[there]
    w = source.values.shape[2]
    start = torch.arange(len(there), device=there.device)
    gap = torch.maximum((ways // w - start // w).abs(), (ways % w - start % w).abs())
    kept = gap <= tolerance
    return match_points(source, target, source.grid()[kept], window=window, sharpness=sharpness)


def nearest(source: Descriptors, target: Descriptors) -> tuple[Tensor, Tensor]:
    """For every cell of the source the index of the most similar one of the target (h * w,), and how similar it is."""
    queries, keys = source.vectors(), target.vectors()
    best = [(queries[rows] @ keys.T).max(1) for rows in _chunks(queries, target)]
    return torch.cat([index for _, index in best]), torch.cat([score for score, _ in best])


def dense_matches(source: Descriptors, target: Descriptors, *, window: int = 2, sharpness: float = 30.0) -> Matches:
    """A match for every cell of the source, in reading order."""
    return match_points(source, target, source.grid(), window=window, sharpness=sharpness)


def heat_map(source: Descriptors, target: Descriptors, point: Tensor) -> Tensor:
    """How similar each cell of the target is to the place `point` (2,) of the source: (h, w) in [-1, 1]."""
    query = source.at(point.to(source.values.device, torch.float32)[None])
    return (query @ target.vectors().T).view(target.values.shape[1:])


def _chunks(queries: Tensor, target: Descriptors) -> Iterator[slice]:
    rows = max(1, CHUNK // target.values[0].numel())
    return (slice(begin, begin + rows) for begin in range(0, len(queries), rows))


def _refined(similarity: Tensor, index: Tensor, target: Descriptors, window: int, sharpness: float) -> Tensor:
    h, w = target.values.shape[1:]
    side = 2 * window + 1
    offset = torch.arange(-window, window + 1, device=index.device)
    row = (index // w)[:, None] + offset.repeat_interleave(side)
    column = (index % w)[:, None] + offset.repeat(side)
    inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
    place = (row.clamp(0, h - 1) * w + column.clamp(0, w - 1)).to(index)
    logits = (similarity.gather(1, place) * sharpness).masked_fill(~inside, -torch.inf)
    weight = F.softmax(logits, 1)
    y = (weight * (row + 0.5)).sum(1) * target.cell[0]
    x = (weight * (column + 0.5)).sum(1) * target.cell[1]
    return torch.stack([x, y], 1)

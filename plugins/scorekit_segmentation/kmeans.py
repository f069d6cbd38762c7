"""k-means by Lloyd's iterations from k-means++ seeds (Arthur and Vassilvitskii 2007), the best of several starts."""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDS = 50


def kmeans(rows: Tensor, count: int, generator: torch.Generator, *, starts: int = 8) -> tuple[Tensor, Tensor]:
    """Labels (N,) int64 and centres (count, C) of rows (N, C).

    generator  on the CPU; seeds are drawn with it

    Raises ValueError for more clusters than rows.
    """
    if not 1 <= count <= len(rows):
        raise ValueError(f"clusters must be from 1 to {len(rows)}, the number of places, not {count}.")
    best: tuple[float, Tensor, Tensor] | None = None
    for _ in range(starts):
        centres = _seeds(rows, count, generator)
        labels = torch.full((len(rows),), -1, device=rows.device)
        for _ in range(ROUNDS):
            gaps = torch.cdist(rows, centres)
            new = gaps.argmin(1)
            if torch.equal(new, labels):
                break
            labels = new
            sums = torch.zeros_like(centres).index_add_(0, labels, rows)
            sizes = torch.bincount(labels, minlength=count)
            # A cluster that lost all its rows takes the row that is farthest from its own centre.
            centres = torch.where(sizes[:, None] > 0, sums / sizes.clamp_min(1)[:, None], rows[gaps.amin(1).argmax()])
        cost = float(torch.cdist(rows, centres).amin(1).square().sum())
        if best is None or cost < best[0]:
            best = cost, labels, centres
    assert best is not None
    return best[1], best[2]


def _seeds(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    chosen = [int(torch.randint(len(rows), (1,), generator=generator))]
    while len(chosen) < count:
        gaps = torch.cdist(rows, rows[chosen]).amin(1).square().double().cpu()
        # Rows that all coincide with a seed leave no choice.
        weights = gaps if float(gaps.sum()) > 0 else torch.ones_like(gaps)
        chosen.append(int(torch.multinomial(weights, 1, generator=generator)))
    return rows[chosen].clone()

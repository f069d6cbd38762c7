"""Seam-free chunks: a plan that begins with what is left of the plan before it.

Real-time chunking (Black et al. 2025, arXiv:2506.07339) inpaints: actions that will be executed while the new plan is made are firm, those
after them bind less and less. Here the known part replaces the model's estimate x0 at every level by a weighted mean, so that what the
network sees at the next level already holds it. With a deterministic solver firm actions come out exactly.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorekit.prediction import Prediction
from scorekit.score import Score
from scorekit.terms import Mapped


def hold_weights(horizon: int, overlap: int, delay: int) -> Tensor:
    """How firmly each action of a plan is held to the plan before: (horizon,) in [0, 1] (eq. 5 of the paper).

    1 for the first `delay` actions, falling to 0 where the old plan ends after `overlap` of them.
    """
    index = torch.arange(horizon, dtype=torch.float32)
    firm = min(delay, overlap)
    falling = ((overlap - index) / (overlap - firm + 1)).clamp(0, 1)
    falling = falling * torch.expm1(falling) / math.expm1(1)
    return torch.where(index < firm, 1.0, torch.where(index < overlap, falling, 0.0))


def held(score: Score, known: Tensor, weights: Tensor) -> Score:
    """The same score with its x0 drawn to `known` (B, horizon, A) by weights (horizon,)."""
    share = weights.to(known)[:, None]

    def mixed(at: Prediction) -> Prediction:
        return Prediction("x0", torch.lerp(at.x0, known, share), at.x, at.alpha, at.sigma)

    return Score(((1.0, Mapped((score,), mixed)),))

"""Calibration: which levels tell classes apart, and how sure a difference of errors makes one, learned from labelled pictures.

A race compares sums over levels of weight * error. Li et al. (2023) weigh all levels alike; here the weights of a few bins of levels are
those of a softmax regression of the label on the negative errors, with non-negative weights, and levels are laid where they lower the
variance of the sum most (Neyman's allocation). What a difference means as a probability is one more number, the temperature (Guo et al.
2017).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scorekit_diffusion_classifier.levels import Profile

BINS = 8
EVEN_SHARE = 0.15  # of the levels, laid evenly whatever was fitted
SMOOTH = 0.1
ECE_BINS = 15


@dataclass(frozen=True)
class Calibration:
    """What was learned for one model, one kind of error and one loss.

    temperature  logits are -deficit / temperature
    pictures     that it was learned from
    ece_before, ece_after  expected calibration error on them, at temperature 1 and at the fitted one
    """

    model: str
    kind: str
    loss: str
    profile: Profile
    temperature: float
    pictures: int = 0
    ece_before: float | None = None
    ece_after: float | None = None

    def record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        record = asdict(self)
        record["profile"] = {name: list(values) for name, values in record["profile"].items()}
        return record

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Calibration:
        """From what `record()` gave. Raises TypeError, KeyError or ValueError for anything else."""
        profile = record["profile"]
        return cls(**{**record, "profile": Profile(tuple(profile["weights"]), tuple(profile["density"]))})

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """From a file that holds `record()`. Raises ValueError for any other file."""
        try:
            calibration = cls.of(json.loads(path.read_text()))
            if not (math.isfinite(calibration.temperature) and calibration.temperature > 0):
                raise ValueError("its temperature is not above 0")
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            reason = (str(error).splitlines() or ["empty"])[0].rstrip(".")
            raise ValueError(f"calibration {path} is no calibration.json of an earlier run: {reason}.") from None
        return calibration


def fit_profile(errors: Tensor, t: Tensor, labels: Tensor, bins: int = BINS) -> Profile:
    """Weights and density of levels.

    errors  (B, K, T) of B labelled images under K classes at levels t (T,) that are evenly spread
    labels  (B,) the true class of each

    Raises ValueError where a bin would hold fewer than two levels.
    """
    bin_ = (t * bins).long().clamp(max=bins - 1)
    if any(int((bin_ == b).sum()) < 2 for b in range(bins)):
        raise ValueError(f"{len(t)} levels are too few for {bins} bins: each needs two.")
    means = torch.stack([errors[..., bin_ == b].mean(-1) for b in range(bins)], -1)  # (B, K, bins)
    spread = (means - means.gather(1, labels[:, None, None].expand(-1, 1, bins))).square().mean((0, 1)).sqrt()
    unit = spread.clamp(min=1e-12)
    features = means / unit
    theta = torch.zeros(bins, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([theta], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = -(features @ theta.exp())
        # Neighbours are held together where pictures are too few to tell them apart.
        loss = _surprise(logits, labels) + SMOOTH * theta.diff().square().mean()
        loss = loss + 1e-4 * theta.square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    weights = theta.detach().exp() / unit
    density = _allocation(errors, means, bin_, weights, labels)
    return Profile(tuple(weights.tolist()), tuple(density.tolist()))


def _allocation(errors: Tensor, means: Tensor, bin_: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
    """Levels for each bin in proportion to weight * spread of the difference between the true class and its nearest rival."""
    sums = (means * weights).sum(-1)
    rival = sums.scatter(1, labels[:, None], math.inf).argmin(1)
    row = torch.arange(len(labels))
    difference = errors[row, rival] - errors[row, labels]  # (B, T)
    spread = torch.stack([difference[:, bin_ == b].std(1).square().mean().sqrt() for b in range(len(weights))])
    share = weights * spread
    return EVEN_SHARE / len(weights) + (1 - EVEN_SHARE) * share / share.sum()


def fit_temperature(deficits: Tensor, labels: Tensor) -> float:
    """The temperature under which -deficits (B, K) / temperature make the labels (B,) likeliest (Guo et al. 2017)."""
    log_t = deficits.std().clamp(min=1e-12).log().clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([log_t], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _surprise(-deficits / log_t.exp(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return float(log_t.detach().exp())


def _surprise(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy against labels that leave one chance in n + 2 to all classes (Platt 1999): few pictures that are all told apart must
    not end in certainty."""
    return nn.functional.cross_entropy(logits, labels, label_smoothing=1 / (len(labels) + 2))


def probabilities(deficit: Tensor, temperature: float) -> Tensor:
    """softmax(-deficit / temperature) over the last dimension."""
    return (-deficit / temperature).softmax(-1)


def expected_calibration_error(confidence: Tensor, right: Tensor, bins: int = ECE_BINS) -> float:
    """Mean distance between confidence (N,) and accuracy over equal bins of confidence (Naeini et al. 2015); right (N,) is bool."""
    bin_ = (confidence * bins).long().clamp(max=bins - 1)
    gap = 0.0
    for b in set(bin_.tolist()):
        inside = bin_ == b
        gap += float(inside.double().mean() * (confidence[inside].mean() - right[inside].double().mean()).abs())
    return gap

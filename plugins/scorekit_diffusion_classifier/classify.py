"""The classifier: a model, its candidates, what was learned of its errors, and the rules of the race, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.prediction import Kind
from scorekit.probing import Loss
from scorekit_diffusion_classifier.calibration import (
    Calibration,
    expected_calibration_error,
    fit_profile,
    fit_temperature,
    probabilities,
)
from scorekit_diffusion_classifier.candidates import Candidates, noises
from scorekit_diffusion_classifier.levels import EVEN, levels
from scorekit_diffusion_classifier.race import Outcome, Rules, race

CALIBRATION_LEVELS = 64
SHIPPED = Path(__file__).parent / "calibrations"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Verdict:
    """What is said of one image: the race, and the probability of each class (K,)."""

    outcome: Outcome
    probability: Tensor

    @property
    def said(self) -> int:
        return self.outcome.winner


class Classifier:
    """A diffusion classifier.

    calibration  None: levels weigh alike, and probabilities are softmax(-deficit / its mean standard error), which says how clearly
                 the race was decided, not how often such a verdict is right
    kind, loss   of the errors, where no calibration says; None: what the network predicts
    batch        rows of one forward
    """

    def __init__(
        self,
        model: Denoiser,
        classes: Sequence[str],
        rules: Rules,
        *,
        calibration: Calibration | None = None,
        kind: Kind | None = None,
        loss: Loss = "l2",
        batch: int = 64,
        seed: int = 0,
    ) -> None:
        self.model, self.rules, self.batch, self.seed = model, rules, batch, seed
        self.candidates = Candidates(model, classes)
        self.calibration = calibration
        self.kind: Any = calibration.kind if calibration else kind or model.prediction
        self.loss: Any = calibration.loss if calibration else loss

    def __call__(self, pictures: Tensor, after: Progress = lambda done, total: None) -> list[Verdict]:
        """A verdict on each of the pictures (B, 3, H, W) in [0, 1]."""
        outcomes = self.race(pictures, after)
        return [Verdict(outcome, self._probability(outcome)) for outcome in outcomes]

    def race(self, pictures: Tensor, after: Progress = lambda done, total: None) -> list[Outcome]:
        """The races alone."""
        profile = self.calibration.profile if self.calibration else EVEN
        grid = levels(self.model.schedule, self.rules.levels, self.rules.first, profile)
        errors = self.candidates.errors(
            self._x0(pictures),
            grid.t,
            noises(len(grid), self.model.shape, self.seed, self.model.device),
            kind=self.kind,
            loss=self.loss,
            batch=self.batch,
        )
        return race(errors, len(pictures), len(self.candidates), grid, self.rules, after)

    def table(self, pictures: Tensor) -> Tensor:
        """The errors (B, K, T) of all classes at all of CALIBRATION_LEVELS evenly spread levels."""
        x0, t = self._x0(pictures), calibration_levels(self.model)
        errors = self.candidates.errors(
            x0,
            t,
            noises(len(t), self.model.shape, self.seed + 1, self.model.device),
            kind=self.kind,
            loss=self.loss,
            batch=self.batch,
        )
        pairs = torch.cartesian_prod(torch.arange(len(x0)), torch.arange(len(self.candidates)))
        return errors(pairs[:, 0], pairs[:, 1], 0, len(t)).reshape(len(x0), len(self.candidates), len(t))

    def _x0(self, pictures: Tensor) -> Tensor:
        with torch.no_grad():
            return self.model.encode(pictures.to(self.model.device))

    def _probability(self, outcome: Outcome) -> Tensor:
        if self.calibration is not None:
            return probabilities(outcome.deficit, self.calibration.temperature)
        scale = outcome.stderr[outcome.stderr > 0].mean() if (outcome.stderr > 0).any() else torch.tensor(1.0)
        return probabilities(outcome.deficit, float(scale))


def calibration_levels(model: Denoiser) -> Tensor:
    """The levels of `Classifier.table`."""
    return levels(model.schedule, CALIBRATION_LEVELS, CALIBRATION_LEVELS).t


def calibrated(
    classifier: Classifier,
    pictures: Callable[[Sequence[int]], Tensor],
    labels: Tensor,
    group: int,
    after: Callable[[int, int, dict[str, Any]], None] = lambda done, total, state: None,
    state: dict[str, Any] | None = None,
) -> Calibration:
    """Learn weights and density of levels from one half of labelled pictures and the temperature from races of the other half.

    pictures  gives those of some indices (n, 3, H, W);  labels  (N,) classes, in the order of the candidates
    group     pictures that are worked on together
    after     called as after(pictures done, N, state); `state` given back continues from there

    Raises ValueError for fewer than 8 pictures, and where only one class occurs.
    """
    count = len(labels)
    if count < 8 or len(set(labels.tolist())) < 2:
        raise ValueError(
            f"calibration needs 8 or more pictures of two or more classes; got {count} of {len(set(labels.tolist()))}."
        )
    half = count // 2
    tables: list[Tensor] = list(state["tables"]) if state else []
    deficits: list[Tensor] = list(state["deficits"]) if state else []

    def tell() -> None:
        done = sum(map(len, tables)) + sum(map(len, deficits))
        after(done, count, {"tables": list(tables), "deficits": list(deficits)})

    while (done := sum(map(len, tables))) < half:
        tables.append(classifier.table(pictures(range(done, min(done + group, half)))))
        tell()
    profile = fit_profile(torch.cat(tables), calibration_levels(classifier.model), labels[:half])
    unscaled = Calibration(classifier.model.name, classifier.kind, classifier.loss, profile, 1.0, count)
    racing = Classifier(
        classifier.model,
        classifier.candidates.texts,
        classifier.rules,
        calibration=unscaled,
        batch=classifier.batch,
        seed=classifier.seed,
    )
    while (done := half + sum(map(len, deficits))) < count:
        outcomes = racing.race(pictures(range(done, min(done + group, count))))
        deficits.append(torch.stack([outcome.deficit for outcome in outcomes]))
        tell()
    deficit, truth = torch.cat(deficits), labels[half:]
    temperature = fit_temperature(deficit, truth)
    return Calibration(
        model=unscaled.model,
        kind=unscaled.kind,
        loss=unscaled.loss,
        profile=profile,
        temperature=temperature,
        pictures=count,
        ece_before=_ece(deficit, 1.0, truth),
        ece_after=_ece(deficit, temperature, truth),
    )


def _ece(deficit: Tensor, temperature: float, truth: Tensor) -> float:
    confidence, said = probabilities(deficit, temperature).max(1)
    return expected_calibration_error(confidence, said == truth)


def shipped(model: Denoiser) -> Calibration | None:
    """The calibration that ships with this package for an embedded model, if any."""
    path = SHIPPED / f"{model.name}.json"
    return Calibration.read(path) if path.is_file() else None

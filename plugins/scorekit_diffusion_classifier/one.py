"""One picture: its race, its probabilities, and the two figures of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.host.plugin import RunContext
from scorekit_diffusion_classifier import figures
from scorekit_diffusion_classifier.classify import Classifier, Verdict
from scorekit_diffusion_classifier.parameters import DiffusionClassifierParams
from scorekit_diffusion_classifier.pictures import read_picture, side_of

STEPS = 100  # of progress, shared out over the levels
EXAMPLE_SEED = 11


def picture(params: DiffusionClassifierParams, model: Denoiser) -> Tensor:
    """The picture (3, S, S) to classify: that of the parameters, or a rendered red mushroom."""
    side = side_of(model.shape)
    return example(side) if params.image is None else read_picture(params.image, side)


def example(side: int) -> Tensor:
    """A red mushroom that no training set holds: (3, side, side), on white."""
    from scorekit.zoo.objects import sample_object
    from scorekit.zoo.render import look, render_rgba

    generator = torch.Generator().manual_seed(EXAMPLE_SEED)
    color, alpha = render_rgba(sample_object("mushroom", "red", generator), look(25.0), side, 3)
    return (color + 1 - alpha)[0].clamp(0, 1)


def classify(ctx: RunContext, classifier: Classifier, names: Sequence[str], shown: Tensor, done: int) -> None:
    """Race, and save verdict.json, probabilities.png and race.png. `done` steps of progress lie behind."""
    ctx.preview(shown)

    def tell(levels: int, most: int) -> None:
        ctx.progress(done + STEPS * levels // most, done + STEPS)

    (verdict,) = classifier(shown[None].to(ctx.device), tell)
    ctx.progress(done + STEPS, done + STEPS)
    ctx.save("verdict.json", record(classifier, names, verdict))
    chart = figures.bars(shown.cpu(), names, verdict.probability, classifier.calibration is not None)
    ctx.save("probabilities.png", chart)
    ctx.save("race.png", figures.curves(verdict.outcome, names))
    ctx.preview(chart)
    best = verdict.said
    ctx.log(
        f"{names[best]} ({100 * float(verdict.probability[best]):.1f} %), {verdict.outcome.evaluations} evaluations"
    )
    ctx.metric("probability", float(verdict.probability[best]))
    ctx.metric("evaluations", verdict.outcome.evaluations)


def record(classifier: Classifier, names: Sequence[str], verdict: Verdict) -> dict[str, Any]:
    """The verdict as plain values: the classes with the likeliest first, and how the race went."""
    outcome = verdict.outcome
    rows = [
        {
            "class": names[k],
            "prompt": classifier.candidates.texts[k],
            "probability": float(verdict.probability[k]),
            "deficit": float(outcome.deficit[k]),
            "standard_error": float(outcome.stderr[k]),
            "levels": int(outcome.levels[k]),
        }
        for k in verdict.probability.argsort(descending=True).tolist()
    ]
    return {
        "class": names[verdict.said],
        "model": classifier.model.name,
        "calibrated": classifier.calibration is not None,
        "decided": outcome.decided,
        "evaluations": outcome.evaluations,
        "evaluations_without_race": len(names) * int(outcome.levels.max()),
        "kind": classifier.kind,
        "loss": classifier.loss,
        "classes": rows,
        "stages": [
            {
                "levels": stage.levels,
                "deficit": {names[k]: float(v) for k, v in enumerate(stage.deficit) if not v.isnan()},
                "half_width": {names[k]: float(v) for k, v in enumerate(stage.half) if v.isfinite()},
            }
            for stage in outcome.stages
        ],
    }

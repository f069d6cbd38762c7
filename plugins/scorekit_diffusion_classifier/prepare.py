"""The classifier of a run, with its calibration: read, shipped, or learned first from labelled pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from scorekit.denoiser import Denoiser
from scorekit.host.plugin import ParameterError, RunContext
from scorekit.prediction import Kind
from scorekit_diffusion_classifier.calibration import Calibration
from scorekit_diffusion_classifier.classify import Classifier, calibrated, shipped
from scorekit_diffusion_classifier.labelled import PictureSet, read_set
from scorekit_diffusion_classifier.parameters import DiffusionClassifierParams
from scorekit_diffusion_classifier.pictures import read_picture, side_of
from scorekit_diffusion_classifier.race import Rules


def prepare(
    params: DiffusionClassifierParams,
    ctx: RunContext,
    model: Denoiser,
    names: Sequence[str],
    steps: int,
    saved: Mapping[str, Any] | None,
) -> tuple[Classifier, int]:
    """The classifier, and how many steps of progress went into its calibration; `steps` more will follow.

    Raises ParameterError where budget, classes or calibration do not fit, ValueError for what the model says of the classes.
    """
    if params.evaluations is not None and params.evaluations < 2 * len(names):
        raise ParameterError(
            f"evaluations must be at least {2 * len(names)}, two for each of the {len(names)} classes; got {params.evaluations}."
        )
    rules = Rules(params.levels, params.first, params.confidence, params.evaluations, params.seconds)
    texts = [params.template.replace("{}", name) for name in names]
    kind: Kind | None = None if params.kind == "auto" else params.kind
    given = _given(params, model, kind or model.prediction)
    classifier = Classifier(
        model, texts, rules, calibration=given, kind=kind, loss=params.loss, batch=params.batch, seed=ctx.seed
    )
    if params.calibration is None or given is not None:
        return classifier, 0
    pictures = _pictures(params, ctx, names)
    learned = _learned(params, ctx, classifier, names, pictures, steps, saved)
    ctx.save("calibration.json", learned.record())
    return Classifier(model, texts, rules, calibration=learned, batch=params.batch, seed=ctx.seed), len(pictures)


def _given(params: DiffusionClassifierParams, model: Denoiser, kind: Kind) -> Calibration | None:
    """The calibration in the file that the parameters name, or the one that ships with the model for the usual errors."""
    path = params.calibration
    if path is None:
        found = shipped(model) if params.use_calibration else None
        return found if found is not None and (found.kind, found.loss) == (kind, params.loss) else None
    if path.suffix.lower() != ".json":
        return None
    found = Calibration.read(path)
    if found.model != model.name:
        raise ParameterError(f"calibration {path} is of the model {found.model}, not {model.name}.")
    if (params.kind != "auto" and found.kind != kind) or found.loss != params.loss:
        raise ParameterError(
            f"calibration {path} is of errors of kind {found.kind} with loss {found.loss}: kind and loss must be the same."
        )
    return found


def _pictures(params: DiffusionClassifierParams, ctx: RunContext, names: Sequence[str]) -> PictureSet:
    """The pictures of params.calibration whose label is among the classes, shuffled."""
    assert params.calibration is not None
    found = read_set(params.calibration, "calibration")
    known = [i for i, label in enumerate(found.labels) if label in names]
    if len(known) < len(found):
        ctx.log(f"{len(found) - len(known)} of the pictures for calibration are of none of the classes: left out")
    order = torch.randperm(len(known), generator=torch.Generator().manual_seed(ctx.seed)).tolist()
    return PictureSet(tuple(found.paths[known[i]] for i in order), tuple(found.labels[known[i]] for i in order))


def _learned(
    params: DiffusionClassifierParams,
    ctx: RunContext,
    classifier: Classifier,
    names: Sequence[str],
    pictures: PictureSet,
    steps: int,
    saved: Mapping[str, Any] | None,
) -> Calibration:
    """Learn from the pictures, or take what a resumed run had learned."""
    if saved is not None and "calibration" in saved:
        return Calibration.of(saved["calibration"])
    side = side_of(classifier.model.shape)
    number = {name: i for i, name in enumerate(names)}

    def tell(done: int, total: int, state: dict[str, Any]) -> None:
        ctx.checkpoint(lambda: {"learning": state}, done)
        ctx.progress(done, total + steps)

    return calibrated(
        classifier,
        lambda chosen: torch.stack([read_picture(pictures.paths[i], side) for i in chosen]),
        torch.tensor([number[str(label)] for label in pictures.labels], dtype=torch.long),
        params.group,
        tell,
        dict(saved["learning"]) if saved and "learning" in saved else None,
    )

"""A set of pictures: a table of verdicts, and where labels are known accuracy, calibration error and the confusion matrix."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from scorekit.host.plugin import RunContext, RunError
from scorekit.zoo.proportion import Proportion
from scorekit_diffusion_classifier import figures
from scorekit_diffusion_classifier.calibration import expected_calibration_error
from scorekit_diffusion_classifier.classify import Classifier
from scorekit_diffusion_classifier.labelled import PictureSet
from scorekit_diffusion_classifier.parameters import DiffusionClassifierParams
from scorekit_diffusion_classifier.pictures import PictureError, read_picture, side_of

COLUMNS = ("path", "label", "said", "probability", "evaluations", "levels", "decided", "seconds", "error")
MOST_PROBABILITIES = 100  # classes up to which the table has a column for each


def classify(
    params: DiffusionClassifierParams,
    ctx: RunContext,
    classifier: Classifier,
    names: Sequence[str],
    data: PictureSet,
    done: int,
    saved: Mapping[str, Any] | None,
) -> None:
    """Classify group by group, and save the table, verdict.json and confusion.png. `done` steps of progress lie behind.

    A picture that cannot be read is a row with its reason. Raises RunError where none can be read.
    """
    rows: list[dict[str, Any]] = list(saved["rows"]) if saved and "rows" in saved else []
    calibration = classifier.calibration

    def state() -> dict[str, Any]:
        return {"rows": list(rows), "calibration": calibration.record() if calibration else None}

    total = done + len(data)
    while len(rows) < len(data):
        chosen = range(len(rows), min(len(rows) + params.group, len(data)))
        rows += _group(ctx, classifier, names, data, chosen)
        ctx.checkpoint(state, done + len(rows))
        ctx.progress(done + len(rows), total, **_so_far(rows))
    read = [row for row in rows if not row["error"]]
    if not read:
        raise RunError(f"none of the {len(rows)} pictures can be read; the first: {rows[0]['error']}")
    ctx.save("predictions.parquet", lambda path: _parquet(path, rows))
    ctx.save("predictions.csv", _csv(rows))
    summary = summarise(read, names)
    ctx.save("verdict.json", {"model": classifier.model.name, **summary, "unreadable": len(rows) - len(read)})
    if "confusion" in summary:
        ctx.save("confusion.png", figures.confusion(torch.tensor(summary["confusion"]), names))
        ctx.metric("accuracy", summary["accuracy"]["rate"])
        ctx.metric("expected_calibration_error", summary["expected_calibration_error"])
        ctx.log(f"accuracy {summary['accuracy_text']}")
    ctx.metric("evaluations_per_picture", summary["evaluations_per_picture"])


def _group(
    ctx: RunContext, classifier: Classifier, names: Sequence[str], data: PictureSet, chosen: Sequence[int]
) -> list[dict[str, Any]]:
    """One row for each chosen picture."""
    began, side = time.monotonic(), side_of(classifier.model.shape)
    rows: list[dict[str, Any]] = []
    pictures = []
    for i in chosen:
        row: dict[str, Any] = dict.fromkeys(COLUMNS)
        row |= {"path": str(data.paths[i]), "label": data.labels[i], "error": ""}
        try:
            pictures.append(read_picture(data.paths[i], side))
        except PictureError as error:
            row["error"] = str(error)
        rows.append(row)
    if not pictures:
        return rows
    verdicts = iter(classifier(torch.stack(pictures).to(ctx.device)))
    seconds = round((time.monotonic() - began) / len(pictures), 4)
    for row in rows:
        if row["error"]:
            continue
        verdict = next(verdicts)
        row |= {
            "said": names[verdict.said],
            "probability": float(verdict.probability[verdict.said]),
            "evaluations": verdict.outcome.evaluations,
            "levels": int(verdict.outcome.levels.max()),
            "decided": verdict.outcome.decided,
            "seconds": seconds,
        }
        if len(names) <= MOST_PROBABILITIES:
            row |= {f"p({name})": float(p) for name, p in zip(names, verdict.probability, strict=True)}
    return rows


def _so_far(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    read = [row for row in rows if not row["error"]]
    labelled = [row for row in read if row["label"] is not None]
    metrics: dict[str, float] = {}
    if read:
        metrics["evaluations"] = sum(row["evaluations"] for row in read) / len(read)
    if labelled:
        metrics["accuracy"] = sum(row["said"] == row["label"] for row in labelled) / len(labelled)
    return metrics


def summarise(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Plain values of a table without unreadable pictures; accuracy and confusion over the pictures whose label is among the classes."""
    summary: dict[str, Any] = {
        "pictures": len(rows),
        "classes": list(names),
        "evaluations": sum(row["evaluations"] for row in rows),
        "evaluations_per_picture": sum(row["evaluations"] for row in rows) / len(rows),
        "decided": sum(row["decided"] for row in rows) / len(rows),
    }
    number = {name: k for k, name in enumerate(names)}
    known = [row for row in rows if row["label"] in number]
    if not known:
        return summary
    truth, said = ([number[row[name]] for row in known] for name in ("label", "said"))
    accuracy = Proportion(sum(a == b for a, b in zip(truth, said, strict=True)), len(known))
    confidence = torch.tensor([row["probability"] for row in known], dtype=torch.float64)
    right = torch.tensor([a == b for a, b in zip(truth, said, strict=True)])
    return summary | {
        "labelled": len(known),
        "accuracy": accuracy.record(),
        "accuracy_text": str(accuracy),
        "expected_calibration_error": expected_calibration_error(confidence, right),
        "confusion": figures.confusion_matrix(truth, said, len(names)).tolist(),
    }


def _columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _parquet(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = {name: [row.get(name) for row in rows] for name in _columns(rows)}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

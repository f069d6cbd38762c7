"""What `classifier.py` found, in numbers, tables and a picture."""

import json
import math
from pathlib import Path
from typing import Any

import torch

from scorekit.zoo.proportion import Proportion
from scorekit_diffusion_classifier.calibration import expected_calibration_error

REFERENCE = "official 50/500"  # the published scheme, with which the others are compared picture by picture
TASKS = {
    "attributes-kind": "kind among 16, colour known",
    "attributes-color": "colour among 10, kind known",
    "attributes-both": "both among 160",
}


def summarise(folder: Path, images: int) -> dict[str, Any]:
    """All that is on disk, in numbers."""
    summary: dict[str, Any] = {}
    for name in ("pico-fashion", "pico-image"):
        if (folder / f"{name}.json").exists():
            summary.setdefault("calibration", {})[name] = json.loads((folder / f"{name}.json").read_text())
    for name in ("accuracy", *TASKS):
        if found := _read(folder / name):
            summary[name] = _scored(found)
    if (folder / "baselines.json").exists():
        for name, row in json.loads((folder / "baselines.json").read_text()).items():
            right = row["right"]
            summary.setdefault("baselines", {})[name] = {
                "same pictures": str(Proportion(sum(right[:images]), len(right[:images]))),
                "whole test part": str(Proportion(sum(right), len(right))),
                "cpu_seconds": row["cpu_seconds"],
            }
    if found := _read(folder / "race"):
        summary["race"] = _raced(found)
    return summary


def _read(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def _scored(found: list[dict[str, Any]]) -> dict[str, Any]:
    joined = {key: [v for chunk in found for v in chunk[key]] for key in ("truth", "said", "confidence", "evaluations")}
    right = torch.tensor([a == b for a, b in zip(joined["truth"], joined["said"], strict=True)])
    confidence = torch.tensor(joined["confidence"], dtype=torch.float64)
    seconds = sum(chunk["cpu_seconds"] for chunk in found)
    return {
        "accuracy": str(Proportion(int(right.sum()), len(right))),
        "expected_calibration_error": round(expected_calibration_error(confidence, right), 4),
        "evaluations_per_picture": round(sum(joined["evaluations"]) / len(right), 1),
        "cpu_seconds_per_picture": round(seconds / len(right), 4),
    }


def _raced(found: list[dict[str, Any]]) -> dict[str, Any]:
    truth = [label for chunk in found for label in chunk["truth"]]
    cost = {
        name: sum(c["spent"][name][0] for c in found) / sum(c["spent"][name][1] for c in found)
        for name in found[0]["spent"]
    }

    def right(scheme: str) -> torch.Tensor:
        said = [s for chunk in found for s in chunk["schemes"][scheme][0]]
        return torch.tensor([a == b for a, b in zip(said, truth, strict=True)]).double()

    table = {}
    for scheme in found[0]["schemes"]:
        paid = sum(n for chunk in found for n in chunk["schemes"][scheme][1]) / len(truth)
        proportion = Proportion(int(right(scheme).sum()), len(truth))
        kind = next(name for name in cost if name in scheme)
        low, high = proportion.interval()
        gain = right(scheme) - right(REFERENCE)
        table[scheme] = {
            "accuracy": str(proportion),
            "rate": proportion.rate, "low": low, "high": high,
            "evaluations_per_picture": round(paid, 1),
            "cpu_seconds_per_picture": round(paid * cost[kind], 4),
            "gain_over_reference": float(gain.mean()),
            "gain_interval": 1.96 * float(gain.std()) / math.sqrt(len(gain)),
        }  # fmt: skip
    return table


def tables(summary: dict[str, Any]) -> dict[str, str]:
    """The tables of the page, by the names of their marks."""
    found = {}
    if "accuracy" in summary:
        lines = ["| on the same pictures | accuracy | CPU-s |", "| --- | --- | --- |"]
        row = summary["accuracy"]
        lines.append(
            f"| pico-fashion, raced: {row['evaluations_per_picture']:.0f} evaluations a picture, calibration error "
            f"{row['expected_calibration_error']:.3f} | {row['accuracy']} | {row['cpu_seconds_per_picture']:.2f} a picture |"
        )
        for name, other in summary.get("baselines", {}).items():
            lines.append(f"| {name} | {other['same pictures']} | {other['cpu_seconds']:.0f} to train |")
        found["accuracy"] = "\n".join(lines)
    if "race" in summary:
        lines = [
            "| scheme | evaluations a picture | CPU-s a picture | accuracy | less or more than 50/500 |",
            "| --- | --- | --- | --- | --- |",
        ]
        for name, row in summary["race"].items():
            gain = (
                ""
                if name == REFERENCE
                else f"{100 * row['gain_over_reference']:+.1f} ± {100 * row['gain_interval']:.1f}"
            )
            lines.append(
                f"| {name} | {row['evaluations_per_picture']:.0f} | {row['cpu_seconds_per_picture']:.2f} | {row['accuracy']} | {gain} |"
            )
        found["race"] = "\n".join(lines)
    if any(name in summary for name in TASKS):
        lines = [
            "| task | accuracy | calibration error | evaluations a picture | CPU-s a picture |",
            "| --- | --- | --- | --- | --- |",
        ]
        for name, task in TASKS.items():
            if row := summary.get(name):
                lines.append(
                    f"| {task} | {row['accuracy']} | {row['expected_calibration_error']:.3f} | "
                    f"{row['evaluations_per_picture']:.0f} | {row['cpu_seconds_per_picture']:.1f} |"
                )
        found["attributes"] = "\n".join(lines)
    return found


def chart(table: dict[str, Any], path: Path) -> None:
    """Accuracy against evaluations per picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    lines = (
        ("official", "adaptive scheme of Li et al.", "#8a97a6"),
        ("race even", "race, levels weighed alike", "#e07b39"),
        ("race fitted", "race, fitted weights", "#0b6bcb"),
    )
    for prefix, label, colour in lines:
        points = sorted(
            (r["evaluations_per_picture"], r["rate"], r["low"], r["high"])
            for k, r in table.items()
            if k.startswith(prefix)
        )
        x, y = [p[0] for p in points], [100 * p[1] for p in points]
        bars = [[100 * (p[1] - p[2]) for p in points], [100 * (p[3] - p[1]) for p in points]]
        axes.errorbar(x, y, bars, fmt="o-", color=colour, label=label, lw=1.8, ms=5, elinewidth=0.8, capsize=2)
    axes.set_xscale("log")
    axes.set_xlabel("evaluations of the network per picture")
    axes.set_ylabel("accuracy, % (95 % interval)")
    axes.grid(color="#e6ebf0", lw=0.8)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path)

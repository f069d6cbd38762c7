"""The pictures of a run: probabilities as bars, the race as curves, the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from scorekit_diffusion_classifier.race import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, WINNER, LOSER = "#1c2733", "#8a97a6", "#0b6bcb", "#b8c4d0"
MOST_BARS, MOST_CURVES, MOST_NAMED = 12, 10, 40
DPI = 120


def bars(picture: Tensor, texts: Sequence[str], probability: Tensor, calibrated: bool) -> np.ndarray:
    """The picture (3, S, S) beside the probabilities (K,) of its classes, the likeliest first: (H, W, 3) uint8."""
    shown = probability.argsort(descending=True)[:MOST_BARS].tolist()
    figure = _figure(8.4, max(2.6, 0.9 + 0.34 * len(shown)))
    left, right = figure.subplots(1, 2, width_ratios=(1, 2.2))
    left.imshow(
        picture.permute(1, 2, 0).clamp(0, 1).numpy(), interpolation="nearest" if picture.shape[-1] < 200 else None
    )
    left.set_axis_off()
    values = [100 * float(probability[k]) for k in shown]
    colours = [WINNER, *[LOSER] * (len(shown) - 1)]
    right.barh(range(len(shown)), values, color=colours, height=0.72)
    right.set_yticks(range(len(shown)), [_short(texts[k]) for k in shown], color=INK, fontsize=9)
    right.invert_yaxis()
    right.set_xlim(0, 112)
    right.set_xticks([0, 25, 50, 75, 100])
    for place, value in enumerate(values):
        right.text(value + 1.2, place, _percent(value), va="center", fontsize=8.5, color=INK)
    right.set_xlabel(
        "probability, %" if calibrated else "softmax of the race, % (not calibrated)", fontsize=8.5, color=QUIET
    )
    _plain(right, grid="x")
    return _drawn(figure)


def curves(outcome: Outcome, texts: Sequence[str]) -> np.ndarray:
    """How far behind the leader each candidate was after each stage, with its confidence interval; a cross where it went out."""
    stages = outcome.stages
    figure = _figure(8.4, 4.0)
    axes = figure.subplots()
    x = [stage.levels for stage in stages]
    nearest = sorted(range(len(texts)), key=lambda k: (-int(outcome.levels[k]), float(outcome.deficit[k])))[
        :MOST_CURVES
    ]
    palette = _palette(len(nearest) - 1)
    for place, k in enumerate(sorted(nearest, key=lambda k: k != outcome.winner)):
        mean = [float(stage.deficit[k]) for stage in stages]
        half = [float(stage.half[k]) for stage in stages]
        n = sum(np.isfinite(mean))
        won = k == outcome.winner
        colour = WINNER if won else palette[place - 1]
        if all(np.isfinite(half[:n])) and not won:
            low, high = (np.array(mean[:n]) + sign * np.array(half[:n]) for sign in (-1, 1))
            axes.fill_between(x[:n], low, high, color=colour, alpha=0.10, linewidth=0)
        axes.plot(
            x[:n],
            mean[:n],
            "o-",
            color=colour,
            ms=4,
            lw=2.4 if won else 1.4,
            label=_short(texts[k]),
            zorder=3 if won else 2,
        )
        if int(outcome.levels[k]) < x[-1] or (outcome.decided and not won):
            axes.plot(x[n - 1], mean[n - 1], "x", color=colour, ms=9, mew=2, zorder=4)
    axes.axhline(0, color=QUIET, lw=0.8)
    axes.set_xscale("log", base=2)
    axes.set_xticks(x, [str(n) for n in x])
    axes.minorticks_off()
    # A first stage of few levels has intervals that dwarf all that comes later.
    tops = [float(stage.deficit[k]) for stage in stages for k in nearest if np.isfinite(float(stage.deficit[k]))]
    span = max([*tops, 1e-12])
    axes.set_ylim(-0.35 * span, 1.15 * span)
    axes.set_xlabel("noise levels so far", fontsize=9, color=INK)
    axes.set_ylabel("error above the leader's", fontsize=9, color=INK)
    axes.set_title(
        f"{outcome.evaluations} evaluations; all at every level: {len(texts) * int(outcome.levels.max())}"
        "   (band: confidence interval, cross: out)",
        fontsize=9,
        color=INK,
        loc="left",
    )
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    _plain(axes, grid="y")
    return _drawn(figure)


def confusion(matrix: Tensor, texts: Sequence[str]) -> np.ndarray:
    """matrix (K, K) of counts: a row for each true class, a column for what was said."""
    count = len(texts)
    side = min(14.0, 2.4 + 0.42 * count)
    figure = _figure(side + 0.8, side)
    axes = figure.subplots()
    share = matrix / matrix.sum(1, keepdim=True).clamp(min=1)
    axes.imshow(share.numpy(), cmap="Blues", vmin=0, vmax=1)
    if count <= MOST_NAMED:
        names = [_short(text, 18) for text in texts]
        axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=8, color=INK)
        axes.set_yticks(range(count), names, fontsize=8, color=INK)
    if count <= 20:
        for row in range(count):
            for column in range(count):
                if n := int(matrix[row, column]):
                    dark = float(share[row, column]) > 0.5
                    axes.text(column, row, str(n), ha="center", va="center", fontsize=7, color="white" if dark else INK)
    axes.set_xlabel("said", fontsize=9, color=INK)
    axes.set_ylabel("true", fontsize=9, color=INK)
    _plain(axes, grid=None)
    return _drawn(figure)


def confusion_matrix(truth: Sequence[int], said: Sequence[int], count: int) -> Tensor:
    """(K, K) counts."""
    matrix = torch.zeros(count, count, dtype=torch.long)
    for row, column in zip(truth, said, strict=True):
        matrix[row, column] += 1
    return matrix


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")


def _drawn(figure: Figure) -> np.ndarray:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _plain(axes: Axes, grid: str | None) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LOSER)
    axes.tick_params(labelsize=8, colors=INK, length=0)
    if grid is not None:
        axes.grid(axis=grid, color="#e6ebf0", lw=0.8)  # type: ignore[arg-type]
        axes.set_axisbelow(True)


def _palette(count: int) -> list[str]:
    colours = [
        "#e07b39",
        "#2f9e73",
        "#b5546f",
        "#7b6fc4",
        "#8c6d46",
        "#c2a02a",
        "#5a8fa8",
        "#9a9a9a",
        "#d17fb4",
        "#6b8e23",
    ]
    return [colours[i % len(colours)] for i in range(max(count, 1))]


def _percent(value: float) -> str:
    return f"{value:.1f}" if value >= 0.1 else "<0.1"


def _short(text: str, most: int = 34) -> str:
    text = text.replace("$", r"\$")  # no formula
    return text if len(text) <= most else text[: most - 1] + "…"

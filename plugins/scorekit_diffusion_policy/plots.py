"""What a policy considers: many plans from one observation, as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scorekit_diffusion_policy.drawing import sheet, with_plans, with_words

OPACITY = 0.45
MOST_PANELS = 8


def fan(frame: np.ndarray, lines: Sequence[np.ndarray], words: str) -> np.ndarray:
    """Plans (n, 2) in pixels over the frame (H, W, 3) from which they were made; where many go, the colour is full."""
    return with_words(with_plans(frame, lines, opacity=OPACITY, dots=False), words)


def fans(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Fans side by side."""
    return sheet([list(pictures)], gap=8)


def curves(plans: np.ndarray, low: Sequence[float], high: Sequence[float]) -> np.ndarray:
    """Plans (B, horizon, A) of actions that are no places, one panel for each number of an action: a picture (H, W, 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = min(plans.shape[2], MOST_PANELS)
    figure = Figure(figsize=(2.6 * count, 2.6), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for index, axes in enumerate(figure.subplots(1, count, squeeze=False)[0]):
        axes.plot(plans[:, :, index].T, color="#c800a0", alpha=0.25, linewidth=1)
        for bound in (low[index], high[index]):
            axes.axhline(bound, color="#999999", linewidth=0.6)
        axes.set_title(f"action {index}", fontsize=9)
        axes.set_xlabel("step of the plan", fontsize=8)
        axes.tick_params(labelsize=7)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def spread(positions: np.ndarray) -> float:
    """How far plans (B, horizon, D) lie apart: root mean square distance from their mean plan."""
    return float(np.sqrt(np.square(positions - positions.mean(0)).sum(-1).mean()))


def parting(plans: np.ndarray) -> float:
    """How clearly plans (B, horizon, D) go two ways: their spread, times the fourth power of the share of variance between two groups.

    The groups are the best split along the direction of greatest variance (Otsu 1979). The power prefers two narrow ways to a broad one,
    of which a split still explains about 2 / pi.
    """
    flat = plans.reshape(len(plans), -1)
    flat = flat - flat.mean(0)
    total = np.square(flat).sum()
    if len(flat) < 4 or total == 0:
        return 0.0
    along = np.sort(flat @ np.linalg.svd(flat, full_matrices=False)[2][0])
    cuts = np.arange(2, len(along) - 1)
    sums = np.cumsum(along)[cuts - 1]
    between = sums**2 * (1 / cuts + 1 / (len(along) - cuts))
    return spread(plans) * float(between.max() / total) ** 4

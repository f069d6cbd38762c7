"""What `probing.py` measures of the diffusion classifier.

The official logic (Li et al. 2023 and its code), re-expressed: one picture after the other; all prompts at 50 of 500 evenly spaced
steps, and the best five at the others, in batches of 32 rows; the noise of all steps is drawn for every picture, errors are gathered in
lists and sorted out again for each prompt. Texts are encoded once, as there. Ours: the races of all pictures side by side; and, to tell
what the race saves from what batches do, the same without pruning anybody. Both encode the texts in the measured time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.models import load
from scorekit.zoo.captions import caption
from scorekit.zoo.objects import COLORS, KINDS, sample_object
from scorekit.zoo.render import look, render_rgba
from scorekit_diffusion_classifier import pico_fashion
from scorekit_diffusion_classifier.candidates import Candidates
from scorekit_diffusion_classifier.classify import Classifier, shipped
from scorekit_diffusion_classifier.fashion_mnist import CLASSES, load_part
from scorekit_diffusion_classifier.race import Rules

NETWORKS = ("pico-fashion", "pico-image")
WAYS = ("official", "ours, nobody pruned", "ours")
STAGES, KEPT, BATCH = (50, 500), (5, 1), 32
Answer = dict[str, Any]


def prepared(network: str, way: str, pictures: int) -> Callable[[], Answer]:
    """The work of one way, its model loaded and run once. pico-image gets a quarter of the pictures: it is some ten times as slow."""
    model, names, shown, truth = (_clothes if network == "pico-fashion" else _renders)(pictures)
    model.given([names[0]])(model.encode(shown[:1]), 0.5)

    def work() -> Answer:
        said, evaluations = _official(model, names, shown) if way == "official" else _ours(model, names, shown, way)
        right = sum(a == b for a, b in zip(said, truth, strict=True))
        return {"pictures": len(truth), "right": right, "evaluations": evaluations}

    return work


def _clothes(pictures: int) -> tuple[Denoiser, tuple[str, ...], Tensor, list[int]]:
    # Pictures kept back from training: the official test part is for the figures of accuracy alone.
    data = load_part("calibration")
    chosen = torch.arange(len(data) - pictures, len(data))
    return pico_fashion.load(), CLASSES, data.pictures(chosen).expand(-1, 3, -1, -1), data.labels[chosen].tolist()


def _renders(pictures: int) -> tuple[Denoiser, tuple[str, ...], Tensor, list[int]]:
    """Fresh renders of red things, and the sixteen kinds of them as prompts."""
    shown, truth = [], []
    for index in range(max(1, pictures // 4)):
        truth.append(5 * index % len(KINDS))
        thing = sample_object(KINDS[truth[-1]], next(iter(COLORS)), torch.Generator().manual_seed(7000 + index))
        color, alpha = render_rgba(thing, look(40.0 * index), 32, 3)
        shown.append((color + 1 - alpha)[0].clamp(0, 1))
    return load("pico-image"), tuple(caption(kind, next(iter(COLORS))) for kind in KINDS), torch.stack(shown), truth


@torch.no_grad()
def _official(model: Denoiser, names: tuple[str, ...], shown: Tensor) -> tuple[list[int], int]:
    fields = Candidates(model, names).fields
    said, evaluations = [], 0
    for x0 in model.encode(shown):
        noise = torch.randn(STAGES[-1], *x0.shape)
        errors: dict[int, list[Tensor]] = {k: [] for k in range(len(names))}
        left, seen = list(errors), set[int]()
        for stage, keep in zip(STAGES, KEPT, strict=True):
            stride = STAGES[-1] // stage
            fresh = [step for step in range(stride // 2, STAGES[-1], stride) if step not in seen]
            pairs = [(k, step) for k in left for step in fresh]
            found = [
                _errors(model, fields, x0, noise, pairs[begin : begin + BATCH]) for begin in range(0, len(pairs), BATCH)
            ]
            evaluations += len(pairs)
            whose, together = torch.tensor([k for k, _ in pairs]), torch.cat(found)
            for k in left:
                errors[k].append(together[whose == k])
            seen.update(fresh)
            left = sorted(left, key=lambda k: float(torch.cat(errors[k]).mean()))[:keep]
        said.append(left[0])
    return said, evaluations


def _errors(
    model: Denoiser, fields: dict[str, Tensor], x0: Tensor, noise: Tensor, pairs: list[tuple[int, int]]
) -> Tensor:
    from scorekit.denoiser import Condition

    who, steps = torch.tensor([k for k, _ in pairs]), torch.tensor([step for _, step in pairs])
    t = (steps + 0.5) / STAGES[-1]
    many = x0.expand(len(pairs), *x0.shape)
    score = model.given(Condition({name: value[who] for name, value in fields.items()}, label="prompts"))
    eps = score(model.schedule.noised(many, noise[steps], t), t).eps
    return (eps - noise[steps]).square().flatten(1).mean(1)


def _ours(model: Denoiser, names: tuple[str, ...], shown: Tensor, way: str) -> tuple[list[int], int]:
    rules = Rules(confidence=1.0) if way == "ours, nobody pruned" else Rules()
    verdicts = Classifier(model, names, rules, calibration=shipped(model), batch=BATCH)(shown)
    return [verdict.said for verdict in verdicts], sum(verdict.outcome.evaluations for verdict in verdicts)


def table(rows: dict[str, dict[str, Answer]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| network | way | CPU-s a picture | evaluations a picture | CPU-ms an evaluation | peak MiB | right |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for network, ways in rows.items():
        for way, row in ways.items():
            each, count = row["cpu_seconds"], row["pictures"]
            lines.append(
                f"| {network} | {way} | {each / count:.2f} | {row['evaluations'] / count:.0f} | "
                f"{1000 * each / row['evaluations']:.2f} | {row['peak_mib']:.0f} | {row['right']} of {count} |"
            )
    return "\n".join(lines)

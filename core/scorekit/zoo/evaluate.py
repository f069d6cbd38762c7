"""How well a model draws what a caption says, told by the judge: python -m scorekit.zoo.evaluate --out DIR

Every pair of kind and colour is asked for equally often. Pairs that training never showed (HELD_OUT) are counted apart: they
tell whether a model composes or repeats. The share of *both* right is R-precision with the judge in CLIP's place
(Jain et al. 2022, "Zero-Shot Text-Guided Object Generation with Dream Fields", sec. 5.1), among 160 captions.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import scorekit
from scorekit.zoo.captions import HELD_OUT, caption
from scorekit.zoo.contact_sheet import contact_sheet
from scorekit.zoo.judge import Judge
from scorekit.zoo.objects import COLORS, KINDS
from scorekit.zoo.proportion import Proportion

PAIRS: tuple[tuple[str, str], ...] = tuple((color, kind) for kind in KINDS for color in COLORS)
Scores = dict[str, Proportion]


@dataclass(frozen=True)
class Sampling:
    """How pictures are drawn: `count` per caption, guided by null + guidance (cond - null)."""

    count: int = 4
    guidance: float = 5.0
    solver: str = "ddim"
    steps: int = 25
    batch: int = 40
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("count", self.count), ("steps", self.steps), ("batch", self.batch)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1; got {value}")


def draw(model: Any, captions: Sequence[str], how: Sampling, progress: Callable[[int, int], None]) -> Tensor:
    """Pictures (len(captions), 3, H, W) in [0, 1] on the CPU from a loaded model. progress(done, n) after each batch."""
    generator = torch.Generator(model.device).manual_seed(how.seed)
    pictures = []
    for start in range(0, len(captions), how.batch):
        part = list(captions[start : start + how.batch])
        null, cond = model.given(None), model.given(part)
        guided = null + how.guidance * (cond - null)
        x0 = scorekit.sample(guided, (len(part), *model.shape), solver=how.solver, steps=how.steps, generator=generator)
        pictures.append(model.decode(x0).float().clamp(0, 1).cpu())
        progress(start + len(part), len(captions))
    return torch.cat(pictures)


@torch.no_grad()
def verdicts(judge: Judge, pictures: Tensor, pairs: Sequence[tuple[str, str]]) -> Tensor:
    """Whether (kind, colour) were recognised in pictures (N, 3, H, W) asked for as (colour, kind) pairs: bool (N, 2)."""
    if len(pictures) != len(pairs):
        raise ValueError(f"pairs must name one pair per picture: {len(pictures)} pictures, {len(pairs)} pairs")
    names = list(COLORS)
    wanted = torch.tensor([[KINDS.index(kind), names.index(color)] for color, kind in pairs])
    found = [torch.stack([scores.argmax(1) for scores in judge(part)], 1) for part in torch.split(pictures, 256)]
    return torch.cat(found) == wanted


def tally(right: Tensor) -> Scores:
    """Shares of kind, colour and both right from verdicts (N, 2)."""
    columns = {"kind": right[:, 0], "color": right[:, 1], "both": right.all(1)}
    return {name: Proportion(int(column.sum()), len(column)) for name, column in columns.items()}


def summary(right: Tensor, pairs: Sequence[tuple[str, str]]) -> dict[str, dict[str, Scores]]:
    """Scores of trained and of held-out pairs, of each kind and of each colour, from verdicts (N, 2)."""

    def where(chosen: Callable[[tuple[str, str]], bool]) -> Scores:
        return tally(right[torch.tensor([chosen(pair) for pair in pairs])])

    return {
        "pairs": {"trained": where(lambda p: p not in HELD_OUT), "held out": where(lambda p: p in HELD_OUT)},
        "kinds": {name: where(lambda p, name=name: p[1] == name) for name in KINDS},  # type: ignore[misc]
        "colors": {name: where(lambda p, name=name: p[0] == name) for name in COLORS},  # type: ignore[misc]
    }


def table(groups: dict[str, dict[str, Scores]]) -> str:
    """The summary as text, the weakest kinds first."""
    lines = []
    for name, scores in groups["pairs"].items():
        lines += [f"{name} pairs", *(f"  {what:6s} {share}" for what, share in scores.items())]
    for group in ("kinds", "colors"):
        lines.append(f"{group:16s} {'kind':>9s} {'color':>9s} {'both':>9s}")
        ranked = sorted(groups[group].items(), key=lambda row: row[1]["both"].rate)
        for name, scores in ranked:
            lines.append(f"  {name:14s} " + " ".join(f"{f'{s.hits}/{s.total}':>9s}" for s in scores.values()))
    return "\n".join(lines)


def grid(pictures: Tensor) -> Tensor:
    """The first picture of each pair as (kinds, colours, 3, H, W); pictures are in the order of PAIRS, repeated."""
    return pictures[: len(PAIRS)].reshape(len(KINDS), len(COLORS), *pictures.shape[1:])


def _main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scorekit.zoo.evaluate", description="Let the judge mark what a text-to-image model draws."
    )
    parser.add_argument("--model", default="pico-image", help="name, hub id or folder of a text-to-image model")
    parser.add_argument("--out", required=True, type=Path, help="folder for evaluation.json and grid.png")
    parser.add_argument("--count", type=int, default=Sampling.count, help="pictures per caption")
    parser.add_argument("--guidance", type=float, default=Sampling.guidance)
    parser.add_argument("--solver", default=Sampling.solver)
    parser.add_argument("--steps", type=int, default=Sampling.steps)
    parser.add_argument("--batch", type=int, default=Sampling.batch)
    parser.add_argument("--seed", type=int, default=Sampling.seed)
    args = parser.parse_args()
    start = time.monotonic()

    def progress(done: int, n: int) -> None:
        print(f"{done}/{n} pictures, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)

    try:
        how = Sampling(args.count, args.guidance, args.solver, args.steps, args.batch, args.seed)
        judge, model = Judge.load(), scorekit.load(args.model)
        pairs = PAIRS * how.count
        pictures = draw(model, [caption(kind, color) for color, kind in pairs], how, progress)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    groups = summary(verdicts(judge, pictures, pairs), pairs)
    print(table(groups))
    args.out.mkdir(parents=True, exist_ok=True)
    contact_sheet(
        grid(pictures), KINDS, tuple(COLORS), {(KINDS.index(k), list(COLORS).index(c)) for c, k in HELD_OUT}
    ).save(args.out / "grid.png")
    numbers = {
        group: {row: {what: share.record() for what, share in scores.items()} for row, scores in rows.items()}
        for group, rows in groups.items()
    }
    record = {"model": args.model, "sampling": vars(how), "seconds": round(time.monotonic() - start), **numbers}
    (args.out / "evaluation.json").write_text(json.dumps(record, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main())

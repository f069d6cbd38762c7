"""PCK of pico-photo's features on pairs with known correspondence, beside the same network untrained, raw patches and SIFT.

    python tests/benchmarks/correspondence.py --report docs

Needs the Debian package opencv-doc (graf, aloe). A place counts as found within 3 or 8 px, or within .05 or .1 of the longer side;
pictures are 400 px long. All descriptors are matched alike: the nearest cell of a grid of 4 px and a soft-argmax around it. Intervals
are bootstraps over pairs, or over places where a group is one pair. With --report it writes docs/dift.json, docs/dift.png, and the
table between the marks in docs/dift.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import torch
from correspondence_descriptors import Describe, diffusion, join, patches, root_sift
from correspondence_pairs import OPENCV_DATA, SIZE, Pair, aloe, graf, photograph_pairs, rendered_pairs
from marked import fill
from torch import Tensor

from scorekit_dift.descriptors import reading_of
from scorekit_dift.matching import match_points
from scorekit_dift.pico_photo import Recipe, denoiser, load, untrained

BOUNDS = {"3 px": 3.0, "8 px": 8.0, ".05": 0.05 * SIZE, ".1": 0.1 * SIZE}
DRAWS = 1000  # of the bootstrap


def methods(folder: Path | None) -> dict[str, Describe]:
    """Everything that is compared, by its name in the table, but what is put together of two."""
    model, random = load(folder=folder), denoiser(untrained(Recipe(seed=5)))
    reading = reading_of(model)
    return {
        "pico-photo": diffusion(model, reading),
        "the same, untrained": diffusion(random, reading),
        "17 x 17 px of RGB": patches,
        "SIFT": root_sift,
    }


def errors(pair: Pair, described: dict[str, Describe]) -> dict[str, Tensor]:
    """Distance (N,) of each place found to the true one, by the name of the way."""
    maps = {name: describe(pair.source, pair.target) for name, describe in described.items()}
    for name in ("pico-photo", "the same, untrained"):
        maps[f"{name} + SIFT"] = join(maps[name], maps["SIFT"])
    found = {name: (match_points(*both, pair.points).target - pair.truth).norm(dim=1) for name, both in maps.items()}
    return {**found, "same coordinates": (pair.points - pair.truth).norm(dim=1)}


def interval(found: list[Tensor], bound: float) -> tuple[float, float, float]:
    """The mean over pairs of the share of places within a bound, with a 95 % interval."""
    shares = torch.stack([(one <= bound).float().mean() for one in found])
    rows = shares if len(found) > 1 else (found[0] <= bound).float()
    draws = torch.randint(len(rows), (DRAWS, len(rows)), generator=torch.Generator().manual_seed(0))
    low, high = rows[draws].mean(1).quantile(torch.tensor([0.025, 0.975])).tolist()
    return float(shares.mean()), low, high


def table(results: dict[str, dict[str, dict[str, list[float]]]], counts: dict[str, int]) -> str:
    """The results as Markdown, a table for each group."""
    blocks = []
    for group, rows in results.items():
        what = f"{group} ({counts[group]} pair{'s' * (counts[group] > 1)})"
        lines = [f"| {what} | {' | '.join(BOUNDS)} |", "| --- |" + " --- |" * len(BOUNDS)]
        for name, row in rows.items():
            cells = [f"{mean:.2f} ({low:.2f} to {high:.2f})" for mean, low, high in row.values()]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def figure(pair: Pair, described: dict[str, Describe], path: Path) -> None:
    """The same 60 places of a pair by two descriptors: lines where the place found is within 8 px, crosses in red where not."""
    from PIL import ImageDraw

    from scorekit_dift.drawing import lines, stacked

    sheets = []
    for name, describe in described.items():
        one, other = describe(pair.source, pair.target)
        found = match_points(one, other, pair.points[:60])
        right = (found.target - pair.truth[:60]).norm(dim=1) <= 8
        sheet = lines(pair.source, pair.target, found[right])
        draw = ImageDraw.Draw(sheet)
        scale = sheet.height / pair.source.shape[1]
        for x, y in (found.source[~right] * scale).tolist():
            draw.line([x - 4, y - 4, x + 4, y + 4], fill="red", width=2)
            draw.line([x - 4, y + 4, x + 4, y - 4], fill="red", width=2)
        draw.rectangle([0, 0, 250, 16], fill="white")
        draw.text((4, 2), f"{name}: {int(right.sum())} of 60 within 8 px", fill="black")
        sheets.append(sheet)
    stacked(sheets).quantize(256).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="PCK of diffusion features.")
    parser.add_argument("--model", type=Path, help="a folder that the recipe wrote; default: pico-photo as it ships")
    parser.add_argument("--opencv-data", type=Path, default=OPENCV_DATA, help="folder with graf1.png, aloeL.jpg, ...")
    parser.add_argument("--seeds", type=int, default=2, help="homographies of a kind for each photograph")
    parser.add_argument("--renders", type=int, default=24, help="pairs of views of rendered objects")
    parser.add_argument(
        "--report", type=Path, help="folder for dift.json and dift.png, and whose dift.md gets the table"
    )
    args = parser.parse_args()

    described = methods(args.model)
    pairs = [
        graf(args.opencv_data),
        aloe(args.opencv_data),
        *photograph_pairs(args.seeds),
        *rendered_pairs(args.renders),
    ]
    found: dict[str, dict[str, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
    began = time.process_time()
    for index, pair in enumerate(pairs):
        for name, gaps in errors(pair, described).items():
            found[pair.group][name].append(gaps)
        print(f"{index + 1}/{len(pairs)} {pair.name} {time.process_time() - began:.0f} CPU-s", flush=True)
    results = {
        group: {name: {b: list(interval(one, px)) for b, px in BOUNDS.items()} for name, one in rows.items()}
        for group, rows in found.items()
    }
    counts = {group: len(next(iter(rows.values()))) for group, rows in found.items()}
    text = table(results, counts)
    print(text)
    if args.report:
        report = {"pairs": counts, "size": SIZE, "pck": results, "cpu_seconds": round(time.process_time() - began)}
        (args.report / "dift.json").write_text(json.dumps(report, indent=1) + "\n")
        shown = {name: described[name] for name in ("pico-photo", "the same, untrained")}
        figure(pairs[0], shown, args.report / "dift.png")
        fill(args.report / "dift.md", "table", text)


if __name__ == "__main__":
    main()

"""EmerDiff on pico-image against the true parts of renders, beside the same network untrained and k-means on pixels and on features.

    OMP_NUM_THREADS=1 python tests/benchmarks/segmentation.py --report docs

Every way gives eight masks; each is given to the part that has most of its pixels (scorekit_segmentation.agreement). Shapes are drawn
with seeds that no setting was chosen on. With --report it writes docs/segmentation.json, docs/segmentation.png, and the table between
the marks in docs/segmentation.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from marked import fill
from torch import Tensor
from torch.nn import functional as F

from scorekit.denoiser import Denoiser
from scorekit.models import load
from scorekit.zoo.objects import COLORS, KINDS
from scorekit_segmentation.agreement import mean_iou
from scorekit_segmentation.application import PICO_STRENGTH
from scorekit_segmentation.demo import picture as rendered
from scorekit_segmentation.emerdiff import cluster_queries, query_map, segment
from scorekit_segmentation.kmeans import kmeans
from scorekit_segmentation.layers import chosen_attentions
from scorekit_segmentation.pictures import overlay

if TYPE_CHECKING:
    from PIL import Image

Way = Callable[[Tensor], Tensor]
CLUSTERS, SEED = 8, 5000
SHOWN, SCALE = 6, 4  # renders in the picture, enlarged


def untrained(model: Denoiser) -> Denoiser:
    """The same network with random weights."""
    random = copy.copy(model)
    random.network = copy.deepcopy(model.network)
    torch.manual_seed(SEED)
    for module in random.network.modules():  # type: ignore[attr-defined]
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return random


def ways(model: Denoiser) -> dict[str, Way]:
    """Each takes a picture (3, H, W) to labels (H, W)."""
    attention, _ = chosen_attentions(model)

    def seeds() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    def on_pixels(picture: Tensor) -> Tensor:
        return kmeans(picture.flatten(1).T, CLUSTERS, seeds())[0].view(picture.shape[1:])

    def on_features(picture: Tensor) -> Tensor:
        queries = query_map(model, picture, attention, generator=seeds()).T.view(1, -1, *attention.grid)
        fine = F.interpolate(queries, picture.shape[1:], mode="bilinear", align_corners=False)[0]
        return kmeans(fine.flatten(1).T, CLUSTERS, seeds())[0].view(picture.shape[1:])

    def coarse(picture: Tensor) -> Tensor:
        places = cluster_queries(model, picture, CLUSTERS, attention, generator=seeds())
        return F.interpolate(places[None, None].float(), picture.shape[1:])[0, 0].long()

    random = untrained(model)

    def emerdiff(picture: Tensor, network: Denoiser = model) -> Tensor:
        return segment(network, picture, CLUSTERS, strength=PICO_STRENGTH, generator=seeds()).labels

    return {
        "EmerDiff": emerdiff,
        "EmerDiff, network untrained": lambda picture: emerdiff(picture, random),
        "its clusters, not refined": coarse,
        "k-means on the same features, enlarged": on_features,
        "k-means on pixels": on_pixels,
    }


def headed(sheet: list[Tensor], names: list[str]) -> Image.Image:
    """Rows of tiles below each other, a name above each column."""
    from PIL import Image, ImageDraw

    rows = (torch.cat(sheet, 1).clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()
    whole = Image.new("RGB", (rows.shape[1], rows.shape[0] + 30), "white")
    whole.paste(Image.fromarray(rows), (0, 30))
    draw, width = ImageDraw.Draw(whole), rows.shape[1] / len(names)
    for column, name in enumerate(names):
        lines = textwrap.wrap(name, int(width / 6.4))
        draw.multiline_text(
            ((column + 0.5) * width, 28), "\n".join(lines), "black", anchor="md", align="center", spacing=1
        )
    return whole


def _large(picture: Tensor) -> Tensor:
    return F.interpolate(picture[None], scale_factor=SCALE)[0]


def _painted(picture: Tensor, labels: Tensor) -> Tensor:
    return overlay(_large(picture), labels.repeat_interleave(SCALE, 0).repeat_interleave(SCALE, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description="Segmentation against true parts.")
    parser.add_argument("--renders", type=int, default=32)
    parser.add_argument(
        "--report", type=Path, help="folder for segmentation.json and .png, and whose segmentation.md gets the table"
    )
    args = parser.parse_args()
    model = load("pico-image")
    described, colors = ways(model), list(COLORS)
    found: dict[str, list[float]] = {name: [] for name in described}
    sheet: list[Tensor] = []
    began = time.process_time()
    for index in range(args.renders):
        draw = torch.Generator().manual_seed(SEED + index)
        azimuth = float(torch.rand(1, generator=draw)) * 360
        picture, truth = rendered(KINDS[index % len(KINDS)], colors[index % len(colors)], azimuth, SEED + index)
        masks = {name: way(picture) for name, way in described.items()}
        for name, labels in masks.items():
            found[name].append(mean_iou(labels, truth))
        if index < SHOWN:
            tiles = [_large(picture), *(_painted(picture, labels) for labels in (truth, *masks.values()))]
            sheet.append(torch.cat([F.pad(tile, [6] * 4, value=1.0) for tile in tiles], 2))
        print(f"{index + 1}/{args.renders} {time.process_time() - began:.0f} CPU-s", flush=True)
    lines = ["| way | mean IoU of the true parts | 95 % interval |", "| --- | --- | --- |"]
    rows = {}
    for name, values in found.items():
        all_ = torch.tensor(values)
        draws = all_[torch.randint(len(all_), (1000, len(all_)), generator=torch.Generator().manual_seed(0))].mean(1)
        low, high = draws.quantile(torch.tensor([0.025, 0.975])).tolist()
        rows[name] = {"mean_iou": float(all_.mean()), "interval": [low, high], "each": values}
        lines.append(f"| {name} | {all_.mean():.2f} | {low:.2f} to {high:.2f} |")
    print("\n".join(lines))
    if args.report:
        content = {
            "renders": args.renders,
            "clusters": CLUSTERS,
            "rows": rows,
            "cpu_seconds": round(time.process_time() - began),
        }
        (args.report / "segmentation.json").write_text(json.dumps(content, indent=1) + "\n")
        headed(sheet, ["picture", "true parts", *described]).save(args.report / "segmentation.png")
        fill(args.report / "segmentation.md", "table", "\n".join(lines))


if __name__ == "__main__":
    main()

"""Time and peak memory of DIFT for one picture pair, against the loop of the official code on the same network.

    OMP_NUM_THREADS=1 python tests/benchmarks/probing_dift.py --report docs

The official logic, re-expressed: the picture is repeated by the size of the ensemble before the autoencoder, which so encodes one
picture eight times; the whole block output is kept for each noise; and for every keypoint the target's map is enlarged to the picture's
size and normalised again. Ours: encoded once, averaged, normalised once, matched on the grid with soft-argmax. Each runs in a process of
its own, so that peak memory (VmHWM, less what was there before) is its own. Networks have random weights: time does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from scorekit.denoiser import Denoiser
from scorekit.features import noised_features
from scorekit.models.codecs import VAECodec
from scorekit_dift.descriptors import Reading, describe
from scorekit_dift.matching import match_points

ENSEMBLE, KEYPOINTS = 8, 20


def sd_class(size: int) -> tuple[Denoiser, str]:
    """A network and autoencoder of Stable Diffusion 1's shape, a quarter as wide, for pictures of `size`, and the block to read."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from scorekit.denoiser import Condition
    from scorekit.models.networks import TextUNet
    from scorekit.schedule import VP

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=size // 8, block_out_channels=(80, 160, 320, 320), cross_attention_dim=192, attention_head_dim=8, norm_num_groups=16,
    )  # fmt: skip
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, block_out_channels=(32, 64, 128, 128),
        layers_per_block=2, norm_num_groups=16, sample_size=size,
    )  # fmt: skip
    text = torch.randn(1, 77, 192)
    model = Denoiser(
        TextUNet(unet.eval().requires_grad_(False)),
        VP.scaled_linear(),
        "eps",
        (4, size // 8, size // 8),
        prompts=lambda _: Condition({"text": text}, key="text"),
        codec=VAECodec(vae.eval().requires_grad_(False), (size, size)),
        name="SD-class",
    )
    return model, "unet.up_blocks.1"


def photo(size: int) -> tuple[Denoiser, str]:
    """pico-photo's network, and a block."""
    from scorekit_dift.pico_photo import denoiser, untrained
    from scorekit_dift.pictures import at_size

    return at_size(denoiser(untrained()), (size, size)), "unet.up_blocks.2.resnets.1"


@torch.no_grad()
def official(model: Denoiser, layer: str, pair: list[Tensor], points: Tensor) -> Tensor:
    """The places of `points` in the second picture, as the official loop goes about it."""
    maps = []
    generator = torch.Generator().manual_seed(0)
    for picture in pair:
        many = picture[None].repeat(ENSEMBLE, 1, 1, 1)
        # noised_features with an ensemble of one takes the eight copies as eight pictures.
        found = noised_features(
            model, model.encode(many), 0.262, None, layers=[layer], ensemble=1, generator=generator
        )[layer]
        maps.append(found.mean(0, keepdim=True))
    size = pair[0].shape[1:]
    source = F.interpolate(maps[0], size, mode="bilinear")
    places = []
    for x, y in points.long().tolist():
        query = F.normalize(source[0, :, y, x], dim=0)
        target = F.normalize(F.interpolate(maps[1], size, mode="bilinear"), dim=1)
        best = int(torch.einsum("c,chw->hw", query, target[0]).argmax())
        places.append((best % size[1] + 0.5, best // size[1] + 0.5))
    return torch.tensor(places)


def ours(model: Denoiser, layer: str, pair: list[Tensor], points: Tensor) -> Tensor:
    """The same by this plugin."""
    reading = Reading((layer,), 0.262, ENSEMBLE, (1.0,), None, 0)
    generator = torch.Generator().manual_seed(0)
    one, other = (describe(model, picture, reading, generator) for picture in pair)
    return match_points(one, other, points).target


def measured(way: str, network: str, size: int, answer: multiprocessing.Queue) -> None:
    """CPU seconds, and peak memory beyond what the model itself takes, of one run after a small one to warm up."""
    torch.set_num_threads(1)
    model, layer = {"SD-class": sd_class, "pico-photo": photo}[network](size)
    generator = torch.Generator().manual_seed(1)
    pair = [
        F.interpolate(torch.rand(1, 3, 24, 24, generator=generator), (size, size), mode="bicubic")[0].clamp(0, 1)
        for _ in range(2)
    ]
    points = torch.rand(KEYPOINTS, 2, generator=generator) * (size - 1)
    before = _memory("VmRSS")
    began, wall = time.process_time(), time.monotonic()
    found = {"official": official, "ours": ours}[way](model, layer, pair, points)
    seconds = time.process_time() - began
    answer.put({"cpu_seconds": seconds, "wall_seconds": time.monotonic() - wall, "peak_mib": (_memory("VmHWM") - before) / 1024,
                "places": found.tolist()})  # fmt: skip


def _memory(key: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1])  # KiB


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of DIFT.")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures in pixels, a multiple of 64")
    parser.add_argument("--report", type=Path, help="folder for dift-probing.json")
    args = parser.parse_args()
    rows: dict[str, dict[str, dict[str, float]]] = {}
    context = multiprocessing.get_context("spawn")
    for network in ("SD-class", "pico-photo"):
        results = {}
        for way in ("official", "ours"):
            answer = context.Queue()
            process = context.Process(target=measured, args=(way, network, args.size, answer))
            process.start()
            results[way] = answer.get()
            process.join()
        places = [torch.tensor(results[way].pop("places")) for way in results]
        gap = (places[0] - places[1]).norm(dim=1).median()
        rows[network] = {**results, "median_px_between_them": float(gap)}
        for way in ("official", "ours"):
            r = results[way]
            print(f"{network:12s} {way:9s} {r['cpu_seconds']:6.2f} CPU-s  {r['peak_mib']:7.0f} MiB", flush=True)
    if args.report:
        content = {"size": args.size, "ensemble": ENSEMBLE, "keypoints": KEYPOINTS, "rows": rows}
        (args.report / "dift-probing.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()

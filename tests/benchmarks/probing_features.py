"""What `probing.py` measures of DIFT: the features of two pictures, and 20 places of one found in the other.

The official logic (Tang et al. 2023 and its code), re-expressed: the picture is repeated by the size of the ensemble before the
autoencoder, which so encodes one picture eight times; the whole block output is kept for each noise; and for every place the target's
map is enlarged to the picture's size and normalised again. Ours: encoded once, averaged, normalised once, matched on the grid with
soft-argmax. Networks have random weights: time does not depend on them. Both stop after the block that is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from scorekit.denoiser import Denoiser
from scorekit.features import noised_features
from scorekit.models.codecs import VAECodec
from scorekit_dift.descriptors import Reading, describe
from scorekit_dift.matching import match_points

NETWORKS = ("SD-class", "pico-photo")
WAYS = ("official", "ours")
ENSEMBLE, KEYPOINTS = 8, 20


def prepared(network: str, way: str, size: int) -> Callable[[], dict[str, Any]]:
    """The work of one way on two pictures of `size`, its model made and its network run once."""
    model, layer = (sd_class if network == "SD-class" else photo)(size)
    generator = torch.Generator().manual_seed(1)
    pair = [
        F.interpolate(torch.rand(1, 3, 24, 24, generator=generator), (size, size), mode="bicubic")[0].clamp(0, 1)
        for _ in range(2)
    ]
    points = torch.rand(KEYPOINTS, 2, generator=generator) * (size - 1)
    model.given(None)(torch.zeros(1, *model.shape), 0.5)
    ways = {"official": official, "ours": ours}
    return lambda: {"places": ways[way](model, layer, pair, points).tolist()}


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


def table(rows: dict[str, dict[str, dict[str, Any]]]) -> str:
    """The rows as Markdown; the places themselves are only compared."""
    lines = [
        "| network | way | CPU-s | peak MiB | median distance of the places found, px |",
        "| --- | --- | --- | --- | --- |",
    ]
    for network, ways in rows.items():
        places = [torch.tensor(row["places"]) for row in ways.values()]
        gap = float((places[0] - places[1]).norm(dim=1).median())
        for way, row in ways.items():
            between = f"{gap:.1f}" if way == "ours" else ""
            lines.append(f"| {network} | {way} | {row['cpu_seconds']:.1f} | {row['peak_mib']:.0f} | {between} |")
    return "\n".join(lines)

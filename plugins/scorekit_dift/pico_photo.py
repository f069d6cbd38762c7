"""pico-photo: a small denoiser of photographs, made for its features; its recipe, its export and how it is loaded.

Fully convolutional and without attention, so that it runs on pictures of any size and a feature depends on its surroundings only: what a
dense matcher wants. Pixels are folded 2 x 2 into channels; v-prediction on a cosine schedule with zero terminal SNR (Lin et al. 2023).

    scorekit train pico-photo --photos DIR
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scorekit.denoiser import Denoiser
from scorekit.models.codecs import PixelCodec
from scorekit.schedule import VP
from scorekit.training import Settings, denoising_loss, train

Picture = np.ndarray[Any, np.dtype[np.uint8]]  # (H, W, 3)
FOLDER = Path(__file__).parent / "pico-photo"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
NATIVE = 256  # the size of the pictures that the denoiser is loaded for; features are taken at any multiple of 16


@dataclass(frozen=True)
class Recipe:
    """The size of the network and how it is trained.

    crop      side of the square crops in pixels
    shrink    a crop shows up to `shrink` times its side of the photograph, drawn log-uniformly from 1 on
    channels  of the levels, which work at strides 2, 4, 8, 16
    batch     crops per step and process
    """

    crop: int = 64
    shrink: float = 4.0
    channels: tuple[int, ...] = (48, 96, 144, 192)
    batch: int = 24
    steps: int = 1800
    lr: float = 1e-3
    ema: float = 0.999
    cooldown: int = 600
    precision: str = "no"
    seed: int = 0


class PhotoUNet(nn.Module):
    """A UNet2DModel on 2 x 2 blocks of pixels: forward(x (B, 3, H, W), timestep (B,)) -> v, for H and W that are multiples of 16."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet, self.patch = unet, 2

    def forward(self, x: Tensor, timestep: Tensor) -> Tensor:
        output: Tensor = self.unet(nn.functional.pixel_unshuffle(x, self.patch), timestep, return_dict=False)[0]
        return nn.functional.pixel_shuffle(output, self.patch)


def untrained(recipe: Recipe | None = None) -> PhotoUNet:
    """The network with random weights, drawn from the recipe's seed: what a run starts from, and the baseline of the benchmarks."""
    from diffusers import UNet2DModel

    recipe = recipe or Recipe()
    levels = len(recipe.channels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        unet = UNet2DModel(
            sample_size=recipe.crop // 2,
            in_channels=12,
            out_channels=12,
            layers_per_block=1,
            block_out_channels=recipe.channels,
            down_block_types=("DownBlock2D",) * levels,
            up_block_types=("UpBlock2D",) * levels,
            add_attention=False,
            norm_num_groups=16,
        )
    return PhotoUNet(unet)


def denoiser(network: PhotoUNet, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Denoiser:
    """The network as a Denoiser, frozen and in evaluation mode."""
    network.eval().requires_grad_(False).to(device=device, dtype=dtype)
    return Denoiser(
        network,
        VP.cosine().zero_terminal_snr(),
        "v",
        (3, NATIVE, NATIVE),
        codec=PixelCodec((NATIVE, NATIVE)),
        name="pico-photo",
        device=device,
        dtype=dtype,
    )


def load(
    device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, folder: Path | None = None
) -> Denoiser:
    """pico-photo as it ships, or as `export` wrote it to `folder`. Raises ValueError where files are missing or damaged."""
    from diffusers import UNet2DModel

    folder = folder or FOLDER
    try:
        unet = UNet2DModel.from_pretrained(
            folder / "unet", torch_dtype=dtype, use_safetensors=True, local_files_only=True
        )
    except Exception as error:
        raise ValueError(f"pico-photo cannot be read from {folder}: {str(error).strip().splitlines()[0]}") from error
    return denoiser(PhotoUNet(unet), device, dtype)


def read_photographs(folder: Path) -> list[Picture]:
    """The pictures of a folder as (H, W, 3) arrays, in the order of their names.

    Raises ValueError where there are none, and for one that is damaged or smaller than 64 px.
    """
    from PIL import Image, UnidentifiedImageError

    pictures = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
        try:
            with Image.open(path) as opened:
                pictures.append(np.asarray(opened.convert("RGB")))
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise ValueError(f"photos: {path.name} cannot be read ({error}).") from None
        if min(pictures[-1].shape[:2]) < 64:
            raise ValueError(f"photos: {path.name} is smaller than 64 px.")
    if not pictures:
        raise ValueError(f"photos: {folder} has no pictures ({', '.join(SUFFIXES)}).")
    return pictures


def crops(pictures: list[Picture], recipe: Recipe, generator: torch.Generator) -> Tensor:
    """A batch of crops (B, 3, crop, crop) in [-1, 1]: photographs drawn alike, at random scale, mirrored half of the time."""
    batch = []
    for _ in range(recipe.batch):
        index, scale, top, left, mirror = torch.rand(5, generator=generator).tolist()
        picture = pictures[int(index * len(pictures))]
        height, width = picture.shape[:2]
        side = min(int(recipe.crop * recipe.shrink**scale), height, width)
        y, x = int(top * (height - side + 1)), int(left * (width - side + 1))
        piece = torch.tensor(picture[y : y + side, x : x + side]).permute(2, 0, 1)[None].float()
        if side != recipe.crop:
            piece = nn.functional.interpolate(piece, (recipe.crop, recipe.crop), mode="bilinear", antialias=True)
        batch.append(piece.flip(-1) if mirror < 0.5 else piece)
    return torch.cat(batch) / 127.5 - 1


def train_pico_photo(
    recipe: Recipe,
    pictures: list[Picture],
    folder: Path,
    report: Callable[[int, int, dict[str, float]], None],
    *,
    cpu: bool = False,
) -> PhotoUNet:
    """Train by the recipe on pictures (H, W, 3) and return the network with averaged weights.

    Goes on from `folder` where it holds a checkpoint.
    """
    schedule = VP.cosine().zero_terminal_snr()

    def loss(network: nn.Module, x0: Tensor, generator: torch.Generator) -> Tensor:
        return denoising_loss(network, schedule, "v", x0, {}, generator)

    settings = Settings.of(recipe, warmup=100)
    trained = train(
        untrained(recipe), loss, lambda generator: crops(pictures, recipe, generator), settings, folder, report, cpu=cpu
    )
    assert isinstance(trained, PhotoUNet)
    return trained


def export(network: PhotoUNet, recipe: Recipe, folder: Path) -> None:
    """Write fp16 safetensors and the configuration in the diffusers format, and scorekit.json with the recipe.

    The card and the list of the photographs in `folder` outlive a new export.
    """
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    unet: Any = network.unet
    unet.half().save_pretrained(temporary / "unet")
    facts = {"patch": 2, "recipe": asdict(recipe)}
    (temporary / "scorekit.json").write_text(json.dumps(facts, indent=2) + "\n")
    for kept in ("README.md", "photographs.json"):
        if (folder / kept).exists():
            shutil.copy(folder / kept, temporary / kept)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)

"""pico-image: the embedded text-to-image model, its recipe and its export to a diffusers-format folder.

A pixel-space model of the real classes: UNet2DConditionModel under a CLIPTextModel, v-prediction on a cosine schedule with zero
terminal SNR (Lin et al. 2023). Pixels are folded 2 x 2 into channels, so the network works at half the resolution. The words of
the captions are the tokens, one each: the text encoder learns them with the network.

    accelerate launch -m scorekit.zoo.pico_image --data DIR --out DIR      # see --help; `scorekit train pico-image` does the same
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor, nn

from scorekit.models.networks import TextUNet
from scorekit.schedule import VP
from scorekit.training import Settings, denoising_loss, train
from scorekit.zoo.captions import BACKGROUNDS, POSES, WORDS
from scorekit.zoo.dataset import ImageSet, load
from scorekit.zoo.unet import make_unet
from scorekit.zoo.words import make_text_encoder, make_tokenizer

SCHEDULE = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_schedule": "squaredcos_cap_v2",
    "rescale_betas_zero_snr": True,
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
    "clip_sample": False,
    "set_alpha_to_one": True,
}
SUMMARY = "16 kinds of objects in 10 colours, 32 px, on white or black; knows 41 words"


@dataclass(frozen=True)
class Recipe:
    """The size of the model and how it is trained. The defaults are the CPU size: 32 px, 6 million parameters.

    size      side of the pictures in pixels
    channels  of the UNet's levels; the first works at size / 2
    text      width of the text encoder and of the cross-attention
    drop      share of captions of which nothing is left but the background, for classifier-free guidance
    black     share of pictures on black, with captions that say so
    white     share of the other pictures, all on white, whose captions say so
    batch     pictures per step and process
    """

    size: int = 32
    channels: tuple[int, ...] = (64, 96, 128)
    layers: int = 1
    text: int = 128
    drop: float = 0.1
    black: float = 0.35
    white: float = 0.3
    batch: int = 24
    steps: int = 16000
    lr: float = 1.2e-3
    ema: float = 0.9995
    cooldown: int = 4000
    precision: str = "bf16"
    seed: int = 0


class PicoImage(nn.Module):
    """Network and text encoder in one module, as they are trained: forward(x, timestep, tokens) -> v."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        unet = make_unet(recipe.size // 2, 12, recipe.channels, recipe.text, layers=recipe.layers)
        self.network = TextUNet(unet, patch=2)
        self.text = make_text_encoder(make_tokenizer(WORDS), recipe.text)

    def forward(self, x: Tensor, timestep: Tensor, tokens: Tensor) -> Tensor:
        output: Tensor = self.network(x, timestep, self.text(tokens).last_hidden_state)
        return output


def train_pico_image(
    recipe: Recipe,
    data: ImageSet,
    folder: Path,
    report: Callable[[int, int, dict[str, float]], None],
    *,
    cpu: bool = False,
) -> PicoImage:
    """Train by the recipe and return the model with averaged weights. Goes on from `folder` where it holds a checkpoint."""
    if data.images.shape[-1] != recipe.size:
        raise ValueError(
            f"size is {recipe.size} and the data set has pictures of {data.images.shape[-1]} px: they must agree."
        )
    torch.manual_seed(recipe.seed)
    model = PicoImage(recipe)
    tokenizer, schedule = make_tokenizer(WORDS), VP.cosine().zero_terminal_snr()
    images, alpha = torch.from_numpy(data.images), torch.from_numpy(data.alpha)[:, None]
    encoded: dict[str, list[int]] = {}

    def batches(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(data), (recipe.batch,), generator=generator)
        dropped = torch.rand(recipe.batch, generator=generator) < recipe.drop
        black = torch.rand(recipe.batch, generator=generator) < recipe.black
        named = torch.rand(recipe.batch, generator=generator) < recipe.white
        x0 = images[chosen].float() - black[:, None, None, None] * (255 - alpha[chosen].float())
        tokens = []
        for i, drop, dark, says in zip(*(v.tolist() for v in (chosen, dropped, black, named)), strict=True):
            background = "black" if dark else "white" if says else None
            empty = f"on {background}" if background else ""
            caption = empty if drop else data.caption(i, generator, background)
            if caption not in encoded:
                encoded[caption] = tokenizer(caption, padding="max_length").input_ids
            tokens.append(encoded[caption])
        return x0 / 127.5 - 1, torch.tensor(tokens)

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        x0, tokens = batch
        return denoising_loss(network, schedule, "v", x0, {"tokens": tokens}, generator)

    settings = Settings.of(recipe)
    trained = train(model, loss, batches, settings, folder, report, cpu=cpu)
    assert isinstance(trained, PicoImage)
    return trained


def export(model: PicoImage, recipe: Recipe, folder: Path) -> None:
    """Write a diffusers-format folder: fp16 safetensors, tokenizer, scheduler, and `scorekit.json` for what diffusers has no word for."""
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    model.half()
    unet: Any = model.network.unet
    unet.save_pretrained(temporary / "unet")
    model.text.save_pretrained(temporary / "text_encoder")
    make_tokenizer(WORDS).save_pretrained(temporary / "tokenizer")
    (temporary / "scheduler").mkdir()
    (temporary / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULE, indent=2) + "\n")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
    }
    (temporary / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    extra = {
        "summary": SUMMARY,
        "license": "Apache-2.0",
        "patch": 2,
        "vocabulary": list(WORDS),
        "backgrounds": BACKGROUNDS,
        "views": POSES,
        "recipe": asdict(recipe),
    }
    (temporary / "scorekit.json").write_text(json.dumps(extra, indent=2) + "\n")
    for kept in ("README.md", "samples.png"):  # the model card is written by hand and outlives a new export
        if (folder / kept).exists():
            shutil.copy(folder / kept, temporary / kept)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def _main() -> None:
    parser = argparse.ArgumentParser(description="Train pico-image.")
    parser.add_argument("--data", required=True, type=Path, help="folder written by scorekit.zoo.dataset")
    parser.add_argument("--out", required=True, type=Path, help="folder for the checkpoint and, at the end, the model")
    for name in ("size", "batch", "steps", "cooldown", "seed", "layers", "text"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Recipe, name))
    parser.add_argument("--lr", type=float, default=Recipe.lr)
    parser.add_argument("--channels", type=int, nargs="+", default=list(Recipe.channels))
    args = vars(parser.parse_args())
    data, out = args.pop("data"), args.pop("out")
    recipe = Recipe(**args | {"channels": tuple(args["channels"])})

    def report(step: int, total: int, metrics: dict[str, float]) -> None:
        if step % 50 == 0:
            print(step, total, " ".join(f"{name} {value:.4f}" for name, value in metrics.items()), flush=True)

    model = train_pico_image(recipe, load(data), out, report)
    if PartialState().is_main_process:  # every process has the model; one folder wants one writer
        export(model, recipe, out / "pico-image")


if __name__ == "__main__":
    _main()

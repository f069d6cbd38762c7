"""pico-video: small text-to-video models of clips of 8 frames of 32 px, their recipe and their folders.

One prior, which begins with pico-image's layers (`of_image`), and small models of a tenth of its size (`small`), which predict x0 of
blocks of 4 x 4 pixels. All on a cosine schedule with zero terminal SNR (Lin et al. 2023), with words as tokens, as pico-image has them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import scorekit.zoo
from scorekit.denoiser import Denoiser
from scorekit.models.networks import freeze
from scorekit.models.prompts import Prompts
from scorekit.schedule import VP
from scorekit.training import Settings, denoising_loss, train
from scorekit.zoo.unet import make_unet
from scorekit.zoo.words import make_text_encoder, make_tokenizer
from scorekit_video_adapter.captions import VOCABULARY
from scorekit_video_adapter.clip_sets import ClipSet, Source
from scorekit_video_adapter.inflate import VideoUNet

WEIGHTS, SETTINGS = "model.safetensors", "scorekit.json"
PICO_IMAGE = Path(next(iter(scorekit.zoo.__path__))) / "pico-image"


@dataclass(frozen=True)
class Recipe:
    """The size of a model and how it is trained.

    frames, size  of the clips, size in pixels
    patch     pixels along a side that are folded into channels: the first level works at size / patch
    channels  of the network's levels. groups: of its normalisations
    text      width of the text encoder and of the cross-attention
    words     that captions may have; each is a token
    image     begin with pico-image's layers, whose sizes patch, channels and text must then be: see `of_image`
    prediction  of the network. x0 where a block of pixels holds more numbers than there are channels: noise, which v holds, does not go
              through fewer; and its loss minds what a clip shows and how it moves more than its grain
    drop      share of captions of which nothing is left but the background, for classifier-free guidance
    batch     clips per step
    """

    frames: int = 8
    size: int = 32
    patch: int = 4
    channels: tuple[int, ...] = (96, 128)
    groups: int = 16
    text: int = 128
    words: tuple[str, ...] = VOCABULARY
    image: bool = False
    prediction: Literal["v", "x0"] = "x0"
    drop: float = 0.1
    batch: int = 4
    steps: int = 2000
    lr: float = 5e-4
    warmup: int = 100
    ema: float = 0.997
    cooldown: int = 1000
    precision: str = "no"
    seed: int = 0


def of_image(recipe: Recipe) -> Recipe:
    """The recipe for the prior, which begins with pico-image's layers."""
    return replace(recipe, image=True, prediction="v", patch=2, channels=(64, 96, 128), groups=16, text=128, ema=0.998)


def small(recipe: Recipe, tiny: bool = False) -> Recipe:
    """The recipe for a small model of a domain: a tenth of the prior's size; tiny: half of that."""
    size: dict[str, Any] = {"channels": (16, 24), "text": 32} if tiny else {"channels": (32, 40), "text": 48}
    return replace(recipe, groups=8, ema=0.995, **size)


class PicoVideo(nn.Module):
    """Network and text encoder in one module, as they are trained: forward(x, timestep, tokens) -> like x (B, 3, T, H, W)."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        unet = make_unet(
            recipe.size // recipe.patch, 3 * recipe.patch**2, recipe.channels, recipe.text, groups=recipe.groups
        )
        self.network = VideoUNet(unet, recipe.patch)
        self.text = make_text_encoder(make_tokenizer(recipe.words), recipe.text)
        if not recipe.image:
            # Words far apart, and left there: trained from nothing on the broad clips, the text encoder came to tell painting, sketch and
            # robot apart, and hardly one colour from another.
            nn.init.normal_(self.text.get_input_embeddings().weight)
            self.text.requires_grad_(False)

    def forward(self, x: Tensor, timestep: Tensor, tokens: Tensor) -> Tensor:
        output: Tensor = self.network(x, timestep, self.text(tokens).last_hidden_state)
        return output

    @torch.no_grad()
    def begin_with_image(self, words: Sequence[str], folder: Path = PICO_IMAGE) -> None:
        """Take the layers of an image model of the same sizes; words that it does not know keep their random embedding."""
        self.network.unet.load_state_dict(load_file(folder / "unet" / "diffusion_pytorch_model.safetensors"))
        state = load_file(folder / "text_encoder" / "model.safetensors")
        mine = self.text.state_dict()
        known = json.loads((folder / SETTINGS).read_text())["vocabulary"]
        theirs, ours = (make_tokenizer(list(vocabulary)).get_vocab() for vocabulary in (known, words))
        for name, value in state.items():
            if mine[name].shape == value.shape and "token_embedding" not in name:
                mine[name].copy_(value)
            elif "token_embedding" in name:
                for piece in theirs.keys() & ours.keys():
                    mine[name][ours[piece]] = value[theirs[piece]].float()
            else:
                raise ValueError(f"text must be the width of the image model; {name} is {tuple(value.shape)} there")


def train_pico_video(
    recipe: Recipe,
    data: Any,
    folder: Path,
    report: Callable[[int, int, dict[str, float]], None],
    *,
    cpu: bool = False,
) -> PicoVideo:
    """Train by the recipe and return the model with averaged weights. Goes on from `folder` where it holds a checkpoint.

    data  a `clip_sets.Source`, or anything with `clips` (N, 3, T, H, W) uint8 and `captions`
    """
    source: Source = data if hasattr(data, "draw") else ClipSet(data.clips, data.captions)
    torch.manual_seed(recipe.seed)
    model = PicoVideo(recipe)
    if recipe.image:
        model.begin_with_image(recipe.words)
    tokenizer, schedule = make_tokenizer(recipe.words), VP.cosine().zero_terminal_snr()
    encoded: dict[str, list[int]] = {}

    def batches(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        clips, tokens = [], []
        for _ in range(recipe.batch):
            clip, caption, rest = source.draw(generator)
            if clip.shape[1:] != (recipe.frames, recipe.size, recipe.size):
                raise ValueError(
                    f"clips must have {recipe.frames} frames of {recipe.size} px for this recipe, not {tuple(clip.shape[1:])}."
                )
            if float(torch.rand((), generator=generator)) < recipe.drop:
                caption = rest
            if caption not in encoded:
                encoded[caption] = tokenizer(caption, padding="max_length", truncation=True).input_ids
            clips.append(clip)
            tokens.append(encoded[caption])
        return torch.stack(clips) * 2 - 1, torch.tensor(tokens)

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        x0, tokens = batch
        return denoising_loss(network, schedule, recipe.prediction, x0, {"tokens": tokens}, generator)

    trained = train(model, loss, batches, Settings.of(recipe), folder, report, cpu=cpu)
    assert isinstance(trained, PicoVideo)
    return trained


class ClipCodec:
    """Between videos (B, 3, frames, height, width) in [0, 1] and x in [-1, 1] of the same shape."""

    space: Hashable = "pixels"  # as `scorekit.models.codecs.PixelCodec` says; shapes are compared apart from it

    def __init__(self, frames: int, size: int) -> None:
        self.frames, self.height, self.width = frames, size, size
        self.shape = (3, frames, size, size)

    def encode(self, data: Tensor) -> Tensor:
        """Raises ValueError for videos of another shape."""
        if tuple(data.shape[1:]) != self.shape:
            raise ValueError(
                f"video must be (B, {', '.join(map(str, self.shape))}) for this model, not {tuple(data.shape)}."
            )
        return data * 2 - 1

    def decode(self, x: Tensor) -> Tensor:
        return ((x + 1) / 2).clamp(0, 1)


def export(model: PicoVideo, recipe: Recipe, folder: Path) -> None:
    """Write the model's folder: fp16 safetensors, and `scorekit.json` with its recipe and vocabulary."""
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file({name: value.half().contiguous() for name, value in model.state_dict().items()}, temporary / WEIGHTS)
    settings = {"license": "Apache-2.0", "vocabulary": list(recipe.words), "recipe": asdict(recipe)}
    (temporary / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n")
    for kept in folder.glob("*"):  # the model card and its pictures are written by hand and outlive a new export
        if kept.suffix in (".md", ".png", ".gif", ".jpg"):
            shutil.copy(kept, temporary / kept.name)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)


def load(
    folder: str | Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    name: str | None = None,
) -> Denoiser:
    """The denoiser of a folder that `export` wrote. Raises ValueError where it holds none."""
    folder = Path(folder)
    if not (folder / WEIGHTS).exists() or not (folder / SETTINGS).exists():
        raise ValueError(f"folder must hold {WEIGHTS} and {SETTINGS}, written by export; got {folder}")
    written = json.loads((folder / SETTINGS).read_text())["recipe"]
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in written.items()}
    recipe = Recipe(**fields)
    model = PicoVideo(recipe)
    model.load_state_dict(load_file(folder / WEIGHTS))
    return as_denoiser(model, recipe, device=device, dtype=dtype, name=name or folder.name)


def as_denoiser(
    model: PicoVideo,
    recipe: Recipe,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    name: str = "pico-video",
) -> Denoiser:
    """A trained model as a Denoiser of samples (3, T, H, W). The model is frozen."""
    device = torch.device(device)
    tokenizer = make_tokenizer(recipe.words)
    encoder = freeze(model.text, device, dtype)

    def encode(texts: Sequence[str]) -> dict[str, Tensor]:
        tokens = tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt").input_ids
        with torch.no_grad():
            return {"text": encoder(tokens.to(device)).last_hidden_state}

    codec = ClipCodec(recipe.frames, recipe.size)
    return Denoiser(
        freeze(model.network, device, dtype),
        VP.cosine().zero_terminal_snr(),
        recipe.prediction,
        codec.shape,
        prompts=Prompts(encode, vocabulary=recipe.words, model=name),
        codec=codec,
        backgrounds={"white": (1.0, 1.0, 1.0), "black": (0.0, 0.0, 0.0)},
        name=name,
        device=device,
        dtype=dtype,
    )

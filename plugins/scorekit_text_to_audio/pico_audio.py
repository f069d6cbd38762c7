"""pico-audio: the embedded text-to-sound model, its recipe, its export and how it is loaded.

A UNet2DConditionModel under a CLIPTextModel on log-mel spectrograms of one second, v-prediction on a cosine schedule with zero terminal SNR
(Lin et al. 2023). Spectrograms are folded 4 x 4 into channels. The words of the captions are the tokens, one each: the text encoder learns
them with the network.

    scorekit train pico-audio
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scorekit.denoiser import Denoiser
from scorekit.models.networks import TextUNet, freeze, plain_attention
from scorekit.models.prompts import PromptEncoder, Reading
from scorekit.schedule import VP
from scorekit.training import Settings, denoising_loss, train
from scorekit.zoo.unet import make_unet
from scorekit.zoo.words import make_text_encoder, make_tokenizer
from scorekit_text_to_audio.codec import MelCodec
from scorekit_text_to_audio.mel import BANDS, HOP, Mel
from scorekit_text_to_audio.sounds.captions import WORDS, describe
from scorekit_text_to_audio.sounds.dataset import SAMPLES, SoundSet

FOLDER = Path(__file__).parent / "pico-audio"
FRAMES = SAMPLES // HOP  # 64
PATCH = 4
TOKENS = 12  # of a caption, the two ends among them
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


@dataclass(frozen=True)
class Recipe:
    """The size of the model and how it is trained. The defaults are those of the model that ships.

    channels  of the UNet's levels, which work on 16 x 16, 8 x 8 and 4 x 4 cells
    text      width of the text encoder and of the cross-attention
    drop      share of captions that are left out whole, for classifier-free guidance
    shifted   share of spectrograms that are moved in time, so that the model knows sounds that begin late or before the window does
    batch     sounds per step and process
    """

    channels: tuple[int, ...] = (64, 96, 128)
    layers: int = 1
    text: int = 128
    drop: float = 0.1
    shifted: float = 0.1
    batch: int = 24
    steps: int = 14000
    lr: float = 1.2e-3
    ema: float = 0.999
    warmup: int = 200
    cooldown: int = 4500
    precision: str = "no"
    seed: int = 0


class PicoAudio(nn.Module):
    """Network and text encoder in one module, as they are trained: forward(x (B, 1, 64, 64), timestep (B,), tokens (B, 12)) -> v."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        unet = make_unet(FRAMES // PATCH, PATCH**2, recipe.channels, recipe.text, layers=recipe.layers)
        self.network = TextUNet(unet, PATCH)
        self.text = make_text_encoder(make_tokenizer(WORDS, TOKENS), recipe.text)

    def forward(self, x: Tensor, timestep: Tensor, tokens: Tensor) -> Tensor:
        output: Tensor = self.network(x, timestep, self.text(tokens).last_hidden_state)
        return output


def spectrograms(data: SoundSet, batch: int = 256) -> Tensor:
    """All sounds as x (N, 1, 64, 64), in half precision."""
    mel, parts = Mel(), []
    for start in range(0, len(data), batch):
        waves = torch.from_numpy(data.waves[start : start + batch]).float() / 32767
        parts.append(mel(waves).half())
    return torch.cat(parts)


def moved(x: Tensor, frames: int) -> Tensor:
    """A spectrogram (1, 64, n) so many frames later, or earlier where negative; silence comes in."""
    out = torch.full_like(x, -1.0)
    if frames >= 0:
        out[..., frames:] = x[..., : x.shape[-1] - frames]
    else:
        out[..., :frames] = x[..., -frames:]
    return out


def train_pico_audio(
    recipe: Recipe,
    data: SoundSet,
    folder: Path,
    report: Callable[[int, int, dict[str, float]], None],
    *,
    cpu: bool = False,
) -> PicoAudio:
    """Train by the recipe and return the model with averaged weights. Goes on from `folder` where it holds a checkpoint."""
    torch.manual_seed(recipe.seed)
    model = PicoAudio(recipe)
    tokenizer, schedule = make_tokenizer(WORDS, TOKENS), VP.cosine().zero_terminal_snr()
    x = spectrograms(data)
    encoded: dict[str, list[int]] = {}

    def batches(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(data), (recipe.batch,), generator=generator)
        random = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        x0, tokens = x[chosen].float(), []
        for place, index in enumerate(chosen.tolist()):
            if random.random() < recipe.shifted:
                x0[place] = moved(x0[place], int(random.integers(-FRAMES // 2, FRAMES // 2 + 1)))
            text = "" if random.random() < recipe.drop else describe(data.sounds[index], random)
            if text not in encoded:
                encoded[text] = tokenizer(text, padding="max_length").input_ids
            tokens.append(encoded[text])
        return x0, torch.tensor(tokens)

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        x0, tokens = batch
        return denoising_loss(network, schedule, "v", x0, {"tokens": tokens}, generator)

    trained = train(model, loss, batches, Settings.of(recipe), folder, report, cpu=cpu)
    assert isinstance(trained, PicoAudio)
    return trained


def export(model: PicoAudio, recipe: Recipe, folder: Path) -> None:
    """Write a folder in the diffusers format, in half precision, with `scorekit.json` for what diffusers has no word for.

    The card in `folder` outlives a new export.
    """
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    unet: Any = model.network.unet
    unet.half().save_pretrained(temporary / "unet")
    text: Any = model.text
    text.half().save_pretrained(temporary / "text_encoder")
    make_tokenizer(WORDS, TOKENS).save_pretrained(temporary / "tokenizer")
    (temporary / "scheduler").mkdir()
    (temporary / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULE, indent=2) + "\n")
    facts = {"license": "Apache-2.0", "patch": PATCH, "vocabulary": list(WORDS), "recipe": asdict(recipe)}
    (temporary / "scorekit.json").write_text(json.dumps(facts, indent=2) + "\n")
    if (folder / "README.md").exists():
        shutil.copy(folder / "README.md", temporary / "README.md")
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def load(
    folder: Path | None = None,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    codec: MelCodec | None = None,
) -> Denoiser:
    """pico-audio as it ships, or as `export` wrote it to `folder`. Raises ValueError where files are missing or damaged."""
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    folder = folder or FOLDER
    wishes: dict[str, Any] = {"use_safetensors": True, "local_files_only": True}
    try:
        unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype, **wishes)
        text = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=dtype, **wishes)
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        facts = json.loads((folder / "scorekit.json").read_text())
        patch, vocabulary = int(facts["patch"]), list(facts["vocabulary"])
    except Exception as error:
        raise ValueError(f"pico-audio cannot be read from {folder}: {str(error).strip().splitlines()[0]}") from error
    plain_attention(unet)
    return _denoiser(TextUNet(unet, patch), text, tokenizer, vocabulary, codec, device, dtype)


def denoiser(model: PicoAudio, codec: MelCodec | None = None) -> Denoiser:
    """A trained model as a Denoiser of sounds by prompt, on the CPU; the model is frozen. codec: the one that ships where None."""
    tokenizer = make_tokenizer(WORDS, TOKENS)
    return _denoiser(model.network, model.text, tokenizer, WORDS, codec, torch.device("cpu"), torch.float32)


def _denoiser(
    network: nn.Module,
    text: Any,
    tokenizer: Any,
    vocabulary: Sequence[str],
    codec: MelCodec | None,
    device: torch.device | str,
    dtype: torch.dtype,
) -> Denoiser:
    place = torch.device(device)
    encoder = freeze(text, place, dtype)
    reading = Reading(tokens=tokenizer.model_max_length)
    return Denoiser(
        freeze(network, place, dtype),
        VP.cosine().zero_terminal_snr(),
        "v",
        (1, BANDS, FRAMES),
        prompts=PromptEncoder(tokenizer, encoder, reading, dtype=dtype, vocabulary=vocabulary, model="pico-audio"),
        codec=codec or MelCodec.shipped(FRAMES, place),
        name="pico-audio",
        device=place,
        dtype=dtype,
    )

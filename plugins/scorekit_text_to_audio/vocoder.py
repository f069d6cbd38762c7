"""The vocoder: log-mel spectrograms to waves, by a convolutional network that predicts a short-time Fourier transform.

After Vocos (Siuzdak 2023, arXiv:2306.00814): ConvNeXt blocks (Liu et al. 2022) at the rate of the frames, and a head of magnitudes and
phases whose inverse transform is the wave. Trained without a discriminator, by the multi-resolution STFT loss of Parallel WaveGAN (Yamamoto
et al. 2020) and the distance of the mel spectrograms.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from scorekit.training import Settings, train
from scorekit_text_to_audio.mel import BANDS, HOP, WINDOW, Mel
from scorekit_text_to_audio.sounds.dataset import SoundSet

SHIPPED = Path(__file__).parent / "pico-vocoder" / "model.safetensors"
BINS = WINDOW // 2 + 1
RESOLUTIONS = (256, 512, 1024, 2048)  # windows of the loss in samples; their hops are a quarter


@dataclass(frozen=True)
class Recipe:
    """The size of the vocoder and how it is trained.

    noise  standard deviation of what is added to the spectrograms, so that those of a model, never exact, are heard kindly, too
    crop   frames of a training sound
    batch  sounds per step and process
    """

    width: int = 192
    blocks: int = 5
    noise: float = 0.01
    crop: int = 48
    batch: int = 16
    steps: int = 3000
    lr: float = 1e-3
    ema: float = 0.998
    warmup: int = 200
    cooldown: int = 800
    precision: str = "no"
    seed: int = 0


class Block(nn.Module):
    """ConvNeXt in one dimension: depthwise convolution over 7 frames, then two layers of a perceptron at each frame."""

    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        self.over_time = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 3 * width)
        self.narrow = nn.Linear(3 * width, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, frames, width) -> the same shape."""
        y = self.norm(self.over_time(x.mT).mT)
        added: Tensor = self.scale * self.narrow(functional.gelu(self.widen(y)))
        return x + added


class Vocoder(nn.Module):
    """Log-mel spectrograms (B, 1, 64, frames) as Mel makes them -> waves (B, 256 frames). Differentiable."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.enter = nn.Conv1d(BANDS, recipe.width, 7, padding=3)
        self.blocks = nn.ModuleList(Block(recipe.width, 1 / recipe.blocks) for _ in range(recipe.blocks))
        self.norm = nn.LayerNorm(recipe.width)
        self.head = nn.Linear(recipe.width, 2 * BINS)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.window: Tensor

    @property
    def reach(self) -> int:
        """How many frames to either side a sample depends on."""
        return 3 * (len(self.blocks) + 1) + WINDOW // HOP // 2 + 1

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x[:, 0]).mT
        for block in self.blocks:
            h = block(h)
        magnitude, phase = self.head(self.norm(h)).mT.float().chunk(2, 1)  # (B, 513, frames) each
        # A sine of full scale has a magnitude of 256 under this window.
        spectrum = torch.polar(magnitude.clamp(max=6.0).exp(), phase)
        return overlap_add(torch.fft.irfft(spectrum, n=WINDOW, dim=1), self.window)


def overlap_add(frames: Tensor, window: Tensor) -> Tensor:
    """Frames (B, 1024, n) centred in their hops -> waves (B, 256 n): the least-squares inverse of the transform (Griffin and Lim 1984)."""
    count, side = frames.shape[-1], (WINDOW - HOP) // 2
    shape = (1, (count - 1) * HOP + WINDOW)
    total = functional.fold(frames * window[:, None], shape, (1, WINDOW), stride=(1, HOP))[:, 0, 0]
    weight = functional.fold(window.square()[None, :, None].expand(1, -1, count), shape, (1, WINDOW), stride=(1, HOP))[
        :, 0, 0
    ]
    waves: Tensor = (total / weight.clamp_min(1e-4))[:, side:-side]
    return waves


def spectral_loss(made: Tensor, true: Tensor) -> Tensor:
    """Spectral convergence and distance of log magnitudes, averaged over RESOLUTIONS (Yamamoto et al. 2020, equations 4 to 6)."""
    total = made.new_zeros(())
    for window in RESOLUTIONS:
        a, b = (_magnitudes(wave, window) for wave in (made, true))
        convergence = torch.linalg.vector_norm(b - a) / torch.linalg.vector_norm(b).clamp_min(1e-3)
        # Below -70 dB of full scale nothing is heard: without a floor silence would weigh as much as sound.
        floor = window / 4 * 3e-4
        total = total + convergence + (a.clamp_min(floor).log() - b.clamp_min(floor).log()).abs().mean()
    return total / len(RESOLUTIONS)


def _magnitudes(waves: Tensor, window: int) -> Tensor:
    spectrum = torch.stft(
        waves, window, window // 4, window=torch.hann_window(window, device=waves.device), return_complex=True
    )
    magnitudes: Tensor = (spectrum.real.square() + spectrum.imag.square() + 1e-9).sqrt()
    return magnitudes


def train_vocoder(
    recipe: Recipe,
    data: SoundSet,
    folder: Path,
    report: Callable[[int, int, dict[str, float]], None],
    *,
    cpu: bool = False,
) -> Vocoder:
    """Train by the recipe and return the vocoder with averaged weights. Goes on from `folder` where it holds a checkpoint."""
    torch.manual_seed(recipe.seed)
    waves, span = torch.from_numpy(data.waves), recipe.crop * HOP
    mel: Mel | None = None

    def batches(generator: torch.Generator) -> Tensor:
        chosen = torch.randint(len(data), (recipe.batch,), generator=generator)
        starts = torch.randint(waves.shape[1] - span + 1, (recipe.batch,), generator=generator).tolist()
        crops = [waves[i, start : start + span] for i, start in zip(chosen.tolist(), starts, strict=True)]
        return torch.stack(crops).float() / 32767

    def loss(network: nn.Module, true: Tensor, generator: torch.Generator) -> Tensor:
        nonlocal mel
        mel = mel or Mel().to(true.device)
        x = mel(true)
        made = network(x + recipe.noise * torch.randn(x.shape, generator=generator).to(x))
        total: Tensor = spectral_loss(made, true) + 5 * (mel(made) - x).abs().mean()
        return total

    trained = train(Vocoder(recipe), loss, batches, Settings.of(recipe, betas=(0.8, 0.99)), folder, report, cpu=cpu)
    assert isinstance(trained, Vocoder)
    return trained


def export(vocoder: Vocoder, recipe: Recipe, path: Path) -> None:
    """Write one safetensors file: half-precision weights, and the recipe in its metadata."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: value.half().contiguous() for name, value in vocoder.state_dict().items()}
    save_file(weights, path, {"recipe": json.dumps(asdict(recipe))})


def load(path: Path = SHIPPED, *, device: torch.device | str = "cpu") -> Vocoder:
    """The vocoder in a file that `export` made, frozen. Raises ValueError for a file that is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            recipe = Recipe(**json.loads(file.metadata()["recipe"]))
            weights: dict[str, Any] = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (no dict)
        vocoder = Vocoder(recipe)
        vocoder.load_state_dict(weights)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or ["empty"])[0].rstrip(".")
        raise ValueError(f"{path} is no vocoder of pico-audio: {reason}.") from None
    return vocoder.eval().requires_grad_(False).to(device)

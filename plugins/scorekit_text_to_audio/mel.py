"""Waves at 16 kHz and their log-mel spectrograms, as pico-audio diffuses them."""

from __future__ import annotations

import math

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional

RATE = 16000  # Hz
HOP = 256  # samples from frame to frame: 16 ms
WINDOW = 1024  # samples
BANDS = 64
LOWEST, HIGHEST = 40.0, 8000.0  # Hz
FLOOR, CEILING = 0.02, 100.0  # mel magnitudes that become -1 and 1; a sine of full scale has about 250


class Mel(nn.Module):
    """Waves (B, n) at 16 kHz -> log-mel magnitudes (B, 1, 64, n / 256), scaled so that [FLOOR, CEILING] is [-1, 1]. Differentiable.

    Frame k is centred on sample 256 k + 128, so that n samples give n / 256 frames. What is below the floor is -1; above the ceiling
    nothing is cut.
    """

    def __init__(self) -> None:
        super().__init__()
        bank = torchaudio.functional.melscale_fbanks(WINDOW // 2 + 1, LOWEST, HIGHEST, BANDS, RATE)
        self.register_buffer("bank", bank.T.contiguous(), persistent=False)  # (64, 513)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.bank: Tensor
        self.window: Tensor

    def forward(self, waves: Tensor) -> Tensor:
        """Raises ValueError for waves of another shape than (B, n) with n a multiple of 256."""
        if waves.ndim != 2 or waves.shape[1] % HOP or waves.shape[1] < WINDOW:
            raise ValueError(f"waves must be (B, n) with n >= {WINDOW} a multiple of {HOP}; got {tuple(waves.shape)}")
        return self.log(self.magnitudes(waves))

    def magnitudes(self, waves: Tensor) -> Tensor:
        """Waves (B, n) -> linear magnitudes (B, 513, n / 256)."""
        spectrum = torch.stft(
            centred(waves.float()), WINDOW, HOP, window=self.window, center=False, return_complex=True
        )
        # The gradient of the magnitude is not finite at exact silence.
        magnitudes: Tensor = (spectrum.real.square() + spectrum.imag.square() + 1e-9).sqrt()
        return magnitudes

    def log(self, magnitudes: Tensor) -> Tensor:
        """Linear magnitudes (B, 513, frames) -> x (B, 1, 64, frames)."""
        mel = (self.bank @ magnitudes).clamp_min(FLOOR).log()
        low, high = math.log(FLOOR), math.log(CEILING)
        return ((mel - low) * (2 / (high - low)) - 1)[:, None]

    def linear(self, x: Tensor) -> Tensor:
        """x (B, 1, 64, frames) -> linear magnitudes (B, 513, frames) by the bank's pseudo-inverse, none below zero."""
        low, high = math.log(FLOOR), math.log(CEILING)
        mel = ((x[:, 0].float().clamp(-1, 1.2) + 1) * ((high - low) / 2) + low).exp() - FLOOR
        inverse: Tensor = torch.linalg.pinv(self.bank)
        return (inverse @ mel).clamp_min(0)


def centred(waves: Tensor) -> Tensor:
    """Padded by reflection, so that frames of WINDOW samples taken every HOP are centred in their hops."""
    side = (WINDOW - HOP) // 2
    return functional.pad(waves[:, None], (side, side), mode="reflect")[:, 0]


def griffin_lim(mel: Mel, x: Tensor, iterations: int = 32, seed: int = 0) -> Tensor:
    """Waves (B, 256 * frames) whose spectrogram is near x (B, 1, 64, frames) (Griffin and Lim 1984; torchaudio's, fast version of 2013)."""
    transform = torchaudio.transforms.GriffinLim(
        WINDOW, iterations, hop_length=HOP, power=1.0, momentum=0.99, length=None
    ).to(x.device)
    magnitudes = mel.linear(x)
    # torchaudio's frames are centred on the multiples of the hop: with a frame more its wave is a hop longer, and half a hop late.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        waves: Tensor = transform(functional.pad(magnitudes, (1, 1), mode="replicate"))
    return waves[:, HOP // 2 : HOP // 2 + HOP * x.shape[-1]]

"""The codec of pico-audio: waves at 16 kHz on one side, log-mel spectrograms on the other."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor
from torch.nn import functional

from scorekit_text_to_audio import vocoder as vocoders
from scorekit_text_to_audio.mel import BANDS, HOP, RATE, Mel, griffin_lim
from scorekit_text_to_audio.vocoder import Vocoder

PIECE = 512  # frames that are decoded at once: what memory a long sound takes does not grow with it


class MelCodec:
    """Between waves (B, 1, samples) in [-1, 1] at 16 kHz and x (B, 1, 64, frames); differentiable both ways.

    vocoder  spectrograms to waves; None: Griffin and Lim's algorithm, with a fixed seed
    frames   of x; frame k is centred on sample 256 k + 128

    Shorter waves are followed by silence, longer ones cut; two channels become their mean.
    """

    level = -20.0  # dB of full scale: the root mean square of the loudest 200 ms of the sounds that pico-audio knows
    decoding = 250  # bytes of memory for a sample of sound while it is decoded, by Griffin and Lim's algorithm; a vocoder takes 50

    def __init__(self, vocoder: Vocoder | None, frames: int = 64, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.vocoder = None if vocoder is None else vocoder.to(self.device)
        self.mel, self.frames = Mel().to(self.device), frames
        self.sample_rate, self.channels, self.samples = RATE, 1, frames * HOP

    @classmethod
    def shipped(cls, frames: int = 64, device: torch.device | str = "cpu") -> MelCodec:
        """With the vocoder beside this file, or Griffin and Lim's algorithm where there is none. Raises ValueError for a damaged file."""
        return cls(vocoders.load(device=device) if vocoders.SHIPPED.exists() else None, frames, device)

    def at(self, frames: int) -> MelCodec:
        """The same codec for sounds of so many frames of 16 ms. Raises ValueError for fewer than 4."""
        if frames < 4:
            raise ValueError(f"frames must be at least 4; got {frames}")
        return MelCodec(self.vocoder, frames, self.device)

    @property
    def seconds(self) -> float:
        """The length of what it decodes."""
        return self.samples / self.sample_rate

    @property
    def space(self) -> Hashable:
        """See `scorekit.denoiser.Codec`: log-mel spectrograms are one space, whatever their vocoder and length."""
        return ("log-mel", RATE, HOP, BANDS)

    def encode(self, data: Tensor) -> Tensor:
        """Waves (B, 1 or 2, n) as x (B, 1, 64, frames). Raises ValueError for another number of dimensions or channels."""
        if data.ndim != 3 or data.shape[1] not in (1, 2):
            raise ValueError(f"wave must be (B, 1, samples) or (B, 2, samples), not {tuple(data.shape)}.")
        mono = data.mean(1)
        wave = functional.pad(mono[:, : self.samples], (0, max(0, self.samples - mono.shape[1])))
        x: Tensor = self.mel(wave.to(self.device))
        return x.to(data.dtype)

    def decode(self, x: Tensor) -> Tensor:
        """x (B, 1, 64, any number of frames) as waves (B, 1, 256 frames). Loud ones may pass 1 a little: lower them before writing."""
        if self.vocoder is None:
            return griffin_lim(self.mel, x.float())[:, None].to(x.dtype)
        frames, reach = x.shape[-1], self.vocoder.reach
        pieces = []
        for start in range(0, frames, PIECE):
            # A piece sees as many frames to either side as its samples depend on, so that no seam is heard.
            left, right = max(start - reach, 0), min(start + PIECE + reach, frames)
            wave: Tensor = self.vocoder(x[..., left:right].float())
            stop = min(start + PIECE, frames)
            pieces.append(wave[:, (start - left) * HOP : (stop - left) * HOP])
        return torch.cat(pieces, 1)[:, None].to(x.dtype)

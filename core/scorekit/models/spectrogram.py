"""AudioLDM 2: sound as latents of log-mel spectrograms, under prompts that a language model continues (Liu et al. 2023, arXiv:2308.05734).

x (B, C, bands, frames) has its time on the last axis, as all sound here; the networks themselves have it the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from scorekit.denoiser import Condition
from scorekit.models.audio import SoundCodec
from scorekit.models.prompts import Prompts, TextEncoder

FLOOR = 1e-5  # of mel magnitudes, whose logarithm is taken


class SpectrogramCodec(SoundCodec):
    """Between waves (B, 1, samples), in [-1, 1] at `sample_rate` per second, and latents x (B, C, bands, frames); differentiable both ways.

    vae      an AutoencoderKL of log-mel spectrograms (B, 1, frames, bands)
    vocoder  a SpeechT5HifiGan: such spectrograms to waves
    shape    (C, bands, frames) of x

    Spectrograms are those of the original training (its configuration; Slaney's mel scale from 0 Hz to half the rate, magnitudes of windows
    of 1024 samples at hops of 160). Shorter waves are followed by silence, longer ones cut; two channels become their mean. The model was
    trained on recordings whose peak is .5.
    """

    channels = 1

    def __init__(self, vae: Any, vocoder: Any, shape: tuple[int, int, int]) -> None:
        self.vae, self.vocoder, self.shape = vae, vocoder, shape
        self.sample_rate, self.bands = int(vocoder.config.sampling_rate), int(vocoder.config.model_in_dim)
        self.hop: int = prod(vocoder.config.upsample_rates)
        self.window = 1 << (4 * self.hop - 1).bit_length()  # 1024 for 160, and at 48 kHz 2048 for 480
        self.samples = shape[-1] * scale_of(vae) * self.hop
        self.scaling = float(vae.config.scaling_factor)

    def at(self, length: int) -> SpectrogramCodec:
        """The same codec for x (B, C, bands, length): autoencoder and vocoder are convolutional."""
        return SpectrogramCodec(self.vae, self.vocoder, (*self.shape[:2], length))

    def encode(self, data: Tensor) -> Tensor:
        """Waves (B, 1 or 2, n) as latents. Raises ValueError for another number of dimensions or channels."""
        if data.ndim != 3 or data.shape[1] not in (1, 2):
            raise ValueError(f"wave must be (B, 1, samples) or (B, 2, samples), not {tuple(data.shape)}.")
        wave = data.mean(1)[:, : self.samples]
        wave = nn.functional.pad(wave, (0, self.samples - wave.shape[1])).to(self.vae.dtype)
        mean: Tensor = self.vae.encode(self.spectrogram(wave)).latent_dist.mean
        return (mean * self.scaling).mT.to(data.dtype)

    def decode(self, x: Tensor) -> Tensor:
        """Latents as waves (B, 1, samples)."""
        mel = self.vae.decode(x.mT.to(self.vae.dtype) / self.scaling, return_dict=False)[0]
        wave: Tensor = self.vocoder(mel[:, 0])  # AudioLDM's is a few samples longer than its spectrogram
        return wave[:, None, : self.samples].to(x.dtype)

    def spectrogram(self, waves: Tensor) -> Tensor:
        """Waves (B, samples) -> the logarithm of mel magnitudes (B, 1, samples / hop, bands). Frame k is centred on sample k hop."""
        spectrum = torch.stft(
            waves,
            self.window,
            self.hop,
            window=torch.hann_window(self.window, dtype=waves.dtype, device=waves.device),
            return_complex=True,
        )[..., : waves.shape[1] // self.hop]
        # The gradient of the magnitude is not finite at exact silence.
        magnitudes = (spectrum.real.square() + spectrum.imag.square() + 1e-12).sqrt()
        mel: Tensor = (self._bank.to(magnitudes) @ magnitudes).clamp_min(FLOOR).log()
        return mel.mT[:, None]

    @cached_property
    def _bank(self) -> Tensor:
        """(bands, window / 2 + 1)."""
        from transformers.audio_utils import mel_filter_bank

        bank = mel_filter_bank(
            self.window // 2 + 1,
            self.bands,
            0.0,
            self.sample_rate / 2,
            self.sample_rate,
            norm="slaney",
            mel_scale="slaney",
        )
        return torch.from_numpy(bank.T.copy())


def scale_of(vae: Any) -> int:
    """How many frames, and bands, of a spectrogram are one of the latents."""
    halvings: int = len(vae.config.block_out_channels) - 1
    return 1 << halvings


class ContinuedPrompts(Prompts):
    """Texts -> Condition: "generated", the states with which a language model goes on (n, 8, D); "text", T5's states (n, 128, E), and
    "mask" (n, 128), 1 on the text's tokens and 0 on padding. The null condition is that of the empty text.

    clap        reads a whole text as one vector
    t5          reads it word by word
    projection  an AudioLDM2ProjectionModel: brings both to the width of
    language    a GPT2Model, which goes on by `new` states

    The language model counts the places of a text's own tokens, whatever other texts come with it. diffusers pads them to the longest text
    of a call first, those of the null condition included: `padded` does the same.
    """

    def __init__(self, clap: TextEncoder, t5: TextEncoder, projection: Any, language: Any, new: int) -> None:
        super().__init__(self._fields, model=t5.model)
        self.clap, self.t5, self.projection, self.language, self.new = clap, t5, projection, language, new

    def padded(self, texts: Sequence[str], tokens: int) -> Condition:
        """The condition of texts whose tokens of T5 are padded to so many before the language model reads them."""
        return Condition(
            self._fields(texts, tokens), key=(self._mark, tuple(texts), tokens), label=f"{len(texts)} prompts"
        )

    def _fields(self, texts: Sequence[str], tokens: int | None = None) -> dict[str, Tensor]:
        read, pooled = self.t5(texts), self.clap(texts).pooled
        assert pooled is not None
        with torch.no_grad():
            generated = [
                self._generated(whole[None, None], states[None, :length], mask[None, :length])
                for whole, states, mask in zip(
                    nn.functional.normalize(pooled, dim=-1), read.states, read.mask, strict=True
                )
                for length in (int(mask.sum()) if tokens is None else tokens,)
            ]
        return {"generated": torch.cat(generated), "text": read.states, "mask": read.mask.to(read.states.dtype)}

    def _generated(self, whole: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """The states (1, new, D) that follow those of a text: each is the language model's last one of all before it."""
        begun = self.projection(
            hidden_states=whole,
            hidden_states_1=states,
            attention_mask=mask.new_ones(1, 1),
            attention_mask_1=mask,
        )
        seen, mask, past, made = begun.hidden_states, begun.attention_mask, None, []
        for _ in range(self.new):
            out = self.language(inputs_embeds=seen, attention_mask=mask, past_key_values=past, use_cache=True)
            seen, past = out.last_hidden_state[:, -1:], out.past_key_values
            mask = nn.functional.pad(mask, (0, 1), value=1)
            made.append(seen)
        return torch.cat(made, 1)


class AudioLDM2Network(nn.Module):
    """An AudioLDM2UNet2DConditionModel under the fields of `ContinuedPrompts`; x is (B, C, bands, frames)."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, timestep: Tensor, generated: Tensor, text: Tensor, mask: Tensor) -> Tensor:
        output: Tensor = self.unet(
            x.mT,
            timestep,
            encoder_hidden_states=generated.to(x.dtype),
            encoder_hidden_states_1=text.to(x.dtype),
            encoder_attention_mask_1=mask,
            return_dict=False,
        )[0]
        return output.mT

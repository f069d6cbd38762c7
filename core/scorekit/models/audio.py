"""Sound as x: the codec between waves and latents, and prompts that also say which seconds of a recording are meant."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from scorekit.models.codecs import space_of
from scorekit.models.prompts import Prompts, TextEncoder


class SoundCodec:
    """What the codecs of sound share. vae: the autoencoder;  samples  of what it decodes, `sample_rate` of them per second."""

    vae: Any
    sample_rate: int
    samples: int

    @property
    def seconds(self) -> float:
        """The length of what the model makes: `wave[..., : round(t * sample_rate)]` is its first t seconds."""
        return self.samples / self.sample_rate

    @cached_property
    def space(self) -> Hashable:
        """See `scorekit.denoiser.Codec`."""
        return space_of(self.vae)


class WaveCodec(SoundCodec):
    """Between waves (B, channels, samples), in [-1, 1] at `sample_rate` per second, and latents x (B, C, L); differentiable both ways.

    vae    an AutoencoderOobleck
    shape  (C, L) of x, whose L latents are `samples` samples

    Shorter waves are followed by silence, longer ones cut; one channel is played on both, two become their mean on one.
    """

    def __init__(self, vae: Any, shape: tuple[int, int]) -> None:
        self.vae, self.shape = vae, shape
        self.sample_rate, self.channels = int(vae.config.sampling_rate), int(vae.config.audio_channels)
        self.samples = shape[1] * int(vae.hop_length)

    def at(self, length: int) -> WaveCodec:
        """The same codec for x (B, C, length): the autoencoder is convolutional."""
        return WaveCodec(self.vae, (self.shape[0], length))

    def encode(self, data: Tensor) -> Tensor:
        """Waves (B, channels or 1, n) as latents (B, C, L). Raises ValueError for another number of channels."""
        if data.ndim != 3 or data.shape[1] not in {1, 2, self.channels}:
            raise ValueError(f"wave must be (B, {self.channels}, samples), not {tuple(data.shape)}.")
        if data.shape[1] != self.channels:
            data = data.mean(1, keepdim=True).expand(-1, self.channels, -1)
        wave = nn.functional.pad(data[..., : self.samples], (0, max(0, self.samples - data.shape[-1])))
        mean: Tensor = self.vae.encode(wave.to(self.vae.dtype)).latent_dist.mean
        return mean.to(data.dtype)

    def decode(self, x: Tensor) -> Tensor:
        """Latents (B, C, L) as waves (B, channels, samples). Loud ones may pass 1 a little: lower them before they are written."""
        wave: Tensor = self.vae.decode(x.to(self.vae.dtype), return_dict=False)[0]
        return wave.to(x.dtype)


class TimedPrompts(Prompts):
    """Texts -> Condition, for the seconds from `start` to `end` of a recording: "text", the states of the prompt and of both times
    (n, L + 2, D), and "seconds", both times again (n, 1, 2 D). The null condition has zeros for "text" and keeps the seconds.

        ten = model.prompts.between(0, 10)          # what follows the tenth second is silence
        score = model.given(ten(["rain"]))

    text        reads the prompt
    projection  a StableAudioProjectionModel: brings texts and times to the same D
    longest     seconds that the model makes; without an end they are all used

    Raises ValueError for times that do not fit the model.
    """

    def __init__(
        self, text: TextEncoder, projection: Any, longest: float, start: float = 0.0, end: float | None = None
    ) -> None:
        end = start + longest if end is None else end
        if not 0 <= start < end <= start + longest + 1e-6:
            raise ValueError(
                f"start and end must be seconds with 0 <= start < end and at most {longest:.4g} between them, not {start} and {end}."
            )
        super().__init__(self._fields, null=self._null, model=text.model)
        self.text, self.projection, self.longest, self.start, self.end = text, projection, longest, start, end

    def between(self, start: float, end: float) -> TimedPrompts:
        """The prompts for other seconds."""
        return TimedPrompts(self.text, self.projection, self.longest, start, end)

    def _fields(self, texts: Sequence[str]) -> dict[str, Tensor]:
        encoded = self.text(texts)
        with torch.no_grad():
            states = self.projection(text_hidden_states=encoded.states).text_hidden_states
            states = states * encoded.mask[..., None].to(states.dtype)  # the projection's bias fills the padding
            start, end = (torch.full((len(texts),), at, device=states.device) for at in (self.start, self.end))
            times = self.projection(start_seconds=start, end_seconds=end)
        first, last = times.seconds_start_hidden_states, times.seconds_end_hidden_states
        return {"text": torch.cat([states, first, last], 1), "seconds": torch.cat([first, last], 2)}

    def _null(self) -> dict[str, Tensor]:
        fields = self._fields([""])
        return fields | {"text": torch.zeros_like(fields["text"])}


class StableAudioNetwork(nn.Module):
    """A StableAudioDiTModel under text and seconds; x is (B, C, L)."""

    def __init__(self, transformer: Any) -> None:
        super().__init__()
        self.transformer = transformer
        self._rotary: dict[tuple[object, ...], tuple[Tensor, Tensor]] = {}

    def forward(self, x: Tensor, timestep: Tensor, text: Tensor, seconds: Tensor) -> Tensor:
        output: Tensor = self.transformer(
            x,
            timestep,
            encoder_hidden_states=text.to(x.dtype),
            global_hidden_states=seconds.to(x.dtype),
            rotary_embedding=self._positions(x.shape[-1] + seconds.shape[1], x.device),
            return_dict=False,
        )[0]
        return output

    def _positions(self, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the places of `length` tokens, those of the seconds among them, which stand first."""
        from diffusers.models.embeddings import get_1d_rotary_pos_embed

        if (length, device) not in self._rotary:
            half = self.transformer.config.attention_head_dim // 2  # the other half of a head knows no places
            cos, sin = get_1d_rotary_pos_embed(half, length, use_real=True, repeat_interleave_real=False)
            self._rotary[length, device] = cos.to(device), sin.to(device)
        return self._rotary[length, device]

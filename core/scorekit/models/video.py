"""Videos as x: codecs between frames in [0, 1] and the latents (C, T, h, w) of a video model, and models at other sizes."""

from __future__ import annotations

from collections.abc import Hashable
from copy import copy
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.models.codecs import resized, space_of


class VideoCodec:
    """Between videos (B, 3, frames, height, width) in [0, 1] and latents x (B, C, T, h, w), differentiable both ways.

        x = (mean of the encoder - mean) / std

    vae                    encodes and decodes (B, 3, frames, height, width) in [-1, 1]
    channels               of the latents
    frames, height, width  of the videos. Other heights and widths are resized to it, other numbers of frames are refused.
    rate                   frames and pixels along a side that become one latent; after a first frame on its own where it is above 1
    period                 frames come as 1 + k * period: what the autoencoder gives back in the same number
    patch                  latents (time, height, width) that are one token of the network
    largest                (height, width) beyond which the network knows no places; None where it knows all
    mean, std              of the latents: numbers, or one for each channel

    Raises ValueError for a size that does not divide into latents and tokens.
    """

    def __init__(
        self,
        vae: Any,
        channels: int,
        *,
        frames: int,
        height: int,
        width: int,
        rate: tuple[int, int],
        period: int = 1,
        patch: tuple[int, int, int] = (1, 1, 1),
        largest: tuple[int, int] | None = None,
        mean: float | list[float] = 0.0,
        std: float | list[float] = 1.0,
    ) -> None:
        self.vae, self.channels, self.rate, self.period, self.patch = vae, channels, rate, period, patch
        self.largest = largest
        self.mean, self.std = (torch.tensor(value).reshape(-1, 1, 1, 1) for value in (mean, std))
        self._resize(frames, height, width)

    @cached_property
    def space(self) -> Hashable:
        """See `scorekit.denoiser.Codec`."""
        return space_of(self.vae)

    def _resize(self, frames: int, height: int, width: int) -> None:
        if frames < 1 or (frames - 1) % self.period:
            raise ValueError(f"frames must be {self._wanted_frames()}, not {frames}.")
        for name, side, patch in (("height", height, self.patch[1]), ("width", width, self.patch[2])):
            if side < 1 or side % (self.rate[1] * patch):
                raise ValueError(f"{name} must be a multiple of {self.rate[1] * patch} pixels, not {side}.")
        if self.largest is not None and (height > self.largest[0] or width > self.largest[1]):
            raise ValueError(f"height and width must be at most {self.largest}, not {(height, width)}.")
        self.frames, self.height, self.width = frames, height, width
        latents = (frames - 1) // self.rate[0] + 1
        self.padding = -latents % self.patch[0]
        self.shape = (self.channels, latents + self.padding, height // self.rate[1], width // self.rate[1])

    def _wanted_frames(self) -> str:
        return "at least 1" if self.period == 1 else f"a multiple of {self.period}, and one"

    def at(self, frames: int, height: int, width: int) -> Self:
        """The same autoencoder for videos of another size. Raises ValueError as the class does."""
        other = copy(self)
        other._resize(frames, height, width)
        return other

    def encode(self, data: Tensor) -> Tensor:
        """Videos (B, 3, frames, H, W) in [0, 1] as latents. Raises ValueError for another number of frames."""
        if data.ndim != 5 or data.shape[2] != self.frames:
            raise ValueError(
                f"video must be (B, 3, {self.frames}, height, width) for this model, not {tuple(data.shape)}; "
                "scorekit.models.video.at_size gives the model for other numbers of frames."
            )
        frames = resized(fold(data), (self.height, self.width)).to(self.vae.dtype) * 2 - 1
        x = self._encoded(unfold(frames, len(data)))
        x = (x - self.mean.to(x.device)) / self.std.to(x.device)
        # A first latent repeated fills the last token in time; `decode` drops it.
        return torch.cat([x[:, :, :1]] * self.padding + [x], 2).to(data.dtype)

    def decode(self, x: Tensor) -> Tensor:
        """Latents (B, C, T, h, w) as videos (B, 3, frames, height, width) in [0, 1]."""
        latents = x[:, :, self.padding :].to(self.vae.dtype)
        video = self._decoded(latents * self.std.to(x.device) + self.mean.to(x.device))
        return ((video + 1) / 2).clamp(0, 1).to(x.dtype)

    def _encoded(self, video: Tensor) -> Tensor:
        mean: Tensor = self.vae.encode(video).latent_dist.mean
        return mean

    def _decoded(self, latents: Tensor) -> Tensor:
        video: Tensor = self.vae.decode(latents, return_dict=False)[0]
        return video


class FrameCodec(VideoCodec):
    """With an autoencoder of pictures (B, 3, height, width): every frame by itself."""

    def _encoded(self, video: Tensor) -> Tensor:
        return unfold(super()._encoded(fold(video)), len(video))

    def _decoded(self, latents: Tensor) -> Tensor:
        return unfold(super()._decoded(fold(latents)), len(latents))


def fold(video: Tensor) -> Tensor:
    """(B, C, T, H, W) as its frames (B * T, C, H, W)."""
    return video.transpose(1, 2).flatten(0, 1)


def unfold(frames: Tensor, batch: int) -> Tensor:
    """Frames (B * T, C, H, W) as (B, C, T, H, W)."""
    return frames.reshape(batch, -1, *frames.shape[1:]).transpose(1, 2)


def at_size(
    model: Denoiser, *, frames: int | None = None, height: int | None = None, width: int | None = None
) -> Denoiser:
    """A video model for clips of another length or size; what is not given stays. The weights are shared, not copied.

        clip = at_size(load("Wan-AI/Wan2.1-T2V-1.3B-Diffusers"), frames=17)

    A model answers best at the size of its training. To have another size at every `load`, write it into the model's folder:
    scorekit.json with {"video": {"frames": 8, "height": 256, "width": 256}}.

    frames         pictures of the clip
    height, width  in pixels

    Raises ValueError where the model is none of videos, or for a size that it cannot have.
    """
    if not isinstance(model.codec, VideoCodec):
        raise ValueError(f"model must be a video model, which {model.name} is not.")
    codec = model.codec
    other = copy(model)
    other.codec = codec.at(
        codec.frames if frames is None else frames,
        codec.height if height is None else height,
        codec.width if width is None else width,
    )
    other.shape = other.codec.shape
    return other

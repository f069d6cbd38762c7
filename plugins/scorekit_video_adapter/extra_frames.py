"""An image model as a video model without training: every frame looks at the first frame and the one before it.

The sparse causal attention of Tune-A-Video (Wu et al. 2023, arXiv:2212.11565, eq. 2): the keys and values of a frame's self-attention are
those of the first frame and of the frame before, its queries its own. Nothing is trained, so that frames agree in what they show and do not
move with intent; as a prior it says what frames look like.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor

from scorekit.denoiser import Codec, Denoiser
from scorekit.models.networks import TextUNet
from scorekit.models.video import fold, unfold
from scorekit_video_adapter.inflate import VideoUNet


class ExtraFrameAttention:
    """An attention processor of diffusers for features of frames (B * T, N, D) with frames = T; cross-attention stays as it was."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        frames: int = 1,
    ) -> Tensor:
        del attention_mask, temb  # pictures have neither here
        seen = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = attn.to_q(hidden_states), attn.to_k(seen), attn.to_v(seen)
        if encoder_hidden_states is None and frames > 1:
            key, value = _earlier(key, frames), _earlier(value, frames)
        query, key, value = (attn.head_to_batch_dim(part) for part in (query, key, value))
        mixed = attn.batch_to_head_dim(torch.bmm(attn.get_attention_scores(query, key), value))
        out: Tensor = attn.to_out[1](attn.to_out[0](mixed))
        return out


def _earlier(features: Tensor, frames: int) -> Tensor:
    """(B * T, N, D) -> (B * T, 2 N, D): of the first frame, and of the one before; before the first one it is the first."""
    clips = features.reshape(-1, frames, *features.shape[1:])
    first = clips[:, :1].expand_as(clips)
    before = torch.cat([clips[:, :1], clips[:, :-1]], 1)
    return torch.cat([first, before], 2).flatten(0, 1)


class FramesCodec:
    """An image model's codec, frame by frame: videos (B, 3, T, H, W) in [0, 1] and x (B, C, T, h, w)."""

    def __init__(self, codec: Codec, frames: int) -> None:
        self.codec, self.frames = codec, frames
        size: tuple[int, int] = getattr(codec, "size", (0, 0))
        self.height, self.width = size

    @property
    def space(self) -> Hashable:
        """See `scorekit.denoiser.Codec`: that of the frames, so that a video model of the same autoencoder, or of pixels, agrees."""
        return getattr(self.codec, "space", None)

    def encode(self, data: Tensor) -> Tensor:
        """Raises ValueError for another number of frames."""
        if data.ndim != 5 or data.shape[2] != self.frames:
            raise ValueError(
                f"video must be (B, 3, {self.frames}, height, width) for this model, not {tuple(data.shape)}."
            )
        return unfold(self.codec.encode(fold(data)), len(data))

    def decode(self, x: Tensor) -> Tensor:
        return unfold(self.codec.decode(fold(x)), len(x))


def inflated(image: Denoiser, frames: int = 8) -> Denoiser:
    """A text-to-image model as a model of clips of so many frames. Its weights are copied, the given model is left as it is.

    image   a model of the Stable Diffusion 1 and 2 kind, or pico-image: a `TextUNet` under text alone

    Raises ValueError for other models, and for fewer than 1 frame.
    """
    if frames < 1:
        raise ValueError(f"frames must be at least 1; got {frames}")
    network = image.network
    if not isinstance(network, TextUNet) or image.codec is None or network.controlnet is not None:
        raise ValueError(
            f"{image.name} is no text-to-image model with a U-Net under text alone, so it is not inflated."
        )
    unet: Any = copy.deepcopy(network.unet)
    if unet.config.addition_embed_type not in (None, "text"):
        raise ValueError(f"{image.name} takes more than its text, so it is not inflated.")
    unet.set_attn_processor(ExtraFrameAttention())
    inner = VideoUNet(unet, network.patch, temporal=False, tell_frames=True).eval().requires_grad_(False)
    other = copy.copy(image)
    other.network = inner.to(image.device, image.dtype)
    other.shape = (image.shape[0], frames, *image.shape[1:])
    other.codec = FramesCodec(image.codec, frames)
    other.name = f"{image.name} over {frames} frames"
    return other

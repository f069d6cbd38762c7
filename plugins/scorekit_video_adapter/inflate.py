"""An image network made into one of clips: the layers of the image, frame by frame, and layers along time between them.

A temporal layer mixes a place's features over the frames, by attention (AnimateDiff, Guo et al., arXiv:2307.04725) and by a short
convolution (Make-A-Video, Singer et al., arXiv:2209.14792). It begins as the identity, so that an inflated network begins as the image
network, frame by frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from scorekit.models.video import fold, unfold

MOMENT = 32  # width of the sines and cosines that tell a frame's number


class TemporalLayer(nn.Module):
    """Mixes features (B * T, C, H, W) along time, residually; the identity before training."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.moment = nn.Linear(MOMENT, channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.near = nn.Linear(3 * channels, channels)
        self.out = nn.Linear(2 * channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        height, width = x.shape[-2:]
        # One sequence for each place: (B * H * W, T, C).
        tokens = x.reshape(-1, frames, *x.shape[1:]).permute(0, 3, 4, 1, 2).flatten(0, 2)
        normed = self.norm(tokens)
        placed = normed + self.moment(moments(frames, x))
        q, k, v = self.qkv(placed).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        weights = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1)
        far = (weights @ v).transpose(1, 2).flatten(2)
        ends = nn.functional.pad(normed, (0, 0, 1, 1))
        near = nn.functional.silu(self.near(torch.cat([ends[:, :-2], normed, ends[:, 2:]], -1)))
        change = self.out(torch.cat([far, near], -1))
        change = change.unflatten(0, (-1, height, width)).permute(0, 3, 4, 1, 2).flatten(0, 1)
        mixed: Tensor = x + change
        return mixed


class VideoUNet(nn.Module):
    """A UNet2DConditionModel over clips: network(x, timestep, text) -> like x.

    x         (B, C, T, H, W), any number of frames T
    timestep  (B,)
    text      (B, L, D)

    unet      of the layers of the image; patch as in `scorekit.models.networks.TextUNet`
    temporal  whether layers along time stand between them
    tell_frames  whether the attention's processors are told the number of `frames`, for those of extra_frames.py
    """

    def __init__(self, unet: Any, patch: int = 1, *, temporal: bool = True, tell_frames: bool = False) -> None:
        super().__init__()
        self.unet, self.patch, self.tell_frames = unet, patch, tell_frames
        width: int = unet.time_embedding.linear_2.out_features
        # What a frame's number and the caption say together: where a thing is at that moment.
        self.moment = nn.Sequential(nn.Linear(width + MOMENT, width), nn.SiLU(), nn.Linear(width, width))
        nn.init.zeros_(self.moment[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.moment[-1].bias)  # type: ignore[arg-type]
        self.temporal = nn.ModuleList(TemporalLayer(channels) for channels in _widths(unet)) if temporal else None

    def forward(self, x: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        unet, batch, frames = self.unet, x.shape[0], x.shape[2]
        text = text.to(x.dtype)
        emb = unet.time_embedding(unet.time_proj(timestep).to(x.dtype))
        aug = unet.get_aug_embed(emb=emb, encoder_hidden_states=text, added_cond_kwargs={})
        emb = emb if aug is None else emb + aug
        both = torch.cat([emb[:, None].expand(-1, frames, -1), moments(frames, emb).expand(batch, -1, -1).to(emb)], -1)
        emb = (emb[:, None] + self.moment(both)).flatten(0, 1)
        states = unet.process_encoder_hidden_states(encoder_hidden_states=text, added_cond_kwargs={})
        states = states.repeat_interleave(frames, 0)
        layers = iter(self.temporal) if self.temporal is not None else None
        told = {"frames": frames} if self.tell_frames else None

        def attended(attention: Any, h: Tensor) -> Tensor:
            out: Tensor = attention(h, encoder_hidden_states=states, cross_attention_kwargs=told, return_dict=False)[0]
            return out

        def through(resnet: Any, attention: Any, h: Tensor) -> Tensor:
            h = resnet(h, emb)
            if attention is not None:
                h = attended(attention, h)
            return h if layers is None else next(layers)(h, frames)

        h = unet.conv_in(self._folded(x))
        skips = [h]
        for block in unet.down_blocks:
            for resnet, attention in _pairs(block):
                h = through(resnet, attention, h)
                skips.append(h)
            for down in block.downsamplers or ():
                h = down(h)
                skips.append(h)
        middle = unet.mid_block
        h = middle.resnets[0](h, emb)
        for attention, resnet in zip(middle.attentions, middle.resnets[1:], strict=True):
            h = attended(attention, h)
            h = through(resnet, None, h)
        for block in unet.up_blocks:
            for resnet, attention in _pairs(block):
                h = through(resnet, attention, torch.cat([h, skips.pop()], 1))
            for up in block.upsamplers or ():
                h = up(h)
        h = unet.conv_out(unet.conv_act(unet.conv_norm_out(h)))
        return unfold(nn.functional.pixel_shuffle(h, self.patch) if self.patch > 1 else h, batch)

    def _folded(self, x: Tensor) -> Tensor:
        return nn.functional.pixel_unshuffle(fold(x), self.patch) if self.patch > 1 else fold(x)


def moments(frames: int, like: Tensor) -> Tensor:
    """Sines and cosines of the frames' numbers (frames, MOMENT), with periods from 4 to 64 frames."""
    periods = 4 * 16 ** torch.linspace(0, 1, MOMENT // 2, device=like.device)
    angle = 2 * math.pi * torch.arange(frames, device=like.device)[:, None] / periods
    return torch.cat([angle.sin(), angle.cos()], 1).to(like.dtype)


def _pairs(block: Any) -> Iterator[tuple[Any, Any]]:
    """A block's layers with the attention that follows each, None in blocks without."""
    attentions = getattr(block, "attentions", None) or [None] * len(block.resnets)
    return zip(block.resnets, attentions, strict=True)


def _widths(unet: Any) -> list[int]:
    """Channels after each layer, in the order in which `VideoUNet` runs them."""
    blocks = [[block.resnets for block in unet.down_blocks], [unet.mid_block.resnets[1:]]]
    blocks.append([block.resnets for block in unet.up_blocks])
    return [resnet.out_channels for part in blocks for resnets in part for resnet in resnets]

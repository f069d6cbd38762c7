"""The network of the embedded text-conditional models: a small UNet2DConditionModel that reads its text in two ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scorekit.models.networks import plain_attention


def make_unet(size: int, channels: int, levels: Sequence[int], text: int, *, layers: int = 1, groups: int = 16) -> Any:
    """Untrained; x (B, channels, size, size) and text states (B, L, text) -> like x.

    levels  channels of the levels, each at half the resolution of the one before; all but the first attend to the text
    layers  of each level
    groups  of the normalisations
    """
    from diffusers import UNet2DConditionModel

    deep = len(levels) - 1
    unet = UNet2DConditionModel(
        sample_size=size,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=layers,
        block_out_channels=tuple(levels),
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * deep,
        up_block_types=("CrossAttnUpBlock2D",) * deep + ("UpBlock2D",),
        cross_attention_dim=text,
        attention_head_dim=4,  # diffusers reads this as the number of heads
        norm_num_groups=groups,
        # The pooled text joins the timestep embedding, as in DeepFloyd IF: it carries what is global to every layer.
        encoder_hid_dim=text,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )
    plain_attention(unet)
    return unet

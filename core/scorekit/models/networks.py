"""Networks of the diffusers families behind one signature: network(x, timestep, **condition fields) -> output like x."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class TextUNet(nn.Module):
    """A UNet2DConditionModel under text: Stable Diffusion, DeepFloyd IF, and the embedded pico models.

    unet   predicts from (B, C, H, W), a timestep (B,) and text states (B, L, D)
    patch  x is folded into patch x patch blocks before the network and unfolded after it (pixel unshuffle), so that a pixel-space model
           spends its compute at a lower resolution; 1 leaves x as it is.

    Networks with a learned variance (DeepFloyd IF) answer twice the channels; the mean's half is kept.
    """

    def __init__(self, unet: nn.Module, patch: int = 1) -> None:
        super().__init__()
        self.unet, self.patch = unet, patch

    def forward(self, x: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        folded = nn.functional.pixel_unshuffle(x, self.patch) if self.patch > 1 else x
        output: Tensor = self.unet(folded, timestep, encoder_hidden_states=text.to(x.dtype), return_dict=False)[0]
        output = output[:, : folded.shape[1]]
        return nn.functional.pixel_shuffle(output, self.patch) if self.patch > 1 else output


class PlainUNet(nn.Module):
    """A UNet2DModel, which takes x and the timestep only. A learned variance is dropped as in TextUNet."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, timestep: Tensor) -> Tensor:
        output: Tensor = self.unet(x, timestep, return_dict=False)[0]
        return output[:, : x.shape[1]]


def plain_attention(unet: Any) -> None:
    """Use explicit matrix products for attention: on a CPU faster than the fused kernel at the pico models' sizes."""
    from diffusers.models.attention_processor import AttnProcessor

    unet.set_attn_processor(AttnProcessor())


def freeze(network: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """For inference: evaluation mode, no gradients to the weights, on the device."""
    return network.eval().requires_grad_(False).to(device=device, dtype=dtype)

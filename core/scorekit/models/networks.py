"""Networks of the diffusers families behind one signature: network(x, timestep, **fields) -> like x, or of twice its channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class TextUNet(nn.Module):
    """A UNet2DConditionModel under text: Stable Diffusion, SDXL, LCM, DeepFloyd IF, and the embedded pico models.

    unet        predicts from (B, C, H, W), a timestep (B,) and text states (B, L, D)
    patch       x is folded into patch x patch blocks before the network and unfolded after it (pixel unshuffle), so that a pixel-space
                model spends its compute at a lower resolution; 1 leaves x as it is.
    controlnet  a ControlNetModel for this unet (Zhang et al. 2023)

    Fields that only some models have:
        pooled (B, P), sizes (B, 6)   SDXL: the pooled text; height and width before, crop, and height and width asked for
        guidance (B,)                 LCM: the guidance scale w
        control (B, 3, H', W'), control_scale (B,)   the picture in [0, 1] that the controlnet follows, and how closely

    Networks with a learned variance (DeepFloyd IF) answer twice the channels, which the Denoiser takes apart.
    """

    def __init__(self, unet: nn.Module, patch: int = 1, controlnet: nn.Module | None = None) -> None:
        super().__init__()
        self.unet, self.patch, self.controlnet = unet, patch, controlnet

    def forward(
        self,
        x: Tensor,
        timestep: Tensor,
        text: Tensor,
        *,
        pooled: Tensor | None = None,
        sizes: Tensor | None = None,
        guidance: Tensor | None = None,
        control: Tensor | None = None,
        control_scale: Tensor | None = None,
    ) -> Tensor:
        folded = nn.functional.pixel_unshuffle(x, self.patch) if self.patch > 1 else x
        given: dict[str, Any] = {"encoder_hidden_states": text.to(x.dtype)}
        if pooled is not None:
            given["added_cond_kwargs"] = {"text_embeds": pooled.to(x.dtype), "time_ids": sizes}
        if control is not None and control_scale is not None:
            given |= self._followed(folded, timestep, control, control_scale, given)
        if guidance is not None:
            given["timestep_cond"] = self._guidance(guidance).to(x.dtype)
        output: Tensor = self.unet(folded, timestep, return_dict=False, **given)[0]
        return nn.functional.pixel_shuffle(output, self.patch) if self.patch > 1 else output

    def _followed(
        self, x: Tensor, timestep: Tensor, control: Tensor, scale: Tensor, given: dict[str, Any]
    ) -> dict[str, Any]:
        """What the controlnet adds inside the unet."""
        if self.controlnet is None:
            raise ValueError("a condition has a control picture, but the model was loaded without a ControlNet.")
        # Every block of its first layers after the first halves the picture.
        halvings: int = len(self.controlnet.config.conditioning_embedding_out_channels) - 1  # type: ignore[union-attr, arg-type]
        sides = tuple(side * 2**halvings for side in x.shape[-2:])
        if tuple(control.shape[-2:]) != sides:
            raise ValueError(
                f"the control picture must be (B, 3, {sides[0]}, {sides[1]}) for this model, not {tuple(control.shape)}."
            )
        down, middle = self.controlnet(
            x,
            timestep,
            controlnet_cond=control.to(x.device, x.dtype),
            conditioning_scale=scale.to(x.device, x.dtype)[:, None, None, None],
            return_dict=False,
            **given,
        )
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}

    def _guidance(self, scale: Tensor) -> Tensor:
        """Sines and cosines of 1000 (w - 1) (Meng et al. 2023; w - 1 is the scale in their convention, w = 1 being no guidance)."""
        from diffusers.models.embeddings import get_timestep_embedding

        width: int = self.unet.config.time_cond_proj_dim  # type: ignore[union-attr, assignment]
        embedding: Tensor = get_timestep_embedding(1000 * (scale.float() - 1), width, downscale_freq_shift=1)
        return embedding


class PlainUNet(nn.Module):
    """A UNet2DModel, which takes x and the timestep only. A learned variance is passed on as in TextUNet."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, timestep: Tensor) -> Tensor:
        output: Tensor = self.unet(x, timestep, return_dict=False)[0]
        return output


class LatentTransformer(nn.Module):
    """A transformer of diffusers that takes x (B, C, H, W) as it is: SD3, PixArt, DiT.

    names  what its `forward` calls the condition fields; those named "a.b" go into its dictionary argument a as b.

    A learned variance is passed on as in TextUNet.
    """

    def __init__(self, transformer: nn.Module, names: Mapping[str, str]) -> None:
        super().__init__()
        self.transformer, self.names = transformer, dict(names)

    def forward(self, x: Tensor, timestep: Tensor, **fields: Tensor) -> Tensor:
        given: dict[str, Any] = {}
        for field, value in fields.items():
            argument, _, key = self.names[field].partition(".")
            value = value.to(x.dtype) if value.is_floating_point() else value
            if key:
                given.setdefault(argument, {})[key] = value
            else:
                given[argument] = value
        output: Tensor = self.transformer(x, timestep=timestep, return_dict=False, **given)[0]
        return output


class FluxNetwork(nn.Module):
    """A FluxTransformer2DModel, whose tokens are 2 x 2 blocks of the latents x (B, C, H, W) with their rows and columns beside them.

    guidance (B,)  the guidance scale that was distilled into it; absent in models without
    """

    def __init__(self, transformer: nn.Module) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(
        self, x: Tensor, timestep: Tensor, text: Tensor, pooled: Tensor, guidance: Tensor | None = None
    ) -> Tensor:
        height, width = x.shape[-2:]
        rows, columns = (torch.arange(side // 2, device=x.device, dtype=torch.float32) for side in (height, width))
        places = torch.cartesian_prod(rows, columns)
        tokens: Tensor = self.transformer(
            # Blocks in reading order, each with its channels outermost: what pixel_unshuffle gives.
            nn.functional.pixel_unshuffle(x, 2).flatten(2).mT,
            timestep=timestep / 1000,
            encoder_hidden_states=text.to(x.dtype),
            pooled_projections=pooled.to(x.dtype),
            guidance=guidance,
            img_ids=nn.functional.pad(places, (1, 0)),
            txt_ids=places.new_zeros(text.shape[1], 3),
            return_dict=False,
        )[0]
        return nn.functional.pixel_shuffle(tokens.mT.reshape(len(x), -1, height // 2, width // 2), 2)


def plain_attention(unet: Any) -> None:
    """Use explicit matrix products for attention: on a CPU faster than the fused kernel at the pico models' sizes."""
    from diffusers.models.attention_processor import AttnProcessor

    unet.set_attn_processor(AttnProcessor())


def freeze(network: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """For inference: evaluation mode, no gradients to the weights, on the device."""
    return network.eval().requires_grad_(False).to(device=device, dtype=dtype)

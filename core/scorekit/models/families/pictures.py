"""Stable Diffusion, SDXL, LCM, DeepFloyd IF, pico-image, DDPM: pictures by a UNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.models.codecs import PixelCodec
from scorekit.models.controlnet import controlnet_beside
from scorekit.models.families.family import (
    Family,
    denoiser,
    latents,
    prompts,
    refuse_channels,
    refuse_more_inputs,
    size,
    text_encoder,
)
from scorekit.models.folder import ModelFolder
from scorekit.models.networks import PlainUNet, TextUNet
from scorekit.models.prompts import Prompts, Reading

# The guidance scale that an LCM answers with unless it is told another one (Luo et al. 2023).
LCM_GUIDANCE = 8.0


def _latent_text_to_image(folder: ModelFolder) -> Denoiser:
    unet = text_unet(folder)
    codec, (height, width) = latents(folder, size(folder, unet))
    refuse_channels(folder, unet, int(codec.vae.config.latent_channels))
    network = TextUNet(unet, controlnet=controlnet_beside(folder, unet))
    shape = (unet.config.in_channels, height, width)
    return denoiser(folder, network, shape, codec, prompts(folder, _distilled(folder, unet)))


def _sdxl(folder: ModelFolder) -> Denoiser:
    unet = text_unet(folder, "text_time")
    codec, (height, width) = latents(folder, size(folder, unet))
    refuse_channels(folder, unet, int(codec.vae.config.latent_channels))
    # Both encoders are read before their last layer; the pooled text is the second one's (Podell et al. 2023).
    first, second = (text_encoder(folder, role, Reading(layer=-2)) for role in ("text_encoder", "text_encoder_2"))
    told = 6 * unet.config.addition_time_embed_dim + second.encoder.config.projection_dim
    if told != unet.config.projection_class_embeddings_input_dim:
        raise ValueError(
            f"{folder.name}: its unet is told {unet.config.projection_class_embeddings_input_dim} numbers beside the text where "
            f"pooled text and six sizes are {told}; SDXL's refiner and its relatives are not supported."
        )
    sizes = torch.tensor([[*codec.size, 0, 0, *codec.size]], dtype=torch.float32, device=folder.device)
    constants = {"sizes": sizes} | _distilled(folder, unet)

    def encode(texts: Sequence[str]) -> dict[str, Tensor]:
        one, two = first(texts), second(texts)
        assert two.pooled is not None
        return {"text": torch.cat([one.states, two.states], -1), "pooled": two.pooled} | constants

    def zeros() -> dict[str, Tensor]:
        fields = encode([""])
        return fields | {name: torch.zeros_like(fields[name]) for name in ("text", "pooled")}

    forced = folder.index.get("force_zeros_for_empty_prompt", True)
    texts = Prompts(encode, null=zeros if forced else None, model=folder.name)
    network = TextUNet(unet, controlnet=controlnet_beside(folder, unet))
    return denoiser(folder, network, (unet.config.in_channels, height, width), codec, texts)


def _distilled(folder: ModelFolder, unet: Any) -> dict[str, Tensor]:
    """The field of a unet that guidance was distilled into."""
    if unet.config.time_cond_proj_dim is None:
        return {}
    return {"guidance": torch.full((1,), LCM_GUIDANCE, device=folder.device)}


def _pixel_text_to_image(folder: ModelFolder) -> Denoiser:
    unet = text_unet(folder)
    refuse_more_inputs(folder, unet, ("time_cond_proj_dim",))
    patch = folder.extra.patch
    refuse_channels(folder, unet, 3 * patch**2)
    height, width = (side * patch for side in size(folder, unet))
    return denoiser(folder, TextUNet(unet, patch), (3, height, width), PixelCodec((height, width)), prompts(folder))


def _pixel_unconditional(folder: ModelFolder) -> Denoiser:
    from diffusers import UNet2DModel

    unet = folder.network("unet", UNet2DModel)
    refuse_more_inputs(folder, unet, ("class_embed_type", "num_class_embeds"))
    height, width = size(folder, unet)
    return denoiser(folder, PlainUNet(unet), (unet.config.in_channels, height, width), PixelCodec((height, width)))


_TEXT_ENCODERS = ("CLIPTextModel", "T5EncoderModel")
FAMILIES: tuple[Family, ...] = (
    Family(
        "latent text-to-image (Stable Diffusion 1 and 2, LCM)",
        {"unet": ("UNet2DConditionModel",), "vae": ("AutoencoderKL",), "text_encoder": ("CLIPTextModel",)},
        _latent_text_to_image,
        lora="StableDiffusionLoraLoaderMixin",
        controlnet=True,
        resizable=True,
    ),
    Family(
        "SDXL",
        {
            "unet": ("UNet2DConditionModel",),
            "vae": ("AutoencoderKL",),
            "text_encoder": ("CLIPTextModel",),
            "text_encoder_2": ("CLIPTextModelWithProjection",),
        },
        _sdxl,
        lora="StableDiffusionXLLoraLoaderMixin",
        controlnet=True,
        resizable=True,
    ),
    Family(
        "pixel text-to-image (pico-image, DeepFloyd IF stage I)",
        {"unet": ("UNet2DConditionModel",), "text_encoder": _TEXT_ENCODERS},
        _pixel_text_to_image,
        lora="StableDiffusionLoraLoaderMixin",
    ),
    Family("unconditional pictures (DDPM)", {"unet": ("UNet2DModel",)}, _pixel_unconditional),
)


def text_unet(folder: ModelFolder, beside: str | None = None) -> Any:
    """The unet of a text-to-image model.

    beside  "text_time" where it is told more than the text (SDXL)
    """
    from diffusers import UNet2DConditionModel

    unet = folder.network("unet", UNet2DConditionModel)
    refuse_more_inputs(folder, unet, ("class_embed_type", "num_class_embeds"))
    wanted = unet.config.addition_embed_type
    if wanted not in ((None, "text") if beside is None else (beside,)):
        raise ValueError(f"{folder.name}: its unet wants {wanted!r} beside the text, which is not supported.")
    return unet

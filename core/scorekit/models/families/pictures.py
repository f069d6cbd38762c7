"""Stable Diffusion, DeepFloyd IF, pico-image, DDPM: pictures by a UNet."""

from __future__ import annotations

from typing import Any

import torch

from scorekit.denoiser import Denoiser
from scorekit.models.codecs import PixelCodec, VAECodec
from scorekit.models.families.family import Family, denoiser, prompts, refuse_channels, refuse_more_inputs, size
from scorekit.models.folder import ModelFolder
from scorekit.models.networks import PlainUNet, TextUNet


def _latent_text_to_image(folder: ModelFolder) -> Denoiser:
    from diffusers import AutoencoderKL

    unet = text_unet(folder)
    vae = folder.network("vae", AutoencoderKL, torch.float32)
    height, width = size(folder, unet)
    refuse_channels(folder, unet, int(vae.config.latent_channels))
    scale = 2 ** (len(vae.config.block_out_channels) - 1)
    codec = VAECodec(vae, (height * scale, width * scale))
    return denoiser(folder, TextUNet(unet), (unet.config.in_channels, height, width), codec, prompts(folder))


def _pixel_text_to_image(folder: ModelFolder) -> Denoiser:
    unet = text_unet(folder)
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
        "latent text-to-image (Stable Diffusion 1 and 2)",
        {"unet": ("UNet2DConditionModel",), "vae": ("AutoencoderKL",), "text_encoder": ("CLIPTextModel",)},
        _latent_text_to_image,
    ),
    Family(
        "pixel text-to-image (pico-image, DeepFloyd IF stage I)",
        {"unet": ("UNet2DConditionModel",), "text_encoder": _TEXT_ENCODERS},
        _pixel_text_to_image,
    ),
    Family("unconditional pictures (DDPM)", {"unet": ("UNet2DModel",)}, _pixel_unconditional),
)


def text_unet(folder: ModelFolder) -> Any:
    from diffusers import UNet2DConditionModel

    unet = folder.network("unet", UNet2DConditionModel)
    refuse_more_inputs(folder, unet, ("class_embed_type", "num_class_embeds", "time_cond_proj_dim"))
    if unet.config.addition_embed_type not in (None, "text"):
        wanted = unet.config.addition_embed_type
        raise ValueError(f"{folder.name}: its unet wants {wanted!r} beside the text, which is not supported.")
    return unet

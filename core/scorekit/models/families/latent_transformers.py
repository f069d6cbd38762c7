"""Stable Diffusion 3, Flux, PixArt: pictures by a transformer on latents, under text."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from scorekit.denoiser import Denoiser
from scorekit.models.families.family import (
    Family,
    denoiser,
    latents,
    refuse_channels,
    size,
    text_encoder,
)
from scorekit.models.folder import ModelFolder
from scorekit.models.networks import FluxNetwork, LatentTransformer
from scorekit.models.prompts import Prompts, Reading, lowered

# The guidance scale that Flux answers with unless it is told another one.
FLUX_GUIDANCE = 3.5
# Flux names no size in its configuration: 1024 pixels, in latents.
_FLUX_SIDE = 128


def _sd3(folder: ModelFolder) -> Denoiser:
    """Esser et al. 2024: two CLIP encoders side by side, T5 behind them; their pooled texts beside the timestep."""
    from diffusers import SD3Transformer2DModel

    transformer = folder.network("transformer", SD3Transformer2DModel)
    config = transformer.config
    codec, (height, width) = latents(folder, size(folder, transformer, "transformer"), config.patch_size)
    refuse_channels(folder, transformer, int(codec.vae.config.latent_channels), "transformer")
    most = config.pos_embed_max_size * config.patch_size
    if max(height, width) > most:
        limit = most * codec.size[0] // height
        raise ValueError(f"size: {folder.name} makes pictures of at most {limit} pixels a side, not {codec.size}.")
    first, second = (text_encoder(folder, role, Reading(layer=-2)) for role in ("text_encoder", "text_encoder_2"))
    t5_tokens = 256
    third = (
        text_encoder(folder, "text_encoder_3", Reading(tokens=t5_tokens)) if "text_encoder_3" in folder.parts else None
    )

    def encode(texts: Sequence[str]) -> dict[str, Tensor]:
        one, two = first(texts), second(texts)
        assert one.pooled is not None
        assert two.pooled is not None
        clip = torch.cat([one.states, two.states], -1)
        clip = pad(clip, (0, config.joint_attention_dim - clip.shape[-1]))
        # Without T5 the model reads zeros in its place, as it did in a part of its training.
        t5 = third(texts).states if third else clip.new_zeros(len(texts), t5_tokens, config.joint_attention_dim)
        return {"text": torch.cat([clip, t5], 1), "pooled": torch.cat([one.pooled, two.pooled], -1)}

    network = LatentTransformer(transformer, {"text": "encoder_hidden_states", "pooled": "pooled_projections"})
    tokens = height * width // config.patch_size**2
    shape = (config.in_channels, height, width)
    return denoiser(folder, network, shape, codec, Prompts(encode, model=folder.name), tokens=tokens)


def _flux(folder: ModelFolder) -> Denoiser:
    """FLUX.1: T5's states, CLIP's pooled text; in all but schnell the guidance scale is an input too."""
    from diffusers import FluxTransformer2DModel

    transformer = folder.network("transformer", FluxTransformer2DModel)
    codec, (height, width) = latents(folder, (_FLUX_SIDE, _FLUX_SIDE), 2)
    channels = int(codec.vae.config.latent_channels)
    refuse_channels(folder, transformer, 4 * channels, "transformer")
    clip, t5 = text_encoder(folder), text_encoder(folder, "text_encoder_2", Reading(tokens=512))
    distilled = {"guidance": torch.full((1,), FLUX_GUIDANCE, device=folder.device)}
    constants = distilled if transformer.config.guidance_embeds else {}

    def encode(texts: Sequence[str]) -> dict[str, Tensor]:
        pooled = clip(texts).pooled
        assert pooled is not None
        return {"text": t5(texts).states, "pooled": pooled} | constants

    shape, tokens = (channels, height, width), height * width // 4
    texts = Prompts(encode, model=folder.name)
    return denoiser(folder, FluxNetwork(transformer), shape, codec, texts, tokens=tokens)


def _pixart(folder: ModelFolder) -> Denoiser:
    """PixArt-alpha and -sigma (Chen et al. 2023, 2024): T5 with a mask; the larger alpha is told resolution and aspect ratio."""
    from diffusers import PixArtTransformer2DModel

    transformer = folder.network("transformer", PixArtTransformer2DModel)
    config = transformer.config
    codec, (height, width) = latents(folder, size(folder, transformer, "transformer"), config.patch_size)
    refuse_channels(folder, transformer, int(codec.vae.config.latent_channels), "transformer")
    length = 300 if "Sigma" in folder.pipeline else 120
    encoder = text_encoder(folder, reading=Reading(tokens=length, masked=True, clean=lowered))
    constants: dict[str, Tensor] = {}
    if transformer.use_additional_conditions:
        tall, wide = codec.size
        constants["resolution"] = torch.tensor([[tall, wide]], dtype=torch.float32, device=folder.device)
        constants["aspect"] = torch.tensor([[tall / wide]], dtype=torch.float32, device=folder.device)

    def encode(texts: Sequence[str]) -> dict[str, Tensor]:
        text = encoder(texts)
        return {"text": text.states, "mask": text.mask} | constants

    names = {"text": "encoder_hidden_states", "mask": "encoder_attention_mask"}
    told = {"resolution": "added_cond_kwargs.resolution", "aspect": "added_cond_kwargs.aspect_ratio"}
    network = LatentTransformer(transformer, names | told)
    shape = (config.in_channels, height, width)
    return denoiser(folder, network, shape, codec, Prompts(encode, model=folder.name))


_CLIP = ("CLIPTextModelWithProjection",)
_T5 = ("T5EncoderModel",)
_VAE = ("AutoencoderKL",)
FAMILIES: tuple[Family, ...] = (
    Family(
        "Stable Diffusion 3",
        {"transformer": ("SD3Transformer2DModel",), "vae": _VAE, "text_encoder": _CLIP, "text_encoder_2": _CLIP},
        _sd3,
        optional={"text_encoder_3": _T5},
        lora="SD3LoraLoaderMixin",
        resizable=True,
    ),
    Family(
        "Flux",
        {
            "transformer": ("FluxTransformer2DModel",),
            "vae": _VAE,
            "text_encoder": ("CLIPTextModel",),
            "text_encoder_2": _T5,
        },
        _flux,
        lora="FluxLoraLoaderMixin",
        resizable=True,
    ),
    # The first releases of PixArt name the class that was split up since.
    Family(
        "PixArt",
        {"transformer": ("PixArtTransformer2DModel", "Transformer2DModel"), "vae": _VAE, "text_encoder": _T5},
        _pixart,
        resizable=True,
    ),
)

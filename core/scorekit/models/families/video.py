"""ModelScope's text-to-video, Wan and CogVideoX: clips by a UNet or a transformer in the latents of an autoencoder."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.models.families.family import Family, denoiser, prompts, text_encoder
from scorekit.models.folder import ModelFolder
from scorekit.models.networks import LatentTransformer, TextUNet
from scorekit.models.networks_video import CogVideoXNetwork
from scorekit.models.prompts import Prompts, Reading, TextEncoder
from scorekit.models.video import FrameCodec, VideoCodec
from scorekit.schedule import VP, from_config


def _model_scope(folder: ModelFolder) -> Denoiser:
    from diffusers import AutoencoderKL, UNet3DConditionModel

    unet = folder.network("unet", UNet3DConditionModel)
    vae = folder.network("vae", AutoencoderKL, torch.float32)
    scale, side = 2 ** (len(vae.config.block_out_channels) - 1), unet.config.sample_size
    if side is None:
        raise ValueError(f"{folder.name}: sample_size is missing in unet/config.json.")
    height, width = (side, side) if isinstance(side, int) else side
    codec = _codec(
        folder,
        FrameCodec,
        vae,
        _channels(folder, unet.config.in_channels, vae.config.latent_channels),
        {"frames": 16, "height": height * scale, "width": width * scale},
        rate=(1, scale),
        std=1 / float(vae.config.scaling_factor),
    )
    return denoiser(folder, TextUNet(unet), codec.shape, codec, prompts(folder))


def _wan(folder: ModelFolder) -> Denoiser:
    from diffusers import AutoencoderKLWan, WanTransformer3DModel
    from transformers import T5Tokenizer, UMT5EncoderModel

    if folder.index.get("boundary_ratio") is not None:
        raise ValueError(f"{folder.name} has two transformers, one for high and one for low noise: not supported.")
    transformer = folder.network("transformer", WanTransformer3DModel)
    if transformer.config.image_dim is not None:
        raise ValueError(f"{folder.name}: its transformer is also conditioned by pictures, which is not supported.")
    vae = folder.network("vae", AutoencoderKLWan, torch.float32)
    codec = _codec(
        folder,
        VideoCodec,
        vae,
        _channels(folder, transformer.config.in_channels, vae.config.z_dim),
        {"frames": 81, "height": 480, "width": 832},
        rate=(vae.config.scale_factor_temporal, vae.config.scale_factor_spatial),
        period=vae.config.scale_factor_temporal,
        patch=tuple(transformer.config.patch_size),
        mean=list(vae.config.latents_mean),
        std=list(vae.config.latents_std),
    )
    encoder = folder.network("text_encoder", UMT5EncoderModel)
    text = TextEncoder(
        folder.tokenizer(T5Tokenizer, encoder.config.vocab_size),
        encoder,
        Reading(tokens=512, masked=True, clean=_unescaped),
        dtype=folder.dtype,
        model=folder.name,
    )

    def states(texts: Sequence[str]) -> dict[str, Tensor]:
        encoded = text(texts)
        return {"text": encoded.states * encoded.mask[..., None].to(encoded.states.dtype)}  # zeros for padding

    network = LatentTransformer(transformer, {"text": "encoder_hidden_states"})
    return denoiser(folder, network, codec.shape, codec, Prompts(states, model=folder.name))


def _cog_video_x(folder: ModelFolder) -> Denoiser:
    from diffusers import AutoencoderKLCogVideoX, CogVideoXTransformer3DModel

    transformer = folder.network("transformer", CogVideoXTransformer3DModel)
    vae = folder.network("vae", AutoencoderKLCogVideoX, torch.float32)
    config, scale = transformer.config, 2 ** (len(vae.config.block_out_channels) - 1)
    rate = int(vae.config.temporal_compression_ratio)
    height, width = config.sample_height * scale, config.sample_width * scale
    codec = _codec(
        folder,
        VideoCodec,
        vae,
        _channels(folder, config.in_channels, vae.config.latent_channels),
        {"frames": config.sample_frames, "height": height, "width": width},
        rate=(rate, scale),
        period=2 * rate,  # the autoencoder takes latents two by two, after a first one
        patch=(config.patch_size_t or 1, config.patch_size, config.patch_size),
        largest=(height, width) if config.patch_size_t else None,
        std=1 / float(vae.config.scaling_factor),
    )
    text = text_encoder(folder, reading=Reading(tokens=config.max_text_seq_length))
    states = Prompts(lambda texts: {"text": text(texts).states}, model=folder.name)
    model = denoiser(folder, CogVideoXNetwork(transformer), codec.shape, codec, states)
    model.schedule = _snr_shifted(folder)
    return model


FAMILIES: tuple[Family, ...] = (
    Family(
        "text-to-video by a UNet (ModelScope, Zeroscope)",
        {"unet": ("UNet3DConditionModel",), "vae": ("AutoencoderKL",), "text_encoder": ("CLIPTextModel",)},
        _model_scope,
        resizable=True,
    ),
    Family(
        "Wan text-to-video",
        {
            "transformer": ("WanTransformer3DModel",),
            "vae": ("AutoencoderKLWan",),
            "text_encoder": ("UMT5EncoderModel",),
        },
        _wan,
        lora="WanLoraLoaderMixin",
        resizable=True,
    ),
    Family(
        "CogVideoX text-to-video",
        {
            "transformer": ("CogVideoXTransformer3DModel",),
            "vae": ("AutoencoderKLCogVideoX",),
            "text_encoder": ("T5EncoderModel",),
        },
        _cog_video_x,
        lora="CogVideoXLoraLoaderMixin",
        resizable=True,
    ),
)


def _snr_shifted(folder: ModelFolder) -> VP:
    """CogVideoX's schedule: the signal-to-noise ratio of the configured one, divided by `snr_shift_scale` before it is made zero at
    the end (Yang et al. 2024, arXiv:2408.06072)."""
    config = folder.config("scheduler/scheduler_config.json")
    plain = from_config(config | {"rescale_betas_zero_snr": False})
    if not isinstance(plain, VP):
        raise ValueError(f"{folder.name}: the scheduler of a CogVideoX model must be one with betas.")
    own = str(config.get("_class_name", "")).startswith("CogVideoX")  # other schedulers know no such shift
    shift = float(config.get("snr_shift_scale", 3.0 if own else 1.0))
    table = VP(plain.alpha_bar / (shift + (1 - shift) * plain.alpha_bar))
    return table.zero_terminal_snr() if config.get("rescale_betas_zero_snr") else table


def _codec(
    folder: ModelFolder, cls: type[VideoCodec], vae: Any, channels: int, size: dict[str, int], **options: Any
) -> VideoCodec:
    """The codec at the size that was asked for: by `folder.size`, otherwise by scorekit.json, otherwise `size`."""
    file = "scorekit.json"
    asked = folder.config(file).get("video", {}) if (folder.path / file).is_file() else {}
    if not isinstance(asked, dict) or not all(
        name in size and isinstance(value, int) and not isinstance(value, bool) for name, value in asked.items()
    ):
        raise ValueError(f"{folder.name}: video in {file} must give whole numbers of {', '.join(size)}, not {asked!r}.")
    size = size | asked
    height, width = folder.size or (size["height"], size["width"])
    try:
        return cls(vae, channels, frames=size["frames"], height=height, width=width, **options)
    except ValueError as error:
        raise ValueError(f"{folder.name}: {error}") from None


def _channels(folder: ModelFolder, taken: int, latent: int) -> int:
    if taken != latent:
        raise ValueError(
            f"{folder.name}: its network takes {taken} channels where a text-to-video model takes {latent}; "
            "models that continue a picture or a video are not supported."
        )
    return int(taken)


def _unescaped(text: str) -> str:
    """Wan was shown captions without HTML's escapes and with single spaces."""
    return re.sub(r"\s+", " ", html.unescape(html.unescape(text))).strip()

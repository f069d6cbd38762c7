"""Stable Audio: stereo sound by a transformer in the latents of an autoencoder of waves."""

from __future__ import annotations

import torch

from scorekit.denoiser import Denoiser
from scorekit.models.audio import StableAudioNetwork, TimedPrompts, WaveCodec
from scorekit.models.cosine import Cosine
from scorekit.models.families.family import Family, text_encoder
from scorekit.models.folder import ModelFolder
from scorekit.models.prompts import Reading


def _stable_audio(folder: ModelFolder) -> Denoiser:
    from diffusers import AutoencoderOobleck, StableAudioDiTModel, StableAudioProjectionModel

    schedule = _schedule(folder)
    transformer = folder.network("transformer", StableAudioDiTModel)
    vae = folder.network("vae", AutoencoderOobleck, torch.float32)
    channels, latent = transformer.config.in_channels, vae.config.decoder_input_channels
    if channels != latent:
        raise ValueError(f"{folder.name}: its transformer takes {channels} channels and its vae has {latent}.")
    codec = WaveCodec(vae, (channels, transformer.config.sample_size))
    text = text_encoder(folder, reading=Reading(masked=True))
    projection = folder.network("projection_model", StableAudioProjectionModel)
    return Denoiser(
        StableAudioNetwork(transformer).eval(),
        schedule,
        "v",
        codec.shape,
        prompts=TimedPrompts(text, projection, codec.seconds),
        codec=codec,
        name=folder.name,
        device=folder.device,
        dtype=folder.dtype,
    )


FAMILIES: tuple[Family, ...] = (
    Family(
        "Stable Audio",
        {
            "transformer": ("StableAudioDiTModel",),
            "vae": ("AutoencoderOobleck",),
            "text_encoder": ("T5EncoderModel",),
            "projection_model": ("StableAudioProjectionModel",),
        },
        _stable_audio,
    ),
)


def _schedule(folder: ModelFolder) -> Cosine:
    """From the scheduler's configuration. Raises ValueError for levels other than those of v prediction with unit data."""
    config = folder.config("scheduler/scheduler_config.json")
    name, kind = config.get("_class_name"), config.get("prediction_type", "v_prediction")
    data = config.get("sigma_data", 1.0)
    if (name, kind, data) != ("CosineDPMSolverMultistepScheduler", "v_prediction", 1.0):
        raise ValueError(
            f"{folder.name}: the scheduler must be a CosineDPMSolverMultistepScheduler with v_prediction and sigma_data 1, "
            f"not a {name} with {kind} and {data}."
        )
    try:
        return Cosine(float(config.get("sigma_max", 500.0)), float(config.get("sigma_min", 0.3)))
    except ValueError as error:
        raise ValueError(f"{folder.name}: {error}") from None

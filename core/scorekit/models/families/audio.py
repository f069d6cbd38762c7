"""Stable Audio, a transformer in the latents of an autoencoder of stereo waves; AudioLDM 2, a UNet in those of spectrograms."""

from __future__ import annotations

import torch

from scorekit.denoiser import Denoiser
from scorekit.models.audio import StableAudioNetwork, TimedPrompts, WaveCodec
from scorekit.models.cosine import Cosine
from scorekit.models.families.family import Family, denoiser, text_encoder
from scorekit.models.folder import ModelFolder
from scorekit.models.prompts import Reading, TextEncoder
from scorekit.models.spectrogram import AudioLDM2Network, ContinuedPrompts, SpectrogramCodec, scale_of


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


def _audio_ldm_2(folder: ModelFolder) -> Denoiser:
    from diffusers import AudioLDM2ProjectionModel, AudioLDM2UNet2DConditionModel, AutoencoderKL
    from transformers import ClapTextModelWithProjection, GPT2Model, RobertaTokenizer, SpeechT5HifiGan

    unet = folder.network("unet", AudioLDM2UNet2DConditionModel)
    vae = folder.network("vae", AutoencoderKL, torch.float32)
    vocoder = folder.network("vocoder", SpeechT5HifiGan, torch.float32)
    channels, frames = unet.config.in_channels, unet.config.sample_size
    if channels != vae.config.latent_channels or not isinstance(frames, int):
        raise ValueError(
            f"{folder.name}: its unet takes {channels} channels and {frames} frames, and its vae has {vae.config.latent_channels} channels."
        )
    bands, scale = vocoder.config.model_in_dim, scale_of(vae)
    if bands % scale:
        raise ValueError(f"{folder.name}: its vocoder takes {bands} bands, of which its vae makes groups of {scale}.")
    codec = SpectrogramCodec(vae, vocoder, (channels, bands // scale, frames))
    # Of CLAP only the half that reads.
    clap = folder.network("text_encoder", ClapTextModelWithProjection)
    tokenizer = folder.tokenizer(RobertaTokenizer, clap.config.vocab_size)
    prompts = ContinuedPrompts(
        TextEncoder(tokenizer, clap, Reading(masked=True), dtype=folder.dtype, model=folder.name),
        text_encoder(folder, "text_encoder_2", Reading(tokens=128, masked=True)),  # as it was trained
        folder.network("projection_model", AudioLDM2ProjectionModel),
        folder.network("language_model", GPT2Model),
        new=int(folder.config("language_model/config.json").get("max_new_tokens", 8)),
    )
    return denoiser(folder, AudioLDM2Network(unet), codec.shape, codec, prompts)


FAMILIES: tuple[Family, ...] = (
    Family(
        "AudioLDM 2",
        {
            "unet": ("AudioLDM2UNet2DConditionModel",),
            "vae": ("AutoencoderKL",),
            "vocoder": ("SpeechT5HifiGan",),
            "text_encoder": ("ClapModel",),
            "text_encoder_2": ("T5EncoderModel",),
            "projection_model": ("AudioLDM2ProjectionModel",),
            "language_model": ("GPT2Model", "GPT2LMHeadModel"),
        },
        _audio_ldm_2,
    ),
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

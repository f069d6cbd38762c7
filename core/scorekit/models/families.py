"""The families of models that are understood: which components a folder must have, and how they become a Denoiser.

A family is a row of FAMILIES. To add one: a row, a builder, and, where its network has another signature, a wrapper in
`networks`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from scorekit.denoiser import Codec, Denoiser
from scorekit.models.codecs import PixelCodec, VAECodec
from scorekit.models.folder import ModelFolder
from scorekit.models.networks import PlainUNet, TextUNet
from scorekit.models.prompts import READINGS, PromptEncoder
from scorekit.prediction import Kind
from scorekit.schedule import from_config

PREDICTIONS: dict[str, Kind] = {"epsilon": "eps", "v_prediction": "v", "sample": "x0", "flow_prediction": "flow"}
TOKENIZERS = {"CLIPTextModel": "CLIPTokenizer", "T5EncoderModel": "T5Tokenizer"}


@dataclass(frozen=True)
class Family:
    """What its folders hold, and what they become.

    title  for people
    parts  the classes accepted for each component; a folder has exactly these components
    build  makes the Denoiser
    """

    title: str
    parts: dict[str, tuple[str, ...]]
    build: Callable[[ModelFolder], Denoiser]

    def fits(self, parts: dict[str, str]) -> bool:
        return parts.keys() == self.parts.keys() and all(name in self.parts[role] for role, name in parts.items())

    @property
    def wants(self) -> str:
        """Its components, in words."""
        return ", ".join(f"{role} {' or '.join(names)}" for role, names in self.parts.items())

    @property
    def components(self) -> tuple[str, ...]:
        """The subfolders that it reads."""
        return (*self.parts, "scheduler", *(("tokenizer",) if "text_encoder" in self.parts else ()))


def family_of(folder: ModelFolder) -> Family:
    """The family of a model folder. Raises ValueError, naming what was found and what is supported, if there is none."""
    for family in FAMILIES:
        if family.fits(folder.parts):
            return family
    found = ", ".join(f"{role} {name}" for role, name in folder.parts.items()) or "no network"
    known = "; ".join(f"{family.title} with {family.wants}" for family in FAMILIES)
    raise ValueError(f"{folder.name} is a {folder.pipeline} ({found}), which is not supported; supported are {known}.")


def _latent_text_to_image(folder: ModelFolder) -> Denoiser:
    from diffusers import AutoencoderKL

    unet = _text_unet(folder)
    vae = folder.network("vae", AutoencoderKL, torch.float32)
    height, width = _size(folder, unet)
    _refuse_channels(folder, unet, int(vae.config.latent_channels))
    scale = 2 ** (len(vae.config.block_out_channels) - 1)
    codec = VAECodec(vae, (height * scale, width * scale))
    return _denoiser(folder, TextUNet(unet), (unet.config.in_channels, height, width), codec, _prompts(folder))


def _pixel_text_to_image(folder: ModelFolder) -> Denoiser:
    unet = _text_unet(folder)
    patch = folder.extra.patch
    _refuse_channels(folder, unet, 3 * patch**2)
    height, width = (side * patch for side in _size(folder, unet))
    return _denoiser(folder, TextUNet(unet, patch), (3, height, width), PixelCodec((height, width)), _prompts(folder))


def _pixel_unconditional(folder: ModelFolder) -> Denoiser:
    from diffusers import UNet2DModel

    unet = folder.network("unet", UNet2DModel)
    _refuse_more_inputs(folder, unet, ("class_embed_type", "num_class_embeds"))
    height, width = _size(folder, unet)
    return _denoiser(folder, PlainUNet(unet), (unet.config.in_channels, height, width), PixelCodec((height, width)))


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


def _denoiser(
    folder: ModelFolder, network: Any, shape: Sequence[int], codec: Codec, prompts: PromptEncoder | None = None
) -> Denoiser:
    """What all families share: schedule and kind of prediction, read from the scheduler's configuration."""
    config = folder.config("scheduler/scheduler_config.json")
    kind = config.get("prediction_type", "epsilon")
    if kind not in PREDICTIONS:
        raise ValueError(f"{folder.name}: prediction_type must be {', '.join(PREDICTIONS)}, not {kind!r}.")
    try:
        schedule = from_config(config)
    except ValueError as error:
        raise ValueError(f"{folder.name}: {error}") from None
    return Denoiser(
        network.eval(),
        schedule,
        PREDICTIONS[kind],
        shape,
        prompts=prompts,
        codec=codec,
        backgrounds=folder.extra.backgrounds,
        name=folder.name,
        device=folder.device,
        dtype=folder.dtype,
    )


def _text_unet(folder: ModelFolder) -> Any:
    from diffusers import UNet2DConditionModel

    unet = folder.network("unet", UNet2DConditionModel)
    _refuse_more_inputs(folder, unet, ("class_embed_type", "num_class_embeds", "time_cond_proj_dim"))
    if unet.config.addition_embed_type not in (None, "text"):
        wanted = unet.config.addition_embed_type
        raise ValueError(f"{folder.name}: its unet wants {wanted!r} beside the text, which is not supported.")
    return unet


def _prompts(folder: ModelFolder) -> PromptEncoder:
    import transformers

    kind = folder.parts["text_encoder"]
    encoder = folder.network("text_encoder", getattr(transformers, kind))
    tokenizer = folder.tokenizer(getattr(transformers, TOKENIZERS[kind]), encoder.config.vocab_size)
    return PromptEncoder(
        tokenizer, encoder, READINGS[kind], dtype=folder.dtype, vocabulary=folder.extra.vocabulary, model=folder.name
    )


def _size(folder: ModelFolder, unet: Any) -> tuple[int, int]:
    size = unet.config.sample_size
    if size is None:
        raise ValueError(f"{folder.name}: sample_size is missing in unet/config.json.")
    height, width = (size, size) if isinstance(size, int) else size
    return int(height), int(width)


def _refuse_channels(folder: ModelFolder, unet: Any, channels: int) -> None:
    """Inpainting, upscaling and depth models of these families take a second picture in further channels."""
    if unet.config.in_channels != channels:
        raise ValueError(
            f"{folder.name}: its unet takes {unet.config.in_channels} channels where a text-to-image model takes {channels}; "
            "inpainting, upscaling and depth models are not supported."
        )


def _refuse_more_inputs(folder: ModelFolder, unet: Any, names: Sequence[str]) -> None:
    for name in names:
        if getattr(unet.config, name, None) is not None:
            raise ValueError(f"{folder.name}: its unet is also conditioned by {name}, which is not supported.")

"""What a family of models is, and what the builders of all families share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from scorekit.denoiser import Codec, Condition, Denoiser
from scorekit.models.codecs import VAECodec
from scorekit.models.folder import ModelFolder
from scorekit.models.prompts import READINGS, PromptEncoder, Reading, TextEncoder
from scorekit.prediction import Kind
from scorekit.schedule import VE, Flow, Schedule, from_config

PREDICTIONS: dict[str, Kind] = {"epsilon": "eps", "v_prediction": "v", "sample": "x0", "flow_prediction": "flow"}
TOKENIZERS = {
    "CLIPTextModel": "CLIPTokenizer",
    "CLIPTextModelWithProjection": "CLIPTokenizer",
    "T5EncoderModel": "T5Tokenizer",
}


@dataclass(frozen=True)
class Family:
    """What its folders hold, and what they become.

    title       for people
    parts       the classes accepted for each component; a folder has exactly these components
    build       makes the Denoiser
    optional    further components that a folder may have or lack
    lora        the class of `diffusers.loaders` that reads its LoRA files; "" where it takes none
    controlnet  it takes a ControlNet
    resizable   it makes pictures of other sizes than the one in its configuration
    """

    title: str
    parts: dict[str, tuple[str, ...]]
    build: Callable[[ModelFolder], Denoiser]
    optional: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lora: str = ""
    controlnet: bool = False
    resizable: bool = False

    def fits(self, parts: dict[str, str]) -> bool:
        known = self.parts | self.optional
        return self.parts.keys() <= parts.keys() and all(name in known.get(role, ()) for role, name in parts.items())

    @property
    def wants(self) -> str:
        """Its components, in words."""
        required = [f"{role} {' or '.join(names)}" for role, names in self.parts.items()]
        return ", ".join(required + [f"perhaps {role} {' or '.join(names)}" for role, names in self.optional.items()])

    def components(self, folder: ModelFolder) -> tuple[str, ...]:
        """The subfolders that it reads of this folder."""
        tokenizers = (tokenizer_of(role) for role in folder.parts if role.startswith("text_encoder"))
        return (*folder.parts, "scheduler", *tokenizers)


def denoiser(
    folder: ModelFolder,
    network: Any,
    shape: Sequence[int],
    codec: Codec,
    prompts: Callable[[Sequence[str] | None], Condition] | None = None,
    *,
    tokens: int | None = None,
) -> Denoiser:
    """What all families share: schedule and kind of prediction, read from the scheduler's configuration.

    tokens  of one sample of x, where the shift of a flow's schedule may depend on them
    """
    config = folder.config("scheduler/scheduler_config.json")
    flow = "FlowMatch" in str(config.get("_class_name", ""))
    kind = "flow_prediction" if flow else config.get("prediction_type", "epsilon")
    if kind not in PREDICTIONS:
        raise ValueError(f"{folder.name}: prediction_type must be {', '.join(PREDICTIONS)}, not {kind!r}.")
    try:
        schedule = from_config(config)
        if tokens is not None and config.get("use_dynamic_shifting"):
            schedule = _shifted_for(tokens, config)
    except ValueError as error:
        raise ValueError(f"{folder.name}: {error}") from None
    if isinstance(schedule, VE):
        raise ValueError(
            f"{folder.name}: networks inside EDM's preconditioning ({config.get('_class_name')}) are not supported."
        )
    return Denoiser(
        network.eval(),
        schedule,
        PREDICTIONS[kind],
        shape,
        prompts=prompts,
        codec=codec,
        backgrounds=folder.extra.backgrounds,
        views=folder.extra.views,
        name=folder.name,
        device=folder.device,
        dtype=folder.dtype,
    )


def _shifted_for(tokens: int, config: Mapping[str, Any]) -> Schedule:
    """The shift is linear in the tokens between the two points of the configuration; `Flow.for_tokens` takes 256 and 4096."""
    few, many = float(config.get("base_image_seq_len", 256)), float(config.get("max_image_seq_len", 4096))
    low, high = float(config.get("base_shift", 0.5)), float(config.get("max_shift", 1.15))
    at_256, at_4096 = (low + (high - low) * (at - few) / (many - few) for at in (256, 4096))
    exponential = config.get("time_shift_type", "exponential") == "exponential"
    steps = int(config.get("num_train_timesteps", 1000))
    return Flow.for_tokens(tokens, steps, at_256=at_256, at_4096=at_4096, exponential=exponential)


def tokenizer_of(encoder: str) -> str:
    """The subfolder of a text encoder's tokenizer: tokenizer_2 for text_encoder_2."""
    return encoder.replace("text_encoder", "tokenizer")


def text_encoder(folder: ModelFolder, role: str = "text_encoder", reading: Reading | None = None) -> TextEncoder:
    """The text encoder in the subfolder `role`, with its tokenizer; it reads as its kind does, or as `reading` says."""
    import transformers

    kind = folder.parts[role]
    encoder = folder.network(role, getattr(transformers, kind))
    tokenizer = folder.tokenizer(getattr(transformers, TOKENIZERS[kind]), encoder.config.vocab_size, tokenizer_of(role))
    return TextEncoder(tokenizer, encoder, reading or READINGS[kind], dtype=folder.dtype, model=folder.name)


def prompts(folder: ModelFolder, constants: Mapping[str, Tensor] | None = None) -> PromptEncoder:
    """The prompts of a model with one text encoder.

    constants  fields (1, ...) that every condition has beside the text
    """
    encoder = text_encoder(folder)
    return PromptEncoder(
        encoder.tokenizer,
        encoder.encoder,
        encoder.reading,
        dtype=folder.dtype,
        vocabulary=folder.extra.vocabulary,
        model=folder.name,
        constants=constants,
    )


def size(folder: ModelFolder, network: Any, role: str = "unet") -> tuple[int, int]:
    """(height, width) of x as the network's configuration says."""
    sample_size = network.config.sample_size
    if sample_size is None:
        raise ValueError(f"{folder.name}: sample_size is missing in {role}/config.json.")
    height, width = (sample_size, sample_size) if isinstance(sample_size, int) else sample_size
    return int(height), int(width)


def latents(folder: ModelFolder, default: tuple[int, int], patch: int = 1) -> tuple[VAECodec, tuple[int, int]]:
    """The codec of the folder's AutoencoderKL, and (height, width) of its latents: of `folder.size` where it is given.

    default  (height, width) of the latents otherwise
    patch    the latents' sides are multiples of it

    Raises ValueError for a size that the latents cannot have.
    """
    from diffusers import AutoencoderKL

    vae = folder.network("vae", AutoencoderKL, torch.float32)
    scale = 2 ** (len(vae.config.block_out_channels) - 1)
    height, width = default if folder.size is None else (side // scale for side in folder.size)
    if folder.size is not None and any(side < 1 or side % (scale * patch) for side in folder.size):
        raise ValueError(
            f"size must be (height, width) in multiples of {scale * patch} pixels for {folder.name}, not {folder.size}."
        )
    return VAECodec(vae, (height * scale, width * scale)), (height, width)


def refuse_channels(folder: ModelFolder, network: Any, channels: int, role: str = "unet") -> None:
    """Inpainting, upscaling and depth models of these families take a second picture in further channels."""
    if network.config.in_channels != channels:
        raise ValueError(
            f"{folder.name}: its {role} takes {network.config.in_channels} channels where a text-to-image model takes {channels}; "
            "inpainting, upscaling and depth models are not supported."
        )


def refuse_more_inputs(folder: ModelFolder, unet: Any, names: Sequence[str]) -> None:
    for name in names:
        if getattr(unet.config, name, None) is not None:
            raise ValueError(f"{folder.name}: its unet is also conditioned by {name}, which is not supported.")

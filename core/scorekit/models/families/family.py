"""What a family of models is, and what the builders of all families share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scorekit.denoiser import Codec, Denoiser
from scorekit.models.folder import ModelFolder
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


def denoiser(
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


def prompts(folder: ModelFolder) -> PromptEncoder:
    import transformers

    kind = folder.parts["text_encoder"]
    encoder = folder.network("text_encoder", getattr(transformers, kind))
    tokenizer = folder.tokenizer(getattr(transformers, TOKENIZERS[kind]), encoder.config.vocab_size)
    return PromptEncoder(
        tokenizer, encoder, READINGS[kind], dtype=folder.dtype, vocabulary=folder.extra.vocabulary, model=folder.name
    )


def size(folder: ModelFolder, unet: Any) -> tuple[int, int]:
    sample_size = unet.config.sample_size
    if sample_size is None:
        raise ValueError(f"{folder.name}: sample_size is missing in unet/config.json.")
    height, width = (sample_size, sample_size) if isinstance(sample_size, int) else sample_size
    return int(height), int(width)


def refuse_channels(folder: ModelFolder, unet: Any, channels: int) -> None:
    """Inpainting, upscaling and depth models of these families take a second picture in further channels."""
    if unet.config.in_channels != channels:
        raise ValueError(
            f"{folder.name}: its unet takes {unet.config.in_channels} channels where a text-to-image model takes {channels}; "
            "inpainting, upscaling and depth models are not supported."
        )


def refuse_more_inputs(folder: ModelFolder, unet: Any, names: Sequence[str]) -> None:
    for name in names:
        if getattr(unet.config, name, None) is not None:
            raise ValueError(f"{folder.name}: its unet is also conditioned by {name}, which is not supported.")

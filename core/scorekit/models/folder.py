"""A model folder in the diffusers format: its index, its configurations, and its components, loaded and checked.

Classes are looked up in the tables of this package, never in the folder: no code of a model's author runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from scorekit.models.lora import Adapter
from scorekit.models.offload import Turns
from scorekit.models.sources import INDEX
from scorekit.models.weights import Weights, choose

# Parts of a pipeline that take no part in a denoising call.
_IDLE = {"scheduler", "tokenizer", "tokenizer_2", "tokenizer_3", "safety_checker", "feature_extractor", "watermarker"}


class Extra(NamedTuple):
    """What diffusers has no word for.

    patch        pixels are folded into patch x patch blocks before the network
    vocabulary   the only words that the model knows; None for an open vocabulary
    backgrounds, views  see `scorekit.denoiser.Denoiser`
    """

    patch: int
    vocabulary: tuple[str, ...] | None
    backgrounds: dict[str, tuple[float, float, float]]
    views: dict[str, tuple[float, float]]


def _is_rgb(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 3 and all(isinstance(x, (int, float)) and 0 <= x <= 1 for x in value)
    )


def _are_angles(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(x, (int, float)) for x in value)


@dataclass(frozen=True)
class ModelFolder:
    """path  of the folder;  name  how messages call the model;  device, dtype  for what is loaded from it.

    adapters    LoRAs for its components
    controlnet  the folder of a ControlNet beside its network
    size        (height, width) of its pictures in pixels; None for the size in its configuration
    offload     where its networks take turns on the device; None: all of them are there
    """

    path: Path
    name: str
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    trust_pickle: bool = False
    adapters: tuple[Adapter, ...] = ()
    controlnet: ModelFolder | None = None
    size: tuple[int, int] | None = None
    offload: Turns | None = None

    @cached_property
    def index(self) -> dict[str, Any]:
        """model_index.json."""
        return self.config(INDEX)

    @property
    def pipeline(self) -> str:
        """The pipeline class that the model was saved from."""
        return str(self.index.get("_class_name", "model"))

    @cached_property
    def parts(self) -> dict[str, str]:
        """The class of every component that takes part in a denoising call, by its subfolder."""
        listed = {role: entry[1] for role, entry in self.index.items() if isinstance(entry, list) and len(entry) == 2}
        return {role: str(name) for role, name in listed.items() if name is not None and role not in _IDLE}

    @cached_property
    def extra(self) -> Extra:
        """The content of `scorekit.json`, where the folder has one."""
        extra = self.config("scorekit.json") if (self.path / "scorekit.json").is_file() else {}
        patch, words = extra.get("patch", 1), extra.get("vocabulary")
        if not isinstance(patch, int) or isinstance(patch, bool) or patch < 1:
            raise ValueError(f"{self.name}: patch in scorekit.json must be a whole number from 1 on, not {patch!r}.")
        if words is not None and not (isinstance(words, list) and words and all(isinstance(w, str) for w in words)):
            raise ValueError(f"{self.name}: vocabulary in scorekit.json must be a list of words, not {words!r}.")
        colours = extra.get("backgrounds", {})
        if not isinstance(colours, dict) or not all(_is_rgb(rgb) for rgb in colours.values()):
            raise ValueError(f"{self.name}: backgrounds in scorekit.json must map names to three numbers from 0 to 1.")
        backgrounds = {name: (float(r), float(g), float(b)) for name, (r, g, b) in colours.items()}
        angles = extra.get("views", {})
        if not isinstance(angles, dict) or not all(_are_angles(pair) for pair in angles.values()):
            raise ValueError(f"{self.name}: views in scorekit.json must map names to azimuth and elevation in degrees.")
        views = {name: (float(azimuth), float(elevation)) for name, (azimuth, elevation) in angles.items()}
        return Extra(patch, None if words is None else tuple(words), backgrounds, views)

    def config(self, file: str) -> dict[str, Any]:
        """A JSON file of the folder. Raises ValueError where it is missing or no JSON object."""
        try:
            content = json.loads((self.path / file).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(f"{self.name} has no {file}: the folder is incomplete.") from None
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.name}: {file} is not readable JSON ({_first_line(error)}).") from None
        if not isinstance(content, dict):
            raise ValueError(f"{self.name}: {file} must hold a JSON object.")
        return content

    def weights(self, role: str) -> Weights:
        """The weight files of a component. Raises ValueError as `choose` does."""
        folder = self.path / role
        files = [f"{role}/{path.name}" for path in folder.iterdir()] if folder.is_dir() else []
        return choose(files, role, half=self.dtype.itemsize == 2, trust_pickle=self.trust_pickle, model=self.name)

    def network(self, role: str, cls: Any, dtype: torch.dtype | None = None) -> Any:
        """The component `role`, of class `cls` (a `from_pretrained` class): frozen, in evaluation mode, on the device.

        dtype  other than the folder's

        Raises ValueError where files are missing, damaged, of other shapes than the configuration says, or incomplete:
        weights that a file lacks would be random numbers. LoRAs are added to the weights; raises as `Adapter.fuse` does.
        """
        self.config(f"{role}/config.json")
        weights = self.weights(role)
        self._refuse_damaged(weights)
        try:
            with _quiet():
                network, report = cls.from_pretrained(
                    self.path / role,
                    # Without it a checkpoint stored as fp16 would run in fp16.
                    **{_dtype_word(cls): dtype or self.dtype},
                    use_safetensors=weights.safe,
                    variant=weights.variant,
                    local_files_only=True,
                    output_loading_info=True,
                )
        except Exception as error:  # the libraries raise a dozen classes here, and all of them mean this
            reason = _first_line(error)
            raise ValueError(f"{self.name}: {role}/ could not be loaded as {cls.__name__}: {reason}.") from error
        if missing := sorted(report["missing_keys"]):
            raise ValueError(
                f"{self.name}: the weights in {role}/ lack {len(missing)} tensors that its configuration needs, such as {missing[0]}."
            )
        assert isinstance(network, nn.Module)
        for adapter in self.adapters:
            with _quiet():
                adapter.fuse(role, network)
        network.eval().requires_grad_(False)
        if self.offload is not None:
            # A ControlNet, a folder of one network, works in every step together with its unet.
            return self.offload.guest(network, "network" if role in ("unet", "transformer", ".") else role)
        # Only moved, never cast: a text encoder may keep some layers in float32 on purpose.
        return network.to(self.device)

    def tokenizer(self, cls: Any, vocabulary: int, role: str = "tokenizer") -> Any:
        """The tokenizer in the subfolder `role`, of class `cls`, for an encoder of `vocabulary` embeddings.

        Raises ValueError where it is missing or names tokens that the encoder does not have.
        """
        if not (self.path / role).is_dir():
            raise ValueError(f"{self.name} has no {role}/: the folder is incomplete.")
        try:
            with _quiet():
                tokenizer = cls.from_pretrained(self.path / role, local_files_only=True)
        except Exception as error:
            reason = _first_line(error)
            raise ValueError(f"{self.name}: {role}/ could not be loaded as {cls.__name__}: {reason}.") from error
        # Without its vocabulary files a tokenizer of transformers silently consists of its special tokens.
        if len(tokenizer) <= len(tokenizer.all_special_tokens) or len(tokenizer) > vocabulary:
            raise ValueError(
                f"{self.name}: {role}/ has {len(tokenizer)} tokens, its text encoder {vocabulary}: they do not fit."
            )
        return tokenizer

    def _refuse_damaged(self, weights: Weights) -> None:
        from safetensors import SafetensorError, safe_open

        for file in weights.files if weights.safe else ():
            try:
                with safe_open(self.path / file, framework="pt") as opened:
                    opened.keys()
            except (SafetensorError, OSError) as error:
                reason = _first_line(error)
                raise ValueError(f"{self.name}: {file} is damaged ({reason}): fetch or save it again.") from None


def _dtype_word(cls: Any) -> str:
    # transformers renamed the argument; older and newer diffusers both understand the old word.
    return "dtype" if cls.__module__.startswith("transformers") else "torch_dtype"


@contextmanager
def _quiet() -> Iterator[None]:
    """Progress bars and advice of the libraries off: what matters is raised, in our words."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    logs = (diffusers_logging, transformers_logging)
    before = [(log, log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs]
    for log, _, _ in before:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log, verbosity, bars in before:
            log.set_verbosity(verbosity)
            if bars:
                log.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")

"""LoRA files (Hu et al. 2021), added to the weights of a model while it is loaded: W + scale (alpha / rank) B A.

Fused, so that the model afterwards is as fast and as stateless as one without. The formats are those that diffusers reads (its own,
kohya's, for Flux also others), and the folders that peft writes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn

from scorekit.models.hub import download_lora
from scorekit.models.sources import hub_id

File = str | Path
LoRA = File | tuple[File, float] | Sequence[File | tuple[File, float]]

_NAME = "lora"
_PEFT_SETTINGS = ("r", "lora_alpha", "target_modules", "rank_pattern", "alpha_pattern", "use_rslora")


@dataclass(frozen=True, eq=False)
class Adapter:
    """One LoRA, read and not yet applied.

    name      how messages call it
    scale     of its part in the weights
    tensors   by component and layer: "unet.down_blocks...lora_A.weight"
    alphas    of layers, where the file names them
    settings  of peft, where the file names them
    loaders   the class of `diffusers.loaders` for the family
    """

    name: str
    scale: float
    tensors: dict[str, Tensor]
    alphas: dict[str, Any] | None
    settings: dict[str, Any] | None
    loaders: Any

    def fuse(self, role: str, network: nn.Module) -> None:
        """Add what it holds for the component `role` to the weights of `network`; nothing where it holds nothing for it.

        Raises ValueError where its layers are not the network's.
        """
        from diffusers.loaders import PeftAdapterMixin
        from diffusers.loaders.lora_base import fuse_text_encoder_lora
        from diffusers.utils import recurse_remove_peft_layers

        mine = {key: value for key, value in self.tensors.items() if key.startswith(f"{role}.")}
        if not mine:
            return
        settings = {key: value for key, value in (self.settings or {}).items() if key.startswith(f"{role}.")} or None
        alphas = None if settings else self.alphas or None
        try:
            if isinstance(network, PeftAdapterMixin):
                network.load_lora_adapter(
                    dict(mine), prefix=role, network_alphas=alphas, metadata=settings, adapter_name=_NAME
                )
            else:
                self.loaders.load_lora_into_text_encoder(
                    dict(mine), alphas, network, prefix=role, metadata=settings, adapter_name=_NAME
                )
        except Exception as error:  # peft and torch raise several classes for layers and shapes that do not fit
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".: ")
            raise ValueError(f"lora: {self.name} does not fit the model's {role} ({reason}).") from error
        taken = sum(".lora_" in name for name, _ in network.named_parameters())
        if taken != len(mine):
            raise ValueError(
                f"lora: {self.name} was made for another model: of its {len(mine)} tensors for {role} only {taken} have a layer "
                f"here; the first is {next(iter(mine))}."
            )
        fuse_text_encoder_lora(
            network, lora_scale=self.scale
        )  # any network: it merges every layer of peft that it finds
        recurse_remove_peft_layers(network)
        network.__dict__.pop("peft_config", None)
        network._hf_peft_config_loaded = False  # type: ignore[assignment]


def adapters(
    lora: LoRA, loaders: str, parts: Iterable[str], unet: dict[str, Any] | None, model: str
) -> tuple[Adapter, ...]:
    """Read the LoRAs that `load` was given.

    loaders  the class of `diffusers.loaders` for the family; "" where it takes none
    parts    the components of the model
    unet     the configuration of its unet, if it has one; some files name layers by their number
    model    how messages call the model

    Raises ValueError where a file is missing, no LoRA, pickled, or for components that the model does not have.
    """
    if not loaders:
        raise ValueError(f"lora: {model} is of a family that takes no LoRA.")
    if find_spec("peft") is None:
        raise ValueError("lora: reading a LoRA needs the package peft; install it with pip install peft.")
    from diffusers import loaders as library

    mixin = getattr(library, loaders)
    parts = list(parts)
    return tuple(_read(name, scale, mixin, parts, unet, model) for name, scale in _listed(lora))


def _listed(lora: LoRA) -> list[tuple[File, float]]:
    pair_of_one = isinstance(lora, tuple) and len(lora) == 2 and isinstance(lora[1], (int, float))
    entries: Iterable[Any] = [lora] if isinstance(lora, (str, Path)) or pair_of_one else lora
    found: list[tuple[File, float]] = []
    for entry in entries:
        pair = entry if isinstance(entry, tuple) else (entry, 1.0)
        if len(pair) != 2 or not isinstance(pair[0], (str, Path)) or not isinstance(pair[1], (int, float)):
            raise ValueError(
                f"lora must be a file, a folder or a hub id, a pair of one and its scale, or a list of those, not {entry!r}."
            )
        if not math.isfinite(pair[1]):
            raise ValueError(f"lora: the scale of {pair[0]} must be a finite number, not {pair[1]}.")
        found.append((pair[0], float(pair[1])))
    return found


def _file(name: File) -> Path:
    path = Path(name).expanduser()
    if path.is_file():
        if path.suffix != ".safetensors":
            raise ValueError(f"lora: {path.name} must be a .safetensors file; pickle can run code of its author.")
        return path
    if path.is_dir():
        files = sorted(path.glob("*.safetensors"))
        usual = [file for file in files if file.stem in ("pytorch_lora_weights", "adapter_model")]
        if len(usual or files) != 1:
            held = ", ".join(file.name for file in files) or "none"
            raise ValueError(
                f"lora: the folder {path.name} must hold one .safetensors file (it holds {held}); name the file."
            )
        return (usual or files)[0]
    if hub_id(str(name)):
        return download_lora(str(name))
    raise ValueError(f"lora: {str(name)!r} is no file, no folder, and no hub id like owner/name.")


def _read(name: File, scale: float, mixin: Any, parts: list[str], unet: dict[str, Any] | None, model: str) -> Adapter:
    file = _file(name)
    label = str(name) if hub_id(str(name)) else file.name
    options = {"unet_config": SimpleNamespace(**unet)} if unet else {}
    network = next(role for role in ("unet", "transformer") if role in parts)
    alphas: dict[str, Any] | None = None
    try:
        if (file.parent / "adapter_config.json").is_file():
            tensors, settings = _of_peft(file, network)
        else:
            # Some loaders give the alphas in the middle, others have none to give.
            tensors, *middle, settings = mixin.lora_state_dict(
                str(file.parent),
                weight_name=file.name,
                use_safetensors=True,
                local_files_only=True,
                return_lora_metadata=True,
                return_alphas=True,
                **options,
            )
            alphas = middle[0] if middle else None
    except Exception as error:  # safetensors, json and the converters have classes of their own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".: ")
        raise ValueError(f"lora: {label} could not be read as a LoRA ({reason}).") from error
    if not tensors or not all("lora" in key for key in tensors):
        odd = next((key for key in tensors if "lora" not in key), "no tensor at all")
        raise ValueError(f"lora: {label} is no LoRA file; it holds {odd}.")
    if strange := [key for key in tensors if key.split(".")[0] not in parts]:
        raise ValueError(
            f"lora: {label} does not fit {model}: {len(strange)} of its {len(tensors)} tensors belong to none of "
            f"{', '.join(parts)}; the first is {strange[0]}."
        )
    return Adapter(label, scale, tensors, alphas, settings, mixin)


def _of_peft(file: Path, role: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the settings in a folder that peft wrote for the network."""
    from safetensors.torch import load_file

    config = json.loads((file.parent / "adapter_config.json").read_text(encoding="utf-8"))
    if config.get("peft_type") != "LORA" or config.get("use_dora"):
        raise ValueError(f"its type is {config.get('peft_type')}{' with DoRA' if config.get('use_dora') else ''}")
    tensors = {f"{role}.{key.removeprefix('base_model.model.')}": value for key, value in load_file(file).items()}
    return tensors, {f"{role}.{key}": config[key] for key in _PEFT_SETTINGS if config.get(key) is not None}

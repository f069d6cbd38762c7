"""Which of a component's weight files to read: safetensors before pickle, the fp16 copy where half precision is wanted.

A model folder of the hub often holds the same weights four times (float32 and fp16, safetensors and pickle). The choice is
made on file names alone, so that it is the same before a download and on a disk. No torch here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_SAFE = re.compile(r"(?:diffusion_pytorch_model|model)(\.fp16)?(?:-\d+-of-\d+)?(\.fp16)?\.safetensors")
_PICKLE = re.compile(r"(?:diffusion_pytorch_model|pytorch_model)(\.fp16)?(?:-\d+-of-\d+)?(\.fp16)?\.bin")


@dataclass(frozen=True)
class Weights:
    """files relative to the model folder; variant "fp16" for the half-precision copy; safe where not pickle."""

    files: tuple[str, ...]
    variant: str | None
    safe: bool


def choose(files: Iterable[str], component: str, *, half: bool, trust_pickle: bool, model: str) -> Weights:
    """The weights of `component` (a subfolder such as "unet") among the files of a model folder.

    half  prefer the fp16 copy; where only that copy exists it is taken in any case.

    Raises ValueError where there are none, or only pickle without `trust_pickle`.
    """
    names = [file.removeprefix(f"{component}/") for file in files if file.startswith(f"{component}/")]
    for pattern, safe in ((_SAFE, True), (_PICKLE, False)):
        copies: dict[str | None, list[str]] = {}
        for name in names:
            if match := pattern.fullmatch(name):
                copies.setdefault("fp16" if match[1] or match[2] else None, []).append(f"{component}/{name}")
        if not copies:
            continue
        if not safe and not trust_pickle:
            raise ValueError(
                f"{model} has only pickle weights in {component}/ ({next(iter(copies.values()))[0]}): loading pickle can run "
                "code, so convert it to safetensors, or use --trust-pickle (trust_pickle=True) if you trust its author."
            )
        variant = ("fp16" if half else None) if len(copies) == 2 else next(iter(copies))
        return Weights(tuple(sorted(copies[variant])), variant, safe)
    expected = f"a file like {component}/diffusion_pytorch_model.safetensors is expected"
    raise ValueError(f"{model} has no weights in {component}/: {expected}.")

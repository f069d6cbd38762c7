"""`--device` and `--dtype`: words in, torch objects out; a wrong word fails before torch is imported."""

import os
import re
from typing import TYPE_CHECKING

from scorekit.host.errors import ParameterError

if TYPE_CHECKING:
    import torch

DEVICES = "auto, cpu, cuda, cuda:<index> or mps"
DTYPES = ("auto", "float32", "bfloat16", "float16")


def check_words(device: str, dtype: str) -> None:
    """Raise ParameterError if either word is not one of the allowed ones. Imports nothing."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise ParameterError(f"--device must be {DEVICES}; got {device!r}")
    if dtype not in DTYPES:
        raise ParameterError(f"--dtype must be one of {', '.join(DTYPES)}; got {dtype!r}")


def resolve_device(device: str) -> "torch.device":
    """The torch device for a word of `DEVICES`; auto takes SCOREKIT_DEVICE if that is set, else CUDA, then MPS, then the CPU.

    Raises ParameterError when this machine has no such device, naming those it has.
    """
    import torch

    cuda, mps = torch.cuda.device_count(), torch.backends.mps.is_available()
    if device == "auto":
        device = os.environ.get("SCOREKIT_DEVICE", "auto")
        check_words(device, "auto")
    if device == "auto":
        return torch.device("cuda:0" if cuda else "mps" if mps else "cpu")
    wanted = torch.device(device)
    available = ["cpu", *(f"cuda:{i}" for i in range(cuda)), *(["mps"] if mps else [])]
    if wanted.type == "cuda" and wanted.index is None:
        wanted = torch.device("cuda:0")
    if str(wanted) not in available:
        raise ParameterError(f"--device {device} is not on this machine; it has {', '.join(available)}")
    return wanted


def resolve_dtype(dtype: str, device: "torch.device") -> "torch.dtype":
    """The torch dtype for a word of `DTYPES`; auto is float32, and bfloat16 on a CUDA device that computes in it."""
    import torch

    if dtype != "auto":
        resolved: torch.dtype = getattr(torch, dtype)
        return resolved
    half = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.bfloat16 if half else torch.float32

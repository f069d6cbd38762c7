"""scorekit: scores of diffusion and flow models as expressions that compose, sample and distil.

The names below are loaded on first use, so that `import scorekit` (and with it the command line) does not import torch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("scorekit")

_HOME = {
    "load": "scorekit.models",
    "sample": "scorekit.sampling",
    "Sampler": "scorekit.sampling",
    "distill": "scorekit.distillation",
    "Denoiser": "scorekit.denoiser",
    "Condition": "scorekit.denoiser",
    "Score": "scorekit.score",
    "energy": "scorekit.score",
    "cfg": "scorekit.guidance",
    "invert": "scorekit.inversion",
    "log_likelihood": "scorekit.likelihood",
    "denoising_error": "scorekit.probing",
    "perp_neg": "scorekit.guidance",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'scorekit' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)

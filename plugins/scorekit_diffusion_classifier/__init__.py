"""Diffusion models as classifiers: which of several prompts or classes explains a picture best.

Importing this package is cheap; torch is imported when an application runs or a model is loaded.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scorekit.host.plugin import Application, ModelSpec, hookimpl
from scorekit_diffusion_classifier.application import DiffusionClassifier
from scorekit_diffusion_classifier.training import TrainFashionMNIST

if TYPE_CHECKING:
    from scorekit.denoiser import Denoiser

__all__ = ["DiffusionClassifier", "TrainFashionMNIST"]


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    """The applications of this package."""
    return [DiffusionClassifier, TrainFashionMNIST]


@hookimpl
def scorekit_models() -> list[ModelSpec]:
    """pico-fashion, where its weights are beside this file (`scorekit train fashion-mnist` makes them)."""
    if not (Path(__file__).parent / "pico-fashion" / "model.safetensors").exists():
        return []
    return [
        ModelSpec(
            "pico-fashion",
            "ten kinds of clothes, 28 px, by class name (Fashion-MNIST)",
            load=_pico_fashion,
            license="Apache-2.0",
        )
    ]


def _pico_fashion(**wishes: Any) -> "Denoiser":
    from scorekit_diffusion_classifier.pico_fashion import load

    return load(**wishes)

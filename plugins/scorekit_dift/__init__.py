"""Diffusion features (DIFT) for correspondence, and pico-photo, a small denoiser of photographs to take them from.

Importing this package is cheap; torch is imported when an application runs or the model is loaded.
"""

from typing import Any

from scorekit.host.plugin import Application, ModelSpec, hookimpl
from scorekit_dift.application import Dift
from scorekit_dift.training_application import TrainPicoPhoto
from scorekit_dift.video_application import DiftVideo

__all__ = ["Dift", "DiftVideo", "TrainPicoPhoto"]


def _pico_photo(**options: Any) -> Any:
    from scorekit_dift.pico_photo import load

    return load(**options)


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    """The applications and the training recipe of this package."""
    return [Dift, DiftVideo, TrainPicoPhoto]


@hookimpl
def scorekit_models() -> list[ModelSpec]:
    """pico-photo, whose features the applications take unless another model is named."""
    return [
        ModelSpec(
            "pico-photo",
            "an unconditional denoiser of photographs, any size, made for its features",
            load=_pico_photo,
            license="Apache-2.0; trained on pictures under CC and GPL licences, see its card",
        )
    ]

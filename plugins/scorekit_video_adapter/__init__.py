"""VideoAdapter: clips by a small video model that a large one steers; and pico-video, small models to compose.

Importing this package is cheap; torch is imported when an application runs or a model is loaded.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scorekit.host.plugin import Application, ModelSpec, hookimpl
from scorekit_video_adapter.adapter_training import TrainVideoAdapter
from scorekit_video_adapter.application import VideoAdapter
from scorekit_video_adapter.training_application import TrainPicoVideo

if TYPE_CHECKING:
    from scorekit.denoiser import Denoiser

__all__ = ["TrainPicoVideo", "TrainVideoAdapter", "VideoAdapter"]

HERE = Path(__file__).parent
SUMMARIES = {
    "pico-video": "clips of 8 frames of 32 px: 16 kinds of objects in ten motions, sketches, a robot arm; the prior of VideoAdapter",
    "pico-video-sketch": "a small model of clips of one style of sketch",
    "pico-video-robot": "a small model of clips of a robot arm at eight tasks",
    "pico-video-sketch-tiny": "a smaller model of the sketches",
    "pico-video-robot-tiny": "a smaller model of the robot arm",
}


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    """The application and the training recipes of this package."""
    return [VideoAdapter, TrainVideoAdapter, TrainPicoVideo]


@hookimpl
def scorekit_models() -> list[ModelSpec]:
    """The models whose folders are beside this file."""
    return [
        ModelSpec(name, summary, load=_loader(name), license="Apache-2.0")
        for name, summary in SUMMARIES.items()
        if (HERE / name / "model.safetensors").exists()
    ]


def _loader(name: str) -> Any:
    def load(**wishes: Any) -> "Denoiser":
        from scorekit_video_adapter.pico_video import load as load_folder

        return load_folder(HERE / name, **wishes)

    return load

"""Text to audio, text to synthesiser patch, and pico-audio, a small text-to-sound model.

Importing this package is cheap; torch is imported when an application runs or the model is loaded.
"""

from typing import Any

from scorekit.host.plugin import Application, ModelSpec, hookimpl
from scorekit_text_to_audio.application import TextToAudio
from scorekit_text_to_audio.synth_application import TextToSynth
from scorekit_text_to_audio.training_application import TrainPicoAudio

__all__ = ["TextToAudio", "TextToSynth", "TrainPicoAudio"]


def _pico_audio(**options: Any) -> Any:
    from scorekit_text_to_audio.pico_audio import load

    return load(**options)


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    """The applications and the training recipe of this package."""
    return [TextToAudio, TextToSynth, TrainPicoAudio]


@hookimpl
def scorekit_models() -> list[ModelSpec]:
    """pico-audio, of which the applications ask unless another model is named."""
    return [
        ModelSpec(
            "pico-audio",
            "a second of speech, instruments or sound effects from a caption",
            load=_pico_audio,
            license="Apache-2.0; trained on sounds made by espeak-ng and fluidsynth, see its card",
        )
    ]

"""A plugin, for these tests, that brings a model without weights: the exact score of a few sounds of the synthesiser, by their captions."""

from typing import Any

from scorekit.host.plugin import ModelSpec, hookimpl

LOW = {
    "pitch": 196.0,
    "onset": 0.08,
    "attack": 0.01,
    "decay": 0.25,
    "sustain": 0.2,
    "hold": 0.7,
    "release": 0.05,
    "tone": -14.0,
}
HIGH = {
    "pitch": 880.0,
    "onset": 0.2,
    "attack": 0.1,
    "decay": 1.0,
    "sustain": 0.8,
    "hold": 0.4,
    "release": 0.03,
    "tone": -18.0,
}
RUSH = {"tone": -60.0, "noise": -16.0, "noise_centre": 3000.0, "noise_width": 1.5, "onset": 0.05, "hold": 0.3}
PATCHES = {"a low pluck": LOW, "a high tone": HIGH, "a rush": RUSH}


def waves(names: Any = tuple(PATCHES), samples: int = 16384) -> Any:
    """The sounds (N, 1, samples) at 16 kHz."""
    import torch

    from scorekit_text_to_audio.patch import turns_of
    from scorekit_text_to_audio.synthesiser import Synthesiser

    with torch.no_grad():
        return Synthesiser(16000, samples)(turns_of([PATCHES[name] for name in names]))


def load(device: Any = "cpu", dtype: Any = None, names: Any = tuple(PATCHES)) -> Any:
    """The exact score of these sounds, with the codec of pico-audio."""
    import torch

    from scorekit.analytic import EmpiricalDenoiser
    from scorekit.schedule import VP
    from scorekit_text_to_audio.codec import MelCodec

    codec = MelCodec(None, device=device)
    data = codec.encode(waves(names).to(device)).to(dtype or torch.float32)
    return EmpiricalDenoiser(
        data, VP.cosine().zero_terminal_snr(), captions=list(names), codec=codec, name="exact-sounds"
    )


@hookimpl
def scorekit_models() -> list[ModelSpec]:
    return [ModelSpec("exact-sounds", "The exact score of three sounds.", load=load)]

"""What edits and compositions are measured by: when a sound begins, whether two sounds are heard in one, how well a gap is filled."""

import math

import torch
from torch import Tensor

from scorekit_text_to_audio.mel import CEILING, FLOOR
from scorekit_text_to_audio.recogniser import SOUNDS

FRAME_SECONDS, STEP_SECONDS = 0.01, 0.001
DECIBELS = 20 * math.log10(CEILING / FLOOR) / 2  # that a difference of 1 in x of pico-audio is


def onset_seconds(wave: Tensor, rate: int, below: float = 20.0) -> float:
    """When (C, n) first comes within `below` dB of its loudest 10 ms: the middle of those, in seconds; 0 for silence."""
    power = wave.detach().double().square().mean(0)
    size, step = max(1, round(FRAME_SECONDS * rate)), max(1, round(STEP_SECONDS * rate))
    level = power.unfold(0, min(size, len(power)), step).mean(1)
    loud = level > level.max() * 10 ** (-below / 10)
    return (float(loud.double().argmax()) * step + size / 2) / rate if loud.any() else 0.0


def heard(presence: Tensor, names: list[str], likeliest: int = 3) -> Tensor:
    """Whether the sound of each name is among the likeliest of all: (n,), from the recogniser's presence (n, len(SOUNDS)).

    Of a mixture of two sounds both should be among the first two; by chance a name is among the first k of S with k / S.
    """
    first = presence.topk(likeliest, 1).indices
    index = torch.tensor([SOUNDS.index(name) for name in names], device=presence.device)
    return (first == index[:, None]).any(1)


def gap_error(x: Tensor, truth: Tensor, known: Tensor) -> float:
    """Mean absolute difference of two spectrograms x (1, 64, frames) of pico-audio, in dB, where the mask (frames,) is 0."""
    return float((x - truth).abs()[..., known == 0].mean()) * DECIBELS


def bridged(x: Tensor, known: Tensor) -> Tensor:
    """x (..., frames) with unknown frames on straight lines between the known ones around them: a gap filled without a model."""
    kept = known.nonzero()[:, 0]
    made = x.clone()
    for frame in (known == 0).nonzero()[:, 0].tolist():
        before, after = kept[kept < frame], kept[kept > frame]
        first = int(before[-1]) if len(before) else int(after[0])
        last = int(after[0]) if len(after) else first
        share = (frame - first) / (last - first) if last > first else 0.0
        made[..., frame] = x[..., first] + share * (x[..., last] - x[..., first])
    return made

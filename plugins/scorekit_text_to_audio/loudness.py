"""How loud a sound is, and bringing it to a loudness. Peaks are lowered by a gain, never cut off."""

import math

import torch
from torch import Tensor

PEAK = 10 ** (-1 / 20)  # -1 dB of full scale: what lies between two samples may pass them a little
BLOCK_SECONDS = 0.4  # of ITU-R BS.1770; shorter sounds have no such block
MOST_GAIN = 40.0  # dB: what is nearly silent stays so, instead of becoming loud noise
FADE_SECONDS = 0.004
HEADROOM = 0.5  # peak of what is measured


def loudness(wave: Tensor, rate: int) -> float:
    """Loudness of (1 or 2 channels, n) in LUFS (ITU-R BS.1770-4, by torchaudio); of a sound shorter than .4 s its RMS in dB of full scale.

    -inf for silence, and for what is below the gate of the recommendation, -70 LUFS.
    """
    from torchaudio.functional import loudness as integrated

    wave = wave.detach().cpu().float()
    if wave.shape[-1] >= BLOCK_SECONDS * rate + 1:
        # Torchaudio's filters cut off what passes 1, which treble raised by 4 dB does in loud sounds.
        scale = min(1.0, HEADROOM / float(wave.abs().max().clamp_min(1e-12)))
        found = float(integrated(wave * scale, rate)) - 20 * math.log10(scale)
        return found if math.isfinite(found) else -math.inf
    power = float(wave.square().mean())
    return 10 * math.log10(power) if power > 1e-7 else -math.inf


def normalised(wave: Tensor, rate: int, target: float | None = -20.0, peak: float = PEAK) -> tuple[Tensor, float]:
    """(channels, n) by one gain at `target` LUFS, or below it where its peak would pass `peak`; and the gain, a factor.

    target  None: only the peak is looked at
    """
    gain = 1.0
    if target is not None and math.isfinite(now := loudness(wave, rate)):
        gain = 10 ** (min(target - now, MOST_GAIN) / 20)
    highest = float(wave.abs().max()) if wave.numel() else 0.0
    if highest * gain > peak:
        gain = peak / highest
    return wave * gain, gain


def faded(wave: Tensor, rate: int, *, start: bool = True, end: bool = True) -> Tensor:
    """The wave (..., n) with its first and last 4 ms rising and falling: a sound cut elsewhere than at zero clicks."""
    count = min(round(FADE_SECONDS * rate), wave.shape[-1] // 2)
    ramp = torch.linspace(0, 1, count + 1, device=wave.device, dtype=wave.dtype)[1:]
    gain = torch.ones(wave.shape[-1], device=wave.device, dtype=wave.dtype)
    if start and count:
        gain[:count] = ramp
    if end and count:
        gain[-count:] = ramp.flip(0)
    return wave * gain

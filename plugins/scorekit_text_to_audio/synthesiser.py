"""A differentiable synthesiser: two detuned oscillators of harmonics through a resonant low-pass filter, filtered noise, one envelope, a
sweep of the pitch and a vibrato (in the manner of DDSP, Engel et al. 2020, arXiv:2001.04643).

Everything is written in plain torch on a batch of patches, so that gradients flow from the wave to every knob. The filter acts on the
harmonics as a gain at their frequencies, which is what a filter that changes slowly does to a sum of sines.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from scorekit_text_to_audio.patch import HARMONICS, QUIET, values_of

CONTROL_HOP = 64  # samples between two values of what changes slowly: the gains of the harmonics
NYQUIST_SHARE = 0.47  # of the sample rate: harmonics above are silent


class Synthesiser:
    """Patches -> waves of `samples` samples at `rate` per second. The noise is the same in every call.

    seed  of the noise
    """

    def __init__(self, rate: int, samples: int, device: torch.device | str = "cpu", seed: int = 0) -> None:
        self.rate, self.samples = rate, samples
        noise = torch.randn(samples, generator=torch.Generator().manual_seed(seed))
        self._noise = torch.fft.rfft(noise).to(device)
        self._frequency = torch.fft.rfftfreq(samples, 1 / rate).to(device)
        self._time = torch.arange(samples, device=device) / rate
        self._slow = torch.arange(0, samples + CONTROL_HOP, CONTROL_HOP, device=device) / rate

    def __call__(self, turns: Tensor) -> Tensor:
        """Turns (B, controls) in [0, 1] -> waves (B, 1, samples), about in [-1, 1]; differentiable."""
        v = {name: value[:, None] for name, value in values_of(turns).items()}
        sound = self._tone(v) + self._hiss(v)
        return (envelope(v, self._time) * sound)[:, None]

    def _tone(self, v: dict[str, Tensor]) -> Tensor:
        """Two oscillators (B, samples) of equal level; their sum has the RMS that `tone` says."""
        since = (self._time - v["onset"]).clamp_min(0)
        cents = 100 * v["sweep"] * (-since / v["sweep_time"]).exp()
        cents = cents + v["vibrato"] * (2 * math.pi * v["vibrato_rate"] * since).sin()
        pitch = v["pitch"] * (cents / 1200 * math.log(2)).exp()
        gains = self._gains(v)
        wave = torch.zeros_like(pitch)
        number = torch.arange(1, HARMONICS + 1, device=pitch.device)[:, None]
        for sign in (-0.5, 0.5):
            frequency = pitch * (sign * v["detune"] / 1200 * math.log(2)).exp()
            # In float64, and brought back into one turn: the 16th multiple of a thousand turns has no digits left in float32.
            turns = (frequency.double().cumsum(1) / self.rate).remainder(1)
            phase = (2 * math.pi * turns).to(pitch.dtype)
            wave = wave + 0.5 * (gains * (number * phase[:, None]).sin()).sum(1)
        return _amplitude(v["tone"]) * wave

    def _gains(self, v: dict[str, Tensor]) -> Tensor:
        """The gain of every harmonic at every sample (B, HARMONICS, samples): its level, the filter, and silence near half the rate."""
        levels = torch.stack([_amplitude(v[f"harmonic_{n}"]) for n in range(1, HARMONICS + 1)], 1)  # (B, HARMONICS, 1)
        levels = levels * (2 / levels.square().sum(1, keepdim=True).clamp_min(1e-9)).sqrt()
        since = (self._slow - v["onset"]).clamp_min(0)
        octaves = v["filter_sweep"] * (-since / v["filter_time"]).exp()
        cutoff = v["cutoff"] * (octaves * math.log(2)).exp()
        semitones = v["sweep"] * (-since / v["sweep_time"]).exp()
        pitch = v["pitch"] * (semitones / 12 * math.log(2)).exp()
        number = torch.arange(1, HARMONICS + 1, device=pitch.device)[:, None]
        frequency = number * pitch[:, None]  # (B, HARMONICS, slow)
        distance = (frequency / cutoff[:, None]).log2()
        low_pass = (1 + (4 * math.log(2) * distance).clamp(max=60).exp()).rsqrt()  # 12 dB for an octave
        bell = (-0.5 * (distance / 0.25).square()).exp()
        filtered = low_pass * 10 ** (v["resonance"][:, None] / 20 * bell)
        audible = torch.sigmoid((NYQUIST_SHARE * self.rate - frequency) / (0.01 * self.rate))
        slow = levels * filtered * audible
        batch, count, points = slow.shape
        fast = F.interpolate(
            slow.reshape(batch * count, 1, points),
            size=(points - 1) * CONTROL_HOP + 1,
            mode="linear",
            align_corners=True,
        )
        return fast.reshape(batch, count, -1)[..., : self.samples]

    def _hiss(self, v: dict[str, Tensor]) -> Tensor:
        """Noise (B, samples) in its band, of the RMS that `noise` says."""
        octaves = (self._frequency[1:] / v["noise_centre"]).log2()
        band = F.pad((-0.5 * (octaves / (v["noise_width"] / 2)).square()).exp(), (1, 0))
        power = band.square().mean(1, keepdim=True).clamp_min(1e-9)
        hiss: Tensor = _amplitude(v["noise"]) * torch.fft.irfft(self._noise * band * power.rsqrt(), self.samples)
        return hiss


def envelope(v: dict[str, Tensor], time: Tensor) -> Tensor:
    """The loudness over time (B, n), in [0, 1]: nothing before the onset, a straight rise, a fall to the sustained level, the release."""
    since = time - v["onset"]
    attack = (since / v["attack"]).clamp(0, 1)
    fallen = (-(since - v["attack"]).clamp_min(0) / v["decay"]).exp()
    released = (-(since - v["hold"]).clamp_min(0) / v["release"]).exp()
    loud: Tensor = attack * (v["sustain"] + (1 - v["sustain"]) * fallen) * released
    return loud


def _amplitude(decibels: Tensor) -> Tensor:
    """dB as a factor; the lowest level is nothing at all."""
    return (10 ** (decibels / 20) - 10 ** (QUIET / 20)).clamp_min(0)

"""The synthesiser: what each knob says is what is heard, and gradients are slopes."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from scorekit_text_to_audio.patch import CONTROLS, HARMONICS, NAMES, turns_of, values_of
from scorekit_text_to_audio.search import random_turns
from scorekit_text_to_audio.synthesiser import Synthesiser, envelope

RATE, SAMPLES = 16000, 16384
STEADY = {"onset": 0.0, "attack": 0.002, "sustain": 1.0, "hold": 1.0, "cutoff": 8000.0}
PURE = STEADY | {f"harmonic_{n}": -60.0 for n in range(2, HARMONICS + 1)}


def play(**patch: float) -> Tensor:
    return Synthesiser(RATE, SAMPLES)(turns_of([patch]))[0, 0].double()


def spectrum(wave: Tensor) -> tuple[Tensor, Tensor]:
    power = torch.fft.rfft(wave * torch.hann_window(len(wave), dtype=wave.dtype)).abs().square()
    return torch.fft.rfftfreq(len(wave), 1 / RATE, dtype=torch.float64), power


@pytest.mark.parametrize("pitch", [55.0, 441.3, 1900.0])
def test_the_pitch_is_that_of_a_sine(pitch: float) -> None:
    wave = play(**PURE, pitch=pitch)
    t = torch.arange(SAMPLES, dtype=torch.float64)[1000:15000]
    basis = torch.stack([(2 * math.pi * pitch * t / RATE).sin(), (2 * math.pi * pitch * t / RATE).cos()], 1)
    part = wave[1000:15000]
    explained = basis @ torch.linalg.lstsq(basis, part[:, None]).solution[:, 0]
    assert float((part - explained).square().mean() / part.square().mean()) < 1e-4


@pytest.mark.parametrize("level", [-30.0, -12.0])
def test_levels_are_root_mean_squares(level: float) -> None:
    tone = play(**PURE, pitch=400.0, tone=level)[1000:15000]
    noise = play(**STEADY, tone=-60.0, noise=level)[1000:15000]
    for wave in (tone, noise):
        assert 20 * math.log10(float(wave.square().mean().sqrt())) == pytest.approx(level, abs=0.8)
    assert play(**STEADY, tone=-60.0).abs().max() == 0


def test_harmonics_have_their_levels() -> None:
    said = {"harmonic_1": -6.0, "harmonic_2": 0.0, "harmonic_3": -20.0}
    wave = play(**(PURE | said), pitch=300.0, resonance=0.0)
    frequency, power = spectrum(wave[1000:15000])
    found = [10 * math.log10(float(power[(frequency - 300.0 * n).abs() < 20].sum())) for n in (1, 2, 3)]
    assert found[0] - found[1] == pytest.approx(-6.0, abs=0.3)
    assert found[2] - found[1] == pytest.approx(-20.0, abs=0.5)


def test_the_filter_falls_by_12_decibels_an_octave() -> None:
    flat = {f"harmonic_{n}": 0.0 for n in range(1, HARMONICS + 1)}
    frequency, power = spectrum(play(**(STEADY | flat | {"cutoff": 500.0}), pitch=250.0)[1000:15000])

    def level(n: int) -> float:
        return 10 * math.log10(float(power[(frequency - 250.0 * n).abs() < 20].sum()))

    assert level(1) - level(2) == pytest.approx(3.0 - 0.26, abs=0.3)  # -3 dB at the cutoff
    assert level(8) - level(16) == pytest.approx(12.0, abs=0.3)


def test_nothing_is_heard_above_half_the_rate() -> None:
    flat = {f"harmonic_{n}": 0.0 for n in range(1, HARMONICS + 1)}
    frequency, power = spectrum(play(**(STEADY | flat), pitch=1500.0)[1000:15000])
    at_harmonics = sum(float(power[(frequency - 1500.0 * n).abs() < 20].sum()) for n in range(1, 6))
    assert float(power.sum()) == pytest.approx(at_harmonics, rel=1e-3)  # an alias would lie elsewhere


def test_the_sweep_ends_at_the_pitch() -> None:
    """Phase by phase: the zero crossings of the first and last tenth of a second."""
    wave = play(**PURE, pitch=500.0, sweep=12.0, sweep_time=0.1)
    crossings = (wave[:-1] <= 0) & (wave[1:] > 0)
    early, late = (float(crossings[part].sum()) / 0.1 for part in (slice(0, 1600), slice(14400, 16000)))
    t = torch.linspace(0, 0.1, 1000, dtype=torch.float64)
    assert early == pytest.approx(float((500 * 2 ** ((-t / 0.1).exp())).mean()), abs=15)
    assert late == pytest.approx(500, abs=10)


def test_the_envelope_is_what_its_knobs_say() -> None:
    patch = {"onset": 0.1, "attack": 0.05, "decay": 0.2, "sustain": 0.4, "hold": 0.5, "release": 0.1}
    v = {name: value[:, None] for name, value in values_of(turns_of([patch]).double()).items()}
    at = torch.tensor([0.0, 0.1, 0.125, 0.15, 0.35, 0.6, 0.7], dtype=torch.float64)
    decayed = 0.4 + 0.6 * math.exp(-1)
    held = 0.4 + 0.6 * math.exp(-0.45 / 0.2)
    after = (0.4 + 0.6 * math.exp(-0.55 / 0.2)) * math.exp(-1)
    assert envelope(v, at)[0].tolist() == pytest.approx([0, 0, 0.5, 1.0, decayed, held, after], abs=1e-5)


def test_gradients_are_slopes() -> None:
    """Of a smooth measure of the wave, by every knob, against central differences in float64."""
    synthesiser = Synthesiser(RATE, 4096)
    synthesiser._noise, synthesiser._time, synthesiser._slow, synthesiser._frequency = (
        part.to(torch.complex128 if part.is_complex() else torch.float64)
        for part in (synthesiser._noise, synthesiser._time, synthesiser._slow, synthesiser._frequency)
    )
    patch: dict[str, Any] = {
        "onset": 0.02013,
        "noise": -20.0,
        "sweep": 3.0,
        "vibrato": 20.0,
        "detune": 9.0,
        "resonance": 6.0,
    }
    patch |= {
        "filter_sweep": 1.0,
        "hold": 0.10017,
        "attack": 0.03029,
        "decay": 0.05,
        "pitch": 333.0,
        "sweep_time": 0.05,
    }
    turns = turns_of([patch]).double().clamp(0.01, 0.99).requires_grad_()
    goal = torch.randn(4096, generator=torch.manual_seed(0), dtype=torch.float64)

    def measure(at: Tensor) -> Tensor:
        return (synthesiser(at)[0, 0] * goal).sum()

    measure(turns).backward()
    assert turns.grad is not None
    for index, name in enumerate(NAMES):
        step = torch.zeros_like(turns)
        step[0, index] = 1e-7
        with torch.no_grad():
            slope = float(measure(turns + step) - measure(turns - step)) / 2e-7
        assert float(turns.grad[0, index]) == pytest.approx(slope, rel=1e-3, abs=1e-4), name


def test_random_patches_are_finite() -> None:
    turns = torch.cat([random_turns(60, torch.manual_seed(0)), torch.zeros(1, len(NAMES)), torch.ones(1, len(NAMES))])
    turns.requires_grad_()
    waves = Synthesiser(RATE, SAMPLES)(turns)
    waves.square().sum().backward()
    assert waves.isfinite().all()
    assert turns.grad is not None
    assert turns.grad.isfinite().all()
    assert CONTROLS["pitch"].low == 40

"""Distillation into the synthesiser: under an exact score of a known patch its pitch and envelope are found again."""

import math
from typing import Any

import exact_sounds
import pytest
import torch
from torch import Tensor

from scorekit_text_to_audio.distil import Designer, Result
from scorekit_text_to_audio.parameters import TextToSynthParams
from scorekit_text_to_audio.patch import NAMES, turns_of
from scorekit_text_to_audio.search import leap, mismatch, nearest, random_turns

RATE = 16000


def designed(exact: Any, prompt: str, **values: Any) -> tuple[Designer, list[Result]]:
    params = TextToSynthParams(**{"prompt": prompt, "patches": 3, "search": 128, "sample_steps": 8} | values)
    designer = Designer(exact, params, 0, torch.manual_seed(0))
    designer.begin()
    for step in range(designer.total):
        assert all(math.isfinite(value) for value in designer.step(step).values())
    return designer, designer.results()


def loudness_curve(wave: Tensor) -> Tensor:
    """Level of (1, n) every 16 ms, in dB, none below -60."""
    power = wave[0].square().unfold(0, 512, 256).mean(1)
    return 10 * power.clamp_min(1e-6).log10()


def cents(found: float, true: float) -> float:
    return abs(1200 * math.log2(found / true))


@pytest.mark.slow
@pytest.mark.parametrize("prompt", ["a low pluck", "a high tone"])
def test_pitch_and_envelope_are_recovered_from_a_sample(exact: Any, prompt: str) -> None:
    truth = exact_sounds.PATCHES[prompt]
    _, results = designed(exact, prompt, fit_steps=120, steps=15)
    best = results[0]
    assert cents(best.patch["pitch"], truth["pitch"]) < 15
    assert best.patch["onset"] == pytest.approx(truth["onset"], abs=0.02)
    # Several settings of attack, decay and level sound alike: what is compared is the loudness over time.
    with torch.no_grad():
        true = loudness_curve(exact_sounds.waves([prompt])[0])
    found = loudness_curve(best.wave)
    heard = true > -50
    assert float((found - true)[heard].abs().mean()) < 2.0
    assert results[0].error <= results[1].error


@pytest.mark.slow
def test_noise_is_recovered(exact: Any) -> None:
    _, results = designed(exact, "a rush", fit_steps=120, steps=0)
    patch, truth = results[0].patch, exact_sounds.RUSH
    assert abs(math.log2(patch["noise_centre"] / truth["noise_centre"])) < 0.25
    assert patch["noise"] == pytest.approx(truth["noise"], abs=1.5)
    assert patch["tone"] < patch["noise"] - 10


@pytest.mark.slow
def test_distillation_alone_finds_the_pitch(exact: Any) -> None:
    """No sample is fitted: the score leads random patches there."""
    _, results = designed(exact, "a high tone", start="scratch", patches=4, search=192, steps=300)
    assert cents(results[0].patch["pitch"], 880.0) < 20
    assert results[0].patch["onset"] == pytest.approx(0.2, abs=0.04)


def test_a_patch_is_gone_on_from_and_never_made_worse(exact: Any) -> None:
    """From a patch that is a little off; what comes out is nearer, and what is right stays right."""
    off = exact_sounds.LOW | {"pitch": 200.0, "onset": 0.1}
    params = TextToSynthParams(prompt="a low pluck", patches=1, steps=40)
    designer = Designer(exact, params, 0, torch.manual_seed(0), off)
    designer.begin()
    before = designer.error(designer.play(designer.turns.detach()))
    for step in range(designer.total):
        designer.step(step)
    (result,) = designer.results()
    assert result.error < float(before)
    assert cents(result.patch["pitch"], 196.0) < cents(200.0, 196.0) / 2

    played = Designer(
        exact, TextToSynthParams(prompt="a low pluck", steps=0), 0, torch.manual_seed(0), exact_sounds.LOW
    )
    played.begin()
    assert played.total == 0
    (only,) = played.results()
    torch.testing.assert_close(only.wave, exact_sounds.waves(["a low pluck"])[0], atol=2e-3, rtol=0)


def test_a_stopped_search_goes_on_as_if_it_had_not(exact: Any) -> None:
    params = TextToSynthParams(prompt="a low pluck", patches=2, search=4, sample_steps=2, fit_steps=4, steps=3)

    def run(stop: int | None) -> Tensor:
        generator = torch.manual_seed(0)
        designer = Designer(exact, params, 0, generator)
        designer.begin()
        for step in range(designer.total):
            if step == stop:
                state, noise = designer.state(), generator.get_state()
                generator = torch.Generator()
                generator.set_state(noise)
                designer = Designer(exact, params, 0, generator)
                designer.load(state)
            designer.step(step)
        return designer.turns.detach()

    for stop in (2, 4, 6):
        assert torch.equal(run(stop), run(None))


def test_leaps_find_the_octave(exact: Any) -> None:
    designer = Designer(exact, TextToSynthParams(prompt="a low pluck"), 0, torch.manual_seed(0))
    with torch.no_grad():
        target = exact.encode(exact_sounds.waves(["a low pluck"]))
        off = turns_of([exact_sounds.LOW | {"pitch": 392.0}])
        found = leap(designer.play, off, target)
        assert mismatch(designer.play(found), target) < 0.05 * mismatch(designer.play(off), target)
        assert torch.equal(found[:, NAMES.index("onset")], off[:, NAMES.index("onset")])
        first, second = nearest(designer.play, torch.cat([target, target]), 40, torch.manual_seed(0)).split(1)
        gaps = [float(mismatch(designer.play(turns), target)) for turns in (first, second)]
        every = mismatch(x := designer.play(random_turns(40, torch.manual_seed(0))), target.expand_as(x))
    assert gaps == pytest.approx(every.sort().values[:2].tolist(), abs=1e-5)

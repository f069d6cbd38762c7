"""Calibration: informative levels are found and paid for, temperatures are right, files are read with care."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from scorekit_diffusion_classifier.calibration import (
    Calibration,
    expected_calibration_error,
    fit_profile,
    fit_temperature,
    probabilities,
)
from scorekit_diffusion_classifier.classify import Classifier, calibrated
from scorekit_diffusion_classifier.levels import Profile, places
from scorekit_diffusion_classifier.race import Rules

F64 = torch.float64


def table_of(gains: list[float], noise: list[float], images: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """Errors (images, 4, 64) in which bin b lifts wrong classes by gains[b], under noise[b]; t and labels."""
    generator = torch.Generator().manual_seed(seed)
    t = places(64, 64)
    bin_ = (t * len(gains)).long()
    labels = torch.randint(4, (images,), generator=generator)
    wrong = torch.ones(images, 4, dtype=F64).scatter(1, labels[:, None], 0)
    draw = torch.randn(images, 4, 64, generator=generator, dtype=F64)
    errors = 1 + wrong[..., None] * torch.tensor(gains, dtype=F64)[bin_] + draw * torch.tensor(noise, dtype=F64)[bin_]
    return errors, t, labels


def test_levels_that_tell_classes_apart_get_the_weight_and_fresh_pictures_profit() -> None:
    gains, noise = [0.0, 0.0, 0.3, 0.3, 0.0, 0.0, 0.0, 0.0], [1.0] * 8
    errors, t, labels = table_of(gains, noise, 400)
    profile = fit_profile(errors, t, labels)
    assert min(profile.weights[2:4]) > 2.5 * max(profile.weights[:2] + profile.weights[4:])
    assert min(profile.density[2:4]) > 2 * max(profile.density[:2] + profile.density[4:])
    assert sum(profile.density) == pytest.approx(1)
    fresh, _, truth = table_of(gains, noise, 1000, seed=1)
    weight = torch.tensor(profile.weights, dtype=F64)[(t * 8).long()]
    fitted = ((fresh * weight).mean(2).argmin(1) == truth).double().mean()
    even = (fresh.mean(2).argmin(1) == truth).double().mean()
    assert fitted > even + 0.1


def test_noisier_levels_of_equal_weight_are_laid_more_densely() -> None:
    errors, t, labels = table_of([0.4] * 2, [0.2, 0.8], 600)
    profile = fit_profile(errors, t, labels, bins=2)
    ratio = profile.density[1] / profile.density[0]
    weighed = profile.weights[1] * 0.8 / (profile.weights[0] * 0.2)
    # Neyman: in proportion to weight * spread, apart from the share that is laid evenly
    assert ratio == pytest.approx((0.075 + 0.85 * weighed / (1 + weighed)) / (0.075 + 0.85 / (1 + weighed)), rel=0.1)


def test_the_temperature_of_known_logits_is_found() -> None:
    generator = torch.Generator().manual_seed(0)
    deficit = torch.rand(20_000, 5, generator=generator, dtype=F64) * 4
    labels = torch.multinomial((-deficit / 0.7).softmax(1), 1, generator=generator)[:, 0]
    temperature = fit_temperature(deficit, labels)
    assert temperature == pytest.approx(0.7, rel=0.03)
    confidence, said = probabilities(deficit, temperature).max(1)
    assert expected_calibration_error(confidence, said == labels) < 0.015
    sharp, said = probabilities(deficit, 0.1).max(1)
    assert expected_calibration_error(sharp, said == labels) > 0.15


def test_a_few_pictures_that_are_all_told_apart_do_not_make_certain() -> None:
    errors, t, labels = table_of([3.0] * 8, [0.1] * 8, 12)
    profile = fit_profile(errors, t, labels)
    deficit = (errors * torch.tensor(profile.weights, dtype=F64)[(t * 8).long()]).mean(2)
    for logits in (-8 * deficit, -(deficit - deficit.min(1, keepdim=True).values) / fit_temperature(deficit, labels)):
        confidence = logits.softmax(-1).max(1).values
        # Platt's targets: 1 - (3 / 4) / (n + 2)
        assert 0.9 < confidence.mean() < 0.97


def test_calibration_error_in_closed_form() -> None:
    confidence = torch.tensor([0.9, 0.9, 0.9, 0.9, 0.3, 0.3], dtype=F64)
    right = torch.tensor([True, True, True, False, True, False])
    assert expected_calibration_error(confidence, right) == pytest.approx(4 / 6 * 0.15 + 2 / 6 * 0.2)
    assert expected_calibration_error(torch.ones(3, dtype=F64), torch.ones(3, dtype=torch.bool)) == 0


def test_learning_is_the_same_in_any_groups_and_from_any_state(model: Any, colours: Any) -> None:
    pictures = torch.stack([colours.drawn(i % 4, i, 0.8) for i in range(24)])
    labels = torch.arange(24) % 4

    def learn(group: int, state: dict[str, Any] | None = None, stop: int | None = None) -> Any:
        kept: dict[str, Any] = {}

        def after(done: int, total: int, now: dict[str, Any]) -> None:
            assert total == 24
            kept.update(now)
            if stop is not None and done >= stop:
                raise InterruptedError

        classifier = Classifier(model, colours.CAPTIONS, Rules(levels=16))
        try:
            return calibrated(classifier, lambda i: pictures[list(i)], labels, group, after, state)
        except InterruptedError:
            return kept

    whole = learn(5)
    assert whole.kind == "v"
    assert whole.pictures == 24
    # all temperatures were fitted to the same races; float32 forwards of other batches differ in their last digits
    for other in (learn(24), learn(5, learn(5, stop=10)), learn(5, learn(5, stop=17))):
        assert other.temperature == pytest.approx(whole.temperature, rel=1e-3)
        assert other.profile.weights == pytest.approx(whole.profile.weights, rel=1e-3)
    labels = torch.zeros(24, dtype=torch.long)
    with pytest.raises(ValueError, match="8 or more pictures of two or more classes; got 24 of 1"):
        learn(5)


def test_a_file_says_what_was_learned_and_others_are_refused(tmp_path: Path) -> None:
    learned = Calibration("toy", "v", "l2", Profile((1.0, 2.0), (0.25, 0.75)), 0.5, 10, 0.2, 0.1)
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(learned.record()))
    assert Calibration.read(path) == learned
    changes = ({"temperature": 0}, {"profile": {}}, {"extra": 1}, {"temperature": "warm"}, {"profile": 3})
    for text in ["", "[]", "{}", "nonsense", *(json.dumps({**learned.record(), **change}) for change in changes)]:
        path.write_text(text)
        with pytest.raises(ValueError, match=r"calibration .* is no calibration.json of an earlier run"):
            Calibration.read(path)

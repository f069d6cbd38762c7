"""The models and the judge that ship: their sizes, and that they know what they were trained for."""

from pathlib import Path

import pytest
import torch

import scorekit_video_adapter
from scorekit.denoiser import Denoiser
from scorekit.schedule import as_time
from scorekit_video_adapter.clip_sets import ClipSet
from scorekit_video_adapter.composition import Prior, compose
from scorekit_video_adapter.domains import sketch_set
from scorekit_video_adapter.fit import fit
from scorekit_video_adapter.judge import Judge, labels_of
from scorekit_video_adapter.models import parameters_of
from scorekit_video_adapter.pico_video import load
from scorekit_video_adapter.scenes import Stage

PACKAGE = Path(next(iter(scorekit_video_adapter.__path__)))
DOMAINS = ("sketch", "robot")


@pytest.fixture(scope="module")
def prior() -> Denoiser:
    return load(PACKAGE / "pico-video")


@pytest.fixture(scope="module")
def unseen(stage: Stage) -> ClipSet:
    """Sketches of pairs of kind and motion that the small models never saw."""
    return sketch_set(stage, 32, seed=3, split="test")


@pytest.mark.parametrize("domain", DOMAINS)
def test_small_models_are_a_tenth_of_the_prior_and_half_of_that(prior: Denoiser, domain: str) -> None:
    small, tiny = (load(PACKAGE / f"pico-video-{domain}{size}") for size in ("", "-tiny"))
    assert parameters_of(small) < parameters_of(prior) / 8
    assert parameters_of(tiny) < parameters_of(small) / 2
    for model in (small, tiny):
        assert model.shape == prior.shape
        assert (PACKAGE / model.name / "README.md").is_file()
        model.given("a robot arm opens a door" if domain == "robot" else "a sketch of a red mug turning left")


def test_the_judge_names_true_clips(unseen: ClipSet) -> None:
    named, _, _ = Judge.load().verdicts(unseen.clips)
    right = (named == torch.tensor([labels_of(text) for text in unseen.captions])).float().mean(0)
    kind, color, motion, _ = right.tolist()
    assert kind > 0.7
    assert color > 0.8
    assert motion > 0.6


@torch.no_grad()
def test_both_together_denoise_unseen_clips_better_than_either(prior: Denoiser, stage: Stage, unseen: ClipSet) -> None:
    """gamma fitted on other clips than those on which the errors are measured."""
    small = load(PACKAGE / "pico-video-sketch")
    known = sketch_set(stage, 8, seed=4, split="validation")
    generator = torch.Generator().manual_seed(0)
    (gamma,) = fit(
        small,
        [Prior(prior)],
        torch.from_numpy(known.clips).float() / 255,
        known.captions,
        log_snrs=(0.0, 2.0, 4.0),
        draws=1,
        generator=generator,
    )
    x0 = small.encode(torch.from_numpy(unseen.clips[:8]).float() / 255)
    captions = unseen.captions[:8]
    for log_snr in (2.0, 4.0):
        t = small.schedule.at_log_snr(torch.tensor(log_snr, dtype=torch.float64))
        x = small.schedule.noised(x0, torch.randn(x0.shape, generator=generator), as_time(float(t)))
        both, alone, large = (
            float((score(x, float(t)).x0 - x0).square().mean())
            for score in (
                compose(small, captions, [Prior(prior, gamma)], form="mean"),
                small.given(captions),
                prior.given(captions),
            )
        )
        assert both < 0.98 * min(alone, large)

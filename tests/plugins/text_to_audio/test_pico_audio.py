"""pico-audio, its vocoder and the recogniser: a little training, and the ways to disk and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from scorekit.guidance import cfg
from scorekit.sampling import sample
from scorekit_text_to_audio import pico_audio, recogniser, vocoder
from scorekit_text_to_audio.codec import MelCodec
from scorekit_text_to_audio.mel import Mel
from scorekit_text_to_audio.sounds.captions import Sound
from scorekit_text_to_audio.sounds.dataset import SoundSet, build, load

SMALL = pico_audio.Recipe(channels=(16, 32), text=16, batch=8, steps=10, warmup=1, cooldown=2, lr=3e-3)


@pytest.fixture(scope="module")
def effects(tmp_path_factory: pytest.TempPathFactory) -> SoundSet:
    return load(build(tmp_path_factory.mktemp("sounds"), 96, kind="effects"))


def silent(step: int, total: int, metrics: dict[str, float]) -> None:
    """Report nothing."""


def test_spectrograms_of_a_set_are_those_of_its_sounds(effects: SoundSet) -> None:
    x = pico_audio.spectrograms(effects, batch=40)
    assert x.shape == (96, 1, 64, 64)
    one = Mel()(torch.from_numpy(effects.waves[50:51]).float() / 32767)
    assert torch.allclose(x[50:51].float(), one, atol=1e-3)
    assert x.min() >= -1
    assert x.max() < 1.3


def test_moved_spectrograms_leave_silence_behind() -> None:
    x = torch.rand(1, 64, 64)
    later, earlier = pico_audio.moved(x, 10), pico_audio.moved(x, -10)
    assert torch.equal(later[..., 10:], x[..., :-10])
    assert (later[..., :10] == -1).all()
    assert torch.equal(earlier[..., :-10], x[..., 10:])
    assert (earlier[..., -10:] == -1).all()
    assert torch.equal(pico_audio.moved(x, 0), x)


def test_the_model_is_trained_exported_and_loaded(effects: SoundSet, tmp_path: Path) -> None:
    losses: list[float] = []
    model = pico_audio.train_pico_audio(
        SMALL, effects, tmp_path / "run", lambda step, total, metrics: losses.append(metrics["loss"]), cpu=True
    )
    assert len(losses) == 10
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])
    codec = MelCodec(None)
    trained = pico_audio.denoiser(model, codec)
    assert trained.prompts is not None
    x, prompts = torch.randn(2, 1, 64, 64), ["a high beep, short sound", "low bubbles"]
    with torch.no_grad():
        before = trained.predict(x, 0.5, trained.prompts(prompts).fields).x0
    pico_audio.export(model, SMALL, tmp_path / "pico-audio")
    loaded = pico_audio.load(tmp_path / "pico-audio", codec=codec)
    assert loaded.prompts is not None
    with torch.no_grad():
        after = loaded.predict(x, 0.5, loaded.prompts(prompts).fields).x0
    # The exported weights have half the digits.
    assert torch.allclose(before, after, atol=0.02)
    made = sample(
        cfg(loaded.given(None), loaded.given(prompts), 2.0), 2, steps=3, generator=torch.Generator().manual_seed(0)
    )
    assert loaded.decode(made).shape == (2, 1, 16384)


def test_unknown_words_and_empty_prompts_are_refused() -> None:
    torch.manual_seed(0)
    model = pico_audio.denoiser(pico_audio.PicoAudio(SMALL), MelCodec(None))
    with pytest.raises(ValueError, match="does not know 'kazoo'"):
        model.given("a kazoo")
    with pytest.raises(ValueError, match="must not be empty"):
        model.given("")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pico-audio cannot be read"):
        pico_audio.load(tmp_path, codec=MelCodec(None))


def test_the_vocoder_learns_and_comes_back(effects: SoundSet, tmp_path: Path) -> None:
    recipe = vocoder.Recipe(width=32, blocks=2, batch=4, crop=16, steps=40, warmup=5, cooldown=10, lr=3e-3)
    losses: list[float] = []
    made = vocoder.train_vocoder(
        recipe, effects, tmp_path, lambda step, total, metrics: losses.append(metrics["loss"]), cpu=True
    )
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    vocoder.export(made, recipe, tmp_path / "v" / "model.safetensors")
    back = vocoder.load(tmp_path / "v" / "model.safetensors")
    x = pico_audio.spectrograms(effects)[:2].float()
    with torch.no_grad():
        assert torch.allclose(made(x), back(x), atol=0.02)
        assert back(x).shape == (2, 16384)


def test_the_spectral_loss_is_zero_for_equal_waves_only() -> None:
    wave = torch.randn(2, 8192, generator=torch.Generator().manual_seed(0))
    assert vocoder.spectral_loss(wave, wave) == 0
    assert vocoder.spectral_loss(wave, -wave) == 0  # no ear hears the sign
    assert vocoder.spectral_loss(0.5 * wave, wave).item() == pytest.approx(0.5 + 0.693, abs=0.01)


def test_labels_hold_what_a_sound_has() -> None:
    found = recogniser.labels(
        [
            Sound("seven", "low", "male"),
            Sound("harp", "high", None, "short"),
            Sound("kick drum"),
            Sound("yes", "middle", "female", "quickly"),
        ]
    )
    absent = recogniser.ABSENT
    assert found["name"].tolist() == [recogniser.SOUNDS.index(n) for n in ("seven", "harp", "kick drum", "yes")]
    assert found["pitch"].tolist() == [0, 2, absent, 1]
    assert found["voice"].tolist() == [0, absent, absent, 1]
    assert found["pace"].tolist() == [0, absent, absent, 2]
    assert found["length"].tolist() == [absent, 0, absent, absent]


def test_the_recogniser_learns_to_tell_effects(effects: SoundSet, tmp_path: Path) -> None:
    recipe = recogniser.Recipe(
        channels=(8, 16, 16, 32), batch=16, steps=100, warmup=5, cooldown=40, lr=1e-2, mixed=0.2, ema=0.9
    )
    made = recogniser.train_recogniser(recipe, effects, tmp_path, silent, cpu=True)
    recogniser.export(made, recipe, tmp_path / "r" / "model.safetensors")
    back = recogniser.load(tmp_path / "r" / "model.safetensors")
    test = load(build(tmp_path / "test", 64, seed=9, kind="effects"))
    heard = recogniser.listen(back, torch.from_numpy(test.waves).float() / 32767)
    right = sum(a.name == b.name for a, b in zip(heard.sounds, test.sounds, strict=True))
    assert right > 0.5 * len(test)  # of seven kinds
    assert heard.presence.shape == (64, len(recogniser.SOUNDS))
    assert heard.features.shape == (64, 320)


@pytest.mark.parametrize("what", [vocoder, recogniser])
def test_damaged_files_are_refused(what: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="is no"):
        what.load(path)


def test_frechet_distance_is_that_of_the_gaussians() -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(4000, 3, generator=generator)
    assert recogniser.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    # Of two Gaussians with covariances 1 and 4 and means 2 apart: 2^2 + 3 (1 + 4 - 2 * 2).
    b = 2 * a
    b[:, 0] += 2
    expected = float((b.mean(0) - a.mean(0)).square().sum() + torch.cov(a.T).trace())
    assert recogniser.frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert expected == pytest.approx(7, rel=0.1)

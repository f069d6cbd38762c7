"""pico-video: its network against the image network, its training and its folders."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import scorekit
from scorekit_video_adapter.clip_sets import ClipSet
from scorekit_video_adapter.inflate import TemporalLayer, moments
from scorekit_video_adapter.pico_video import (
    ClipCodec,
    PicoVideo,
    Recipe,
    as_denoiser,
    export,
    load,
    of_image,
    train_pico_video,
)

TINY = Recipe(
    frames=4, size=16, patch=4, channels=(8, 16), groups=4, text=16, image=False, batch=4, steps=40, cooldown=10, lr=8e-3,
    words=("a", "dark", "light", "clip"), warmup=5, ema=0.9,
)  # fmt: skip


@pytest.fixture(scope="module")
def clips() -> ClipSet:
    """Clips of one grey each, dark or light."""
    levels = np.array([20, 230, 20, 230], np.uint8)
    return ClipSet(
        np.broadcast_to(levels[:, None, None, None, None], (4, 3, 4, 16, 16)).copy(),
        ["a dark clip", "a light clip"] * 2,
    )


def silent(step: int, total: int, metrics: dict[str, float]) -> None:
    del step, total, metrics


def test_it_begins_as_the_image_network_frame_by_frame() -> None:
    recipe = of_image(Recipe())
    model = PicoVideo(recipe).eval()
    model.begin_with_image(recipe.words)
    image = scorekit.load("pico-image")
    x, timestep = torch.randn(2, 3, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.tensor([700, 20])
    prompts = ["a red mug", "a blue tree"]
    video = as_denoiser(model, recipe)
    assert video.prompts is not None
    assert image.prompts is not None
    text = video.prompts(prompts).fields["text"]
    torch.testing.assert_close(text, image.prompts(prompts).fields["text"], atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        together = model.network(x, timestep, text)
        alone = torch.stack([image.network(x[:, :, i], timestep, text=text) for i in range(3)], 2)
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_a_temporal_layer_mixes_frames_of_one_place_only() -> None:
    torch.manual_seed(0)
    layer = TemporalLayer(8, heads=2)
    x = torch.randn(2 * 5, 8, 3, 3)
    torch.testing.assert_close(layer(x, 5), x)  # the identity, before training
    torch.nn.init.normal_(layer.out.weight)
    changed = x.clone()
    changed[2, :, 1, 1] = torch.randn(8)  # the third frame of the first clip
    moved = (layer(changed, 5) - layer(x, 5)).abs().amax(1) > 1e-6
    assert moved[:5, 1, 1].all()
    assert not moved[5:].any()
    moved[:, 1, 1] = False
    assert not moved.any()


def test_moments_tell_all_frames_apart() -> None:
    told = moments(24, torch.zeros(1))
    gaps = torch.cdist(told, told) + torch.eye(24)
    assert gaps.min() > 0.1


def test_training_learns_goes_on_and_comes_back_from_its_folder(clips: ClipSet, tmp_path: Path) -> None:
    losses: list[float] = []
    whole = train_pico_video(TINY, clips, tmp_path / "whole", lambda s, n, m: losses.append(m["loss"]), cpu=True)
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])

    class Enough(Exception):
        pass

    def stop(step: int, total: int, metrics: dict[str, float]) -> None:
        del total, metrics
        if step == 12:
            raise Enough

    with pytest.raises(Enough):
        train_pico_video(TINY, clips, tmp_path / "parts", stop, cpu=True)
    parts = train_pico_video(TINY, clips, tmp_path / "parts", silent, cpu=True)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other)

    export(whole, TINY, tmp_path / "model")
    (tmp_path / "model" / "README.md").write_text("a card")
    export(whole, TINY, tmp_path / "model")
    assert (tmp_path / "model" / "README.md").read_text() == "a card"
    model = load(tmp_path / "model")
    assert model.shape == (3, 4, 16, 16)
    assert model.name == "model"
    x = torch.randn(2, *model.shape, generator=torch.Generator().manual_seed(1))
    before, after = (m.given("a dark clip")(x, 0.6).x0 for m in (as_denoiser(whole.float(), TINY), model))
    torch.testing.assert_close(before, after, atol=2e-2, rtol=0)  # weights rest in float16


def test_bad_input_is_refused_in_a_sentence(clips: ClipSet, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="clips must have 8 frames of 16 px"):
        train_pico_video(replace(TINY, frames=8), clips, tmp_path, silent, cpu=True)
    with pytest.raises(ValueError, match=r"folder must hold model\.safetensors"):
        load(tmp_path)
    with pytest.raises(ValueError, match="captions must be one for each of the 4 clips"):
        ClipSet(clips.clips, ["a clip"])
    with pytest.raises(ValueError, match=r"clips must be \(N, 3, T, H, W\)"):
        ClipSet(clips.clips[0], ["a clip"])
    model = as_denoiser(PicoVideo(TINY), TINY, name="tiny")
    with pytest.raises(ValueError, match="tiny"):
        model.given("a red clip")
    with pytest.raises(ValueError, match="video must be"):
        model.encode(torch.zeros(1, 3, 5, 16, 16))


def test_the_codec_is_its_own_inverse() -> None:
    codec = ClipCodec(4, 16)
    video = torch.rand(2, 3, 4, 16, 16)
    torch.testing.assert_close(codec.decode(codec.encode(video)), video)
    assert codec.space == "pixels"  # as image models say, over whose frames inflated ones diffuse

"""Models of the core's families, small and random, and inflated image models: composed, clamped, edited and made longer like any other."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_models import saved
from small_video_audio import cog_video_x, model_scope, wan
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.models import load
from scorekit_video_adapter.composition import Prior, compose
from scorekit_video_adapter.extra_frames import inflated
from scorekit_video_adapter.generate import Settings, generate
from scorekit_video_adapter.lengths import at_length, frames_of
from scorekit_video_adapter.pico_video import load as load_pico

FAMILIES: dict[str, tuple[Callable[..., Any], dict[str, int], int]] = {  # size, and a greater number of frames
    "TextToVideoSD": (model_scope, {"frames": 3}, 5),
    "CogVideoX": (cog_video_x, {"frames": 9}, 17),
    "Wan": (wan, {"frames": 5, "height": 16, "width": 32}, 9),
}


@pytest.fixture(
    params=["TextToVideoSD", *(pytest.param(name, marks=pytest.mark.slow) for name in ("CogVideoX", "Wan"))]
)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Denoiser, Denoiser, int]:
    """A model, another with the same autoencoder and other weights of its network, and a greater number of frames."""
    make, size, longer = FAMILIES[request.param]
    _, path = saved(make(), tmp_path_factory.mktemp("family") / "tiny")
    (path / "scorekit.json").write_text(json.dumps({"video": size}))
    small, prior = load(str(path)), load(str(path))
    generator = torch.Generator().manual_seed(1)
    for parameter in prior.network.parameters():  # type: ignore[attr-defined]
        parameter.mul_(1 + 0.2 * torch.randn(parameter.shape, generator=generator))
    prior.name = "prior"
    return small, prior, longer


def made(score: Any, **options: Any) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return generate(score, 1, Settings(steps=3, product=True), generator=generator, **options)


def test_a_family_is_composed_begun_from_a_picture_edited_and_made_longer(
    family: tuple[Denoiser, Denoiser, int],
) -> None:
    small, prior, longer = family
    frames, size = frames_of(small)

    def composed(length: int | None, gamma: float) -> Any:
        return compose(at_length(small, length), "a red mushroom", [Prior(at_length(prior, length), gamma)], alpha=2.0)

    plain, steered = made(composed(None, 0.0)), made(composed(None, 0.5))
    assert steered.shape == (1, *small.shape)
    assert (steered - plain).abs().mean() > 1e-3
    picture = torch.rand(3, *size, generator=torch.Generator().manual_seed(2))
    begun = made(composed(None, 0.5), first=picture)
    still = small.encode(picture[None, :, None].expand(1, 3, frames, *size))
    assert torch.allclose(begun[:, :, 0], still[:, :, 0], atol=1e-5)
    assert not torch.allclose(begun[:, :, -1], still[:, :, -1], atol=1e-2)
    clip = torch.rand(3, frames, *size, generator=torch.Generator().manual_seed(3))
    near, far = (made(composed(None, 0.5), clip=clip, strength=strength) for strength in (0.02, 0.9))
    gaps = [float((x - small.encode(clip[None])).abs().mean()) for x in (near, far)]
    assert gaps[0] < gaps[1]
    long = made(composed(longer, 0.5))
    assert long.shape[2] > small.shape[1]
    assert at_length(small, longer).decode(long).shape == (1, 3, longer, *size)


def test_an_image_model_over_time_is_a_prior_of_what_frames_look_like(small: str) -> None:
    """A random video model of pico-image's size of frames, and pico-image itself with extra-frame attention."""
    from scorekit_video_adapter.pico_video import PicoVideo, Recipe, as_denoiser

    recipe = Recipe(frames=2, size=32, channels=(8, 8), groups=2, text=16, words=("a", "red", "mug"), image=False)
    torch.manual_seed(0)
    video = as_denoiser(PicoVideo(recipe), recipe, name="video")
    pictures = inflated(load("pico-image"), 2)
    score = compose(video, "a red mug", [Prior(pictures, 50.0)], alpha=1.0, form="mean")
    x = generate(score, 1, Settings(steps=8, product=False), generator=torch.Generator().manual_seed(0))
    seen = video.decode(x)[0]  # (3, T, H, W)
    ink = (seen.min(0).values < 0.7).float().mean().item()
    assert 0.02 < ink < 0.7
    middle = seen[:, :, 12:20, 12:20].mean((1, 2, 3))
    assert middle[0] > middle[2] + 0.1  # red on white
    with pytest.raises(
        ValueError, match=r"makes 4 frames of 16 x 16 px .* and pico-image over 2 frames 2 frames of 32 x 32 px"
    ):
        compose(load_pico(small), "a red mug", [Prior(pictures)])

"""An image model over frames: exact where the frames are equal, and causal."""

import pytest
import torch

import scorekit
from scorekit.denoiser import Denoiser
from scorekit_video_adapter.extra_frames import inflated

T = 4


@pytest.fixture(scope="module")
def image() -> Denoiser:
    return scorekit.load("pico-image")


@pytest.fixture(scope="module")
def video(image: Denoiser) -> Denoiser:
    return inflated(image, T)


def test_equal_frames_are_denoised_as_the_picture(image: Denoiser, video: Denoiser) -> None:
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    alone = image.given("a red mug")(x, 0.5).x0
    together = video.given("a red mug")(x[:, :, None].expand(-1, -1, T, -1, -1), 0.5).x0
    assert together.shape == (1, 3, T, 32, 32)
    torch.testing.assert_close(together, alone[:, :, None].expand_as(together), atol=1e-4, rtol=1e-4)


def test_a_frame_sees_the_first_and_the_one_before(video: Denoiser) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 3, T, 32, 32, generator=generator)
    score = video.given("a blue tree")
    before = score(x, 0.5).x0

    def moved(frame: int) -> list[bool]:
        changed = x.clone()
        changed[:, :, frame] = torch.randn(1, 3, 32, 32, generator=generator)
        return [bool(gap > 1e-4) for gap in (score(changed, 0.5).x0 - before).abs().amax((0, 1, 3, 4))]

    # A network has several such layers: what changes a frame changes all that come after it, and none before.
    assert moved(2) == [False, False, True, True]
    assert moved(0) == [True, True, True, True]


def test_one_frame_is_the_picture(image: Denoiser) -> None:
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    alone = image.given("a green car")(x, 0.3).x0
    torch.testing.assert_close(
        inflated(image, 1).given("a green car")(x[:, :, None], 0.3).x0[:, :, 0], alone, atol=1e-4, rtol=1e-4
    )


def test_its_codec_takes_frames_and_it_says_what_it_cannot(image: Denoiser, video: Denoiser) -> None:
    clip = torch.rand(2, 3, T, 32, 32)
    torch.testing.assert_close(video.decode(video.encode(clip)), clip)
    with pytest.raises(ValueError, match=rf"video must be \(B, 3, {T}, height, width\)"):
        video.encode(clip[:, :, :2])
    with pytest.raises(ValueError, match="frames must be at least 1"):
        inflated(image, 0)
    with pytest.raises(ValueError, match="is not inflated"):
        inflated(video)

"""Video models at other lengths, and their codecs."""

import pytest
import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.schedule import VP
from scorekit.windows import Windowed
from scorekit_video_adapter.lengths import FrameByFrame, at_length, frames_of
from scorekit_video_adapter.pico_video import load


class Inverted:
    """A codec for clips of four frames, that says when it is asked for others."""

    frames, height, width, space = 4, 2, 2, "inverted"

    def encode(self, data: Tensor) -> Tensor:
        assert data.shape[2] == 4
        return 1 - data

    decode = encode


@pytest.mark.parametrize("frames", [4, 6, 9, 12])
def test_more_frames_go_through_a_codec_window_by_window(frames: int) -> None:
    codec = FrameByFrame(Inverted(), 4, frames)
    video = torch.rand(2, 3, frames, 2, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(codec.encode(video), 1 - video)
    assert torch.equal(codec.decode(codec.encode(video)), 1 - (1 - video))
    assert codec.space == "inverted"
    with pytest.raises(ValueError, match=f"video must have {frames} frames for this model"):
        codec.encode(video[:, :, :-1])


def test_a_model_is_itself_at_its_own_length_and_windows_at_greater_ones(small: str) -> None:
    model = load(small)
    assert at_length(model, None) is model
    assert at_length(model, 4) is model
    long = at_length(model, 9, overlap=3)
    assert isinstance(long, Windowed)
    assert long.shape == (3, 9, 16, 16)
    assert long.starts == [0, 1, 2, 3, 4, 5]
    assert frames_of(long) == (9, (16, 16))
    assert long.decode(long.encode(torch.full((1, 3, 9, 16, 16), 0.25))).mean().item() == pytest.approx(0.25)
    with pytest.raises(ValueError, match="frames must be at least 4, those of small, not 3"):
        at_length(model, 3)


def test_sizes_are_told_where_the_codec_says_none() -> None:
    assert frames_of(Denoiser(lambda x, t: x, VP.cosine(), "v", (3, 5, 6, 7))) == (5, (6, 7))

"""Video models at other lengths: at another size where the network takes any, by overlapping windows where it does not."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

from scorekit.denoiser import Codec, Denoiser
from scorekit.models.video import VideoCodec, at_size
from scorekit.windows import Windowed, windows


def frames_of(model: Denoiser) -> tuple[int, tuple[int, int]]:
    """How many pictures a clip of the model has, and their (height, width)."""
    codec = model.codec
    _, length, height, width = model.shape
    sides = getattr(codec, "height", height), getattr(codec, "width", width)
    return int(getattr(codec, "frames", length)), (int(sides[0]), int(sides[1]))


def at_length(model: Denoiser, frames: int | None, overlap: int | None = None) -> Denoiser:
    """The model for clips of so many pictures, sharing its weights: fewer than its own where its family takes other sizes, more by windows.

    overlap  frames of x that neighbouring windows share; None: half a window

    Raises ValueError for numbers of frames that it cannot have, and an overlap out of range.
    """
    own, _ = frames_of(model)
    if frames is None or frames == own:
        return model
    if isinstance(model.codec, VideoCodec):
        if frames < own:
            return at_size(model, frames=frames)
        codec = model.codec.at(frames, model.codec.height, model.codec.width)
        return Windowed(model, codec.shape[1], axis=1, overlap=overlap, codec=codec)
    if frames < own:
        raise ValueError(f"frames must be at least {own}, those of {model.name}, not {frames}.")
    longer = None if model.codec is None else FrameByFrame(model.codec, own, frames)
    return Windowed(model, frames, axis=1, overlap=overlap, codec=longer)


class FrameByFrame:
    """A codec whose frames do not know each other, for more of them; they go through it `window` at a time.

    Raises ValueError, when it is used, for videos of another number of frames.
    """

    def __init__(self, codec: Codec, window: int, frames: int) -> None:
        self._codec, self._window, self.frames = codec, window, frames
        self.height, self.width = getattr(codec, "height", None), getattr(codec, "width", None)

    @property
    def space(self) -> Hashable:
        """See `scorekit.denoiser.Codec`."""
        return getattr(self._codec, "space", None)

    def encode(self, data: Tensor) -> Tensor:
        return self._through(self._codec.encode, data)

    def decode(self, x: Tensor) -> Tensor:
        return self._through(self._codec.decode, x)

    def _through(self, function: Callable[[Tensor], Tensor], video: Tensor) -> Tensor:
        if video.ndim != 5 or video.shape[2] != self.frames:
            raise ValueError(f"video must have {self.frames} frames for this model, not shape {tuple(video.shape)}.")
        done, parts = 0, []
        for start in windows(self.frames, self._window, 0):
            part = function(video[:, :, start : start + self._window])
            parts.append(part[:, :, done - start :])  # what an earlier window has not given
            done = start + self._window
        return torch.cat(parts, 2)

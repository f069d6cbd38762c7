"""Recordings and the model: bringing one to the level of the other, and putting what was filled in back where it belongs."""

from dataclasses import dataclass

import torch
from torch import Tensor

MARGIN = 2  # frames on either side of a gap that are made anew: theirs hear a part of it
CROSSFADE_SECONDS = 0.004


@dataclass(frozen=True)
class Gap:
    """Samples [first, last) of a recording, and the excerpt [begin, end) around them that the model sees."""

    first: int
    last: int
    begin: int
    end: int

    @staticmethod
    def of(times: tuple[float, float], rate: int, samples: int, context: int) -> "Gap":
        """times    (from, to) in seconds, within the recording
        samples  of the recording
        context  samples that the excerpt has at least, where the recording does: the model's own length

        Raises ValueError for times beyond the recording.
        """
        first, last = (round(at * rate) for at in times)
        if last > samples or first >= last:
            raise ValueError(
                f"gap must lie within the recording, which lasts {samples / rate:.3g} s, not at {times[0]:g}..{times[1]:g}"
            )
        # Half a length of what is known on either side, as far as there is so much.
        length = min(samples, max(context, last - first + context // 2))
        begin = max(0, min((first + last - length) // 2, samples - length))
        return Gap(first, last, begin, begin + length)

    def known(self, frames: int, hop: int) -> Tensor:
        """A mask over the frames of the excerpt (frames,): 1 where the recording is kept, 0 where the model fills in."""
        first = (self.first - self.begin) // hop - MARGIN
        last = -(-(self.last - self.begin) // hop) + MARGIN
        place = torch.arange(frames)
        return ((place < first) | (place >= last)).float()

    def spliced(self, recording: Tensor, made: Tensor, rate: int) -> Tensor:
        """The recording (C, n) with the gap taken from `made` (C, end - begin): its own samples elsewhere, but for a crossfade of 4 ms on
        either side of the gap."""
        place = torch.arange(recording.shape[1], dtype=torch.float64)
        fade = CROSSFADE_SECONDS * rate
        share = torch.minimum(1 + (place - self.first) / fade, 1 + (self.last - 1 - place) / fade).clamp(0, 1)
        full = torch.zeros_like(recording)
        full[:, self.begin : self.begin + made.shape[1]] = made[:, : self.end - self.begin]
        return torch.lerp(recording, full, share.to(recording))


def at_level(recording: Tensor, rate: int, level: float | None) -> tuple[Tensor, float]:
    """A recording (C, n) by one gain at the level of the model's training sounds, and that gain, a factor.

    level  root mean square of the loudest 200 ms, in dB of full scale; None: left as it is
    """
    now = loudest(recording, rate)
    if level is None or now <= 1e-5:
        return recording, 1.0
    gain = 10 ** (level / 20) / now
    return recording * gain, gain


def loudest(wave: Tensor, rate: int, seconds: float = 0.2) -> float:
    """The root mean square of the loudest stretch of so many seconds of (C, n): unlike that of the whole, it does not depend on the silence
    around a sound."""
    power = torch.cat([torch.zeros(1, dtype=torch.float64), wave.double().square().mean(0).cumsum(0)])
    window = min(round(seconds * rate), wave.shape[1])
    return float(((power[window:] - power[:-window]).max() / window).clamp_min(0).sqrt())

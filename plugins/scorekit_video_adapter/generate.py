"""Clips of a composed score: where sampling begins, what of a clip is known beforehand, and pixels kept in their range."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.guidance import clipped
from scorekit.langevin import langevin
from scorekit.loop import Step
from scorekit.models.video import VideoCodec
from scorekit.noise import Generators
from scorekit.sampling import sample
from scorekit.schedule import Schedule
from scorekit.score import Score

LEAST_DATA = 0.05  # of alpha / sigma where a sum whose weights are not one may begin
LAST_NOISE = 0.002  # sigma / alpha at the last level above 0 of the spacing "log-snr"


@dataclass(frozen=True)
class Settings:
    """How clips are sampled.

    product         the weights of the score do not sum to one (form "paper"). Its x0 is then unknown where x is noise alone, and sampling
                    begins a little below that; and a step overshoots by as much more as it goes further, so every step takes away the same
                    share of the noise, down to none that is seen
    clip            keep x0 within [-1, 1], where pixels are; latents are never clipped
    langevin, size  Langevin steps at every level, and eta / sigma^2 of each (`scorekit.langevin`)
    resample        times that each step is repeated, noised back in between, so that frames come to fit a frame that is known
    """

    steps: int = 30
    solver: str = "ddpm"
    product: bool = True
    clip: bool = True
    langevin: int = 0
    size: float = 0.1
    resample: int = 1


def generate(
    score: Score,
    count: int,
    settings: Settings,
    *,
    generator: Generators = None,
    first: Tensor | None = None,
    clip: Tensor | None = None,
    strength: float = 1.0,
    callback: Callable[[Step], None] | None = None,
) -> Tensor:
    """Draw `count` samples x (count, C, T, h, w) of a score of clips.

    first     a picture (3, H, W) in [0, 1] of the size of the frames, which the first frame shows
    clip      a clip (3, T, H, W) in [0, 1] that is noised to `strength` in (0, 1] and denoised from there (SDEdit, Meng et al. 2022; along
              time as in Dreamix, Molad et al. 2023, arXiv:2302.01329, without fine-tuning)
    callback  called after every step

    Raises what `scorekit.sample` raises.
    """
    model = score.denoiser
    start = min(strength, first_level(score.schedule) if settings.product else 1.0)
    known = mask = None
    if first is not None:
        known, mask = _first_frame(model, first)
    x0 = None if clip is None else model.encode(clip[None].to(model.device)).expand(count, *model.shape)
    return sample(
        clipped(score) if settings.clip and in_pixels(model) else score,
        count,
        steps=settings.steps,
        solver=settings.solver,
        spacing="log-snr" if settings.product and noise_of(score.schedule, start) > 10 * LAST_NOISE else None,
        start=start,
        x0=x0,
        mask=mask,
        known=known,
        resample=settings.resample,
        corrector=langevin(settings.langevin, settings.size) if settings.langevin else None,
        generator=generator,
        callback=callback,
    )


def first_level(schedule: Schedule) -> float:
    """The noisiest t at which x holds some data: alpha at least .05 sigma. 1 for schedules that end above that."""
    ratio = torch.tensor(LEAST_DATA, dtype=torch.float64)
    return float(schedule.at_log_snr(2 * ratio.log())) if schedule.alpha(1.0) < ratio * schedule.sigma(1.0) else 1.0


def noise_of(schedule: Schedule, t: float) -> float:
    """sigma / alpha at t."""
    return math.exp(-float(schedule.log_snr(t)) / 2)


def least_steps(weight: float, schedule: Schedule) -> int:
    """Steps of which each leaves a sum, whose weights sum to `weight`, no noisier for its level than it was.

    A step of DDPM from the noise n to r n multiplies the noise in x by 1 - weight (1 - r^2), drawn noise apart, which must not be below
    -r: so weight (1 - r) is at most 1.
    """
    if weight <= 1:
        return 1
    fall = math.log(noise_of(schedule, first_level(schedule)) / LAST_NOISE)
    return math.ceil(fall / -math.log(1 - 1 / weight)) + 1


def in_pixels(model: Denoiser) -> bool:
    """Whether x is the frames themselves, in [-1, 1]."""
    return getattr(model.codec, "space", None) == "pixels"


def _first_frame(model: Denoiser, picture: Tensor) -> tuple[Tensor, Tensor]:
    """x (1, C, T, h, w) of a clip that stands still at the picture, and the mask (1, 1, T, 1, 1) of what the first frame says."""
    length = model.shape[1]
    frames = getattr(model.codec, "frames", length)
    still = picture[None, :, None].expand(1, 3, frames, *picture.shape[1:]).to(model.device)
    mask = torch.zeros(1, 1, length, 1, 1, device=model.device)
    # Behind a first latent that repeats for the sake of whole tokens, which `VideoCodec` makes.
    mask[:, :, : 1 + (model.codec.padding if isinstance(model.codec, VideoCodec) else 0)] = 1
    return model.encode(still), mask

"""From prompts, and perhaps a recording, to waves: what the application and the benchmarks call."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.langevin import langevin
from scorekit.sampling import Step, sample
from scorekit.windows import Windowed
from scorekit_text_to_audio.composition import composed
from scorekit_text_to_audio.editing import Gap, at_level
from scorekit_text_to_audio.loudness import faded
from scorekit_text_to_audio.parameters import TextToAudioParams, parse_gap

AT_ONCE = 8  # sounds sampled in one batch
DECODING = 1500  # bytes for a sample of sound while it is decoded, where a codec does not say: Stable Audio's
RESAMPLE = 2  # passes of RePaint in a gap

Report = Callable[[int, int, Tensor], None]


@dataclass(frozen=True)
class Sounds:
    """waves  (B, C, n) at `rate` per second, as loud as they come
    excerpt   of a repair: what was generated around the gap, (B, C, m)
    """

    waves: Tensor
    rate: int
    excerpt: Tensor | None = None


def refuse_silent(model: Denoiser) -> Any:
    """The codec of a model of sound. Raises ValueError for a model of anything else."""
    codec = model.codec
    if codec is None or not all(hasattr(codec, name) for name in ("sample_rate", "samples", "seconds")):
        raise ValueError(f"{model.name} makes no sound: text-to-audio needs a model such as pico-audio or Stable Audio")
    return codec


def channels_of(codec: Any) -> int:
    """Of the waves that a codec makes."""
    return int(getattr(codec, "channels", 1))


def generate(
    model: Denoiser,
    params: TextToAudioParams,
    recording: Tensor | None = None,
    generator: torch.Generator | None = None,
    report: Report = lambda done, total, x0: None,
) -> Sounds:
    """Sounds as the parameters ask for, `params.count` of them.

    recording  (C, n) at the codec's rate, for an edit or a gap
    report     called after every step of the sampler, with the estimate of x0 (B, ...)

    Raises ValueError for prompts that the model does not know, a gap outside the recording, and a length for which memory does not suffice.
    """
    codec = refuse_silent(model)
    rate, hop = codec.sample_rate, codec.samples // model.shape[-1]
    gap = None
    if recording is None and params.gap is not None:
        raise ValueError("gap needs audio: the recording in which it is filled in")
    if recording is None:
        asked = codec.seconds if params.seconds is None else params.seconds
        wanted = max(1, round(asked * rate))
    else:
        if params.gap is not None:
            gap = Gap.of(parse_gap(params.gap), rate, recording.shape[1], codec.samples)
        wanted = recording.shape[1] if gap is None else gap.end - gap.begin
    _refuse_long(wanted, params.count, codec)
    longer = with_length(model, ceil(wanted / hop), params.overlap)
    score = composed(
        longer,
        params.prompt,
        guidance=params.guidance,
        also=params.and_,
        weight=params.weight,
        avoid=params.avoid,
        seconds=wanted / rate,
    )
    options: dict[str, Any] = {"solver": params.sampler, "steps": params.steps}
    if params.langevin:
        options["corrector"] = langevin(params.langevin)
    gain = 1.0
    if recording is not None:
        part = recording if gap is None else recording[:, gap.begin : gap.end]
        levelled, gain = at_level(part.cpu(), rate, getattr(codec, "level", None))
        with torch.no_grad():
            x0 = longer.encode(levelled[None].to(model.device))
        if gap is None:
            options["start"] = params.strength
        else:
            options |= {"mask": gap.known(longer.shape[-1], hop).to(x0), "known": x0, "resample": RESAMPLE}

    made = []
    groups = [min(AT_ONCE, params.count - at) for at in range(0, params.count, AT_ONCE)]
    for index, count in enumerate(groups):

        def told(step: Step, index: int = index) -> None:
            report(index * step.total + step.index + 1, len(groups) * step.total, step.x0)

        if recording is not None and gap is None:
            options["x0"] = x0.expand(count, *x0.shape[1:])
        x = sample(score, count, generator=generator, callback=told, **options)
        with torch.no_grad():
            # One by one: a decoder's activations are by far the largest thing here.
            made += [longer.decode(one[None]).cpu()[0, :, :wanted] / gain for one in x]
    waves = torch.stack(made).float()
    if gap is not None and recording is not None:
        original = recording.cpu()
        return Sounds(torch.stack([gap.spliced(original, wave, rate) for wave in waves]), rate, waves)
    cut = recording is None and wanted < longer.shape[-1] * hop
    return Sounds(faded(waves, rate, start=False, end=cut), rate)


def with_length(model: Denoiser, length: int, overlap: float = 0.5) -> Denoiser:
    """The model, or its score over overlapping windows where the last axis of x is to have more places than its own.

    overlap  share of a window that the next one covers at least, from 0 to below 1

    Raises ValueError where its codec knows no other length.
    """
    if length <= model.shape[-1]:
        return model
    at = getattr(model.codec, "at", None)
    if at is None:
        raise ValueError(f"{model.name} makes sounds of its own length only, {refuse_silent(model).seconds:.3g} s")
    width = model.shape[-1]
    return Windowed(model, length, overlap=width - max(1, round(width * (1 - overlap))), codec=at(length))


def _refuse_long(samples: int, count: int, codec: Any) -> None:
    """Raise ValueError for a length that the memory at hand cannot hold."""
    import psutil

    channels, free = channels_of(codec), int(psutil.virtual_memory().available)
    # One sound is decoded at a time; all of them, and twice what the sampler keeps of each, stay.
    each = channels * (getattr(codec, "decoding", DECODING) + 16 * count)
    need = samples * each
    if need > free:
        most = free / each / codec.sample_rate
        raise ValueError(
            f"seconds: {samples / codec.sample_rate:.0f} s of sound need about {need / 1e9:.1f} GB of memory, of which {free / 1e9:.1f} GB "
            f"are free; at most {most:.0f} s would fit"
        )

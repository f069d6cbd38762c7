"""Text to audio as an application: prompts, and perhaps a recording, in; WAV files and their pictures out. Cheap to import."""

from typing import TYPE_CHECKING, Any, ClassVar

from scorekit.host.plugin import Application, ParameterError, RunContext
from scorekit_text_to_audio.parameters import TextToAudioParams

if TYPE_CHECKING:
    from torch import Tensor


class TextToAudio(Application):
    """Sounds by guided, composed and windowed scores; edits (SDEdit, arXiv:2108.01073) and repairs (RePaint, arXiv:2201.09865)."""

    name: ClassVar[str] = "text-to-audio"
    title: ClassVar[str] = "Text to audio"
    summary: ClassVar[str] = (
        "Words become sound; two prompts blend into one, recordings are edited and their gaps filled."
    )
    reference: ClassVar[str] = "arXiv:2301.12503"
    requires: ClassVar[tuple[str, ...]] = ("torchaudio", "soundfile", "matplotlib")
    extra: ClassVar[str] = "text-to-audio"
    default_model: ClassVar[str | None] = "pico-audio"
    artifacts: ClassVar[tuple[str, ...]] = (
        "sound.wav", "spectrogram.png", "waveform.png", "summary.json", "sound-*.wav", "recording.wav",
    )  # fmt: skip
    demo = {"count": 1, "steps": 6}

    class Params(TextToAudioParams):
        """See parameters.py."""

    def run(self, params: TextToAudioParams, ctx: RunContext) -> None:
        """Make the sounds and save sound.wav, sound-2.wav, ..., their pictures and summary.json; recording.wav is what an edit began with.

        Raises ParameterError for prompts that the model does not know, recordings that cannot be read, models that make no sound, and a
        length for which memory does not suffice.
        """
        from scorekit_text_to_audio.generate import channels_of, generate, refuse_silent
        from scorekit_text_to_audio.pictures import latent_picture
        from scorekit_text_to_audio.wav import read_recording

        def report(done: int, total: int, x0: "Tensor") -> None:
            ctx.preview(lambda: latent_picture(x0[0]))
            ctx.progress(done, total)

        try:
            model = ctx.model()
            codec = refuse_silent(model)
            recording = None
            if params.audio is not None:
                recording = read_recording(params.audio, codec.sample_rate, channels_of(codec))
            made = generate(model, params, recording, ctx.generator, report)
        except ValueError as error:
            raise ParameterError(str(error)) from error
        # What was filled in keeps the loudness of what is around it.
        target = None if params.gap is not None else params.loudness
        rows = save_sounds(ctx, list(made.waves), made.rate, params, target, recording)
        ctx.save("summary.json", {"prompt": params.prompt, "and": params.and_, "avoid": params.avoid, "sounds": rows})
        ctx.metric("seconds_of_sound", made.waves.shape[-1] / made.rate * len(made.waves))


def save_sounds(
    ctx: RunContext,
    waves: "list[Tensor]",
    rate: int,
    params: TextToAudioParams,
    target: float | None,
    recording: "Tensor | None" = None,
) -> list[dict[str, Any]]:
    """Write waves (C, n) at `rate` as the parameters ask, at `target` LUFS, and their pictures; what summary.json says of each."""
    from scorekit_text_to_audio.loudness import PEAK, loudness, normalised
    from scorekit_text_to_audio.pictures import spectrograms, waveforms
    from scorekit_text_to_audio.wav import resampled, wav_bytes

    out_rate = params.sample_rate or rate
    rows, shown, titles = [], [], []
    if recording is not None:
        waves = [recording.cpu(), *waves]
    for index, wave in enumerate(waves, 0 if recording is not None else 1):
        name = "recording.wav" if index == 0 else "sound.wav" if index == 1 else f"sound-{index}.wav"
        level = None if index == 0 else target
        # What keeps its loudness keeps its peaks, too.
        written, gain = normalised(resampled(wave, rate, out_rate), out_rate, level, 1.0 if level is None else PEAK)
        ctx.save(name, wav_bytes(written, out_rate, params.format))
        shown.append(written)
        titles.append(name if index == 0 else f"{name}: {params.prompt}" + (f" + {params.and_}" if params.and_ else ""))
        heard = loudness(written, out_rate)
        rows.append(
            {
                "file": name,
                "sample_rate": out_rate,
                "channels": len(written),
                "seconds": round(written.shape[1] / out_rate, 4),
                "loudness": round(heard, 2) if heard > -200 else None,
                "peak": round(float(written.abs().max()), 4),
                "gain": round(gain, 4),
            }
        )
    picture = spectrograms(shown, out_rate, titles)
    ctx.save("spectrogram.png", picture)
    ctx.save("waveform.png", waveforms(shown, out_rate, titles))
    preview(ctx, picture)
    return rows


def preview(ctx: RunContext, png: bytes) -> None:
    """Show a PNG as how it looks now."""
    import io

    import PIL.Image

    with PIL.Image.open(io.BytesIO(png)) as image:
        ctx.preview(image.convert("RGB"))

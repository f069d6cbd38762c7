"""Text to synth as an application: a prompt in; a patch that can be edited, its sound and the film of its making out. Cheap to import."""

from typing import Any, ClassVar

from scorekit.host.plugin import Application, ParameterError, RunContext
from scorekit_text_to_audio.parameters import TextToSynthParams


class TextToSynth(Application):
    """Score distillation into a differentiable synthesiser: the audio sibling of text-to-svg."""

    name: ClassVar[str] = "text-to-synth"
    title: ClassVar[str] = "Text to synthesiser"
    summary: ClassVar[str] = "Words become a synthesiser patch of named knobs by score distillation."
    reference: ClassVar[str] = "arXiv:2209.14988, arXiv:2001.04643"
    requires: ClassVar[tuple[str, ...]] = ("torchaudio", "soundfile", "matplotlib", "imageio_ffmpeg")
    extra: ClassVar[str] = "text-to-audio"
    default_model: ClassVar[str | None] = "pico-audio"
    artifacts: ClassVar[tuple[str, ...]] = (
        "patch.json", "patch.wav", "spectrogram.png", "waveform.png", "film.mp4", "patch-*.json", "patch-*.wav", "sample.wav",
        "summary.json",
    )  # fmt: skip
    demo = {"patches": 2, "search": 32, "sample_steps": 6, "fit_steps": 20, "steps": 8}

    class Params(TextToSynthParams):
        """See parameters.py."""

    def run(self, params: TextToSynthParams, ctx: RunContext) -> None:
        """Find the patches and save patch.json, patch.wav and their pictures; the others are patch-2.json, ...; sample.wav is what the best
        was fitted to.

        What is played in the end is what the file says: the numbers are rounded before.

        Raises ParameterError for prompts that the model does not know, a patch file that is none, and models that make no sound.
        """
        import torch

        from scorekit_text_to_audio.distil import Designer
        from scorekit_text_to_audio.film import MOST_FRAMES, film, shot
        from scorekit_text_to_audio.patch import patch_json, read_patch, turns_of
        from scorekit_text_to_audio.pictures import latent_picture

        try:
            patch = None if params.patch is None else read_patch(params.patch)
            designer = Designer(ctx.model(), params, ctx.seed, ctx.generator, patch)
        except ValueError as error:
            raise ParameterError(str(error)) from error
        frames: list[Any] = []
        saved, first = ctx.restore(), 0
        if saved is None:
            designer.begin()
        else:
            first, frames = int(saved["step"]), [frame.cpu() for frame in saved["frames"]]
            designer.load(saved["designer"])
        shots = min(MOST_FRAMES, designer.total)
        target = designer.target
        for step in range(first, designer.total):
            if step * shots // designer.total >= len(frames):
                with torch.no_grad():
                    x = designer.play(designer.turns)
                frames.append(shot(x, target))
                ctx.preview(latent_picture(x[0]))
            report = designer.step(step)
            ctx.checkpoint(
                lambda done=step + 1: {"step": done, "frames": frames, "designer": designer.state()},  # type: ignore[misc]
                step + 1,
            )
            ctx.progress(step + 1, designer.total, **report)
        with torch.no_grad():
            frames.append(shot(designer.play(designer.turns), target))

        results = designer.results()
        best = results[0]
        waves = [designer.synthesiser(turns_of([r.patch]).to(ctx.device))[0].detach().cpu() for r in results]
        seconds = waves[0].shape[-1] / designer.rate
        for place, result in enumerate(results, 1):
            name = "patch.json" if place == 1 else f"patch-{place}.json"
            ctx.save(name, patch_json(result.patch, seconds, prompt=params.prompt, model=designer.model.name))
        heard = None
        if target is not None:
            with torch.no_grad():
                heard = designer.model.decode(target[best.index : best.index + 1])[0].cpu()
        rows = _save_waves(ctx, waves, heard, designer.rate, params.prompt)
        for row, result in zip(rows, results, strict=True):
            row["error"] = round(result.error, 6)
        ctx.save("summary.json", {"prompt": params.prompt, "patches": rows})
        if params.film and designer.total:
            ctx.save("film.mp4", lambda path: film(path, frames, best.index))
        ctx.metric("denoising_error", best.error)
        ctx.metric("pitch", best.patch["pitch"])


def _save_waves(ctx: RunContext, waves: list[Any], heard: Any, rate: int, prompt: str) -> list[dict[str, Any]]:
    """Write the patches' sounds and the sample's, and their pictures; what summary.json says of each patch."""
    from scorekit_text_to_audio.application import preview
    from scorekit_text_to_audio.loudness import normalised
    from scorekit_text_to_audio.pictures import spectrograms, waveforms
    from scorekit_text_to_audio.wav import wav_bytes

    rows, shown, titles = [], [], []
    for place, wave in enumerate(waves, 1):
        name = "patch.wav" if place == 1 else f"patch-{place}.wav"
        written, gain = normalised(wave, rate)
        ctx.save(name, wav_bytes(written, rate))
        rows.append({"file": name, "seconds": round(written.shape[1] / rate, 4), "gain": round(gain, 4)})
        shown.append(written)
        titles.append(f"{name}: {prompt}")
    if heard is not None:
        written, _ = normalised(heard, rate)
        ctx.save("sample.wav", wav_bytes(written, rate))
        shown.insert(1, written)
        titles.insert(1, "sample.wav: what patch.wav was fitted to")
    picture = spectrograms(shown, rate, titles)
    ctx.save("spectrogram.png", picture)
    ctx.save("waveform.png", waveforms(shown, rate, titles))
    preview(ctx, picture)
    return rows

"""The recipes of pico-audio, of its vocoder and of the recogniser that judges it, as `scorekit train pico-audio`. Cheap to import."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from scorekit.host.plugin import ADVANCED, Application, ParameterError, RunContext


class TrainPicoAudio(Application):
    """See scorekit_text_to_audio.pico_audio, .vocoder and .recogniser."""

    name: ClassVar[str] = "pico-audio"
    title: ClassVar[str] = "pico-audio"
    summary: ClassVar[str] = "Train the small text-to-sound model, its vocoder or its judge."
    reference: ClassVar[str] = "arXiv:2301.12503"
    kind: ClassVar[Literal["application", "training"]] = "training"
    requires: ClassVar[tuple[str, ...]] = ("torchaudio",)
    extra: ClassVar[str] = "text-to-audio"
    artifacts: ClassVar[tuple[str, ...]] = ("trained.json",)
    demo = {"sounds": 24, "kind": "effects", "steps": 6, "batch": 4, "cooldown": 2}

    class Params(Application.Params):
        part: Literal["denoiser", "vocoder", "recogniser"] = Field(
            "denoiser", description="what is trained: the text-to-spectrogram model, the vocoder or the recogniser."
        )
        data: Path | None = Field(
            None, description="folder of sounds, as scorekit_text_to_audio.sounds.dataset makes one; none: made first."
        )
        sounds: int = Field(20480, ge=8, le=10_000_000, description="sounds to make where no data is given.")
        kind: Literal["everything", "effects"] = Field(
            "everything",
            description="of the sounds that are made: words (needs espeak-ng), notes (needs fluidsynth) and effects, or effects only.",
        )
        steps: int | None = Field(None, ge=1, description="optimiser steps; none: the recipe's.")
        cooldown: int | None = Field(
            None, ge=0, description="last steps, over which the learning rate falls to 0; none: the recipe's."
        )
        batch: int | None = Field(None, ge=1, le=4096, description="sounds per step; none: the recipe's.")
        lr: float | None = Field(
            None,
            gt=0,
            le=0.1,
            description="learning rate before the cooldown; none: the recipe's.",
            json_schema_extra=ADVANCED,
        )

    def run(self, params: Any, ctx: RunContext) -> None:
        """Make the sounds where none are given, train, and write the model.

        Raises ParameterError for a folder without sounds, and where the programs that make them are missing.
        """
        from dataclasses import asdict, replace

        from scorekit_text_to_audio import pico_audio, recogniser, vocoder
        from scorekit_text_to_audio.sounds import dataset

        judge = params.part == "recogniser"
        kind = "effects" if params.kind == "effects" else "all" if judge else "train"
        try:
            folder = params.data or dataset.build(ctx.folder / "sounds", params.sounds, ctx.seed + judge, kind)
            data = dataset.load(folder)
        except (ValueError, RuntimeError) as error:
            raise ParameterError(f"data: {error}") from error
        wishes = {
            name: value for name in ("steps", "cooldown", "batch", "lr") if (value := getattr(params, name)) is not None
        }
        cpu = ctx.device.type == "cpu"
        wishes |= {"seed": ctx.seed, "precision": "no" if cpu else "bf16"}

        def report(step: int, total: int, metrics: dict[str, float]) -> None:
            ctx.progress(step, total, **metrics)

        recipe: Any
        match params.part:
            case "denoiser":
                recipe = replace(pico_audio.Recipe(), **wishes)
                model = pico_audio.train_pico_audio(recipe, data, ctx.folder, report, cpu=cpu)
                pico_audio.export(model, recipe, ctx.folder / "pico-audio")
            case "vocoder":
                # The inverse transform and its loss are not for half precision.
                recipe = replace(vocoder.Recipe(), **wishes | {"precision": "no"})
                made = vocoder.train_vocoder(recipe, data, ctx.folder, report, cpu=cpu)
                vocoder.export(made, recipe, ctx.folder / "pico-vocoder" / "model.safetensors")
            case _:
                recipe = replace(recogniser.Recipe(), **wishes | {"precision": "no"})
                heard = recogniser.train_recogniser(recipe, data, ctx.folder, report, cpu=cpu)
                recogniser.export(heard, recipe, ctx.folder / "pico-recogniser" / "model.safetensors")
        ctx.save("trained.json", {"part": params.part, "sounds": len(data), "recipe": asdict(recipe)})

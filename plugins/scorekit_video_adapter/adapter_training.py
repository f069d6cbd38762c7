"""A small video model of one's own as `scorekit train video-adapter`. Cheap to import."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from scorekit.host.plugin import ADVANCED, Application, ParameterError, RunContext

if TYPE_CHECKING:
    from torch import Tensor

    from scorekit_video_adapter.clips import ClipFolder
    from scorekit_video_adapter.estimate import Estimate
    from scorekit_video_adapter.pico_video import PicoVideo, Recipe

MODEL = "adapter"
LONGEST = 14  # words of a caption that the text encoder reads


class TrainVideoAdapter(Application):
    """The recipe of the small models of `scorekit_video_adapter.pico_video` on a folder of clips."""

    name: ClassVar[str] = "video-adapter"
    title: ClassVar[str] = "Video adapter"
    summary: ClassVar[str] = "Train a small video model on a folder of clips with captions, for a large one to steer."
    reference: ClassVar[str] = "arXiv:2306.01872"
    kind: ClassVar[Literal["application", "training"]] = "training"
    requires: ClassVar[tuple[str, ...]] = ("imageio_ffmpeg",)
    extra: ClassVar[str] = "video-adapter"
    artifacts: ClassVar[tuple[str, ...]] = (f"{MODEL}/scorekit.json", "samples.png")
    demo = {"steps": 8, "batch": 2, "cooldown": 2, "tiny": True}

    class Params(Application.Params):
        clips: Path | None = Field(
            None,
            description="Folder of clips (MP4, MOV, WebM, MKV, AVI, GIF); none: twelve sliding discs, to see it run.",
        )
        captions: Path | None = Field(
            None,
            description="CSV with the columns file and caption, a row for each clip; default: captions.csv in the folder.",
        )
        estimate: bool = Field(False, description="Only tell how long it would take on this device and on a GPU.")
        tiny: bool = Field(False, description="Half the size.")
        steps: int = Field(1000, ge=1, description="Optimiser steps.")
        batch: int = Field(8, ge=1, le=4096, description="Clips of a step.")
        lr: float = Field(2e-3, gt=0, le=0.1, description="Learning rate before the cooldown.")
        cooldown: int = Field(
            200, ge=0, description="Last steps, over which the learning rate falls to 0.", json_schema_extra=ADVANCED
        )
        frames: int = Field(8, ge=2, le=64, description="Frames of a clip: those of the prior that is to steer it.")
        size: int = Field(
            32,
            ge=16,
            le=256,
            multiple_of=8,
            description="Side of the frames: that of the prior.",
            json_schema_extra={"unit": "px"},
        )

    def run(self, params: Any, ctx: RunContext) -> None:
        """Read the clips, tell how long it will take, train, and write the model's folder adapter/ and four of its clips.

        Raises ParameterError for clips and captions that cannot be read or do not belong together.
        """
        from scorekit.training.trainer import CHECKPOINT
        from scorekit_video_adapter.pico_video import export, train_pico_video

        try:
            data = _read(params, ctx)
            words = words_of(data.captions)
        except ValueError as error:
            raise ParameterError(str(error)) from error
        cut = sum(len(re.findall("[a-z]+", caption)) > LONGEST for caption in data.captions)
        if cut:
            ctx.log(f"{cut} captions have more than {LONGEST} words, whose ends are not read")
        recipe = _recipe(params, words, ctx.seed)
        if params.estimate or not (ctx.folder / CHECKPOINT).exists():
            told = _estimated(recipe, ctx)
            ctx.log(f"{len(data.captions)} clips, {len(words)} words: {told}")
            ctx.metric("seconds_estimated", told.total)
            ctx.metric("seconds_on_a_gpu_reckoned", told.on_gpu)
        if params.estimate:
            ctx.progress(1, 1)
            return
        model = train_pico_video(
            recipe,
            data,
            ctx.folder,
            lambda step, total, metrics: ctx.progress(step, total, **metrics),
            cpu=ctx.device.type == "cpu",
        )
        export(model, recipe, ctx.folder / MODEL)
        ctx.save("samples.png", _samples(model, recipe, data.captions, ctx))


def words_of(captions: list[str]) -> tuple[str, ...]:
    """The words of captions of letters and commas, each once. Raises ValueError where there are none."""
    words = tuple(sorted({word for caption in captions for word in re.findall("[a-z]+", caption)}))
    if not words:
        raise ValueError("captions: none has a word in the letters a to z.")
    return words


def _read(params: Any, ctx: RunContext) -> ClipFolder:
    """The clips, their captions in lower-case letters and commas: tokens are words."""
    from dataclasses import replace

    from scorekit_video_adapter.clips import read_folder
    from scorekit_video_adapter.demo import discs

    if params.clips is None:
        data = discs(params.frames, params.size)
    else:
        data = read_folder(
            params.clips,
            params.captions,
            frames=params.frames,
            size=(params.size, params.size),
            report=lambda done, total: ctx.progress(0, params.steps, clips_read=done / total),
        )
    return replace(data, captions=[" ".join(re.findall("[a-z]+|,", text.lower())) for text in data.captions])


def _recipe(params: Any, words: tuple[str, ...], seed: int) -> Recipe:
    from scorekit_video_adapter.pico_video import Recipe, small

    return small(
        Recipe(
            frames=params.frames,
            size=params.size,
            words=words,
            batch=params.batch,
            steps=params.steps,
            lr=params.lr,
            warmup=min(100, params.steps // 4),
            cooldown=params.cooldown,
            seed=seed,
        ),
        params.tiny,
    )


def _estimated(recipe: Recipe, ctx: RunContext) -> Estimate:
    import torch

    from scorekit_video_adapter.estimate import estimate
    from scorekit_video_adapter.pico_video import PicoVideo

    shape = (recipe.batch, 3, recipe.frames, recipe.size, recipe.size)
    x = torch.zeros(shape, device=ctx.device)
    tokens = torch.zeros(recipe.batch, 16, dtype=torch.long, device=ctx.device)
    timestep = torch.full((recipe.batch,), 500.0, device=ctx.device)

    def loss(model: torch.nn.Module) -> Tensor:
        with torch.autocast(ctx.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
            error: Tensor = model(x, timestep, tokens).float().square().mean()
        return error

    state = torch.random.get_rng_state()
    found = estimate(PicoVideo(recipe), loss, recipe.steps, ctx.device)
    torch.random.set_rng_state(state)
    return found


def _samples(model: PicoVideo, recipe: Recipe, captions: list[str], ctx: RunContext) -> Tensor:
    """A clip for each of four captions, as strips."""
    import torch

    from scorekit.guidance import cfg, clipped
    from scorekit.sampling import sample
    from scorekit_video_adapter.filmstrip import grid
    from scorekit_video_adapter.pico_video import as_denoiser

    denoiser = as_denoiser(model, recipe, device=ctx.device)
    shown = sorted(set(captions))
    shown = [shown[round(index * (len(shown) - 1) / 3)] for index in range(4)]
    score = clipped(cfg(denoiser.given(None), denoiser.given(shown), 2.0))
    x = sample(score, 4, steps=20, generator=torch.Generator(ctx.device).manual_seed(ctx.seed))
    return grid(list(denoiser.decode(x).transpose(1, 2).cpu()), shown)

"""The core's own plugin: training recipes of the embedded models. It registers as a stranger's would, by entry point."""

from typing import Any

from pydantic import Field

from scorekit.host.plugin import Application, RunContext, hookimpl


class TrainPicoImage(Application):
    name = "pico-image"
    title = "pico-image"
    summary = "Train the embedded text-to-image model on procedural renders of coloured objects."
    reference = "arXiv:2305.08891"
    kind = "training"
    artifacts = ("pico-image/model_index.json",)
    demo = {"size": 16, "pictures": 1024, "steps": 12, "batch": 4, "channels": [16, 32], "cooldown": 4, "workers": 1}

    class Params(Application.Params):
        size: int = Field(
            32, ge=16, le=128, multiple_of=16, description="side of the pictures", json_schema_extra={"unit": "px"}
        )
        pictures: int = Field(61440, ge=1024, description="how many pictures to render for training")
        steps: int = Field(16000, ge=1, description="optimiser steps")
        batch: int = Field(48, ge=1, description="pictures per step")
        channels: list[int] = Field([64, 96, 128], min_length=2, description="width of each level of the U-Net")
        lr: float = Field(1.2e-3, gt=0, le=0.1, description="learning rate before the cooldown")
        cooldown: int = Field(4000, ge=0, description="last steps, over which the learning rate falls to 0")
        workers: int = Field(2, ge=1, le=64, description="processes that render")

    def run(self, params: Any, ctx: RunContext) -> None:
        from scorekit.zoo import dataset
        from scorekit.zoo.pico_image import Recipe, export, train_pico_image

        folder = ctx.folder / "pictures"
        dataset.build(
            folder,
            params.pictures,
            params.size,
            seed=ctx.seed,
            workers=params.workers,
            progress=lambda done, total: ctx.progress(done, total + params.steps),
        )
        recipe = Recipe(
            size=params.size,
            channels=tuple(params.channels),
            batch=params.batch,
            steps=params.steps,
            lr=params.lr,
            cooldown=params.cooldown,
            precision="bf16" if ctx.device.type == "cpu" else "fp16",
            seed=ctx.seed,
        )

        def report(step: int, total: int, metrics: dict[str, float]) -> None:
            ctx.progress(params.pictures + step, params.pictures + total, **metrics)

        model = train_pico_image(recipe, dataset.load(folder), ctx.folder, report, cpu=ctx.device.type == "cpu")
        export(model, recipe, ctx.folder / "pico-image")


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    return [TrainPicoImage]

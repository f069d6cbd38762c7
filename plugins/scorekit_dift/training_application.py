"""The recipe of pico-photo as `scorekit train pico-photo`. Cheap to import."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from scorekit.host.plugin import Application, ParameterError, RunContext


class TrainPicoPhoto(Application):
    """See scorekit_dift.pico_photo."""

    name: ClassVar[str] = "pico-photo"
    title: ClassVar[str] = "pico-photo"
    summary: ClassVar[str] = "Train the small denoiser of photographs whose features DIFT matches."
    reference: ClassVar[str] = "arXiv:2306.03881"
    kind: ClassVar[Literal["application", "training"]] = "training"
    requires: ClassVar[tuple[str, ...]] = ("skimage",)
    extra: ClassVar[str] = "dift"
    artifacts: ClassVar[tuple[str, ...]] = ("pico-photo/scorekit.json",)
    demo = {"steps": 12, "batch": 4, "crop": 32, "cooldown": 4}

    class Params(Application.Params):
        photos: Path | None = Field(
            None,
            description="folder of photographs, as scorekit_dift.photographs makes one; none: the few that scikit-image has",
        )
        steps: int = Field(1800, ge=1, description="optimiser steps")
        batch: int = Field(24, ge=1, le=4096, description="crops per step")
        crop: int = Field(
            64, ge=32, le=512, multiple_of=16, description="side of the crops", json_schema_extra={"unit": "px"}
        )
        lr: float = Field(1e-3, gt=0, le=0.1, description="learning rate before the cooldown")
        cooldown: int = Field(600, ge=0, description="last steps, over which the learning rate falls to 0")

    def run(self, params: Any, ctx: RunContext) -> None:
        """Train, and write the model folder pico-photo/. Raises ParameterError for a folder without readable pictures."""
        from scorekit_dift.pico_photo import Recipe, export, read_photographs, train_pico_photo

        try:
            pictures = _own() if params.photos is None else read_photographs(params.photos)
        except ValueError as error:
            raise ParameterError(str(error)) from error
        recipe = Recipe(
            crop=params.crop,
            batch=params.batch,
            steps=params.steps,
            lr=params.lr,
            cooldown=params.cooldown,
            precision="no" if ctx.device.type == "cpu" else "bf16",
            seed=ctx.seed,
        )

        def report(step: int, total: int, metrics: dict[str, float]) -> None:
            ctx.progress(step, total, **metrics)

        network = train_pico_photo(recipe, pictures, ctx.folder, report, cpu=ctx.device.type == "cpu")
        export(network, recipe, ctx.folder / "pico-photo")


def _own() -> list[Any]:
    """Enough to see the recipe run; a model to compare features with is trained on other pictures."""
    import numpy as np
    from skimage import data

    return [np.ascontiguousarray(getattr(data, name)()) for name in ("astronaut", "coffee", "cat", "rocket")]

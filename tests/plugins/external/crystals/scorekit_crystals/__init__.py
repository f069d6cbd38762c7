"""Crystal sketches: cubic cells as samples of a model over a periodic table (UniMat's idea, Yang et al. 2023, small)."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field

from scorekit.host.plugin import Application, Artifact, ModelSpec, ParameterError, RunContext, View, hookimpl


class Crystals(Application):
    name, title, reference = "crystals", "Crystal sketches", "arXiv:2311.09235"
    summary = "Sketch cubic crystals: of any elements, or of those that you name."
    default_model = "pico-crystals"
    artifacts = ("crystals.json", "crystals.png", "*.cif")
    demo = {"count": 2, "steps": 10}

    class Params(Application.Params):
        elements: str = Field("Na Cl", description="symbols with spaces between; empty: any elements")
        count: int = Field(8, ge=1, le=1000, description="crystals")
        steps: int = Field(30, ge=5, le=500, description="steps of the sampler")
        weights: Path | None = Field(None, description="what `scorekit train crystals` wrote; none: as shipped")

    def run(self, params: Any, ctx: RunContext) -> None:
        from scorekit_crystals import drawing, model, prototypes

        own = params.weights and model.load(params.weights, device=ctx.device, dtype=ctx.dtype)
        try:
            made = model.sketch(
                own or ctx.model(), params.count, ctx.generator, " ".join(params.elements.split()), params.steps
            )
        except ValueError as error:  # an element that is not in the table
            raise ParameterError(f"--elements: {error}") from error
        rows = [drawing.as_data(crystal, prototypes.fault(crystal)) for crystal in made]
        for number, crystal in enumerate(made, 1):
            ctx.save(f"crystal-{number}.cif", drawing.cif(crystal))
            ctx.progress(number, len(made))
        ctx.metric("valid", sum(not row["fault"] for row in rows) / len(rows))
        ctx.save("crystals.png", drawing.picture(rows[:16]))
        ctx.save("crystals.json", rows)


class TrainCrystals(Application):
    name, title, reference = "crystals", "Training of the crystal model", "arXiv:2311.09235"
    summary = "Train the model of crystals on cubic prototypes that are filled by charge and size of the ions."
    kind = "training"
    artifacts = ("crystals.safetensors",)
    demo = {"steps": 5}

    class Params(Application.Params):
        steps: int = Field(3000, ge=1, le=10_000_000, description="optimiser steps")
        batch: int = Field(32, ge=1, le=65_536, description="crystals per step")
        lr: float = Field(2e-3, gt=0, le=0.1, description="learning rate before the cooldown, which is the second half")

    def run(self, params: Any, ctx: RunContext) -> None:
        from scorekit_crystals.model import train_table

        weights = train_table(params, ctx.seed, ctx.folder, ctx.progress, ctx.device.type == "cpu")
        ctx.save("crystals.safetensors", weights)


def load_model(**how: Any) -> Any:
    from scorekit_crystals.model import load

    return load(**how)


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    return [Crystals, TrainCrystals]


@hookimpl
def scorekit_models() -> list[ModelSpec]:
    return [ModelSpec("pico-crystals", "Cubic crystals of 24 elements.", load=load_model, license="Apache-2.0")]


@hookimpl
def scorekit_view(artifact: Artifact) -> View | None:
    if not artifact.name.endswith("crystals.json"):
        return None
    rows = json.dumps(json.loads((artifact.run.folder / artifact.name).read_text()))
    page = (files(__package__) / "viewer.html").read_text()
    return View(page.replace("DATA", rows.replace("<", "\\u003c")), height=480)  # nothing in the data ends the script

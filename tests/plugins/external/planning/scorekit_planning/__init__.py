"""Planning with diffusion (Janner et al. 2022): whole trajectories through a maze are samples of one model."""

from pathlib import Path
from typing import Any

from pydantic import Field

from scorekit.host.plugin import Application, ModelSpec, RunContext, hookimpl


class MazePlanner(Application):
    name, title, reference = "maze-planner", "Planning in a maze", "arXiv:2205.09991"
    summary = "Plan a way to a goal and around a zone as a sample of a trajectory model, and walk it in simulation."
    requires = ("gymnasium",)
    default_model = "pico-maze"
    artifacts = ("plans.png", "results.json")
    demo = {"episodes": 4, "steps": 8}

    class Params(Application.Params):
        episodes: int = Field(
            100, ge=1, le=10_000, description="episodes, each with a start, a goal and a zone of its own"
        )
        first: int = Field(0, ge=0, le=2**31 - 1, description="seed of the first episode; the others follow")
        guidance: float = Field(3.0, gt=0, le=1e4, description="weight of the energy that keeps away from the zone")
        steps: int = Field(32, ge=4, le=500, description="steps of the sampler")
        weights: Path | None = Field(
            None, description="planner.safetensors of `scorekit train maze-planner`; none: as shipped"
        )

    def run(self, params: Any, ctx: RunContext) -> None:
        import numpy as np

        from scorekit_planning import maze, network, planning

        own = params.weights and network.load(params.weights, device=ctx.device, dtype=ctx.dtype)
        seeds = range(params.first, params.first + params.episodes)
        seen = np.stack([maze.PointMaze().reset(seed=seed)[0] for seed in seeds])
        plans: dict[str, Any] = {
            name: planning.plan(own or ctx.model(), seen, ctx.generator, weight, params.steps)
            for name, weight in (("guided", params.guidance), ("unguided", 0.0))
        }
        plans |= {"straight": [planning.straight(row) for row in seen], "map": [planning.with_map(row) for row in seen]}
        results: dict[str, Any] = {}
        ends: dict[str, Any] = {}
        for step, (name, made) in enumerate(plans.items(), 1):
            ends[name] = [planning.execute(plan, seed) for plan, seed in zip(made, seeds, strict=True)]
            reached, unharmed = (sum(end[index] for end in ends[name]) for index in (1, 2))
            interval = planning.wilson(unharmed, len(seen))
            results[name] = {"reached": reached, "unharmed": unharmed, "of": len(seen), "interval": interval}
            ctx.metric(f"success_{name}", unharmed / len(seen))
            ctx.progress(step, len(plans))
        kinds, ways = planning.COLOURS, [end[0] for end in ends["guided"][:4]]
        shown = [(seen[i], {kind: plans[kind][i] for kind in kinds}, way) for i, way in enumerate(ways)]
        ctx.save("plans.png", planning.draw(shown))
        ctx.save("results.json", results)


class TrainMazePlanner(Application):
    name, title, reference = "maze-planner", "Training of the maze planner", "arXiv:2205.09991"
    summary = "Record a demonstrator in the maze, and train the model of its trajectories."
    kind, requires = "training", ("gymnasium",)
    artifacts = ("planner.safetensors",)
    demo = {"demonstrations": 32, "steps": 20}

    class Params(Application.Params):
        demonstrations: int = Field(4000, ge=16, le=1_000_000, description="trajectories of the demonstrator")
        steps: int = Field(6000, ge=1, le=10_000_000, description="optimiser steps")
        batch: int = Field(256, ge=1, le=65_536, description="trajectories per step")
        lr: float = Field(1e-3, gt=0, le=0.1, description="learning rate before the cooldown, which is the second half")

    def run(self, params: Any, ctx: RunContext) -> None:
        from scorekit_planning.training import train_planner

        weights = train_planner(params, ctx.seed, ctx.folder, ctx.progress, cpu=ctx.device.type == "cpu")
        ctx.save("planner.safetensors", weights)


def load_model(**how: Any) -> Any:
    from scorekit_planning.network import load

    return load(**how)


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    return [MazePlanner, TrainMazePlanner]


@hookimpl
def scorekit_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            "pico-maze", "Trajectories of 32 states through a maze of 21 rooms.", load=load_model, license="Apache-2.0"
        )
    ]

"""The recipes of pico-video as `scorekit train pico-video`. Cheap to import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from scorekit.host.plugin import ADVANCED, Application, RunContext

if TYPE_CHECKING:
    from scorekit_video_adapter.pico_video import Recipe
    from scorekit_video_adapter.scenes import Stage

PICTURE_SEED, STRIP_SEED, ROBOT_SEED, JUDGE_SEED = 0, 0, 10000, 40000
JUDGE_EPISODES = 60  # of each task under the camera of the small model


class TrainPicoVideo(Application):
    """See scorekit_video_adapter.pico_video."""

    name: ClassVar[str] = "pico-video"
    title: ClassVar[str] = "pico-video"
    summary: ClassVar[str] = (
        "Render clips of objects, sketches and a robot arm, and train the embedded video models on them."
    )
    reference: ClassVar[str] = "arXiv:2306.01872"
    kind: ClassVar[Literal["application", "training"]] = "training"
    requires: ClassVar[tuple[str, ...]] = ("skimage",)
    extra: ClassVar[str] = "video-adapter"
    artifacts: ClassVar[tuple[str, ...]] = ("*/scorekit.json", "judge-weights/model.safetensors")
    demo = {"pictures": 96, "strips": 32, "episodes": 0, "steps": 6, "batch": 2, "cooldown": 2}

    class Params(Application.Params):
        domain: Literal["prior", "sketch", "robot", "judge"] = Field(
            "prior",
            description="the broad prior, a small model of sketches or of a robot arm, or the judge, a classifier that measures them",
        )
        tiny: bool = Field(False, description="the smaller size of the small models")
        data: Path | None = Field(
            None, description="folder with the rendered data of an earlier run, in which what is missing is rendered"
        )
        pictures: int = Field(61440, ge=16, description="pictures of objects to render, which are moved in the plane")
        strips: int = Field(3072, ge=16, description="turning and orbited objects to render, eight frames each")
        episodes: int = Field(
            100,
            ge=0,
            description="episodes of each of the robot's tasks; 0 leaves the robot out of the prior, others need metaworld",
        )
        clips: int = Field(480, ge=1, description="sketches that the small model of sketches is trained on")
        steps: int = Field(2000, ge=1, description="optimiser steps")
        image: bool = Field(
            True,
            description="begin the prior with pico-image's layers; without, it is a network on blocks of 4 x 4 px, from nothing",
            json_schema_extra=ADVANCED,
        )
        batch: int = Field(4, ge=1, le=4096, description="clips per step; 8 suits the small models, 32 the judge")
        lr: float = Field(
            5e-4,
            gt=0,
            le=0.1,
            description="learning rate before the cooldown; 2e-3 suits the small models and the judge",
        )
        cooldown: int = Field(
            1000, ge=0, description="last steps, over which the learning rate falls to 0", json_schema_extra=ADVANCED
        )

    def run(self, params: Any, ctx: RunContext) -> None:
        """Render what is missing, train, and write the folder of the model or of the judge.

        Raises ParameterError where the robot's simulator is absent.
        """
        train = self._judge if params.domain == "judge" else self._model
        train(params, ctx, params.data or ctx.folder / "data")

    def _model(self, params: Any, ctx: RunContext, folder: Path) -> None:
        from scorekit_video_adapter import domains, robots
        from scorekit_video_adapter.clip_sets import Broad
        from scorekit_video_adapter.pico_video import export, train_pico_video

        if params.domain == "robot" or (params.domain == "prior" and params.episodes):
            self._need_simulator()
        data: Any
        if params.domain == "robot":
            episodes = params.episodes or domains.ROBOT_EPISODES
            data = domains.robot_set(robots.build(folder / "robot-narrow", episodes, domains.ROBOT_SEED, "narrow"))
        elif params.domain == "sketch":
            data = domains.sketch_set(self._stage(params, ctx, folder), params.clips)
        else:
            films = None
            if params.episodes:
                films = robots.load(robots.build(folder / "robot-broad", params.episodes, ROBOT_SEED, "broad"))
            data = Broad(self._stage(params, ctx, folder), films)
        recipe = _recipe(params, ctx.seed)
        model = train_pico_video(
            recipe,
            data,
            ctx.folder,
            lambda step, total, metrics: ctx.progress(step, total, **metrics),
            cpu=ctx.device.type == "cpu",
        )
        name = (
            "pico-video" if params.domain == "prior" else f"pico-video-{params.domain}{'-tiny' if params.tiny else ''}"
        )
        export(model, recipe, ctx.folder / name)

    def _judge(self, params: Any, ctx: RunContext, folder: Path) -> None:
        """Train the judge on the true clips that the models are trained on, and on films of its own."""
        import numpy as np

        from scorekit_video_adapter import robots
        from scorekit_video_adapter.judge import Recipe, train_judge

        self._need_simulator()
        broad = robots.load(robots.build(folder / "robot-broad", params.episodes or 100, ROBOT_SEED, "broad"))
        narrow = robots.load(robots.build(folder / "robot-judge", JUDGE_EPISODES, JUDGE_SEED, "narrow"))
        # The narrow camera, which the judge will mostly see, as often as all others.
        films = (np.concatenate([broad[0], narrow[0], narrow[0]]), np.concatenate([broad[1], narrow[1], narrow[1]]))
        judge = train_judge(
            Recipe(batch=params.batch, steps=params.steps, lr=params.lr, cooldown=params.cooldown),
            self._stage(params, ctx, folder),
            films,
            ctx.folder,
            lambda step, total, metrics: ctx.progress(step, total, **metrics),
        )
        judge.save(ctx.folder / "judge-weights")

    def _stage(self, params: Any, ctx: RunContext, folder: Path) -> Stage:
        from scorekit.zoo.dataset import build
        from scorekit_video_adapter import strips
        from scorekit_video_adapter.scenes import Stage

        pictures = build(folder / "pictures", params.pictures, seed=PICTURE_SEED)
        ctx.log(f"{params.pictures} pictures of objects")
        return Stage.load(pictures, strips.build(folder / "strips", params.strips, STRIP_SEED))

    def _need_simulator(self) -> None:
        from importlib.util import find_spec

        from scorekit.host.plugin import ParameterError

        if find_spec("metaworld") is None:
            raise ParameterError(
                "episodes of the robot need metaworld, which is not installed: pip install metaworld, or leave the robot out "
                "with domain prior and episodes 0."
            )


def _recipe(params: Any, seed: int) -> Recipe:
    from scorekit_video_adapter.pico_video import Recipe, of_image, small

    recipe = Recipe(batch=params.batch, steps=params.steps, lr=params.lr, cooldown=params.cooldown, seed=seed)
    if params.domain != "prior":
        return small(recipe, params.tiny)
    return of_image(recipe) if params.image else recipe

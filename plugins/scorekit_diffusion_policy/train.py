"""`scorekit train diffusion-policy`: demonstrations in, a policy out."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from scorekit.host.plugin import ADVANCED, Application, ParameterError, RunContext

if TYPE_CHECKING:
    from scorekit_diffusion_policy.config import PolicyConfig
    from scorekit_diffusion_policy.episodes import Demonstrations
    from scorekit_diffusion_policy.policy import Policy
    from scorekit_diffusion_policy.recipe import Recipe

CORRECTION_SKIP = 700_000  # training seeds from here on are kept for corrections
COLLECTED = 100  # demonstrations
LR = 1e-3
EXAM_SKIP = 800_000  # training seeds from here on are kept for examinations during training


class TrainPolicy(Application):
    """Diffusion policy (arXiv:2303.04137) on the core's denoisers and trainer."""

    name: ClassVar[str] = "diffusion-policy"
    title: ClassVar[str] = "Diffusion policy"
    summary: ClassVar[str] = "Train a robot policy on demonstrations: plans of actions, denoised under the observation."
    reference: ClassVar[str] = "arXiv:2303.04137"
    kind: ClassVar[Literal["application", "training"]] = "training"
    requires: ClassVar[tuple[str, ...]] = ("gymnasium",)
    extra: ClassVar[str] = "diffusion-policy"
    artifacts: ClassVar[tuple[str, ...]] = ("policy/config.json", "policy/weights.safetensors", "examinations.json")
    demo = {
        "episodes": 4,
        "steps": 12,
        "batch": 64,
        "width": 64,
        "depth": 1,
        "trunk": 64,
        "exams": 1,
        "exam_episodes": 1,
    }

    class Params(Application.Params):
        """Defaults are the recipe of pico-pusht."""

        data: Path | None = Field(
            None,
            description="Folder of demonstrations (Minari, LeRobot or zarr); none: collected by the expert of the task.",
        )
        task: str = Field("pusht", description="The task whose expert is asked where no data is given.")
        episodes: int | None = Field(
            None, ge=1, description="Demonstrations; default: all of the data, or 100 where they are collected."
        )
        steps: int = Field(200, ge=1, description="Updates; pico-pusht took 3000.")
        observations: list[str] = Field(["state"], min_length=1, description="Observations that the policy reads.")
        representation: Literal["auto", "generic", "pusht-frame"] = Field(
            "auto", description="Features; auto: pusht-frame where the task is PushT and its state is read."
        )
        network: Literal["mlp", "unet", "transformer"] = Field("mlp", description="What predicts the plan.")
        prediction: Literal["eps", "x0", "v", "flow", "regression"] = Field(
            "v", description="What it is trained to predict; regression: the plan itself, without diffusion."
        )
        horizon: int = Field(16, ge=1, le=256, description="Actions of a plan.")
        action_steps: int = Field(8, ge=1, le=256, description="Actions executed before the next plan.")
        obs_steps: int = Field(2, ge=1, le=16, description="Observations that a plan is made from.")
        mirror: bool | None = Field(
            None, description="Train on mirror images, too; default: where the task has a symmetry, which PushT has."
        )
        relative: str | None = Field(
            None,
            pattern=r"^\w+:\d+$",
            description="Actions are positions relative to this observation, name:first index, such as keypoints:16.",
            json_schema_extra=ADVANCED,
        )
        corrections: int = Field(
            0,
            ge=0,
            description="Episodes that the trained policy begins and the expert ends (DAgger); then it is trained on, half as long.",
        )
        distil: str | None = Field(
            None,
            description="Policy to distil, a folder or an embedded one: the new one plans in one to four steps. Task, network and horizon "
            "are its own.",
            examples=["pico-pusht"],
        )
        width: int = Field(256, ge=8, description="Width of the network's blocks.", json_schema_extra=ADVANCED)
        depth: int = Field(2, ge=1, description="Blocks, or levels of a U-Net.", json_schema_extra=ADVANCED)
        trunk: int = Field(512, ge=8, description="Width of the observation's network.", json_schema_extra=ADVANCED)
        trunk_depth: int = Field(
            3, ge=0, description="Blocks of the observation's network.", json_schema_extra=ADVANCED
        )
        batch: int = Field(512, ge=1, description="Observations in an update.", json_schema_extra=ADVANCED)
        draws: int = Field(4, ge=1, description="Draws of noise for each observation.", json_schema_extra=ADVANCED)
        lr: float | None = Field(
            None,
            gt=0,
            le=0.1,
            description="Highest learning rate; default: 0.001, or half of it where a policy is distilled.",
            json_schema_extra=ADVANCED,
        )
        ema: float = Field(0.999, ge=0, lt=1, description="Decay of the averaged weights.", json_schema_extra=ADVANCED)
        validation: float = Field(
            0.05, ge=0, le=0.5, description="Share of the episodes held out.", json_schema_extra=ADVANCED
        )
        exams: int = Field(2, ge=1, description="Examinations during the training.", json_schema_extra=ADVANCED)
        exam_episodes: int = Field(
            10, ge=0, description="Episodes acted out in an examination; 0: none.", json_schema_extra=ADVANCED
        )
        sampling_steps: int = Field(10, ge=1, description="Steps of DDIM for a plan.", json_schema_extra=ADVANCED)
        start: Path | None = Field(None, description="Folder of a policy to go on from.", json_schema_extra=ADVANCED)

    def run(self, params: Any, ctx: RunContext) -> None:
        """Train and save policy/config.json and policy/weights.safetensors, which `load_policy` reads.

        Raises ParameterError for data and parameters that do not fit, FloatingPointError where training diverges.
        """
        import dataclasses

        from scorekit_diffusion_policy.collect import default_noise
        from scorekit_diffusion_policy.dagger import train_on
        from scorekit_diffusion_policy.policy import CONFIG, WEIGHTS, load_policy
        from scorekit_diffusion_policy.recipe import EXAMS, Recipe, train_policy
        from scorekit_diffusion_policy.seeds import training_seeds

        total = params.steps + (max(1, params.steps // 2) if params.corrections else 0)
        if params.distil is not None and (params.start is not None or params.corrections):
            raise ParameterError("distil goes with neither start nor corrections.")
        try:
            teacher = None if params.distil is None else load_policy(params.distil)
            lr = params.lr or (LR if teacher is None else LR / 2)
            start = None if params.start is None else load_policy(params.start)
            given = teacher or start
            demonstrations = self._demonstrations(params, ctx, given)
            config = given.config if given is not None else self._config(params, demonstrations)
            recipe = Recipe(
                steps=params.steps, batch=params.batch, draws=params.draws, lr=lr, ema=params.ema, seed=ctx.seed,
                precision="no" if ctx.device.type == "cpu" else "bf16", validation=params.validation, exams=min(params.exams, params.steps),
            )  # fmt: skip
            ctx.log(f"{len(demonstrations.episodes)} episodes of {demonstrations.task}")
            if teacher is not None:
                policy = self._distilled(teacher, demonstrations, recipe, params, ctx)
            else:
                policy = train_policy(
                    config,
                    demonstrations,
                    recipe,
                    ctx.folder,
                    lambda step, _, metrics: ctx.progress(step, total, **metrics),
                    lambda one: self._examined(one, params, ctx),
                    start=start,
                    cpu=ctx.device.type == "cpu",
                )
            if params.corrections:
                policy = train_on(
                    policy,
                    demonstrations,
                    training_seeds(params.corrections, CORRECTION_SKIP),
                    dataclasses.replace(recipe, steps=total - params.steps, lr=lr / 3, exams=1),
                    ctx.folder / "corrected",
                    lambda step, _, metrics: ctx.progress(params.steps + step, total, **metrics),
                    lambda one: self._examined(one, params, ctx),
                    noise=default_noise(demonstrations.task),
                    cpu=ctx.device.type == "cpu",
                )
        except ValueError as error:
            raise ParameterError(str(error)) from error
        policy.save(ctx.folder / "policy")
        for name in (CONFIG, WEIGHTS):
            ctx.save(f"policy/{name}", (ctx.folder / "policy" / name).read_bytes())
        ctx.save(EXAMS, policy.config.training["examinations"])
        *_, last = policy.config.training["examinations"].values()
        for name, value in last.items():
            ctx.metric(name, value)

    def _distilled(
        self, teacher: "Policy", demonstrations: "Demonstrations", recipe: "Recipe", params: Any, ctx: RunContext
    ) -> "Policy":
        from scorekit_diffusion_policy.consistency import distil
        from scorekit_diffusion_policy.recipe import replace_training

        def report(step: int, total: int, metrics: dict[str, float]) -> None:
            ctx.progress(step, total, **metrics)

        policy = distil(teacher, demonstrations, recipe, ctx.folder, report, cpu=ctx.device.type == "cpu")
        record = policy.config.training | {"examinations": {str(recipe.steps): self._examined(policy, params, ctx)}}
        policy.config = replace_training(policy.config, record)
        return policy

    def _demonstrations(self, params: Any, ctx: RunContext, given: "Policy | None") -> "Demonstrations":
        import dataclasses

        from scorekit_diffusion_policy import formats
        from scorekit_diffusion_policy.collect import collect
        from scorekit_diffusion_policy.seeds import training_seeds

        if params.data is not None:
            read = formats.load(params.data)
            return dataclasses.replace(read, episodes=read.episodes[: params.episodes])
        count = params.episodes or COLLECTED
        task, names = (given.config.task, given.observations) if given else (params.task, tuple(params.observations))
        ctx.log(f"collecting {count} demonstrations of {task}")
        return collect(task, training_seeds(count), observations=names)

    def _config(self, params: Any, demonstrations: "Demonstrations") -> "PolicyConfig":
        from scorekit_diffusion_policy.config import NetworkConfig, SamplingConfig
        from scorekit_diffusion_policy.recipe import config_for
        from scorekit_diffusion_policy.symmetry import MIRRORED

        names = tuple(params.observations)
        pusht = demonstrations.task == "pusht"
        representation = params.representation
        if representation == "auto":
            representation = "pusht-frame" if pusht and names == ("state",) else "generic"
        known = pusht and all(name in MIRRORED for name in names)
        if params.mirror and not known:
            raise ParameterError(f"mirror is for PushT with the observations {', '.join(MIRRORED)}.")
        if params.action_steps > params.horizon:
            raise ParameterError(
                f"action_steps must be at most the horizon {params.horizon}, not {params.action_steps}."
            )
        name, _, first = (params.relative or "").partition(":")
        return config_for(
            demonstrations,
            names,
            representation=representation,
            relative=(name, int(first)) if params.relative else None,
            mirror=known if params.mirror is None else params.mirror,
            obs_steps=params.obs_steps,
            horizon=params.horizon,
            prediction=params.prediction,
            network=NetworkConfig(
                kind=params.network,
                width=params.width,
                depth=params.depth,
                trunk=params.trunk,
                trunk_depth=params.trunk_depth,
            ),
            sampling=SamplingConfig(
                solver="euler" if params.prediction == "flow" else "ddim",
                steps=params.sampling_steps,
                action_steps=params.action_steps,
                # At the first level eps tells next to nothing of the plan. In pusht-frame one is the root mean square, not the range.
                clip=(5.0 if representation == "pusht-frame" else 1.0) if params.prediction == "eps" else None,
            ),
        )

    def _examined(self, policy: "Policy", params: Any, ctx: RunContext) -> dict[str, float]:
        from scorekit_diffusion_policy.rollout import roll_out
        from scorekit_diffusion_policy.seeds import training_seeds

        if not params.exam_episodes:
            return {}
        outcomes = roll_out(policy.config.task, policy, training_seeds(params.exam_episodes, EXAM_SKIP))
        found = {
            "success": sum(one.success for one in outcomes) / len(outcomes),
            "score": sum(one.score for one in outcomes) / len(outcomes),
        }
        ctx.log(", ".join(f"{name} {value:.3f}" for name, value in found.items()))
        return found

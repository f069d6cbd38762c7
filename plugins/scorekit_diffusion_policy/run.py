"""`scorekit run diffusion-policy`: a policy acts in a world, on seeds that it was not trained on, and is counted and shown."""

from typing import TYPE_CHECKING, Any, ClassVar

from scorekit.host.plugin import Application, ParameterError, RunContext, RunError
from scorekit_diffusion_policy.run_parameters import RunPolicyParams

if TYPE_CHECKING:
    from scorekit_diffusion_policy.environments import World
    from scorekit_diffusion_policy.filming import Filmed
    from scorekit_diffusion_policy.policy import Policy
    from scorekit_diffusion_policy.rollout import Outcome
    from scorekit_diffusion_policy.table import Row


class RunPolicy(Application):
    """Diffusion policy (arXiv:2303.04137) in Gymnasium: success rates with intervals, a table, videos with plans drawn in."""

    name: ClassVar[str] = "diffusion-policy"
    title: ClassVar[str] = "Diffusion policy"
    summary: ClassVar[str] = (
        "A robot policy acts in simulation: success over unseen seeds, videos, and what it considers."
    )
    reference: ClassVar[str] = "arXiv:2303.04137"
    requires: ClassVar[tuple[str, ...]] = ("gymnasium", "imageio_ffmpeg", "pyarrow", "matplotlib")
    extra: ClassVar[str] = "diffusion-policy"
    artifacts: ClassVar[tuple[str, ...]] = (
        "grid.mp4", "filmstrip.png", "considered.png", "summary.json", "episodes.parquet", "episode-*.mp4",
    )  # fmt: skip
    demo = {"episodes": 2, "videos": 1, "failures": 0, "samples": 12, "picture_size": 128}

    class Params(RunPolicyParams):
        """See run_parameters.py."""

    def run(self, params: RunPolicyParams, ctx: RunContext) -> None:
        """Act out all episodes and save episodes.parquet, summary.json, MP4s, a filmstrip and considered.png.

        An episode whose world breaks off is a row with its error and counts as no success; the others go on. A resumed run goes on behind
        the last finished batch of episodes, and ends with the same table.

        Raises ParameterError for a world or a policy that there is not, a policy of another world, and sampling that it cannot do;
        RunError where plans stop being finite.
        """
        from scorekit_diffusion_policy.rollout import roll_out
        from scorekit_diffusion_policy.table import Row, summary, words, write_parquet

        seeds = _seeds(params)
        world, sighted = _world(params, ctx)
        free, policy = _policies(params, world, ctx)
        rows: list[Row] = []
        kept: dict[int, Any] = {}  # actions of the episodes that will be shown
        if state := ctx.restore():
            rows = [Row.load(one) for one in state["rows"]]
            kept = {int(seed): actions.cpu() for seed, actions in state["kept"].items()}
        shown = min(params.videos, len(seeds)) + params.failures if sighted else 0
        total = len(seeds) + shown
        watched = Watched(policy, lambda: ctx.progress(len(rows), total, **_so_far(rows)))

        def state_of() -> dict[str, Any]:
            return {
                "rows": [row.state() for row in rows],
                "kept": {str(seed): actions for seed, actions in kept.items()},
            }

        try:
            while len(rows) < len(seeds):
                batch = seeds[len(rows) : len(rows) + params.environments]
                outcomes = roll_out(
                    params.env,
                    watched,
                    batch,
                    environments=params.environments,
                    noise=ctx.seed,
                    record=batch[:1] if sighted else (),  # for the preview
                    on_frame=lambda _seed, _step, frame: ctx.preview(frame),
                    frame_size=params.picture_size,
                )
                rows.extend(_row(outcome, policy) for outcome in outcomes)
                _keep(kept, outcomes, seeds, params)
                ctx.checkpoint(state_of, len(rows))
                ctx.progress(len(rows), total, **_so_far(rows))
            ctx.log(words(rows))
            ctx.save("episodes.parquet", lambda path: write_parquet(path, rows))
            said = summary(rows)
            asked = {"env": params.env, "policy": params.policy, "seeds": f"{params.seeds} {seeds[0]} to {seeds[-1]}"}
            if sighted:
                said |= _pictures(params, ctx, world, free, policy, rows, kept)
        except FloatingPointError as error:
            raise RunError(f"policy {params.policy}: {error}") from error
        finally:
            world.close()
        said = {**asked, "noise": ctx.seed, "sampling": policy.config.sampling.model_dump(), **said}
        ctx.save("summary.json", {**said, "table": [row.cells() for row in rows]})
        for name, value in _metrics(said, watched).items():
            ctx.metric(name, value)
        ctx.progress(total, total)


class Watched:
    """A policy whose plans are counted and timed; `before` is called ahead of each, where a run may stop."""

    def __init__(self, policy: "Policy", before: Any) -> None:
        self.policy, self._before = policy, before
        self.plans, self.seconds = 0, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.policy, name)

    def plan(self, history: Any, generators: Any = None, **more: Any) -> Any:
        """As the policy's."""
        import time

        self._before()
        began = time.process_time()
        made = self.policy.plan(history, generators, **more)
        self.seconds += time.process_time() - began
        self.plans += len(made)
        return made


def _seeds(params: RunPolicyParams) -> list[int]:
    from scorekit_diffusion_policy import seeds

    try:
        if params.seeds == "training":
            return seeds.training_seeds(params.episodes, params.skip)
        return seeds.test_seeds(params.env, params.episodes, params.skip)
    except ValueError as error:
        raise ParameterError(f"episodes: {error}") from error


def _world(params: RunPolicyParams, ctx: RunContext) -> "tuple[World, bool]":
    """The world for checks and pictures, and whether it can be seen at all."""
    from scorekit_diffusion_policy.environments import make, shipped_tasks

    try:
        world = make(params.env, render_size=max(params.picture_size, 384))
    except ValueError as error:
        near = [task for task in shipped_tasks() if not task.startswith("metaworld/")]
        raise ParameterError(
            f"env {params.env!r} cannot be used ({error}); shipped are {', '.join(near)} and metaworld/<task>"
        ) from error
    try:
        world.reset(seed=0)
        world.render()
    except Exception as error:
        ctx.log(f"no pictures: {params.env} cannot be rendered here ({error})")
        return world, False
    return world, True


def _policies(params: RunPolicyParams, world: "World", ctx: RunContext) -> "tuple[Policy, Policy]":
    """The policy as it is sampled, without and with its goal."""
    from scorekit_diffusion_policy.goals import toward
    from scorekit_diffusion_policy.policy import load_policy

    try:
        policy = load_policy(params.policy, device=ctx.device)
        if policy.config.task != world.task:
            raise ParameterError(
                f"policy {params.policy} was trained in {policy.config.task}, not in {world.task}: "
                f"use --env {policy.config.task}, or another policy"
            )
        if changed := params.sampling():
            policy = policy.with_sampling(**changed)
        if params.goal is None:
            return policy, policy
        return policy, policy.with_guidance(toward(world.task, params.goal), params.goal_scale)
    except ValueError as error:
        raise ParameterError(str(error)) from error


def _row(outcome: "Outcome", policy: "Policy") -> "Row":
    from scorekit_diffusion_policy.seams import Jumps, jumps
    from scorekit_diffusion_policy.table import Row

    seams = Jumps()
    if len(outcome.actions):
        seams = jumps(outcome.actions, outcome.plan_steps, policy.config.action_low, policy.config.action_high)
    return Row(
        outcome.seed,
        outcome.success,
        outcome.score,
        outcome.steps,
        len(outcome.plan_steps),
        outcome.error,
        seams,
    )


def _keep(kept: dict[int, Any], outcomes: "list[Outcome]", seeds: list[int], params: RunPolicyParams) -> None:
    """Keep the actions of the first episodes, and of the first failures behind them."""
    import torch

    first = set(seeds[: max(1, params.videos)])
    for outcome in outcomes:
        failures = sum(seed not in first for seed in kept)
        failed = not outcome.success and outcome.error is None and failures < params.failures
        if (outcome.seed in first or failed) and len(outcome.actions):
            kept[outcome.seed] = torch.from_numpy(outcome.actions)


def _pictures(
    params: RunPolicyParams,
    ctx: RunContext,
    world: "World",
    free: "Policy",
    policy: "Policy",
    rows: "list[Row]",
    kept: dict[int, Any],
) -> dict[str, Any]:
    """Films, filmstrip, grid, and what the policy considers; what they say in numbers."""
    from scorekit_diffusion_policy.considered import consider
    from scorekit_diffusion_policy.filming import film
    from scorekit_diffusion_policy.videos import filmstrip, grid, write_mp4

    rate = float(world.env.metadata.get("render_fps") or 10)
    found = {row.seed: row for row in rows}
    total = len(rows) + min(params.videos, len(rows)) + params.failures
    filmed: list[Filmed] = []
    wanted = list(kept.items()) if params.videos else list(kept.items())[1:]
    for seed, actions in wanted:
        one = film(params.env, policy, found[seed], actions.numpy(), noise=ctx.seed, size=params.picture_size)
        ctx.save(f"episode-{seed}.mp4", lambda path, one=one: write_mp4(path, one.frames, rate))
        ctx.preview(one.frames[-1])
        filmed.append(one)
        ctx.progress(len(rows) + len(filmed), total)
    if filmed:
        ctx.save("grid.mp4", lambda path: write_mp4(path, grid(filmed), rate))
        ctx.save("filmstrip.png", filmstrip(filmed))
    if not kept:
        return {}
    seed, actions = next(iter(kept.items()))
    seen = consider(world, free, policy, seed, actions.numpy(), samples=params.samples, noise=ctx.seed)
    ctx.save("considered.png", seen.picture)
    return {"considered": seen.record()}


def _so_far(rows: "list[Row]") -> dict[str, float]:
    return {"success": sum(row.success for row in rows) / len(rows)} if rows else {}


def _metrics(said: dict[str, Any], watched: Watched) -> dict[str, float]:
    numbers = {
        "success": said["success"]["rate"],
        "success_low": said["success"]["low"],
        "success_high": said["success"]["high"],
        "score": said["score"]["mean"],
        "steps": said["steps"]["mean"],
        "seam_ratio": said["seams"]["ratio"],
        "crashed": said["crashed"],
        "plan_ms": 1e3 * watched.seconds / watched.plans if watched.plans else None,
    }
    return {name: value for name, value in numbers.items() if value is not None}

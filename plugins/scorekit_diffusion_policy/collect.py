"""`scorekit run collect-demonstrations`: an expert demonstrates, and a Minari dataset is left. Heavy imports wait for `run`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from scorekit.host.plugin import ADVANCED, Application, ParameterError, RunContext, RunError

if TYPE_CHECKING:
    from scorekit_diffusion_policy.environments import World
    from scorekit_diffusion_policy.episodes import Demonstrations, Episode

DATASET = "demonstrations"
FRAME_SIZE = 192
STRIP = 8  # pictures in the strip of an episode
MOST_FAILURES = 3  # tries for each episode asked for


def default_noise(task: str) -> tuple[float, ...]:
    """Standard deviations of execution noise, taken in turn, in the units of actions."""
    return (0.0, 2.0, 5.0) if task in ("pusht", "gym_pusht/PushT-v0") else (0.1,)


def default_linger(task: str) -> int:
    """Steps after success; PushT ends with it."""
    return 8 if task.startswith("metaworld/") else 0


def film_every(task: str) -> int:
    """Steps from one picture of the film to the next: Meta-World acts eighty times a second."""
    return 4 if task.startswith("metaworld/") else 1


def demonstrations(
    world: World,
    seeds: Iterable[int],
    *,
    noise: Sequence[float],
    watch: Callable[[World], object] | None = None,
) -> Iterator[Episode]:
    """An episode for each of `seeds`, successful or not; the noise depends on the seed only."""
    from scorekit_diffusion_policy.demonstrate import demonstrate
    from scorekit_diffusion_policy.experts import make_expert

    expert = make_expert(world.task)
    linger = default_linger(world.task)
    for seed in seeds:
        yield demonstrate(world, expert, seed, noise=noise[seed % len(noise)], linger=linger, watch=watch)


def collect(
    task: str,
    seeds: Sequence[int],
    observations: Sequence[str] | None = None,
    *,
    noise: Sequence[float] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Demonstrations:
    """Demonstrations of `task` in memory: the successful episodes of `seeds`.

    noise  standard deviations of execution noise, taken in turn; default: see `default_noise`
    Raises ValueError for test seeds, an unknown task, and a task without expert.
    """
    from scorekit_diffusion_policy.environments import make
    from scorekit_diffusion_policy.episodes import Demonstrations
    from scorekit_diffusion_policy.seeds import FIRST_TRAINING_SEED, is_training_seed

    if wrong := [seed for seed in seeds if not is_training_seed(seed)]:
        raise ValueError(f"demonstrations are collected under seeds from {FIRST_TRAINING_SEED} on; got {wrong[0]}")
    world = make(task, observations)
    try:
        kept = []
        for done, episode in enumerate(demonstrations(world, seeds, noise=noise or default_noise(task)), 1):
            if episode.success:
                kept.append(episode)
            if progress is not None:
                progress(done, len(seeds))
        return Demonstrations(world.task, world.action_space.low, world.action_space.high, tuple(kept))
    finally:
        world.close()


class CollectDemonstrations(Application):
    """See `Params`; the main artifact is the dataset's folder."""

    name, title = "collect-demonstrations", "Collect demonstrations"
    summary = "Lets an expert solve a simulated task and stores what it did as a Minari dataset."
    reference = "arXiv:2303.04137"
    extra = "diffusion-policy"
    requires = ("gymnasium", "minari", "h5py")
    artifacts = ("episodes.mp4", "episodes.png", f"{DATASET}/data/*", "episodes.json")
    demo = {"episodes": 3, "videos": 1}

    class Params(Application.Params):
        """Which task, how many episodes, and what is recorded of them."""

        env: str = Field(
            "pusht",
            min_length=1,
            description="Task with an expert: pusht, metaworld/<task>-v3 (all 50) or Reacher-v5.",
            examples=["pusht", "metaworld/push-v3", "Reacher-v5"],
        )
        episodes: int = Field(20, ge=1, le=100_000, description="Successful episodes to collect.")
        observations: list[str] = Field(
            [],
            description="What is recorded: state, keypoints (pusht), pixels; default: state, in pusht with keypoints.",
        )
        noise: list[float] = Field(
            [],
            description="Standard deviations of execution noise, taken in turn; default: 0, 2 and 5 px in pusht, else 0.1.",
        )
        skip: int = Field(
            0,
            ge=0,
            description="Training seeds to leave out, to go on after another run.",
            json_schema_extra=ADVANCED,
        )
        videos: int = Field(3, ge=0, le=100, description="Episodes in the video.", json_schema_extra=ADVANCED)

    def run(self, params: Params, ctx: RunContext) -> None:
        from scorekit_diffusion_policy.environments import make
        from scorekit_diffusion_policy.experts import make_expert

        noise = tuple(params.noise) or default_noise(params.env)
        if min(noise) < 0:
            raise ParameterError(f"noise must not be negative; got {min(noise)}")
        try:
            world = make(params.env, self._observations(params), render_size=FRAME_SIZE)
        except ValueError as error:
            raise ParameterError(str(error)) from error
        try:
            try:
                make_expert(params.env)
            except ValueError as error:
                raise ParameterError(str(error)) from error
            self._collect(params, ctx, world, noise)
        finally:
            world.close()

    def _observations(self, params: Params) -> list[str] | None:
        if params.observations:
            return params.observations
        return ["state", "keypoints"] if params.env in ("pusht", "gym_pusht/PushT-v0") else None

    def _collect(self, params: Params, ctx: RunContext, world: World, noise: tuple[float, ...]) -> None:
        from scorekit_diffusion_policy.dataset_artifacts import (
            episode_state,
            restored_episode,
            save_dataset,
            save_films,
        )
        from scorekit_diffusion_policy.episodes import Demonstrations
        from scorekit_diffusion_policy.seeds import training_seeds

        kept: list[Episode] = []
        films: list[list[Any]] = []
        tried = 0

        def state() -> dict[str, Any]:
            return {
                "episodes": [episode_state(one) for one in kept],
                "films": [[_tensor(frame) for frame in film] for film in films],
                "tried": tried,
            }

        if saved := ctx.restore():
            kept = [restored_episode(one) for one in saved["episodes"]]
            films = [[frame.cpu().numpy() for frame in film] for film in saved["films"]]
            tried = int(saved["tried"])
        frames: list[Any] = []
        steps = 0

        def watch(world: World) -> None:
            nonlocal steps
            if len(films) < params.videos and steps % film_every(world.task) == 0:
                frames.append(world.render())
                ctx.preview(frames[-1])
            steps += 1

        left = MOST_FAILURES * params.episodes if len(kept) < params.episodes else tried
        seeds = training_seeds(left, params.skip)[tried:]
        for episode in demonstrations(world, seeds, noise=noise, watch=watch):
            tried += 1
            if episode.success:
                kept.append(episode)
                if frames:
                    films.append([*frames, world.render()])
            frames.clear()
            steps = 0
            ctx.checkpoint(state, len(kept))
            ctx.progress(len(kept), params.episodes, success=len(kept) / tried)
            if len(kept) == params.episodes:
                break
        if len(kept) < params.episodes:
            raise RunError(
                f"the expert of {params.env} succeeded in {len(kept)} of {tried} episodes; {params.episodes} were asked for"
            )
        data = Demonstrations(world.task, world.action_space.low, world.action_space.high, tuple(kept))
        save_dataset(ctx, data, DATASET)
        save_films(ctx, films, STRIP)
        ctx.save(
            "episodes.json",
            {
                "env": world.task,
                "dataset": DATASET,
                "observations": list(data.observations),
                "noise": list(noise),
                "episodes": [{"seed": one.seed, "steps": len(one), "score": one.score} for one in kept],
            },
        )
        ctx.metric("expert_success", len(kept) / tried)
        ctx.metric("episodes", len(kept))
        ctx.metric("steps", data.steps)


def _tensor(frame: Any) -> Any:
    import torch

    return torch.from_numpy(frame.copy())

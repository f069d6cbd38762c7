"""Evaluation: a policy acts in many worlds at a time, and every plan is made for all of them together.

Worlds advance in rounds. In a round one plan is made for the whole batch, then each world executes its first
`action_steps` actions; a world whose episode is over begins the next one with the next round. Each episode has a noise
generator of its own, so what happens in it does not depend on the others beside it (beyond the rounding of batched
arithmetic).
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from scorekit_diffusion_policy.environments import Observation, World, make
from scorekit_diffusion_policy.environments.rendering import FRAME_SIZE

MOST_STEPS = 1000  # for worlds without a limit of their own

MakeWorld = Callable[..., World]


class Policy(Protocol):
    """What a rollout needs of a policy.

    observations  names of those that it reads;  obs_steps  how many of each;  horizon  length of a plan
    action_steps  how many actions of a plan are executed before the next
    """

    @property
    def observations(self) -> tuple[str, ...]: ...
    @property
    def obs_steps(self) -> int: ...
    @property
    def horizon(self) -> int: ...
    @property
    def action_steps(self) -> int: ...

    def plan(self, history: Mapping[str, np.ndarray], generators: Sequence[torch.Generator] | None) -> np.ndarray:
        """history: each (B, obs_steps, ...), oldest first. Returns (B, horizon, A) in the world's units.

        A policy with the attribute `chunking` = "real-time" gets `committed` besides, from an episode's second plan on:
        (B, horizon - action_steps, A), what is left of the plans before.
        """
        ...


@dataclass
class Outcome:
    """How one episode went.

    score       best of the episode in [0, 1];  reward  sum over its steps
    error       None, or one sentence: the world failed, and the rest counts up to there
    actions     (steps, A) float32, as given to the world
    plan_steps  the steps before which a plan was made
    frames      where recorded: (H, W, 3) uint8, one before each action and the last, steps + 1
    plans       where recorded: (step, plan (horizon, A), its line in the picture (horizon, 2) or None), see `World.project`
    """

    seed: int
    success: bool = False
    score: float = 0.0
    steps: int = 0
    reward: float = 0.0
    error: str | None = None
    actions: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    plan_steps: tuple[int, ...] = ()
    frames: list[np.ndarray] = field(default_factory=list)
    plans: list[tuple[int, np.ndarray, np.ndarray | None]] = field(default_factory=list)


def roll_out(
    task: str,
    policy: Policy,
    seeds: Iterable[int],
    *,
    environments: int = 16,
    noise: int = 0,
    progress: Callable[[int, int], object] | None = None,
    record: Iterable[int] = (),
    on_frame: Callable[[int, int, np.ndarray], object] | None = None,
    frame_size: int = FRAME_SIZE,
    most_steps: int = MOST_STEPS,
    make_world: MakeWorld = make,
) -> list[Outcome]:
    """Run `policy` in `task`, one episode for each seed; outcomes in the order of `seeds`.

    environments  worlds that act at the same time
    noise         seeds the episodes' generators, together with their own seeds
    progress      progress(done, total) after each finished episode; what it raises ends the evaluation
    record        seeds whose frames and plans are kept;  on_frame  on_frame(seed, step, frame) as they are drawn
    frame_size    side of the frames in pixels, where the world lets one choose

    A world that raises, or observes something that is not finite, ends its episode with `Outcome.error`; the others
    go on. Raises ValueError for an unknown task, a world that the policy does not fit, and plans of a wrong shape.
    """
    seeds, recorded = list(seeds), frozenset(record)
    if environments < 1:
        raise ValueError(f"environments must be at least 1; got {environments}")
    if not 1 <= policy.action_steps <= policy.horizon:
        raise ValueError(f"action_steps must be from 1 to the horizon, {policy.horizon}; got {policy.action_steps}")
    waiting = deque(enumerate(seeds))
    outcomes: dict[int, Outcome] = {}

    def build() -> World:
        world = make_world(task, policy.observations, render_size=frame_size)
        check = getattr(policy, "check", None)
        if check is not None:
            check(world)
        return world

    lanes = [_Lane(build, policy, noise, most_steps, on_frame) for _ in range(min(environments, len(seeds)))]
    try:
        while True:
            for lane in lanes:
                while lane.episode is None and waiting:
                    place, seed = waiting.popleft()
                    lane.begin(place, seed, seed in recorded)
                    _collect(lane, outcomes, progress, len(seeds))
            acting = [lane for lane in lanes if lane.episode is not None]
            if not acting:
                break
            _plan(policy, acting)
            for lane in acting:
                lane.execute()
                _collect(lane, outcomes, progress, len(seeds))
    finally:
        for lane in lanes:
            lane.close()
    return [outcomes[place] for place in range(len(seeds))]


class _Lane:
    """One world and the episode in it. `episode` is None between episodes."""

    def __init__(
        self,
        build: Callable[[], World],
        policy: Policy,
        noise: int,
        most_steps: int,
        on_frame: Callable[[int, int, np.ndarray], object] | None,
    ) -> None:
        self._build, self._policy, self._noise = build, policy, noise
        self._most_steps, self._on_frame = most_steps, on_frame
        self.world = build()
        self._broken = False
        self.episode: Outcome | None = None
        self.finished: tuple[int, Outcome] | None = None

    def begin(self, place: int, seed: int, recorded: bool) -> None:
        if self._broken:
            self.world, self._broken = self._build(), False
        self._place, self._recorded = place, recorded
        self.episode = Outcome(seed)
        self._actions: list[np.ndarray] = []
        self.chunk: np.ndarray | None = None
        entropy = np.random.SeedSequence([self._noise, seed]).generate_state(1, np.uint64)[0]
        self.generator = torch.Generator().manual_seed(int(entropy >> np.uint64(1)))
        try:
            observation, _ = self.world.reset(seed=seed)
            self._see(observation)
            self.history = deque([observation] * self._policy.obs_steps, maxlen=self._policy.obs_steps)
            self._draw()
        except Exception as error:
            self._fail(error, "at the beginning")

    def take(self, chunk: np.ndarray) -> None:
        """Receive a plan (horizon, A)."""
        assert self.episode is not None
        self.chunk = chunk
        self.episode.plan_steps += (self.episode.steps,)
        if self._recorded:
            self.episode.plans.append((self.episode.steps, chunk, self.world.project(chunk)))

    def execute(self) -> None:
        """The first `action_steps` actions of the plan, or as many as the episode lasts."""
        assert self.episode is not None
        assert self.chunk is not None
        for action in self.chunk[: self._policy.action_steps]:
            try:
                observation, reward, terminated, truncated, info = self.world.step(action)
                self._see(observation)
            except Exception as error:
                self._fail(error, f"at step {self.episode.steps}")
                return
            self._actions.append(action)
            self.history.append(observation)
            self.episode.steps += 1
            self.episode.reward += reward
            self.episode.success, self.episode.score = bool(info["success"]), float(info["score"])
            try:
                self._draw()
            except Exception as error:
                self._fail(error, f"at step {self.episode.steps}")
                return
            if terminated or truncated or self.episode.steps >= self._most_steps:
                self._finish()
                return

    def close(self) -> None:
        self.world.close()

    def _see(self, observation: Observation) -> None:
        for name, values in observation.items():
            if values.dtype != np.uint8 and not np.isfinite(values).all():
                raise ValueError(f"observation {name!r} holds values that are not finite")

    def _draw(self) -> None:
        assert self.episode is not None
        if self._recorded:
            frame = self.world.render()
            self.episode.frames.append(frame)
            if self._on_frame is not None:
                self._on_frame(self.episode.seed, self.episode.steps, frame)

    def _fail(self, error: Exception, when: str) -> None:
        assert self.episode is not None
        text = " ".join(str(error).split()) or type(error).__name__
        self.episode.error = f"seed {self.episode.seed}: {self.world.task} failed {when}: {text}"
        self._broken = True
        self.world.close()
        self._finish()

    def _finish(self) -> None:
        assert self.episode is not None
        width = len(self.world.action_space.low)
        self.episode.actions = np.array(self._actions, dtype=np.float32).reshape(-1, width)
        self.finished, self.episode = (self._place, self.episode), None


def _plan(policy: Policy, lanes: Sequence[_Lane]) -> None:
    """One plan for each lane. Where a new plan continues the one before, lanes that have none are planned apart."""
    continues = getattr(policy, "chunking", "none") == "real-time"
    fresh = [lane for lane in lanes if lane.chunk is None or not continues]
    going = [lane for lane in lanes if lane.chunk is not None and continues]
    for group in (fresh, going):
        if not group:
            continue
        history = {
            name: np.stack([np.stack([one[name] for one in lane.history]) for lane in group])
            for name in policy.observations
        }
        extra: dict[str, Any] = {}
        if group is going:
            left = [lane.chunk[policy.action_steps :] for lane in group if lane.chunk is not None]
            extra["committed"] = np.stack(left)
        plans = policy.plan(history, [lane.generator for lane in group], **extra)
        width = len(group[0].world.action_space.low)
        if plans.shape != (len(group), policy.horizon, width):
            raise ValueError(
                f"a plan for {group[0].world.task} must have the shape {(len(group), policy.horizon, width)}; "
                f"the policy made {plans.shape}"
            )
        for lane, chunk in zip(group, plans, strict=True):
            lane.take(chunk)


def _collect(
    lane: _Lane, outcomes: dict[int, Outcome], progress: Callable[[int, int], object] | None, total: int
) -> None:
    if lane.finished is not None:
        place, outcome = lane.finished
        outcomes[place], lane.finished = outcome, None
        if progress is not None:
            progress(len(outcomes), total)


def roll_out_in_processes(
    task: str, policy: Policy, seeds: Iterable[int], *, workers: int, environments: int = 16, **options: Any
) -> list[Outcome]:
    """`roll_out` with the seeds dealt to `workers` processes, each with a copy of the policy.

    Takes what `roll_out` takes but `on_frame`; policy and `make_world` have to be picklable. Worth it where the worlds
    cost more than the plans, as with pictures.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    seeds, progress = list(seeds), options.pop("progress", None)
    record = frozenset(options.pop("record", ()))
    if workers < 1:
        raise ValueError(f"workers must be at least 1; got {workers}")
    size = max(1, min(environments, -(-len(seeds) // workers)))
    shares = [seeds[i : i + size] for i in range(0, len(seeds), size)]
    results: dict[int, list[Outcome]] = {}
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {
            pool.submit(
                roll_out, task, policy, share, environments=environments, record=record & set(share), **options
            ): place
            for place, share in enumerate(shares)
        }
        try:
            for future in as_completed(futures):
                results[futures[future]] = future.result()
                if progress is not None:
                    progress(sum(map(len, results.values())), len(seeds))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return list(itertools.chain.from_iterable(results[place] for place in range(len(shares))))

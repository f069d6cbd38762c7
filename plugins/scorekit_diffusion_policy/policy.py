"""Policy: observations in, actions out, by a denoiser of whole plans.

policy = load_policy("pico-pusht")
policy.reset(seed=0)
action = policy.act(observation)      # in a loop of one's own
"""

from __future__ import annotations

import copy
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from scorekit.capture import Captured, capture
from scorekit.denoiser import Condition, Denoiser
from scorekit.guidance import clipped
from scorekit.sampling import Sampler
from scorekit.score import Score, energy
from scorekit.solvers import SOLVERS
from scorekit_diffusion_policy.chunking import held, hold_weights
from scorekit_diffusion_policy.config import PolicyConfig, SamplingConfig, sentence
from scorekit_diffusion_policy.model import PolicyModel, kind_of, schedule_of
from scorekit_diffusion_policy.reading import read_history, refuse_world

Array = np.ndarray[Any, Any]
Cost = Callable[[Tensor, Mapping[str, Tensor]], Tensor]
# Above this level x says next to nothing of the plan behind it, and the push of a cost, which grows as sigma^2 / alpha, tears it apart.
LED_BELOW = 0.8
MOST_SAMPLERS = 8  # that are kept, for as many sizes of batch
CONFIG, WEIGHTS = "config.json", "weights.safetensors"
EMBEDDED = Path(__file__).parent / "policies"


class Policy:
    """A trained policy with its way of sampling.

    config    what it is (see `PolicyConfig`)
    model     its network; frozen and set to evaluation here
    name      how messages call it

    `denoiser` is the core's, of event shape (horizon, action_dim), in the space of `representation.encode`; `score(history)` is its
    score under an observation, a term of the algebra.
    """

    def __init__(
        self, config: PolicyConfig, model: PolicyModel, device: torch.device | str = "cpu", name: str = "policy"
    ) -> None:
        self.config, self.name = config, name
        self.model = model.to(device).eval().requires_grad_(False)
        self.denoiser = Denoiser(
            self.model.head,
            schedule_of(config),
            kind_of(config),
            (config.horizon, config.action_dim),
            name=name,
            device=device,
        )
        self._cost: tuple[Cost, float] | None = None
        self._samplers: dict[int, tuple[Tensor, Sampler | Captured]] = {}
        self.bounds = torch.tensor(config.action_low, device=device), torch.tensor(config.action_high, device=device)
        self.reset()

    @property
    def observations(self) -> tuple[str, ...]:
        """Names of the arrays that it reads."""
        return tuple(self.config.observations)

    @property
    def obs_steps(self) -> int:
        """Observations that a plan is made from."""
        return self.config.obs_steps

    @property
    def horizon(self) -> int:
        """Actions of a plan."""
        return self.config.horizon

    @property
    def action_steps(self) -> int:
        """Actions executed before the next plan."""
        return self.config.sampling.action_steps

    @property
    def chunking(self) -> str:
        """Whether a plan begins with what is left of the one before: "real-time" or "none"."""
        return self.config.sampling.chunking

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.denoiser.device

    def with_sampling(self, **settings: Any) -> Policy:
        """A copy that shares the weights and samples otherwise: settings as in `SamplingConfig`.

        Raises ValueError for a setting, a solver or a number that it cannot take.
        """
        try:
            sampling = SamplingConfig.model_validate(self.config.sampling.model_dump() | settings)
            config = PolicyConfig.model_validate(self.config.model_dump() | {"sampling": sampling.model_dump()})
        except ValidationError as error:
            raise ValueError(f"sampling: {sentence(error)}") from None
        if sampling.solver not in SOLVERS or sampling.solver == "langevin":
            known = ", ".join(name for name in SOLVERS if name != "langevin")
            raise ValueError(f"solver must be one of {known}, not {sampling.solver!r}.")
        other = self._copy()
        other.config = config
        return other

    def with_guidance(self, cost: Cost, scale: float = 1.0) -> Policy:
        """A copy that plans toward low cost: goals, rewards, obstacles.

        cost   cost(actions (B, horizon, A) in the world's units, history) -> (B,), differentiable
        scale  weight of the cost: plans are drawn as from p(plan) exp(-scale cost), approximately (see `scorekit.score.energy`); it acts at
               levels up to 0.8

        Raises ValueError for a policy trained by regression, which has no density to be led in.
        """
        if self.config.prediction == "regression":
            raise ValueError(f"policy {self.name} was trained by regression and cannot be guided.")
        other = self._copy()
        other._cost = (cost, scale)
        return other

    def _copy(self) -> Policy:
        other = copy.copy(self)
        other._samplers = {}
        other.reset()
        return other

    def check(self, world: Any) -> None:
        """Raise ValueError where a Gymnasium world's actions or observations are not those of its training."""
        refuse_world(self.config, self.name, world.action_space, world.observation_space)

    def score(self, history: Mapping[str, Tensor]) -> Score:
        """The score of plans under observations (B, obs_steps, ...), as tensors on the device."""
        score = self._score_under(self._read(history))
        if self._cost is not None:
            cost, scale = self._cost
            of_plan = energy(lambda x0: cost(self.model.representation.decode(x0, history), history), scale)
            score = score + (lambda t: 1.0 * (t <= LED_BELOW)) * of_plan
        return score

    def plan(
        self,
        history: Mapping[str, Array],
        generators: Sequence[torch.Generator] | torch.Generator | None = None,
        *,
        committed: Array | None = None,
    ) -> Array:
        """Plans for a batch of worlds.

        history     each observation (B, obs_steps, ...), oldest first
        generators  one for each world, whose plan then does not depend on the batch; or one for all
        committed   (B, K, A), what is left of the plans before, K <= horizon: where chunking is "real-time" the new plans begin so

        Returns (B, horizon, A) float32 in the world's units, within the bounds of its actions, the first one for now.
        Raises ValueError for observations that do not fit or are not finite.
        """
        tensors = read_history(self.config, self.name, history, self.device)
        batch = len(next(iter(tensors.values())))
        with torch.no_grad():
            if self.config.prediction == "regression":
                x = self.score(tensors)(torch.zeros(batch, *self.denoiser.shape, device=self.device), 1.0).x0
            elif committed is not None and self.chunking == "real-time" and committed.shape[1]:
                x = self._sampler(self._held(self.score(tensors), tensors, committed), batch)(generator=generators)
            elif self._cost is not None:
                x = self._sampler(self.score(tensors), batch)(generator=generators)
            else:
                x = self._prepared(self._read(tensors))(generator=generators)
            actions = self.model.representation.decode(x, tensors).clamp(*self.bounds)
        return actions.cpu().numpy()

    def _read(self, history: Mapping[str, Tensor]) -> Tensor:
        """What the head is modulated by under these observations."""
        with torch.no_grad():
            return self.model.film(**self.model.representation.inputs(history))

    def _score_under(self, film: Tensor) -> Score:
        score = self.denoiser.given(Condition({"film": film}, label=f"the observation of {self.name}"))
        clip = self.config.sampling.clip
        return score if clip is None else clipped(score, -clip, clip)

    def _sampler(self, score: Score, batch: int) -> Sampler:
        return Sampler(score, batch, solver=self.config.sampling.solver, steps=self.config.sampling.steps)

    def _prepared(self, film: Tensor) -> Sampler | Captured:
        """A sampler under these observations. What it works out beforehand costs as much as several steps, so it is kept, with a
        condition that is written to: one policy is not for several threads."""
        kept = self._samplers.get(len(film))
        if kept is None:
            if len(self._samplers) >= MOST_SAMPLERS:
                self._samplers.pop(next(iter(self._samplers)))
            own = film.clone()
            sampler = self._sampler(self._score_under(own), len(film))
            kept = self._samplers[len(film)] = own, capture(sampler) if self.device.type == "cuda" else sampler
        kept[0].copy_(film)
        return kept[1]

    def _held(self, score: Score, history: Mapping[str, Tensor], committed: Array) -> Score:
        overlap = min(committed.shape[1], self.horizon)
        old = torch.from_numpy(np.ascontiguousarray(committed[:, :overlap], np.float32)).to(self.device)
        if old.shape != (len(next(iter(history.values()))), overlap, self.config.action_dim):
            raise ValueError(
                f"committed must be (B, K, {self.config.action_dim}) with the history's B, not {committed.shape}."
            )
        filled = torch.cat([old, old[:, -1:].expand(-1, self.horizon - overlap, -1)], 1)
        weights = hold_weights(self.horizon, overlap, self.config.sampling.delay)
        return held(score, self.model.representation.encode(filled, history), weights)

    def reset(self, seed: int | None = None) -> None:
        """Forget the episode; `seed` fixes the noise of the next one."""
        self._past: deque[dict[str, Array]] = deque(maxlen=self.config.obs_steps)
        self._chunk: Array | None = None
        self._at = 0
        self._generator = torch.Generator().manual_seed(torch.seed() if seed is None else seed)

    def act(self, observation: Mapping[str, Array]) -> Array:
        """The action (A,) for an observation, a dictionary of arrays; plans anew after every `action_steps` actions."""
        missing = [name for name in self.observations if name not in observation]
        if missing:
            raise ValueError(
                f"policy {self.name} reads the observation {missing[0]!r}; act() was given {', '.join(observation)}."
            )
        seen = {name: np.array(observation[name]) for name in self.observations}
        self._past.extend([seen] * (self.obs_steps if not self._past else 1))
        if self._chunk is None or self._at >= self.action_steps:
            left = None if self._chunk is None else self._chunk[None, self._at :]
            history = {name: np.stack([past[name] for past in self._past])[None] for name in self.observations}
            self._chunk, self._at = self.plan(history, [self._generator], committed=left)[0], 0
        self._at += 1
        action: Array = self._chunk[self._at - 1]
        return action

    def save(self, folder: Path, *, half: bool = True) -> None:
        """Write config.json and weights.safetensors; half: the network's weights as float16, statistics as float32."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            key: (
                value.half() if half and value.is_floating_point() and not key.startswith("representation.") else value
            )
            .contiguous()
            .cpu()
            for key, value in self.model.state_dict().items()
        }
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
        (folder / CONFIG).write_text(self.config.model_dump_json(indent=2) + "\n")


def embedded_policies() -> list[str]:
    """Names of the policies that the package brings."""
    return sorted(path.parent.name for path in EMBEDDED.glob(f"*/{CONFIG}"))


def load_policy(source: str | Path, device: torch.device | str = "cpu") -> Policy:
    """A policy by the name of an embedded one, or from a folder with config.json and weights.safetensors.

    Raises ValueError for an unknown name, a configuration that is not one, and weights that are damaged or belong to another network.
    """
    folder = Path(source)
    if str(source) in embedded_policies():
        folder = EMBEDDED / str(source)
    elif not (folder / CONFIG).is_file():
        known = ", ".join(embedded_policies()) or "none"
        raise ValueError(f"policy must be an embedded one ({known}) or a folder with {CONFIG}, not {str(source)!r}.")
    name = folder.resolve().name
    try:
        config = PolicyConfig.model_validate(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ValueError(f"policy {name}: {CONFIG}: {sentence(error)}") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"policy {name}: {CONFIG} is not readable JSON ({error}).") from None
    model = PolicyModel(config)
    try:
        tensors = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"policy {name}: {WEIGHTS} cannot be read ({error}).") from None
    own = model.state_dict()
    for key in own.keys() | tensors.keys():
        if key not in tensors or key not in own or own[key].shape != tensors[key].shape:
            raise ValueError(
                f"policy {name}: {WEIGHTS} does not belong to this {CONFIG}: {key} is missing or of another shape."
            )
        if not torch.isfinite(tensors[key]).all():
            raise ValueError(f"policy {name}: {WEIGHTS}: {key} has values that are not finite.")
    model.load_state_dict(tensors)
    return Policy(config, model, device, name)

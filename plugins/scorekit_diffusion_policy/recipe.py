"""Training a policy from demonstrations, in segments of the core's trainer, each followed by an examination."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from scorekit.training import Settings, train
from scorekit_diffusion_policy.config import ObservationConfig, PolicyConfig
from scorekit_diffusion_policy.model import PolicyModel
from scorekit_diffusion_policy.objective import Objective
from scorekit_diffusion_policy.policy import Policy
from scorekit_diffusion_policy.symmetry import mirrored
from scorekit_diffusion_policy.windows import Windows, split, windows

if TYPE_CHECKING:
    from scorekit_diffusion_policy.episodes import Demonstrations

Batch = tuple[dict[str, Tensor], Tensor]
Report = Callable[[int, int, dict[str, float]], None]
Examine = Callable[[Policy], dict[str, float]]
EXAMS = "examinations.json"


@dataclass(frozen=True)
class Recipe:
    """How long and on what.

    steps       updates; the learning rate rises to `lr` over `warmup` of them and falls along a cosine to nothing
    batch       observations in an update, each with `draws` draws of noise
    validation  share of the episodes held out, for the validation loss
    exams       how often in a training, at equal distances, the averaged weights are examined
    """

    steps: int = 3000
    batch: int = 512
    draws: int = 4
    lr: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.01
    ema: float = 0.999
    precision: Literal["no", "bf16", "fp16"] = "no"
    seed: int = 0
    validation: float = 0.05
    exams: int = 4


@dataclass(frozen=True)
class CosineSettings(Settings):
    """`total` is the length of the cosine: `steps` ends a segment of it."""

    total: int = field(default=1, kw_only=True)

    def learning_rate(self, step: int) -> float:
        """At a step counted from 0."""
        rise = (step + 1) / max(self.warmup, 1)
        return self.lr * min(1.0, rise) * 0.5 * (1 + math.cos(math.pi * min(step / self.total, 1)))


class Data:
    """Windows, and their mirror images where asked for, as batches of (inputs, x0).

    Without pictures all inputs are worked out beforehand; pictures are read as they are drawn.
    """

    def __init__(self, content: Windows, model: PolicyModel, mirror: bool) -> None:
        # A copy: the model may move to another device while the data stays.
        self._content, self._representation, self._mirror = content, copy.deepcopy(model.representation), mirror
        self.size = len(content) * (2 if mirror else 1)
        pictures = any(value.dtype == torch.uint8 for value in content.observations.values())
        self._ready = None if pictures else self._made(torch.arange(self.size))

    def take(self, chosen: Tensor) -> Batch:
        """Some windows by number, (inputs (B, ...), x0 (B, horizon, A)); numbers from the count of windows on are mirror images."""
        if self._ready is None:
            return self._made(chosen)
        inputs, x0 = self._ready
        return {name: value[chosen] for name, value in inputs.items()}, x0[chosen]

    @torch.no_grad()
    def _made(self, chosen: Tensor) -> Batch:
        made = [self._part(chosen[chosen < len(self._content)], False)]
        if self._mirror:
            made.append(self._part(chosen[chosen >= len(self._content)] - len(self._content), True))
        inputs = {name: torch.cat([one[0][name] for one in made]) for name in made[0][0]}
        return inputs, torch.cat([one[1] for one in made])

    def _part(self, chosen: Tensor, mirror: bool) -> Batch:
        history, actions = self._content.history(chosen), self._content.actions(chosen)
        if mirror:
            history, actions = mirrored(history, actions)
        return self._representation.inputs(history), self._representation.encode(actions, history)


def config_for(demonstrations: Demonstrations, observations: tuple[str, ...], **settings: Any) -> PolicyConfig:
    """A configuration for these demonstrations: shapes and bounds are theirs, `settings` those of `PolicyConfig`.

    Raises ValueError for an observation that they do not have.
    """
    if not demonstrations.episodes:
        raise ValueError("the data set has no episode.")
    given = demonstrations.episodes[0].observations
    if not observations or any(name not in given for name in observations):
        raise ValueError(
            f"observations must be of {', '.join(given)}, which the data set has, not {', '.join(observations)}."
        )
    shapes = {
        name: ObservationConfig(
            shape=given[name].shape[1:], dtype="uint8" if given[name].dtype == "uint8" else "float32"
        )
        for name in observations
    }
    low, high = demonstrations.action_low.tolist(), demonstrations.action_high.tolist()
    return PolicyConfig(
        task=demonstrations.task, observations=shapes, action_low=tuple(low), action_high=tuple(high), **settings
    )


def train_policy(
    config: PolicyConfig,
    demonstrations: Demonstrations,
    recipe: Recipe,
    folder: Path,
    report: Report = lambda step, total, metrics: None,
    examine: Examine | None = None,
    *,
    start: Policy | None = None,
    cpu: bool = True,
) -> Policy:
    """Train a policy and return it with averaged weights. Goes on from `folder` where it holds a checkpoint, to the same weights.

    report   report(step, total, metrics), after every update
    examine  examine(policy) -> metrics, several times in a training; they are kept in examinations.json with the validation loss
    start    a policy of the same configuration to go on from: its weights and statistics

    Raises ValueError for data that does not fit, FloatingPointError where the loss stops being finite.
    """
    torch.manual_seed(recipe.seed)
    model = PolicyModel(config)
    learned, held_out = split(demonstrations, recipe.validation)
    names = tuple(config.observations)
    content = windows(learned, names, config.obs_steps, config.horizon)
    if start is not None:
        model.load_state_dict(start.model.state_dict())
    else:
        every = torch.arange(len(content))
        vectors = {name: value for name, value in content.observations.items() if value.dtype != torch.uint8}
        history, actions = dataclasses.replace(content, observations=vectors).history(every), content.actions(every)
        if config.mirror:
            other, others = mirrored(history, actions)
            history = {name: torch.cat([value, other[name]]) for name, value in history.items()}
            actions = torch.cat([actions, others])
        model.representation.fit(history, actions)
    data = Data(content, model, config.mirror)
    test = Data(windows(held_out, names, config.obs_steps, config.horizon), model, False) if held_out else None
    objective = Objective(config, recipe.draws)

    def batches(generator: torch.Generator) -> Batch:
        return data.take(torch.randint(data.size, (recipe.batch,), generator=generator))

    marks = [round(recipe.steps * mark / recipe.exams) for mark in range(1, recipe.exams + 1)] or [recipe.steps]
    path = folder / EXAMS
    exams: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.exists() else {}
    trained: nn.Module = model
    policy: Policy | None = None
    for mark in marks:
        if str(mark) in exams and mark != marks[-1]:
            continue
        settings = CosineSettings(
            steps=mark, lr=recipe.lr, warmup=recipe.warmup, weight_decay=recipe.weight_decay, ema=recipe.ema,
            betas=(0.9, 0.99), precision=recipe.precision, seed=recipe.seed, total=recipe.steps,
        )  # fmt: skip
        trained = train(
            model, objective, batches, settings, folder,
            lambda step, _, metrics: report(step, recipe.steps, metrics), cpu=cpu,
        )  # fmt: skip
        assert isinstance(trained, PolicyModel)
        policy = Policy(config, trained)
        if str(mark) not in exams:
            found = {} if test is None else {"validation_loss": validation_loss(trained, test, objective)}
            exams[str(mark)] = found | (examine(policy) if examine is not None else {})
            path.write_text(json.dumps(exams, indent=2) + "\n")
    assert policy is not None
    record = {
        "episodes": len(demonstrations.episodes),
        "windows": len(content),
        "examinations": exams,
        **{name: value for name, value in vars(recipe).items() if name != "exams"},
    }
    policy.config = replace_training(config, record)
    return policy


def replace_training(config: PolicyConfig, record: dict[str, Any]) -> PolicyConfig:
    """The same configuration with another record of its training."""
    return PolicyConfig.model_validate(config.model_dump() | {"training": record})


@torch.no_grad()
def validation_loss(model: PolicyModel, data: Data, objective: Objective, most: int = 4096) -> float:
    """The objective on held-out windows, always with the same noise."""
    chosen = torch.linspace(0, data.size - 1, min(data.size, most)).long()
    generator = torch.Generator().manual_seed(0)
    losses: list[float] = []
    for part in torch.split(chosen, 512):
        loss = float(objective(model, data.take(part), generator))
        losses += [loss] * len(part)
    return sum(losses) / len(losses)

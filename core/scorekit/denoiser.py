"""Denoiser: a network, or a formula, on a noise schedule. Condition: the tensors that one evaluation is conditioned on.

A denoiser has no state and no sampler: it turns (x, t, condition) into a Prediction. `denoiser.given(prompt)` is the door to
everything else: a term of the score algebra in `scorekit.score`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from scorekit.prediction import Kind, Prediction
from scorekit.schedule import Level, Schedule, Time

if TYPE_CHECKING:
    from scorekit.score import Score

Prompt = str | Sequence[str] | None
Network = Callable[..., Tensor]
MOST_PROMPTS = 256  # whose encodings a denoiser keeps


@dataclass(frozen=True, eq=False)
class Condition:
    """Named tensors that a network takes beside x and t, each of shape (1, ...) for all samples or (B, ...) per sample.

    key    what the condition says, e.g. its prompts. Terms of one network with equal keys are one term, run once; the default is
           equal to no other.
    label  how error messages call it.
    """

    fields: dict[str, Tensor]
    key: Hashable = field(default_factory=object)
    label: str = "a condition"

    @property
    def batch(self) -> int:
        """How many samples it was made for; 1 fits any batch."""
        return max((len(value) for value in self.fields.values()), default=1)

    @staticmethod
    def stack(conditions: Sequence[Condition], batch: int) -> dict[str, Tensor]:
        """The fields of several conditions, each spread over `batch` samples, one after the other: (len(conditions) * batch, ...).

        Raises ValueError where two conditions have other fields, or one was made for another number of samples.
        """
        names = conditions[0].fields.keys()
        for condition in conditions:
            if condition.fields.keys() != names:
                raise ValueError(
                    f"{conditions[0].label} has the fields {sorted(names)} and {condition.label} has {sorted(condition.fields)}: "
                    "conditions of one network must have the same."
                )
            if condition.batch not in (1, batch):
                raise ValueError(f"{condition.label} was made for {condition.batch} samples; x has {batch}.")
        return {
            name: torch.cat([c.fields[name].expand(batch, *c.fields[name].shape[1:]) for c in conditions])
            for name in names
        }


class Codec(Protocol):
    """From pictures (or sound, or actions) to the space in which a model diffuses, and back. Both ways are differentiable.

    A codec may say in an attribute `space` which space that is, equal for models that share it: scores in two spaces are never added.
    """

    def encode(self, data: Tensor) -> Tensor: ...

    def decode(self, x: Tensor) -> Tensor: ...


class Denoiser:
    """A network on a schedule.

    network     network(x, timestep, **condition fields) -> output, shaped like x; an nn.Module or any function. `timestep` is (B,).
                An output of twice the channels holds, in its second half, the learned range of the variance (see `Prediction.range`).
    schedule    the schedule that it was trained on
    prediction  what its output is: eps, x0, v, flow or score
    shape       of one sample of x, without the batch
    prompts     turns a list of prompts, or None for the null condition, into a Condition; absent where the network takes no prompt
    codec       between pictures in [0, 1] and x; None where x is the data itself
    backgrounds names and RGB in [0, 1] of the backgrounds that its prompts may ask for (", on black"), the one it takes unasked first;
                empty for models that know none
    views       names and (azimuth, elevation) in degrees of the views that its prompts may ask for (", high front left view"); empty where
                nothing is known of them
    name        how messages call the model
    dtype       in which the network runs; x, schedule arithmetic and results keep the caller's (float32)

    `network.eval()` and `requires_grad_(False)` are the loader's business: the denoiser changes nothing of the network.
    """

    def __init__(
        self,
        network: Network,
        schedule: Schedule,
        prediction: Kind,
        shape: Sequence[int],
        *,
        prompts: Callable[[Sequence[str] | None], Condition] | None = None,
        codec: Codec | None = None,
        backgrounds: Mapping[str, tuple[float, float, float]] | None = None,
        views: Mapping[str, tuple[float, float]] | None = None,
        name: str = "denoiser",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.network, self.schedule, self.prediction, self.shape = network, schedule, prediction, tuple(shape)
        self.prompts, self.codec, self.name = prompts, codec, name
        self.backgrounds, self.views = dict(backgrounds or {}), dict(views or {})
        self.device, self.dtype = torch.device(device), dtype
        self._encoded: dict[tuple[str, ...] | None, Condition] = {}

    def __repr__(self) -> str:
        return f"Denoiser({self.name}, {self.prediction} on {self.schedule!r}, shape {self.shape})"

    def given(self, condition: Prompt | Condition = None) -> Score:
        """The score of p(x_t | condition), a term of the algebra.

        condition  a prompt; a list of prompts, one per sample; None for the unconditional score; or a Condition.

        Raises ValueError for a prompt where the model takes none, and what the prompt encoder says of an unknown prompt.
        """
        from scorekit.score import Score
        from scorekit.terms import Given

        if not isinstance(condition, Condition):
            condition = self._encode(condition)
        return Score(((1.0, Given(self, condition)),))

    def _encode(self, prompt: Prompt) -> Condition:
        if self.prompts is None:
            if prompt is not None:
                raise ValueError(f"{self.name} takes no prompt; use given(None) or a Condition.")
            return Condition({}, key=())
        texts = None if prompt is None else tuple(prompt) if isinstance(prompt, (list, tuple)) else (prompt,)
        if texts is not None and (not texts or not all(isinstance(text, str) for text in texts)):
            raise ValueError(
                "prompt must be a text, a list of one or more texts, one for each sample, a Condition or None."
            )
        condition = self._encoded.get(texts)
        if condition is None:
            condition = self.prompts(texts)
            # A long run with ever new prompts must not grow for ever; other threads may be here, too.
            kept = list(self._encoded.items())
            while kept and sum(one.batch for _, one in kept) + condition.batch > MOST_PROMPTS:
                self._encoded.pop(kept.pop(0)[0], None)
            self._encoded[texts] = condition
        return condition

    def predict(self, x: Tensor, t: Time | Level, fields: Mapping[str, Tensor] | None = None) -> Prediction:
        """One forward of the network at x (B, ...) and t, a number, one for each sample (B,), or a level of this schedule, with
        condition fields of batch B.

        Raises ValueError where x has another shape than the model's samples.
        """
        self.refuse_shape(x)
        level = t if isinstance(t, Level) else self.schedule.level(t, x)
        output, learned = self.output(x, level, fields or {})
        return Prediction(self.prediction, output, x, level.alpha, level.sigma, learned)

    def output(self, x: Tensor, level: Level, fields: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """What the network itself says at x (B, ...), which is not checked; and its learned range of the variance, from 0 to 1, if any."""
        output = self.network(x.to(self.dtype), level.timestep.expand(x.shape[0]), **fields).to(x.dtype)
        if self.shape and output.shape[1] == 2 * self.shape[0]:
            output, learned = output.chunk(2, 1)
            return output, (learned + 1) / 2
        return output, None

    def refuse_shape(self, x: Tensor) -> None:
        """Raise ValueError where x is no batch of this model's samples."""
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(f"{self.name} takes samples of shape {self.shape}; x has {tuple(x.shape[1:])}.")

    def encode(self, data: Tensor) -> Tensor:
        """Pictures in [0, 1] as x; differentiable. Without a codec the data is x."""
        return data if self.codec is None else self.codec.encode(data)

    def decode(self, x: Tensor) -> Tensor:
        """x as pictures in [0, 1]; differentiable. Without a codec x is the data."""
        return x if self.codec is None else self.codec.decode(x)

"""The candidates of a race: one condition for each prompt or class, encoded once, and their denoising errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from scorekit.denoiser import Condition, Denoiser
from scorekit.prediction import Kind
from scorekit.probing import Loss, denoising_error
from scorekit.terms import Given

ENCODED_TOGETHER = 64  # prompts


class Errors(Protocol):
    """Where a race gets its numbers from: a network, or a table of what one said."""

    def __call__(self, image: Tensor, candidate: Tensor, first: int, last: int) -> Tensor:
        """The errors (n, last - first) of n pairs of an image and a candidate, (n,) each, at the levels first to last - 1."""
        ...


class Candidates:
    """What a model is asked about: `texts`, each a prompt or the name of a class.

    Raises ValueError for fewer than two texts, two that are equal, and what the model says of texts that it does not know.
    """

    def __init__(self, model: Denoiser, texts: Sequence[str]) -> None:
        self.model, self.texts = model, tuple(texts)
        if len(self.texts) < 2:
            raise ValueError(f"classes must be two or more; got {len(self.texts)}.")
        if twice := next((text for text in self.texts if self.texts.count(text) > 1), None):
            raise ValueError(f"classes must differ from each other; {twice!r} is named twice.")
        with torch.no_grad():
            parts = [
                _condition(model, self.texts[i : i + ENCODED_TOGETHER])
                for i in range(0, len(self.texts), ENCODED_TOGETHER)
            ]
        self.fields = {
            name: torch.cat([part.fields[name].expand(part.batch, *part.fields[name].shape[1:]) for part in parts])
            for name in parts[0].fields
        }

    def __len__(self) -> int:
        return len(self.texts)

    def errors(
        self, x0: Tensor, t: Tensor, eps: Tensor, *, kind: Kind | None = None, loss: Loss = "l2", batch: int = 64
    ) -> NetworkErrors:
        """The errors of these candidates on the images x0 (B, ...) at t (T,) under the noises eps (T, ...): the same for all images
        and all candidates.

        kind   what is compared; None: what the network predicts
        batch  most rows of one forward
        """
        return NetworkErrors(self, x0, t, eps, kind or self.model.prediction, loss, batch)


class NetworkErrors:
    """`Errors` of a network, counted in `evaluations`: forwards of one row each."""

    def __init__(
        self, candidates: Candidates, x0: Tensor, t: Tensor, eps: Tensor, kind: Kind, loss: Loss, batch: int
    ) -> None:
        self.candidates, self.x0, self.t, self.eps = candidates, x0, t, eps
        self.kind: Kind = kind
        self.loss: Loss = loss
        self.batch, self.evaluations = batch, 0

    def __call__(self, image: Tensor, candidate: Tensor, first: int, last: int) -> Tensor:
        """See `Errors`. Rows of several images, candidates and levels share a forward."""
        found = []
        together = max(1, 16 * self.batch // (last - first))  # pairs whose pictures are gathered at once
        with torch.no_grad():
            for some in torch.split(torch.arange(len(image)), together):
                fields = {name: value[candidate[some]] for name, value in self.candidates.fields.items()}
                score = self.candidates.model.given(Condition(fields, label="the classes"))
                table = denoising_error(
                    [score],
                    self.x0[image[some]],
                    self.t[first:last],
                    self.eps[first:last],
                    kind=self.kind,
                    loss=self.loss,
                    batch=self.batch,
                )
                found.append(table[0].double().cpu())
        self.evaluations += len(image) * (last - first)
        return torch.cat(found)


def noises(count: int, shape: Sequence[int], seed: int, device: torch.device | str = "cpu") -> Tensor:
    """The common random numbers of a race: (count, *shape); the first of many are the same as those of few."""
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randn(tuple(shape), generator=generator) for _ in range(count)]).to(device)


def _condition(model: Denoiser, texts: tuple[str, ...]) -> Condition:
    term = model.given(list(texts)).terms[0][1]
    assert isinstance(term, Given)
    return term.condition

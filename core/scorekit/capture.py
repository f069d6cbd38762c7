"""A whole sampling loop as one CUDA graph: for networks so small that starting their kernels takes longer than running them."""

from __future__ import annotations

import torch
from torch import Tensor

from scorekit.inpainting import Known
from scorekit.loop import Watch
from scorekit.noise import Generators, Noise
from scorekit.sampling import Sampler

WARM_UPS = 3  # eager runs before a capture, in which libraries choose their kernels


class Tape(Noise):
    """Noise drawn beforehand: what a loop draws, and in which order, is noted once, and filled in before every further run."""

    def __init__(self, like: Noise) -> None:
        super().__init__(like.shape, None, like.device, like.dtype)
        self._draws: list[tuple[str, Tensor]] = []
        self._next: int | None = None  # None: noting

    def __call__(self) -> Tensor:
        return self._take("__call__")

    def uniform(self) -> Tensor:
        return self._take("uniform")

    def signs(self) -> Tensor:
        return self._take("signs")

    def _take(self, kind: str) -> Tensor:
        if self._next is None:
            self._draws.append((kind, getattr(super(), kind)()))
            return self._draws[-1][1].clone()
        self._next += 1
        # Who draws may write into it.
        return self._draws[self._next - 1][1].clone()

    def rewind(self) -> None:
        self._next = 0

    def fill(self, noise: Noise) -> None:
        """Draw everything from `noise`, in order."""
        for kind, buffer in self._draws:
            buffer.copy_(getattr(noise, kind)())


class Captured:
    """A sampler whose every run is one launch; see `capture`."""

    def __init__(
        self,
        sampler: Sampler,
        x_T: Tensor | None = None,
        x0: Tensor | None = None,
        mask: Tensor | None = None,
        known: Tensor | None = None,
    ) -> None:
        self._sampler = sampler
        given = {"x_T": x_T, "x0": x0, "mask": mask, "known": known}
        self._inputs = {
            name: value.detach().to(sampler.device, sampler.dtype, copy=True)
            for name, value in given.items()
            if value is not None
        }
        self._tape = Tape(Noise(sampler.shape, None, sampler.device, sampler.dtype))
        self._known = Known.of(self._inputs.get("mask"), self._inputs.get("known"), sampler.shape, self._like())
        self._x, self._watch = self._run()  # notes what is drawn
        self._graph: torch.cuda.CUDAGraph | None = None
        if sampler.device.type == "cuda":
            self._graph = self._captured(sampler.device)

    def __call__(
        self,
        *,
        x_T: Tensor | None = None,
        x0: Tensor | None = None,
        mask: Tensor | None = None,
        known: Tensor | None = None,
        generator: Generators = None,
    ) -> Tensor:
        """As the sampler itself: the same numbers from the same generator. What is not given again stays as it was.

        Raises ValueError for an input that it was not made with; FloatingPointError as the sampler does.
        """
        for name, value in {"x_T": x_T, "x0": x0, "mask": mask, "known": known}.items():
            if value is None:
                continue
            if name not in self._inputs:
                raise ValueError(
                    f"{name} must be given to capture() first: a graph has the inputs that it was made with."
                )
            if value.shape != self._inputs[name].shape:
                raise ValueError(
                    f"{name} must have the shape {tuple(self._inputs[name].shape)} of the capture, not {tuple(value.shape)}."
                )
            self._inputs[name].copy_(value)
        self._tape.fill(Noise(self._sampler.shape, generator, self._sampler.device, self._sampler.dtype))
        if self._graph is None:
            self._x, self._watch = self._run()
        else:
            self._graph.replay()
        self._watch.settle(self._x)
        return self._x.clone()

    def _like(self) -> Tensor:
        return torch.empty(0, device=self._sampler.device, dtype=self._sampler.dtype)

    def _run(self) -> tuple[Tensor, Watch]:
        loop = self._sampler.loop
        watch = Watch(loop.rows.after, loop.caller, self._sampler.device)
        with torch.no_grad():
            x = self._sampler.begin(self._tape, self._inputs.get("x_T"), self._inputs.get("x0"))
            x = loop.run(x, self._tape, watch, known=self._known)
        self._tape.rewind()
        return x, watch

    def _captured(self, device: torch.device) -> torch.cuda.CUDAGraph:
        with torch.cuda.device(device):
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(WARM_UPS):
                    self._run()
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._x, self._watch = self._run()
        return graph


def capture(
    sampler: Sampler,
    *,
    x_T: Tensor | None = None,
    x0: Tensor | None = None,
    mask: Tensor | None = None,
    known: Tensor | None = None,
) -> Captured:
    """The sampler as one CUDA graph: all its steps, networks and noise are started at once, and nothing of Python runs between them.

    sampler     for a score on a GPU. On other devices the loop runs as it is, with the same inputs and results
    x_T, x0, mask, known  those that calls will give, with first values: as in `sample`

    Conditions are read from their tensors: new values are written into them with `copy_`, before a call. Networks must be capturable: of
    fixed shapes, without reading numbers back. Energies are captured with their gradients. Not for several threads at once.
    """
    return Captured(sampler, x_T, x0, mask, known)

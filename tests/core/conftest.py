"""Shared truth for the tests of the score core: one mixture on any schedule, and a network that counts its forwards."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import settings
from torch import Tensor

from scorekit.analytic import GaussianMixture
from scorekit.denoiser import Condition, Denoiser
from scorekit.prediction import Kind
from scorekit.schedule import Flow, Schedule

settings.register_profile("core", deadline=None, max_examples=60)
settings.load_profile("core")

CAPTIONS = ("red ball", "red cube", "blue ball")


class CountingNetwork:
    """A nonlinear function, item by item, of x (B, 3), the timestep (B,) and a field `c` (B, 3); remembers the batch of every call."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.timesteps: list[Tensor] = []

    def __call__(self, x: Tensor, timestep: Tensor, c: Tensor) -> Tensor:
        assert x.shape == c.shape
        assert timestep.shape == (len(x),)
        self.batches.append(len(x))
        self.timesteps.append(timestep)
        return torch.tanh(x + c) * torch.cos(timestep / 300)[:, None] + 0.3 * c


class Counted:
    """A denoiser over a CountingNetwork, whose prompts become reproducible vectors."""

    def __init__(
        self, schedule: Schedule, prediction: Kind = "eps", name: str = "counted", device: str = "cpu"
    ) -> None:
        self.network = CountingNetwork()
        self.encoded: list[tuple[str, ...] | None] = []
        self.model = Denoiser(
            self.network,
            schedule,
            prediction,
            (3,),
            prompts=self._encode,
            name=name,
            device=device,
            dtype=torch.float64,
        )

    def _encode(self, texts: tuple[str, ...] | None) -> Condition:
        self.encoded.append(texts)
        texts = texts or ("",)
        rows = [torch.tensor([len(text), text.count("e"), text.count("a")], dtype=torch.float64) / 10 for text in texts]
        return Condition({"c": torch.stack(rows)}, key=texts, label=f"the prompt {texts[0]!r}")


@pytest.fixture
def counted() -> Callable[..., Counted]:
    return lambda schedule=None, *args, **options: Counted(schedule or Flow(), *args, **options)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def mixture_on() -> Callable[..., GaussianMixture]:
    """mixture_on(schedule, kind): always the same three-component mixture in four dimensions, float64, with captions."""
    means = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    std = torch.tensor([0.3, 0.5, 0.2], dtype=torch.float64)
    weights = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)

    def make(schedule: Schedule, prediction: Kind = "v") -> GaussianMixture:
        return GaussianMixture(means, std, schedule, captions=CAPTIONS, weights=weights, prediction=prediction)

    return make


@pytest.fixture
def gaussian_on() -> Callable[..., GaussianMixture]:
    """gaussian_on(schedule, mean, std): N(mean, std^2) in one dimension, float64."""

    def make(schedule: Schedule, mean: float = 0.7, std: float = 0.25, prediction: Kind = "v") -> GaussianMixture:
        return GaussianMixture(torch.tensor([[mean]], dtype=torch.float64), std, schedule, prediction=prediction)

    return make

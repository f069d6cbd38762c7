"""pico-fashion: the class-conditional model that ships with this plugin, its recipe, its file and its loader.

v-prediction on a cosine schedule with zero terminal SNR (Lin et al. 2023), trained by the denoising loss alone: no classifier is trained.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from scorekit.denoiser import Condition, Denoiser
from scorekit.schedule import VP
from scorekit.training import Settings, denoising_loss, train
from scorekit_diffusion_classifier.fashion_mnist import CLASSES, Labelled
from scorekit_diffusion_classifier.network import ClassDenoiser

SHIPPED = Path(__file__).parent / "pico-fashion" / "model.safetensors"
SIZE = 28


@dataclass(frozen=True)
class Recipe:
    """The size of the network and how it is trained.

    drop   share of the pictures whose class is not told, for the unconditional score
    batch  pictures per step and process
    """

    channels: int = 128
    blocks: int = 4
    drop: float = 0.1
    batch: int = 64
    steps: int = 10_000
    lr: float = 1e-3
    ema: float = 0.999
    cooldown: int = 3000
    precision: str = "no"
    seed: int = 0

    def network(self) -> ClassDenoiser:
        """Untrained, with the weights that the seed gives."""
        torch.manual_seed(self.seed)
        return ClassDenoiser(len(CLASSES), self.channels, self.blocks)


def train_pico_fashion(
    recipe: Recipe,
    data: Labelled,
    folder: Path,
    report: Callable[[int, int, dict[str, float]], None],
    *,
    cpu: bool = False,
) -> ClassDenoiser:
    """Train by the recipe and return the network with averaged weights. Goes on from `folder` where it holds a checkpoint."""
    schedule = VP.cosine().zero_terminal_snr()

    def batches(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(data), (recipe.batch,), generator=generator)
        dropped = torch.rand(recipe.batch, generator=generator) < recipe.drop
        return 2 * data.pictures(chosen) - 1, data.labels[chosen].masked_fill(dropped, len(CLASSES))

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        x0, classes = batch
        return denoising_loss(network, schedule, "v", x0, {"classes": classes}, generator)

    settings = Settings.of(recipe)
    trained = train(recipe.network(), loss, batches, settings, folder, report, cpu=cpu)
    assert isinstance(trained, ClassDenoiser)
    return trained


def export(network: nn.Module, recipe: Recipe) -> bytes:
    """The model as one safetensors file: half-precision weights, and the recipe in its metadata."""
    from safetensors.torch import save

    weights = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    encoded: bytes = save(weights, {"recipe": json.dumps(asdict(recipe))})
    return encoded


def load(path: Path = SHIPPED, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Denoiser:
    """The denoiser in a file that `export` made. Raises ValueError for a file that is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            recipe = Recipe(**json.loads(file.metadata()["recipe"]))
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (no dict)
        network = recipe.network()
        network.load_state_dict(weights)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or ["empty"])[0].rstrip(".")
        raise ValueError(f"{path} is no pico-fashion model: {reason}.") from None
    return denoiser(network, device=device, dtype=dtype)


def denoiser(network: nn.Module, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Denoiser:
    """A trained network as a Denoiser of classes by name; the network is frozen and moved."""
    network.eval().requires_grad_(False).to(device=device, dtype=dtype)
    return Denoiser(
        network,
        VP.cosine().zero_terminal_snr(),
        "v",
        (1, SIZE, SIZE),
        prompts=ClassNames(torch.device(device)),
        codec=Grey(),
        name="pico-fashion",
        device=device,
        dtype=dtype,
    )


class Grey:
    """Codec: pictures (B, 1 or 3, H, W) in [0, 1] are x (B, 1, 28, 28) in [-1, 1], light clothes on black; back, all three channels."""

    def encode(self, data: Tensor) -> Tensor:
        grey = data.mean(1, keepdim=True)
        if grey.shape[-2:] != (SIZE, SIZE):
            grey = functional.interpolate(grey, (SIZE, SIZE), mode="bilinear", antialias=True)
        return 2 * grey - 1

    def decode(self, x: Tensor) -> Tensor:
        return ((x + 1) / 2).clamp(0, 1).expand(-1, 3, -1, -1)


class ClassNames:
    """Class names, or numbers from 0 to 9 -> Condition with the field "classes" (n,); None is the null class."""

    def __init__(self, device: torch.device) -> None:
        self.device, self._mark = device, object()

    def __call__(self, texts: Sequence[str] | None) -> Condition:
        """Raises ValueError for a class that Fashion-MNIST has not."""
        numbers = (len(CLASSES),) if texts is None else tuple(_number(text) for text in texts)
        label = "no class" if texts is None else f"the classes {', '.join(texts[:3])}"
        field = torch.tensor(numbers, dtype=torch.long, device=self.device)
        return Condition({"classes": field}, key=(self._mark, numbers), label=label)


def _number(text: str) -> int:
    word = text.strip().lower()
    names: dict[str, Any] = {name.lower(): number for number, name in enumerate(CLASSES)}
    if word in names:
        return int(names[word])
    if word.isdecimal() and int(word) < len(CLASSES):
        return int(word)
    raise ValueError(f"pico-fashion knows the classes {', '.join(CLASSES)}, or 0 to {len(CLASSES) - 1}, not {text!r}.")

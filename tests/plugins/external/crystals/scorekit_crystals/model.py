"""Crystals as a grid over a small periodic table (UniMat, Yang et al. 2023, arXiv:2311.09235): its denoiser, samples and recipe.

Each element of the table has SLOTS atoms of three fractional coordinates; -1 means that there is no atom. One more token holds the
side of the cell.
"""

from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from scorekit import Condition, Denoiser, sample
from scorekit.schedule import VP
from scorekit.training import Settings, denoising_loss, train
from scorekit_crystals.prototypes import CELL, COLUMNS, ROWS, SLOTS, Crystal, catalogue

TOKENS, SCHEDULE = ROWS * COLUMNS, VP.cosine()
SHAPE = (TOKENS + 1, 3 * SLOTS)
MIDDLE, SPREAD = 5.6, 1.2  # of the side of the cell, angstrom
KNOWN = [crystal for index, crystal in enumerate(catalogue()) if index % 8]
HELD_OUT = catalogue()[::8]  # never seen in training
TOKEN = {symbol: row * COLUMNS + column for symbol, (row, column) in CELL.items()}


def to_grid(crystal: Crystal) -> Tensor:
    """(TOKENS + 1, 3 SLOTS), all shifted by one: 0 means no atom, and coordinates lie in [1, 2)."""
    grid = torch.zeros(SHAPE)
    for symbol, points in crystal.sites.items():
        grid[TOKEN[symbol], : 3 * len(points)] = torch.tensor(points).flatten() + 1
    grid[-1] = (crystal.a - MIDDLE) / SPREAD
    return grid


def from_grid(grid: Tensor) -> Crystal:
    """The crystal of a sample: an atom is where the mean of its three numbers is nearer to one than to none."""
    sites = {}
    for symbol, index in TOKEN.items():
        slots = grid[index].view(SLOTS, 3)
        if len(here := slots[slots.mean(1) > 0.5]):
            sites[symbol] = tuple((x % 1, y % 1, z % 1) for x, y, z in here.tolist())
    return Crystal("", max(0.1, float(grid[-1].mean()) * SPREAD + MIDDLE), sites)


class Table(nn.Module):
    """A transformer over the table; it knows elements by row and column, so what it learns of one serves its neighbours."""

    def __init__(self, width: int = 48, layers: int = 3) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(SHAPE[1], width), nn.Linear(width, SHAPE[1])
        self.row, self.column = nn.Embedding(ROWS + 1, width), nn.Embedding(COLUMNS + 1, width)
        self.level = nn.Sequential(nn.Linear(16, width), nn.SiLU(), nn.Linear(width, width))
        self.wanted = nn.Parameter(torch.randn(width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, x: Tensor, timestep: Tensor, named: Tensor) -> Tensor:
        angle = (timestep / 1000)[:, None] * torch.pi * 2.0 ** torch.arange(8, device=x.device)
        told = self.level(torch.cat([angle.sin(), angle.cos()], 1).to(x.dtype))
        place = torch.arange(TOKENS + 1, device=x.device)  # the last token has a row and a column of its own
        columns = torch.where(place == TOKENS, COLUMNS, place % COLUMNS)
        h = self.enter(x) + self.row(place // COLUMNS) + self.column(columns) + told[:, None]
        h = h + named[..., None].to(x.dtype) * self.wanted
        return torch.as_tensor(self.leave(self.layers(h)))


def load(weights: Path | None = None, *, device: Any = "cpu", dtype: torch.dtype = torch.float32) -> Denoiser:
    """The denoiser: with the weights of this package, or with those that `scorekit train crystals` wrote."""
    network = Table()
    network.load_state_dict(load_file(weights or Path(str(files(__package__) / "crystals.safetensors"))))
    network.to(device, dtype).eval().requires_grad_(False)

    def prompts(texts: Sequence[str] | None) -> Condition:
        named = torch.zeros(len(texts or [""]), TOKENS + 1, device=device)
        for row, text in enumerate(texts or ()):
            if unknown := [symbol for symbol in text.split() if symbol not in TOKEN]:
                raise ValueError(f"elements must be of {' '.join(TOKEN)}; got {unknown[0]!r}")
            named[row, [TOKEN[symbol] for symbol in text.split()]] = 1
        return Condition({"named": named}, key=texts and tuple(texts), label=f"the elements {texts}")

    how: dict[str, Any] = {"prompts": prompts, "name": "pico-crystals", "device": device, "dtype": dtype}
    return Denoiser(network, SCHEDULE, "x0", SHAPE, **how)


def sketch(
    model: Denoiser, count: int, generator: torch.Generator, elements: str = "", steps: int = 30
) -> list[Crystal]:
    """Samples of the model. Where elements are named ("Na Cl"), all others are known to be absent: they are inpainted as empty."""
    inpaint: dict[str, Any] = {}
    if elements:
        mask = torch.ones(SHAPE, device=generator.device)
        mask[[*(TOKEN[symbol] for symbol in elements.split()), -1]] = 0
        inpaint = {"mask": mask, "known": torch.zeros(SHAPE, device=generator.device)}
    x = sample(model.given(elements or None), count, solver="ddpm", steps=steps, generator=generator, **inpaint)
    return [from_grid(grid) for grid in x.float().cpu()]


def train_table(params: Any, seed: int, folder: Path, progress: Callable[..., None], cpu: bool) -> dict[str, Tensor]:
    """Weights in half precision. A run that was stopped goes on from the trainer's checkpoint in `folder`."""
    data = torch.stack([to_grid(crystal) for crystal in KNOWN])
    torch.manual_seed(seed)

    def loss(network: nn.Module, x0: Tensor, generator: torch.Generator) -> Tensor:
        named = (x0.abs().sum(2) > 0) & (torch.rand(len(x0), 1, generator=generator) < 0.7).to(x0.device)
        named[:, -1] = False  # the side of the cell is no element; where nothing is named, anything goes
        return denoising_loss(network, SCHEDULE, "x0", x0, {"named": named}, generator)

    trained = train(
        Table(),
        loss,
        lambda generator: data[torch.randint(len(data), (params.batch,), generator=generator)],
        Settings(steps=params.steps, lr=params.lr, cooldown=params.steps // 2, seed=seed),
        folder,
        lambda step, total, metrics: progress(step, total, loss=metrics["loss"]),
        cpu=cpu,
    )
    return {name: value.half() for name, value in trained.state_dict().items()}

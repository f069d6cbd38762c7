"""Descriptors: a vector for every place of a picture, from the layers of a denoiser (DIFT, Tang et al. 2023, arXiv:2306.03881)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from scorekit.denoiser import Condition, Denoiser, Prompt
from scorekit.features import noised_features
from scorekit_dift.families import defaults_of, layers_named
from scorekit_dift.pictures import at_size, own_size, resizable, working_size

MOST_AT_ONCE = 8  # noises in one batch


@dataclass(frozen=True)
class Reading:
    """What is read from the network; `reading_of` fills in what a family's defaults say.

    layers    names of layers, whose outputs are put together
    t         noise level in [0, 1]
    ensemble  noises that are averaged, from 1 on; at t = 0 there is no noise, and one is taken
    scales    sizes of the picture as factors of `size`
    size      longer side of the picture in pixels; None: the model's own
    whiten    dimensions after whitening a pair; 0: none
    prompt    what the model is told
    """

    layers: tuple[str, ...]
    t: float
    ensemble: int
    scales: tuple[float, ...]
    size: int | None
    whiten: int
    prompt: Prompt | Condition = None

    def __post_init__(self) -> None:
        if not 0 <= self.t <= 1:
            raise ValueError(f"t must lie in [0, 1], from data to noise, not {self.t}.")
        if self.ensemble < 1:
            raise ValueError(f"ensemble must be at least 1, not {self.ensemble}.")
        if not self.scales or not all(0.1 <= scale <= 4 for scale in self.scales):
            raise ValueError(f"scales must be factors from 0.1 to 4, not {list(self.scales)}.")
        if self.whiten < 0:
            raise ValueError(f"whiten must be a number of dimensions, or 0 for none, not {self.whiten}.")


def reading_of(
    model: Denoiser,
    *,
    layers: Sequence[str] | None = None,
    t: float | None = None,
    ensemble: int | None = None,
    scales: Sequence[float] | None = None,
    size: int | None = None,
    whiten: int | None = None,
    prompt: Prompt | Condition = None,
) -> Reading:
    """A Reading for `model`: what is None is the default of its family. Raises ValueError for unknown layers, listing the blocks."""
    row = defaults_of(model)
    return Reading(
        layers_named(model, list(layers)) if layers else row.layers,
        row.t if t is None else t,
        row.ensemble if ensemble is None else ensemble,
        row.scales if scales is None else tuple(scales),
        row.size if size is None else size,
        row.whiten if whiten is None else whiten,
        prompt,
    )


@dataclass(frozen=True)
class Descriptors:
    """values (C, h, w): vectors at the middles of the cells of a grid over a picture of `size` = (height, width) pixels.

    Places are (x, y) in pixels of that picture, x to the right, y down, from its upper left corner: the middle of the first pixel
    is (.5, .5).
    """

    values: Tensor
    size: tuple[int, int]

    @property
    def cell(self) -> tuple[float, float]:
        """Height and width of a cell in pixels."""
        return self.size[0] / self.values.shape[1], self.size[1] / self.values.shape[2]

    def grid(self) -> Tensor:
        """The places (h * w, 2) of the vectors, in reading order."""
        h, w = self.values.shape[1:]
        y = (torch.arange(h, device=self.values.device) + 0.5) * self.cell[0]
        x = (torch.arange(w, device=self.values.device) + 0.5) * self.cell[1]
        return torch.stack([x.repeat(h), y.repeat_interleave(w)], 1)

    def vectors(self) -> Tensor:
        """(h * w, C) of length 1, in reading order."""
        return F.normalize(self.values.flatten(1).T, dim=1)

    def at(self, points: Tensor) -> Tensor:
        """(N, C) of length 1 at points (N, 2), interpolated. Raises ValueError for points outside the picture."""
        refuse_outside(points, self.size, "points")
        scale = points.new_tensor([2 / self.size[1], 2 / self.size[0]])
        place = (points * scale - 1).to(self.values)[None, None]
        found = F.grid_sample(self.values[None], place, align_corners=False, padding_mode="border")
        return F.normalize(found[0, :, 0].T, dim=1)


def refuse_outside(points: Tensor, size: tuple[int, int], name: str) -> None:
    """Raise ValueError for points (N, 2) outside a picture of size (height, width), naming the first."""
    height, width = size
    outside = (points < 0).any(1) | (points[:, 0] > width) | (points[:, 1] > height) | ~points.isfinite().all(1)
    if outside.any():
        x, y = points[outside][0].tolist()
        raise ValueError(
            f"{name}: ({x:g}, {y:g}) lies outside the picture, whose x goes from 0 to {width} and y to {height}."
        )


@torch.no_grad()
def describe(
    model: Denoiser, picture: Tensor, reading: Reading, generator: torch.Generator | None = None
) -> Descriptors:
    """The descriptors of a picture (3, H, W) in [0, 1].

    The picture is encoded once per scale, however many noises are averaged, and the network stops after the last layer asked for.
    The grid is the finest among the layers at the largest scale; coarser ones are interpolated to it. Each layer and scale
    has the same mean length, so that none drowns the others where they are not whitened.
    """
    size = (int(picture.shape[1]), int(picture.shape[2]))
    picture = picture.to(model.device, torch.float32)[None]
    stride = _stride(model)
    maps: list[Tensor] = []
    for scale in sorted(reading.scales if resizable(model) else (1.0,), reverse=True):
        longer = None if reading.size is None else round(reading.size * scale)
        if longer is None and scale != 1:
            longer = round(max(own_size(model)) * scale)
        seen = at_size(model, working_size(size, model, longer, stride))
        x0 = seen.encode(picture)
        rounds, left = [], 1 if reading.t == 0 else reading.ensemble
        while left > 0:
            count = min(left, MOST_AT_ONCE)
            found = noised_features(
                seen, x0, reading.t, reading.prompt, layers=reading.layers, ensemble=count, generator=generator
            )
            rounds.append((count, found))
            left -= count
        total = sum(count for count, _ in rounds)
        for layer in reading.layers:
            mean = sum(count / total * found[layer] for count, found in rounds)
            assert isinstance(mean, Tensor)
            maps.append(_as_map(mean.float(), seen.shape, layer))
    finest = max((one.shape[2:] for one in maps), key=math.prod)
    parts = []
    for one in maps:
        if one.shape[2:] != finest:
            one = F.interpolate(one, finest, mode="bilinear", align_corners=False)
        parts.append(one / one.square().sum(1).mean().sqrt().clamp_min(1e-12))
    values = torch.cat(parts, 1)[0]
    if not values.isfinite().all():
        raise ValueError(
            f"the features of {', '.join(reading.layers)} are not finite: take another precision or layer."
        )
    return Descriptors(values, size)


@dataclass(frozen=True)
class Whitening:
    """Coordinates in which descriptors have mean 0 and variance 1: `apply` gives axes^T (values - mean). mean (C,), axes (C, K)."""

    mean: Tensor
    axes: Tensor

    def apply(self, one: Descriptors) -> Descriptors:
        mean, axes = self.mean.to(one.values), self.axes.to(one.values)
        return Descriptors(torch.einsum("chw,ck->khw", one.values - mean[:, None, None], axes), one.size)


def whitening(maps: Sequence[Descriptors], dimensions: int, ridge: float = 1e-2) -> Whitening:
    """The principal components of descriptors of several pictures, each scaled to variance 1.

    Raw features have a few directions of huge variance that say little about the place (raw cosines of all pairs are near 1);
    whitening gives every direction the same weight.

    maps        of the pictures that are to be matched, or of some frames of a video: mean and covariance are theirs
    dimensions  components that are kept, those of largest variance
    ridge       added to the variances, as a share of their mean over the kept components: components below it are noise
    """
    if dimensions < 1:
        raise ValueError(f"whiten must keep at least 1 dimension, not {dimensions}.")
    rows = torch.cat([one.values.flatten(1).T for one in maps]).double()
    mean = rows.mean(0)
    centred = rows - mean
    variance, axes = torch.linalg.eigh(centred.T @ centred / len(rows))
    kept = min(dimensions, len(variance), max(1, len(rows) - 1))
    variance, axes = variance[-kept:].clamp_min(0), axes[:, -kept:]
    return Whitening(mean, axes / (variance + ridge * variance.mean()).sqrt().clamp_min(1e-12))


def whitened(maps: Sequence[Descriptors], dimensions: int) -> list[Descriptors]:
    """Descriptors whitened together; as they are for 0 dimensions."""
    if not dimensions:
        return list(maps)
    common = whitening(maps, dimensions)
    return [common.apply(one) for one in maps]


def describe_pair(
    model: Denoiser, source: Tensor, target: Tensor, reading: Reading, generator: torch.Generator | None = None
) -> tuple[Descriptors, Descriptors]:
    """The descriptors of two pictures (3, H, W) that are to be matched, whitened together where the reading says so."""
    pair = [describe(model, picture, reading, generator) for picture in (source, target)]
    one, other = whitened(pair, reading.whiten)
    return one, other


def _stride(model: Denoiser) -> int:
    """Multiples of how many pixels the sides of a picture have to be: what the U-Net's halvings come to."""
    latents = max(1, own_size(model)[0] // model.shape[1]) if len(model.shape) == 3 else 1
    unet = getattr(model.network, "unet", None)
    levels = len(getattr(getattr(unet, "config", None), "block_out_channels", ())) or 1
    folded = int(getattr(model.network, "patch", 1))
    return int(latents * folded * 2 ** (levels - 1))


def _as_map(value: Tensor, shape: Sequence[int], layer: str) -> Tensor:
    """(1, C, h, w) of a layer's output: as it is, or tokens (1, L, C) laid out in the proportions of x."""
    if value.ndim == 4:
        return value
    if value.ndim == 3 and len(shape) == 3:
        patch = math.sqrt(shape[1] * shape[2] / value.shape[1])
        h, w = round(shape[1] / patch), round(shape[2] / patch)
        if h * w == value.shape[1]:
            return value.mT.reshape(1, value.shape[2], h, w)
    raise ValueError(
        f"layers: {layer!r} gives {tuple(value.shape)}, which is no map over the picture; ask for a block."
    )

"""EmerDiff (Namekata et al. 2024, arXiv:2401.11739): masks of a picture from a text-to-image model, without any training.

1. Cluster the queries of one cross-attention at little noise: masks M_k of few places.
2. Go up in noise to t_m. Denoise once with + lambda M_k added to the output of a cross-attention at the first step, and once with
   - lambda M_k: the pixels in which the two differ are those that the places of M_k make.
3. A pixel belongs to the cluster whose difference is largest there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scorekit.denoiser import Denoiser, Prompt
from scorekit.features import noised_features
from scorekit.inversion import invert
from scorekit.sampling import sample
from scorekit_segmentation.kmeans import kmeans
from scorekit_segmentation.layers import Attention, chosen_attentions

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Masks:
    """labels (H, W) int64 of the pixels; coarse (h, w) int64 of the places that were clustered; differences (K, H, W) of the pixels."""

    labels: Tensor
    coarse: Tensor
    differences: Tensor


@torch.no_grad()
def segment(
    model: Denoiser,
    picture: Tensor,
    clusters: int,
    *,
    prompt: Prompt = None,
    t_read: float = 0.002,
    t_modulate: float = 0.282,
    strength: float = 10.0,
    steps: int = 10,
    read: str | None = None,
    modulated: str | None = None,
    batch: int = 8,
    generator: torch.Generator | None = None,
    report: Report = lambda done, total: None,
) -> Masks:
    """Masks of a picture (3, H, W) in [0, 1], at its own size.

    clusters    at most so many masks
    prompt      what the model is told of the picture
    t_read      noise level at which the queries are read (the paper's step 1 of 1000)
    t_modulate  noise level at which the modulation begins and ends (step 281)
    strength    lambda, in the units of the layer's output (10 for Stable Diffusion)
    steps       of DDIM from t_modulate to the data, and of the inversion
    read, modulated  names of cross-attentions; None: those of the paper
    batch       pictures that are denoised at once

    Raises ValueError for parameters out of range, unknown layers and networks without cross-attention.
    """
    for name, level in (("t_read", t_read), ("t_modulate", t_modulate)):
        if not 0 < level <= 1:
            raise ValueError(f"{name} must lie in (0, 1], not {level}.")
    if strength <= 0 or steps < 2 or batch < 1:
        raise ValueError("strength must be above 0, steps at least 2, and batch at least 1.")
    reader, writer = chosen_attentions(model, prompt, read, modulated)
    coarse = cluster_queries(model, picture, clusters, reader, prompt=prompt, t=t_read, generator=generator)
    count = int(coarse.max()) + 1
    score = model.given(prompt)
    x0 = model.encode(picture.to(model.device, torch.float32)[None])
    noisy = invert(score, x0, method="ddim", steps=steps, start=t_modulate).x_T
    hot = F.one_hot(coarse, count).permute(2, 0, 1).float()
    masks = F.interpolate(hot[:, None].to(model.device), writer.grid, mode="nearest")[:, 0].flatten(1)
    signed = torch.cat([masks * strength, masks * -strength])  # (2 K, places)
    made = []
    for begin in range(0, 2 * count, batch):
        part = signed[begin : begin + batch]
        with added_once(model, writer, part) as over:
            x = sample(
                score,
                len(part),
                x_T=noisy.expand(len(part), *noisy.shape[1:]).contiguous(),
                solver="ddim",
                steps=steps,
                start=t_modulate,
                callback=lambda step: over(),
            )
        made.append(model.decode(x))
        report(min(begin + batch, 2 * count), 2 * count)
    plus, minus = torch.cat(made).chunk(2)
    size = (int(picture.shape[1]), int(picture.shape[2]))
    differences = (minus - plus).square().sum(1, keepdim=True).sqrt()
    differences = F.interpolate(differences, size, mode="bilinear", align_corners=False)[:, 0]
    return Masks(differences.argmax(0).cpu(), coarse.cpu(), differences.cpu())


def cluster_queries(
    model: Denoiser,
    picture: Tensor,
    clusters: int,
    attention: Attention,
    *,
    prompt: Prompt = None,
    t: float = 0.002,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The places (h, w) int64 of an attention in clusters of like queries, numbered from 0 without gaps."""
    queries = query_map(model, picture, attention, prompt=prompt, t=t, generator=generator)
    if not 2 <= clusters <= len(queries):
        raise ValueError(f"clusters must be from 2 to {len(queries)}, the places of {attention.name}, not {clusters}.")
    seeds = torch.Generator().manual_seed(0 if generator is None else generator.initial_seed() % 2**63)
    labels, _ = kmeans(queries, clusters, seeds)
    numbered: Tensor = torch.unique(labels, return_inverse=True)[1]
    return numbered.view(attention.grid)


def query_map(
    model: Denoiser,
    picture: Tensor,
    attention: Attention,
    *,
    prompt: Prompt = None,
    t: float = 0.002,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The queries (h * w, C) of a cross-attention for a picture (3, H, W) in [0, 1]."""
    x0 = model.encode(picture.to(model.device, torch.float32)[None])
    layer = f"{attention.name}.to_q"
    found = noised_features(model, x0, t, prompt, layers=[layer], ensemble=1, generator=generator)[layer]
    return found[0].float()


@contextmanager
def added_once(model: Denoiser, attention: Attention, values: Tensor) -> Iterator[Callable[[], None]]:
    """values (B, h * w) added to all channels of an attention's output, until the function that is given is called."""
    assert isinstance(model.network, nn.Module)
    active = True

    def stop() -> None:
        nonlocal active
        active = False

    def add(_: nn.Module, _args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if not active:
            return None
        if len(output) != len(values):
            raise ValueError(f"the network ran on {len(output)} samples where {len(values)} were expected.")
        return output + values[..., None].to(output)

    handle = model.network.get_submodule(attention.name).register_forward_hook(add)
    try:
        yield stop
    finally:
        handle.remove()

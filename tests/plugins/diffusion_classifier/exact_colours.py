"""A plugin, for these tests, that brings a model without weights: the exact score of four patterns, by caption."""

from typing import Any

from scorekit.host.plugin import ModelSpec, hookimpl

SIDE = 8
CAPTIONS = ("a red square", "a green square", "a blue bar", "a yellow bar")
COLORS = ((0.9, 0.1, 0.1), (0.1, 0.7, 0.2), (0.1, 0.2, 0.9), (0.9, 0.8, 0.1))
STD = 0.3


def patterns() -> Any:
    """(4, 3, 8, 8) in [0, 1], on white."""
    import torch

    pictures = torch.ones(4, 3, SIDE, SIDE)
    for k, color in enumerate(COLORS):
        place = (slice(2, 6), slice(2, 6)) if k < 2 else (slice(3, 5), slice(0, 8))
        pictures[k, :, place[0], place[1]] = torch.tensor(color)[:, None, None]
    return pictures


def load(device: Any = "cpu", dtype: Any = None) -> Any:
    """The mixture of Gaussians around the patterns."""
    import torch

    from scorekit.analytic import GaussianMixture
    from scorekit.models.codecs import PixelCodec
    from scorekit.schedule import VP

    return GaussianMixture(
        (patterns() * 2 - 1).to(device, dtype or torch.float32),
        STD,
        VP.cosine().zero_terminal_snr(),
        captions=CAPTIONS,
        codec=PixelCodec((SIDE, SIDE)),
        name="exact-colours",
    )


def drawn(label: int, seed: int, std: float = STD) -> Any:
    """A picture (3, 8, 8) of a class, with noise around its pattern (clipped to what a file can hold)."""
    import torch

    noise = torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    return (patterns()[label] + std / 2 * noise).clamp(0, 1)


@hookimpl
def scorekit_models() -> list[ModelSpec]:
    return [ModelSpec("exact-colours", "The exact score of four patterns.", load=load)]

"""Which cross-attentions EmerDiff reads and modulates in a network."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from scorekit.denoiser import Denoiser, Prompt
from scorekit.features import layer_shapes

SIDE = 16  # of the maps that the paper reads: 16 x 16 places


@dataclass(frozen=True)
class Attention:
    """A cross-attention of the decoder: its layer's name and the grid (h, w) of its places."""

    name: str
    grid: tuple[int, int]


def cross_attentions(model: Denoiser, prompt: Prompt = None) -> list[Attention]:
    """Those of the decoder of a U-Net, in the order in which they run. Raises ValueError for a network that has none."""
    found = []
    height, width = model.shape[-2:]
    for name, shape in layer_shapes(model, prompt).items():
        if re.search(r"up_blocks\.\d+\..*attn2$", name) and len(shape) == 2:
            h = round(math.sqrt(shape[0] * height / width))
            if h and shape[0] % h == 0:
                found.append(Attention(name, (h, shape[0] // h)))
    if not found:
        raise ValueError(
            f"model: {model.name} has no cross-attention in a decoder; take a text-to-image model with a U-Net, such as pico-image "
            "or Stable Diffusion."
        )
    return found


def chosen_attentions(
    model: Denoiser, prompt: Prompt = None, read: str | None = None, modulated: str | None = None
) -> tuple[Attention, Attention]:
    """The cross-attention whose queries are clustered, and the one whose output is modulated.

    The paper's are the first and the last of the decoder's block of 16 x 16 places; in smaller models of the finest block that is no
    finer.

    read, modulated  names, whose beginnings may be left out, instead

    Raises ValueError for unknown names, listing those there are.
    """
    known = cross_attentions(model, prompt)
    fitting = [one for one in known if math.prod(one.grid) <= SIDE**2] or known
    finest = max(math.prod(one.grid) for one in fitting)
    block = [one for one in fitting if math.prod(one.grid) == finest]
    return (
        block[0] if read is None else _named(known, read, "read_layer"),
        block[-1] if modulated is None else _named(known, modulated, "modulated_layer"),
    )


def _named(known: list[Attention], name: str, parameter: str) -> Attention:
    for one in known:
        if name and (one.name == name or one.name.endswith(f".{name}")):
            return one
    raise ValueError(
        f"{parameter}: there is no cross-attention {name!r}; there are {', '.join(one.name for one in known)}."
    )

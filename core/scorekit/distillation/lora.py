"""Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685): a second network that differs from the first by a few thin matrices.

The second is a copy of the module tree around the same weight storage. The first is not touched, has no switch to be left in the wrong
position, and both may run in one expression, in one backward pass or in two threads.
"""

from __future__ import annotations

import copy
import re

import torch
from torch import Tensor, nn


class LoraLinear(nn.Linear):
    """base(x) + scale up(down(x)), with the weights of `base` fixed and down (rank, in) and up (out, rank) to be learned.

    up starts at zero: the sum starts exactly as base. The two are float32 whatever base computes in, for the optimiser's sake.
    """

    def __init__(self, base: nn.Linear, rank: int, scale: float, generator: torch.Generator | None) -> None:
        # A Linear in name and attributes, which some networks read, around the tensors that exist already.
        nn.Module.__init__(self)
        self.in_features, self.out_features = base.in_features, base.out_features
        self.weight, self.bias = base.weight, base.bias
        self.scale = scale
        device = base.weight.device
        start = torch.randn(rank, base.in_features, generator=generator) / base.in_features**0.5
        self.down = nn.Parameter(start.to(device))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=device))

    def forward(self, input: Tensor) -> Tensor:
        low = nn.functional.linear(input.to(self.down.dtype), self.down)
        change = self.scale * nn.functional.linear(low, self.up)
        return nn.functional.linear(input, self.weight, self.bias) + change.to(input.dtype)


def twin(network: nn.Module) -> nn.Module:
    """The network again, as other modules around the same storage, with nothing in it to be learned."""
    # Tensors that deepcopy finds in its memo are taken over, not copied.
    shared: dict[int, object] = {id(buffer): buffer for buffer in network.buffers()}
    for parameter in network.parameters():
        frozen = nn.Parameter(parameter.detach(), requires_grad=False) if parameter.requires_grad else parameter
        shared[id(parameter)] = frozen
    return copy.deepcopy(network, shared)


def adapted(
    network: nn.Module,
    rank: int,
    *,
    layers: str = "",
    scale: float = 1.0,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """A twin of the network whose linear layers are LoraLinear.

    rank       >= 1
    layers     regular expression; layers in whose dotted name it is found are adapted: "attn" in diffusers' networks means the
               attention alone; all by default
    generator  on the CPU, for the start of `down`; torch's own where absent

    Raises ValueError where no linear layer is left to adapt.
    """
    if rank < 1:
        raise ValueError(f"rank must be at least 1, not {rank}.")
    new = twin(network)
    # Only Linear itself: what derives from it (the output projection of nn.MultiheadAttention) may be read past its forward.
    found = [name for name, m in new.named_modules() if type(m) is nn.Linear and re.search(layers, name)]
    if not found:
        raise ValueError(f"layers: {type(network).__name__} has no linear layer whose name holds {layers!r}.")
    for name in found:
        base = new.get_submodule(name)
        assert isinstance(base, nn.Linear)
        if not name:
            return LoraLinear(base, rank, scale, generator)
        parent, _, leaf = name.rpartition(".")
        setattr(new.get_submodule(parent), leaf, LoraLinear(base, rank, scale, generator))
    return new

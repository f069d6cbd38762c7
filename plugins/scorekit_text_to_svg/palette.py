"""Few colours for many paths: weighted k-means."""

import torch
from torch import Tensor


def palette(colours: Tensor, weight: Tensor, count: int, rounds: int = 20) -> tuple[Tensor, Tensor]:
    """At most `count` colours (k, 3) for colours (n, 3) of `weight` (n,), and which each takes (n,).

    Lloyd's rounds from seeds that are each the worst served so far: deterministic. Colours of no weight are served, and decide nothing.
    """
    count = min(count, len(colours))
    mass = weight.clamp(min=1e-8)
    mean = (colours * mass[:, None]).sum(0) / mass.sum()
    first = (colours - mean).square().sum(1).mul(mass).argmin()
    chosen = [colours[first]]
    for _ in range(count - 1):
        apart = (colours[:, None] - torch.stack(chosen)).square().sum(-1).amin(1)
        chosen.append(colours[(apart * mass).argmax()])
    centres = torch.stack(chosen)
    for _ in range(rounds):
        mine = (colours[:, None] - centres).square().sum(-1).argmin(1)
        member = torch.nn.functional.one_hot(mine, count).to(colours) * mass[:, None]
        total = member.sum(0)
        centres = torch.where(total[:, None] > 0, member.T @ colours / total.clamp(min=1e-12)[:, None], centres)
    return centres, (colours[:, None] - centres).square().sum(-1).argmin(1)

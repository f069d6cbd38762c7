"""What is optimised: B drawings of one kind. `PathArt` is made of paths, `PixelArt` of squares; the loop knows no difference."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from scorekit_text_to_svg.drawing import Drawing
from scorekit_text_to_svg.palette import palette

SOLID = 0.35  # opacity from which a path is solid in the end; below it is gone


class Art(ABC):
    """Values under optimisation and what becomes of them.

    hardness  in [0, 1]: 0 shows opacities as they are, 1 rounds them to 0 or 1
    swatches  (B, K, 3) the palette, in use from `limit_colours` on; `assigned` (B, P) which of them each element has
    """

    def __init__(self, values: Mapping[str, Tensor], rates: Mapping[str, float], colours: int | None) -> None:
        self.values = {name: nn.Parameter(value.clone()) for name, value in values.items()}
        batch, self.colours = len(next(iter(values.values()))), colours
        device = next(iter(values.values())).device
        self.values["swatches"] = nn.Parameter(torch.zeros(batch, colours or 1, 3, device=device))
        self.assigned: Tensor | None = None
        self.hardness = 0.0
        self.optimiser = torch.optim.Adam(
            [{"params": [value], "lr": rates.get(name, rates["colour"])} for name, value in self.values.items()],
            betas=(0.9, 0.95),
            eps=1e-10,
        )
        self._rates = [group["lr"] for group in self.optimiser.param_groups]

    def __len__(self) -> int:
        return len(self.values["swatches"])

    @abstractmethod
    def layers(self, size: int) -> Tensor:
        """All drawings over nothing, as `rasterise.layers`: (B, 4, size, size)."""

    @abstractmethod
    def drawing(self, index: int) -> Drawing:
        """One of them as it stands, a batch of one."""

    @abstractmethod
    def weights(self) -> Tensor:
        """How much of the picture each element is: (B, P)."""

    def penalty(self, crossing: float, kinks: float, slivers: float) -> Tensor:  # noqa: ARG002
        """The regularisers at these weights."""
        return self.values["swatches"].new_zeros(())

    def replace(self, generator: torch.Generator) -> int:  # noqa: ARG002
        """Put fresh paths in place of those that do not show; how many."""
        return 0

    def step(self, loss: Tensor, rate: float) -> None:
        """One step of Adam against the gradient of `loss`, at `rate` times the step sizes; then values return to their ranges."""
        for group, base in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = base * rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        with torch.no_grad():
            self.clamp()

    def clamp(self) -> None:
        for name in ("colour", "opacity", "swatches"):
            self.values[name].clamp_(0, 1)

    def limit_colours(self) -> None:
        """From now on every element has one of `colours` colours, chosen by k-means over what shows."""
        if self.colours is None:
            return
        seen, weights = self.values["colour"].detach(), self.weights()
        assigned = []
        for index in range(len(self)):
            found, mine = palette(seen[index], weights[index], self.colours)
            with torch.no_grad():
                self.values["swatches"][index, : len(found)] = found
            assigned.append(mine)
        self.assigned = torch.stack(assigned)

    def _colour(self) -> Tensor:
        """The colour of each element: (B, P, 3)."""
        if self.assigned is None:
            return self.values["colour"]
        return self.values["swatches"].gather(1, self.assigned[..., None].expand(-1, -1, 3))

    def _opacity(self) -> Tensor:
        opacity = self.values["opacity"]
        return opacity + self.hardness * ((opacity >= SOLID).to(opacity) - opacity)

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "values": {name: value.detach() for name, value in self.values.items()},
            "optimiser": self.optimiser.state_dict(),
            "assigned": self.assigned,
            "hardness": self.hardness,
        }

    def show(self, state: Mapping[str, Any]) -> None:
        """Take values from `state`, and leave the optimiser as it is."""
        with torch.no_grad():
            for name, value in self.values.items():
                value.copy_(state["values"][name])
        self.assigned, self.hardness = state["assigned"], float(state["hardness"])

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.show(state)
        self.optimiser.load_state_dict(state["optimiser"])

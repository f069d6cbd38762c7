"""Drawings of paths under optimisation."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from scorekit_text_to_svg import regularisers
from scorekit_text_to_svg.art import Art
from scorekit_text_to_svg.drawing import Drawing
from scorekit_text_to_svg.live import Region
from scorekit_text_to_svg.rasterise import Backend, layers
from scorekit_text_to_svg.templates import THINNEST, WIDEST, Template, copies, placed, random_points
from scorekit_text_to_svg.visibility import visible_area

RATES = {
    "points": 0.006,
    "colour": 0.02,
    "opacity": 0.02,
    "width": 0.0006,
}  # Adam's steps; points in shares of the canvas
ROOM = 0.15  # of the canvas, beyond its border, where points may go
FAINT = 0.08  # opacity below which a path is replaced
HIDDEN = 0.0015  # and the visible share of the canvas
FRESH = 0.6  # opacity of a new path: it can grow as well as go


class PathArt(Art):
    """B drawings of one topology. With a `form`, all paths are copies of that template and can be replaced."""

    def __init__(self, drawing: Drawing, form: Template | None, colours: int | None, shown: int | None = None) -> None:
        super().__init__(
            {
                "points": drawing.points,
                "colour": drawing.colour,
                "opacity": drawing.opacity,
                "width": drawing.width,
            },
            RATES,
            colours,
        )
        self.topology, self.form = drawing.topology, form
        self.backend: Backend = "torch"
        self.joined = regularisers.joints(drawing.topology)
        self.shown = drawing.paths if shown is None else shown  # paths beyond this many wait for their turn

    @classmethod
    def random(
        cls, form: Template, paths: int, batch: int, colours: int | None, generator: torch.Generator, shown: int | None
    ) -> "PathArt":
        """Random paths of random light colours."""
        points = random_points(form, (batch, paths), generator)
        colour = 0.3 + 0.6 * torch.rand(batch, paths, 3, generator=generator, device=generator.device)
        return cls(copies(form, points, colour, torch.full_like(colour[..., 0], FRESH)), form, colours, shown)

    def current(self) -> Drawing:
        """All drawings as they stand, those paths that are shown."""
        values, count = self.values, self.shown
        whole = Drawing(self.topology, values["points"], self._colour(), self._opacity(), values["width"])
        if count == whole.paths:
            return whole
        keep = torch.arange(whole.paths, device=values["points"].device) < count
        return whole.only(keep)

    def layers(self, size: int) -> Tensor:
        return layers(self.current(), size, self.backend)

    def drawing(self, index: int) -> Drawing:
        return self.current().detach().one(index)

    def weights(self) -> Tensor:
        area = visible_area(self.current())
        return torch.cat([area, area.new_zeros(len(area), self.topology.paths - area.shape[1])], 1)

    def penalty(self, crossing: float, kinks: float, slivers: float) -> Tensor:
        drawing = self.current()
        total = drawing.points.new_zeros(())
        if crossing:
            total = total + crossing * regularisers.crossing(drawing)
        if kinks:
            total = total + kinks * regularisers.kinks(drawing.points, self.joined)
        if slivers and not self.topology.stroked.any():
            total = total + slivers * regularisers.slivers(drawing, drawing.paths)
        return total

    def clamp(self) -> None:
        super().clamp()
        self.values["points"].clamp_(-ROOM, 1 + ROOM)
        # What a file brought may be wider or thinner than what is drawn here.
        if self.form is not None:
            self.values["width"].clamp_(THINNEST, WIDEST)

    def replace(self, generator: torch.Generator) -> int:
        """Paths that are faint or hidden start anew at random places, on top of the others, with no memory of their steps."""
        if self.form is None:
            return 0
        gone = (self.weights() < HIDDEN) | (self.values["opacity"] < FAINT)
        if not gone.any():
            return 0
        batch, paths = gone.shape
        with torch.no_grad():
            fresh = PathArt.random(self.form, paths, batch, None, generator, None).values
            order = gone.long().argsort(dim=1, stable=True)
            late = gone.gather(1, order)
            for name in ("points", "colour", "opacity", "width"):
                rows = [self.values[name], *self._memory(name)]
                for row, new in zip(rows, [fresh[name], None, None], strict=False):
                    view = row.view(batch, paths, -1)
                    moved = view.gather(1, order[..., None].expand_as(view))
                    into = torch.zeros_like(view) if new is None else new.detach().to(view).view(batch, paths, -1)
                    view.copy_(torch.where(late[..., None], into, moved))
        return int(gone.sum())

    def put(self, drawing: int, first: int, regions: list[Region], slots: int) -> None:
        """Paths `first` ... of one drawing take these regions; of `slots` paths, those without a region stay transparent."""
        assert self.form is not None
        with torch.no_grad():
            points = self.values["points"].view(len(self), self.topology.paths, -1, 2)
            self.values["opacity"][drawing, first : first + slots] = 0
            for path, region in enumerate(regions, first):
                points[drawing, path] = placed(self.form, region.centre, region.radii, region.angle)
                self.values["colour"][drawing, path] = region.colour
                self.values["opacity"][drawing, path] = 1

    def _memory(self, name: str) -> list[Tensor]:
        """What Adam remembers of a value: tensors of its shape."""
        state = self.optimiser.state.get(self.values[name], {})
        return [state[key] for key in ("exp_avg", "exp_avg_sq") if key in state]

    def state(self) -> dict[str, Any]:
        return {**super().state(), "shown": self.shown}

    def show(self, state: Mapping[str, Any]) -> None:
        super().show(state)
        self.shown = int(state["shown"])


def batched(drawing: Drawing, batch: int) -> Drawing:
    """`batch` copies of one drawing."""
    return replace(
        drawing,
        points=drawing.points.repeat(batch, 1, 1),
        colour=drawing.colour.repeat(batch, 1, 1),
        opacity=drawing.opacity.repeat(batch, 1),
        width=drawing.width.repeat(batch, 1),
    )

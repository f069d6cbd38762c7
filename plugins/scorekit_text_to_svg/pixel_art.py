"""Pixel art under optimisation: a grid of squares, each of one colour or absent."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from scorekit_text_to_svg.art import Art
from scorekit_text_to_svg.drawing import Drawing
from scorekit_text_to_svg.live import outside
from scorekit_text_to_svg.outline import Paint, Path, Subpath, assemble

RATES = {"colour": 0.02, "opacity": 0.03}


class PixelArt(Art):
    """B grids of G x G squares; colour (B, G * G, 3) and opacity (B, G * G), row by row."""

    def __init__(self, colour: Tensor, opacity: Tensor, grid: int, colours: int | None) -> None:
        super().__init__({"colour": colour, "opacity": opacity}, RATES, colours)
        self.grid = grid

    @classmethod
    def random(cls, grid: int, batch: int, colours: int | None, generator: torch.Generator) -> "PixelArt":
        """Grey squares, half there."""
        noise = torch.rand(batch, grid * grid, 3, generator=generator, device=generator.device)
        return cls(0.4 + 0.2 * noise, torch.full_like(noise[..., 0], 0.5), grid, colours)

    @classmethod
    def of(cls, pictures: Tensor, grid: int, colours: int | None) -> "PixelArt":
        """Pictures (B, 3, S, S) on white, averaged over squares; what is white up to the border is absent."""
        small = interpolate(pictures, (grid, grid), mode="area")
        clear = torch.stack([outside(picture) for picture in pictures]).to(pictures)
        share = 1 - interpolate(clear[:, None], (grid, grid), mode="area")
        # The white in a square that is partly background is taken out of its colour.
        own = ((small - (1 - share)) / share.clamp(min=0.2)).clamp(0, 1)
        solid = (share > 0.5).to(pictures)
        return cls(own.flatten(2).mT, solid.flatten(1) * 0.9 + 0.05, grid, colours)

    def layers(self, size: int) -> Tensor:
        colour, opacity = self._colour(), self._opacity()[..., None]
        cells = torch.cat([colour * opacity, 1 - opacity], 2).mT.reshape(len(self), 4, self.grid, self.grid)
        many = -(-size // self.grid)
        sharp = cells.repeat_interleave(many, 2).repeat_interleave(many, 3)
        return sharp if sharp.shape[-1] == size else interpolate(sharp, (size, size), mode="area")

    def weights(self) -> Tensor:
        return self._opacity().detach() / self.grid**2

    def drawing(self, index: int) -> Drawing:
        """One path for each colour and opacity, made of as few rectangles as rows merge into."""
        colour = (self._colour()[index].detach() * 255).round().long().tolist()
        opacity = (self._opacity()[index].detach() * 100).round().long().tolist()
        groups: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for cell, (rgb, share) in enumerate(zip(colour, opacity, strict=True)):
            if share > 0:
                groups.setdefault((*rgb, share), []).append(divmod(cell, self.grid))
        paths = [
            Path(
                [_square(*box, self.grid) for box in rectangles(cells)],
                Paint((key[0] / 255, key[1] / 255, key[2] / 255), key[3] / 100),
            )
            for key, cells in sorted(groups.items())
        ]
        return assemble(paths).to(self.values["colour"].device)


def rectangles(cells: list[tuple[int, int]]) -> list[tuple[int, int, int, int]]:
    """Cells (row, column) as disjoint rectangles (left, top, right, bottom): runs in rows, equal runs below each other merged."""
    here = set(cells)
    open_: dict[tuple[int, int], tuple[int, int]] = {}  # run (left, right) -> rows (top, bottom)
    found = []
    runs: dict[int, list[tuple[int, int]]] = {}
    for row, column in sorted(here):
        if (row, column - 1) not in here:
            right = column
            while (row, right) in here:
                right += 1
            runs.setdefault(row, []).append((column, right))
    for row in sorted(runs):
        now = {}
        for run in runs[row]:
            top = open_.pop(run)[0] if run in open_ and open_[run][1] == row else row
            now[run] = (top, row + 1)
        found += [(left, top, right, bottom) for (left, right), (top, bottom) in open_.items()]
        open_ = now
    found += [(left, top, right, bottom) for (left, right), (top, bottom) in open_.items()]
    return sorted(found)


def _square(left: int, top: int, right: int, bottom: int, grid: int) -> Subpath:
    x0, y0, x1, y1 = left / grid, top / grid, right / grid, bottom / grid
    return Subpath((x0, y0), [((x1, y0),), ((x1, y1),), ((x0, y1),)], closed=True)

"""From values under optimisation to files: simplified, written, read back, and ranked."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from scorekit_text_to_svg.drawing import Drawing
from scorekit_text_to_svg.rasterise import render
from scorekit_text_to_svg.svg_read import SvgError, read_svg
from scorekit_text_to_svg.svg_write import svg
from scorekit_text_to_svg.visibility import simplified

if TYPE_CHECKING:
    from scorekit_text_to_svg.optimise import Painter

STYLE_NAMES = {"flat": "flat icon", "sketch": "line sketch", "pixel-art": "pixel art", "low-poly": "low-poly drawing"}


@dataclass(frozen=True)
class Result:
    """A finished drawing: its file's text, what that text says, its denoising error, and its number among those made."""

    text: str
    drawing: Drawing
    error: float
    index: int

    @property
    def paths(self) -> int:
        return self.drawing.paths

    @property
    def colours(self) -> int:
        return len(torch.unique((self.drawing.colour[0] * 255).round(), dim=0))

    @torch.no_grad()
    def picture(self, size: int) -> Tensor:
        """The file on white, (3, size, size)."""
        return render(self.drawing, size, torch.ones(3))[0].clamp(0, 1).cpu()

    def summary(self) -> dict[str, Any]:
        return {
            "paths": self.paths,
            "colours": self.colours,
            "segments": len(self.drawing.topology.segments),
            "bytes": len(self.text.encode()),
            "denoising_error": self.error,
        }


def finish(painter: "Painter") -> list[Result]:
    """The results of a painter, that of least denoising error first; drawings of which nothing is left are not among them."""
    p, device = painter.params, painter.model.device
    title = p.prompt.strip()
    description = (
        f"{STYLE_NAMES[p.style].capitalize()} of: {title}. Drawn by scorekit text-to-svg from {painter.model.name}."
    )
    made = []
    for index, drawing in enumerate(painter.finished()):
        # Squares share no borders with what lies under them: nothing is hidden, and what is left out leaves a hole.
        kept = drawing if p.style == "pixel-art" else simplified(drawing, p.tolerance)
        text = svg(kept, title, description)
        try:
            made.append((index, text, read_svg(text.encode(), bounded=False)))
        except SvgError:  # nothing was drawn
            continue
    if not made:
        return []
    white = torch.ones(3, device=device)
    pictures = torch.cat([render(drawing.to(device), painter.size, white).detach() for _, _, drawing in made])
    errors = painter.guidance.errors(pictures).tolist()
    results = [Result(text, drawing, error, index) for (index, text, drawing), error in zip(made, errors, strict=True)]
    return sorted(results, key=lambda result: result.error)

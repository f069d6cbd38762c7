"""How much of each path is to be seen, and which paths may go."""

import torch
from torch import Tensor

from scorekit_text_to_svg.drawing import Drawing
from scorekit_text_to_svg.rasterise import layers

SIZE = 64  # px at which it is looked
LEAST = 2e-4  # share of the canvas below which nobody sees a path: .8 of a pixel of 64 x 64


def visible_area(drawing: Drawing, size: int = SIZE) -> Tensor:
    """(B, P) in [0, 1]: the share of the canvas that shows each path, after its opacity and what is painted over it.

    The picture is linear in the colours: that share is the derivative of its sum with respect to a colour.
    """
    drawing = drawing.detach()
    colour = torch.zeros_like(drawing.colour).requires_grad_()
    with torch.enable_grad():
        seen = layers(Drawing(drawing.topology, drawing.points, colour, drawing.opacity, drawing.width), size)
        (area,) = torch.autograd.grad(seen[:, 0].sum(), colour)
    return area[..., 0] / size**2


@torch.no_grad()
def simplified(drawing: Drawing, tolerance: float, size: int = SIZE) -> Drawing:
    """One drawing (a batch of one) without the paths that may go: those hardly to be seen, and those that make no difference.

    tolerance  root mean square difference, over pixels and channels before white and black, that all the missing together may make

    Of those that remain, again and again the one goes whose absence shows least, while the tolerance lasts.
    """
    drawing = drawing.only(visible_area(drawing, size)[0] >= LEAST)
    whole = layers(drawing, size)
    while drawing.paths > 1:
        # All candidates in one batch: each path in turn is made transparent.
        without = 1 - torch.eye(drawing.paths, device=drawing.points.device)
        many = Drawing(
            drawing.topology,
            drawing.points.expand(drawing.paths, -1, -1),
            drawing.colour.expand(drawing.paths, -1, -1),
            drawing.opacity * without,
            drawing.width.expand(drawing.paths, -1),
        )
        off = layers(many, size) - whole
        # Before white and before black: the transmittance carries the white.
        error = (off[:, :3].square() + (off[:, :3] + off[:, 3:]).square()).mean((1, 2, 3)).div(2).sqrt()
        least = int(error.argmin())
        if error[least] > tolerance:
            break
        drawing = drawing.only(without[least] > 0)
    return drawing

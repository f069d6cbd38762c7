"""Ordered alpha compositing of paths that each touch a rectangle only.

The canvas holds premultiplied colour and transmittance, what is left of whatever lies behind, so that one pass serves any background.
"""

from typing import Any

import torch
from torch import Tensor

from scorekit_text_to_svg.tiles import Tiles


def composite(cover: Tensor, colour: Tensor, opacity: Tensor, tiles: Tiles, size: int) -> Tensor:
    """Paint P paths of each of B drawings over nothing: (B, 4, size, size), premultiplied RGB and transmittance.

    cover    (total,) coverage in the tiles' buffer, whose paths are those of drawing 0, then those of drawing 1, ...
    colour   (B, P, 3);  opacity (B, P)

    Memory is proportional to the sum of the tiles: of the canvas before each path only its tile is kept for the gradient.
    """
    canvas: Tensor = _Composite.apply(cover, colour, opacity, tiles, size)  # type: ignore[no-untyped-call]
    return canvas


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cover: Tensor, colour: Tensor, opacity: Tensor, tiles: Tiles, size: int) -> Tensor:
        batch, paths = opacity.shape
        canvas = colour.new_zeros(batch, 4, size, size)
        canvas[:, 3] = 1
        paint = torch.cat([colour, colour.new_zeros(batch, paths, 1)], 2).reshape(batch * paths, 4, 1, 1)
        strength = opacity.reshape(-1)
        boxes = torch.stack([tiles.left, tiles.top, tiles.width, tiles.height, tiles.offset], 1).tolist()
        painted: list[tuple[int, list[int], Tensor]] = []
        for path, box in enumerate(boxes):
            left, top, width, height, offset = box
            if width == 0 or height == 0:
                continue
            part = canvas[path // paths, :, top : top + height, left : left + width]
            before = part.clone()
            alpha = cover[offset : offset + height * (width + 1)].view(height, width + 1)[:, :-1] * strength[path]
            part.addcmul_(alpha, paint[path] - before)
            painted.append((path, box, before))
        ctx.save_for_backward(cover, paint, strength)
        ctx.painted, ctx.shape = painted, (batch, paths)
        return canvas

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        cover, paint, strength = ctx.saved_tensors
        batch, paths = ctx.shape
        grad = grad.clone()
        to_cover = torch.zeros_like(cover)
        to_paint, to_strength = torch.zeros_like(paint[:, :, 0, 0]), torch.zeros_like(strength)
        for path, (left, top, width, height, offset), before in reversed(ctx.painted):
            part = grad[path // paths, :, top : top + height, left : left + width]
            places = slice(offset, offset + height * (width + 1))
            share = cover[places].view(height, width + 1)[:, :-1]
            alpha = share * strength[path]
            to_alpha = (part * (paint[path] - before)).sum(0)
            to_paint[path] = (part * alpha).sum((1, 2))
            to_strength[path] = (to_alpha * share).sum()
            to_cover[places].view(height, width + 1)[:, :-1] = to_alpha * strength[path]
            part.sub_(part * alpha)
        return to_cover, to_paint[:, :3].reshape(batch, paths, 3), to_strength.reshape(batch, paths), None, None

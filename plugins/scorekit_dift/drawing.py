"""What is found, as pictures: lines between two pictures, heat maps, labels over a frame."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from PIL.Image import Image

    from scorekit_dift.matching import Matches

GAP = 8


def side_by_side(left: Tensor, right: Tensor, height: int = 480) -> tuple[Image, float, tuple[float, float]]:
    """Two pictures (3, H, W) next to each other, the scale of the left one, and the right one's scale and x of its left edge."""
    from PIL import Image

    one, other = (_image(picture, height) for picture in (left, right))
    sheet = Image.new("RGB", (one.width + GAP + other.width, height), "white")
    sheet.paste(one, (0, 0))
    sheet.paste(other, (one.width + GAP, 0))
    return sheet, height / left.shape[1], (height / right.shape[1], float(one.width + GAP))


def lines(left: Tensor, right: Tensor, matches: Matches) -> Image:
    """Matches as lines, coloured by where they start."""
    from PIL import ImageDraw

    sheet, scale, (other, offset) = side_by_side(left, right)
    draw = ImageDraw.Draw(sheet, "RGBA")
    for (x, y), (u, v) in zip(matches.source.tolist(), matches.target.tolist(), strict=True):
        hue = (x / left.shape[2] + 0.35 * y / left.shape[1]) % 1
        r, g, b = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.9, 1.0))
        begin, end = (x * scale, y * scale), (u * other + offset, v * other)
        draw.line([begin, end], fill=(r, g, b, 200), width=2)
        for px, py in (begin, end):
            draw.ellipse([px - 3.5, py - 3.5, px + 3.5, py + 3.5], fill=(r, g, b), outline="black")
    return sheet


def heat(left: Tensor, right: Tensor, point: Tensor, similarity: Tensor, found: Tensor) -> Image:
    """A place in the left picture; how similar each place of the right one is (h, w), over it; the best one as a ring."""
    from PIL import ImageDraw

    low, high = similarity.quantile(0.5), similarity.max()
    strength = ((similarity - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)[None, None]
    strength = F.interpolate(strength, right.shape[1:], mode="bilinear", align_corners=False)[0].cpu()
    colour = torch.cat([(strength * 2).clamp(0, 1), (strength * 2 - 1).clamp(0, 1), (0.35 - strength).clamp(0, 1)])
    gray = right.mean(0, keepdim=True).expand(3, -1, -1) * 0.6 + 0.2
    sheet, scale, (other, offset) = side_by_side(left, gray * (1 - 0.75 * strength) + colour * 0.75 * strength)
    draw = ImageDraw.Draw(sheet)
    for (x, y), at, start in ((point.tolist(), scale, 0.0), (found.tolist(), other, offset)):
        px, py = x * at + start, y * at
        for radius, ink in ((9, "black"), (8, "white"), (7, "white")):
            draw.ellipse([px - radius, py - radius, px + radius, py + radius], outline=ink)
        draw.ellipse([px - 2, py - 2, px + 2, py + 2], fill="red")
    return sheet


def stacked(sheets: list[Image]) -> Image:
    """Pictures of one width below each other."""
    from PIL import Image

    whole = Image.new("RGB", (max(s.width for s in sheets), sum(s.height + GAP for s in sheets) - GAP), "white")
    y = 0
    for sheet in sheets:
        whole.paste(sheet, (0, y))
        y += sheet.height + GAP
    return whole


def labelled(frame: Tensor, labels: Tensor, colours: Tensor) -> Tensor:
    """Labels (H, W) over a frame (3, H, W), each but 0 in its colour (K, 3)."""
    paint = colours[labels].permute(2, 0, 1)
    cover = 0.55 * (labels > 0).float()
    edge = torch.zeros_like(cover)
    edge[1:] = torch.maximum(edge[1:], (labels[1:] != labels[:-1]).float())
    edge[:, 1:] = torch.maximum(edge[:, 1:], (labels[:, 1:] != labels[:, :-1]).float())
    mixed = frame * (1 - cover) + paint * cover
    return mixed * (1 - edge) + edge


def distinct_colours(count: int) -> Tensor:
    """(count, 3) in [0, 1]: black first, then hues a golden angle apart."""
    hues = [colorsys.hsv_to_rgb((0.61803 * i) % 1, 0.85, 1.0) for i in range(count - 1)]
    return torch.tensor([(0.0, 0.0, 0.0), *hues])


def as_bytes(picture: Tensor) -> np.ndarray:
    """(H, W, 3) uint8 of a picture (3, H, W) in [0, 1]."""
    array: np.ndarray = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return array


def _image(picture: Tensor, height: int) -> Image:
    from PIL import Image

    image = Image.fromarray(as_bytes(picture))
    return image.resize((max(1, round(image.width * height / image.height)), height), Image.Resampling.LANCZOS)

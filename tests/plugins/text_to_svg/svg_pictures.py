"""Drawings for the tests of text to SVG, and pictures of SVG text by resvg."""

import io
import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scorekit_text_to_svg.drawing import Drawing
from scorekit_text_to_svg.outline import Paint, Path, Step, Subpath, assemble
from scorekit_text_to_svg.templates import copies, random_points, template


def blobs(
    paths: int, seed: int = 0, batch: int = 1, style: str = "flat", wobble: float = 0.01, opacity: float | None = None
) -> Drawing:
    """Random paths of a style, a little out of shape."""
    g = torch.Generator().manual_seed(seed)
    points = random_points(template(style), (batch, paths), g)  # type: ignore[arg-type]
    points = points + wobble * torch.randn(points.shape, generator=g)
    colour = torch.rand(batch, paths, 3, generator=g)
    share = 0.4 + 0.6 * torch.rand(batch, paths, generator=g)
    return copies(template(style), points, colour, share if opacity is None else torch.full_like(share, opacity))  # type: ignore[arg-type]


def polygon(corners: list[tuple[float, float]], colour: tuple[float, float, float] = (0, 0, 0)) -> Drawing:
    steps: list[Step] = [(corner,) for corner in corners[1:]]
    return assemble([Path([Subpath(corners[0], steps, True)], Paint(colour))])


def circle(x: float, y: float, r: float, clockwise: bool = True) -> Subpath:
    """Eight cubics: within 5e-6 r of a circle."""
    n, sign = 8, 1 if clockwise else -1
    reach = 4 / 3 * math.tan(math.pi / (2 * n)) * sign

    def at(i: int) -> tuple[float, float, float, float]:
        a = sign * 2 * math.pi * i / n
        return x + r * math.cos(a), y + r * math.sin(a), -r * math.sin(a), r * math.cos(a)

    steps: list[Step] = []
    for i in range(n):
        ax, ay, atx, aty = at(i)
        bx, by, btx, bty = at(i + 1)
        steps.append(((ax + reach * atx, ay + reach * aty), (bx - reach * btx, by - reach * bty), (bx, by)))
    return Subpath((x + r, y), steps, True)


def resvg(text: str, size: int, background: str = "#ffffff") -> Tensor:
    """An SVG on an opaque background by resvg: (3, size, size) in [0, 1]."""
    import resvg_py

    png = bytes(resvg_py.svg_to_bytes(svg_string=text, width=size, height=size, background=background))
    with Image.open(io.BytesIO(png)) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float() / 255


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures in [0, 1]."""
    return float(-10 * torch.log10((a - b).square().mean()))

"""How fast and how true is the rasteriser of text to SVG?

    python tests/benchmarks/rasteriser.py [--report DIR] [--quick]

Prints and writes text-to-svg-rasteriser.json: milliseconds of processor time, forward and backward, as paths and pixels grow, beside
pydiffvg where it is installed; the cost that a path and a pixel add; agreement with resvg and with pydiffvg in dB; gradients against finite
differences.
One thread. pydiffvg is on no package index: build it from github.com/BachiLi/diffvg.
"""

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scorekit_text_to_svg.drawing import Drawing
from scorekit_text_to_svg.rasterise import Backend, render
from scorekit_text_to_svg.svg_read import read_svg
from scorekit_text_to_svg.svg_write import svg
from scorekit_text_to_svg.templates import Style, copies, random_points, template

STYLES: tuple[Style, ...] = ("flat", "sketch", "low-poly")
WHITE = torch.ones(3)
VALUES = ("points", "colour", "opacity", "width")


def scene(paths: int, style: Style = "flat", seed: int = 0) -> Drawing:
    """Random paths of radius .04 to .16, a little out of shape."""
    g = torch.Generator().manual_seed(seed)
    points = random_points(template(style), (1, paths), g)
    points = points + 0.01 * torch.randn(points.shape, generator=g)
    colour = torch.rand(1, paths, 3, generator=g)
    return copies(template(style), points, colour, 0.5 + 0.5 * torch.rand(1, paths, generator=g))


def leaves(drawing: Drawing) -> tuple[Drawing, dict[str, Tensor]]:
    values = {name: getattr(drawing, name).clone().requires_grad_() for name in VALUES}
    return replace(drawing, **values), values


def cost(drawing: Drawing, size: int, backend: Backend, rounds: int) -> tuple[float, float]:
    """Median milliseconds of processor time, forward and backward."""
    ahead, back = [], []
    for number in range(rounds + 1):
        now, _ = leaves(drawing)
        began = time.process_time()
        picture = render(now, size, WHITE, backend)
        drawn = time.process_time()
        picture.square().sum().backward()  # type: ignore[no-untyped-call]
        if number:  # the first round warms up
            ahead.append(1e3 * (drawn - began))
            back.append(1e3 * (time.process_time() - drawn))
    return round(statistics.median(ahead), 2), round(statistics.median(back), 2)


def psnr(a: Tensor, b: Tensor) -> float:
    return round(float(-10 * torch.log10((a - b).square().mean())), 1)


def resvg(text: str, size: int) -> Tensor | None:
    """A file's picture on white by resvg, or None where resvg_py is not installed."""
    if find_spec("resvg_py") is None:
        return None
    import resvg_py

    png = bytes(resvg_py.svg_to_bytes(svg_string=text, width=size, height=size, background="#ffffff"))
    with Image.open(io.BytesIO(png)) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float() / 255


def speed(quick: bool) -> dict[str, Any]:
    """Cost over paths and sizes, and what one more path and one more pixel cost."""
    sizes, counts = ((64,), (8, 32)) if quick else ((32, 64, 128, 224, 448), (8, 32, 128, 512))
    rows = []
    for size in sizes:
        for paths in counts:
            row: dict[str, Any] = {"size": size, "paths": paths}
            row["torch_ms"] = cost(scene(paths), size, "torch", 5)
            if find_spec("pydiffvg") and paths <= 128 and size <= 224:
                row["diffvg_ms"] = cost(scene(paths), size, "diffvg", 1)
            rows.append(row)
            print(row, flush=True)
    # Least squares of cost = fixed + a paths + b covered pixels.
    design = [[1.0, row["paths"], row["paths"] * row["size"] ** 2] for row in rows]
    total = [sum(row["torch_ms"]) for row in rows]
    if len(rows) < 3:
        return {"rows": rows}
    fixed, path, pixel = np.linalg.lstsq(np.array(design), np.array(total), rcond=None)[0]
    return {
        "rows": rows,
        "fixed_ms": round(float(fixed), 3),
        "ms_per_path": round(float(path), 4),
        "ns_per_path_and_canvas_pixel": round(float(pixel) * 1e6, 3),
    }


def truth(quick: bool) -> list[dict[str, Any]]:
    """Agreement of pictures, dB. `fine` is resvg at 8 x 8 samples a pixel."""
    rows = []
    for style in STYLES:
        for size in (64,) if quick else (64, 224, 512):
            drawing = scene(32, style, size)
            text = svg(drawing, "scene")
            ours = render(read_svg(text.encode()), size, WHITE)[0]
            row: dict[str, Any] = {"style": style, "size": size}
            plain = resvg(text, size)
            if plain is not None:
                many = resvg(text, 8 * size)
                assert many is not None
                fine = torch.nn.functional.avg_pool2d(many[None], 8)[0]
                row |= {"resvg": psnr(ours, plain), "fine": psnr(ours, fine), "resvg_to_fine": psnr(plain, fine)}
            if find_spec("pydiffvg") and size <= 224:
                row["diffvg"] = psnr(ours, render(drawing, size, WHITE, "diffvg")[0])
            rows.append(row)
            print(row, flush=True)
    return rows


def slopes(size: int = 64, step: float = 2e-3) -> list[dict[str, Any]]:
    """Cosine of the gradients of a smooth function of the picture with central differences, and with pydiffvg's."""
    weight = torch.nn.functional.interpolate(
        torch.randn(1, 3, 6, 6, generator=torch.Generator().manual_seed(1)), size, mode="bicubic"
    )
    rows = []
    for style in STYLES:
        drawing = scene(6, style, 3)

        def gradients(backend: Backend, drawing: Drawing = drawing) -> dict[str, Tensor]:
            now, values = leaves(drawing)
            (render(now, size, WHITE, backend) * weight).sum().backward()  # type: ignore[no-untyped-call]
            return {name: torch.zeros_like(v) if v.grad is None else v.grad.cpu() for name, v in values.items()}

        ours = gradients("torch")
        row: dict[str, Any] = {"style": style}
        found = torch.zeros_like(drawing.points)
        for index in range(found.numel()):
            away = torch.zeros_like(found)
            away.view(-1)[index] = step
            with torch.no_grad():
                ahead, behind = (
                    float(
                        (render(replace(drawing, points=drawing.points + s * away), size, WHITE) * weight)
                        .double()
                        .sum()
                    )
                    for s in (1, -1)
                )
            found.view(-1)[index] = (ahead - behind) / (2 * step)
        row["points_to_differences"] = cosine(ours["points"], found)
        if find_spec("pydiffvg"):
            theirs = gradients("diffvg")
            row |= {f"{name}_to_diffvg": cosine(ours[name], theirs[name]) for name in VALUES if theirs[name].any()}
            row["diffvg_points_to_differences"] = cosine(theirs["points"], found)
        rows.append(row)
        print(row, flush=True)
    return rows


def cosine(a: Tensor, b: Tensor) -> float:
    return round(float(torch.cosine_similarity(a.flatten(), b.flatten(), 0)), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, default=Path("runs/bench-rasteriser"), help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="the smallest scenes only")
    args = parser.parse_args()
    torch.set_num_threads(1)
    parts: dict[str, Callable[[], Any]] = {
        "speed": lambda: speed(args.quick),
        "agreement": lambda: truth(args.quick),
        "gradients": slopes,
    }
    results = {name: make() for name, make in parts.items()}
    args.report.mkdir(parents=True, exist_ok=True)
    (args.report / "text-to-svg-rasteriser.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

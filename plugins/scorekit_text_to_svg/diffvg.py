"""The same pictures by pydiffvg (Li et al. 2020, "Differentiable Vector Graphics Rasterization for Editing and Learning").

It is on no package index. Two of its traps are closed here: a picture that is laid over its background afterwards has wrong edges and wrong
gradients there, so an opaque background goes in as an image; and groups fill by the even-odd rule unless told otherwise. Its stroke
width is half of SVG's.
"""

from typing import Any

import torch
from torch import Tensor

from scorekit_text_to_svg.drawing import Drawing

SAMPLES = 4  # along each edge of a pixel; 2 is its authors' default, and coarser than our own coverage


def render(drawing: Drawing, size: int, background: Tensor, samples: int = SAMPLES, seed: int = 0) -> Tensor:
    """B drawings over opaque backgrounds (B, 3): (B, 3, size, size). Differentiable like `rasterise.render`."""
    import pydiffvg  # type: ignore[import-not-found,unused-ignore]

    pydiffvg.set_print_timing(False)
    pydiffvg.set_use_gpu(drawing.points.is_cuda)
    pictures = []
    for index in range(len(drawing)):
        shapes, groups = _scene(pydiffvg, drawing, index, size)
        behind = torch.ones(size, size, 4, device=drawing.points.device)
        behind[..., :3] = background[index]
        scene = pydiffvg.RenderFunction.serialize_scene(size, size, shapes, groups)
        seen: Tensor = pydiffvg.RenderFunction.apply(size, size, samples, samples, seed, behind, *scene)
        pictures.append(seen[..., :3].permute(2, 0, 1))
    return torch.stack(pictures).to(drawing.points.device)


def _scene(pydiffvg: Any, drawing: Drawing, index: int, size: int) -> tuple[list[Any], list[Any]]:
    """Shapes and groups of one drawing. Every subpath is a shape; those of one path share a group, and so one filling."""
    topology = drawing.topology
    rows = topology.segments.tolist()
    straight = topology.straight.tolist()
    points = drawing.points[index].float() * size
    shapes: list[Any] = []
    groups: list[Any] = []
    for path, runs in enumerate(topology.subpaths()):
        stroked = bool(topology.stroked[path])
        members = []
        for run in runs:
            order = [rows[run[0]][0]]
            for segment in run:
                _, a, b, end = rows[segment]
                order += [end] if straight[segment] else [a, b, end]
            closed = order[-1] == order[0]
            if closed:
                order.pop()  # a closed path returns by itself
            members.append(len(shapes))
            shapes.append(
                pydiffvg.Path(
                    num_control_points=torch.tensor([0 if straight[s] else 2 for s in run], dtype=torch.int32),
                    points=points[order].contiguous(),
                    is_closed=closed,
                    stroke_width=drawing.width[index, path] * size / 2,
                )
            )
        paint = torch.cat([drawing.colour[index, path], drawing.opacity[index, path, None]])
        groups.append(
            pydiffvg.ShapeGroup(
                shape_ids=torch.tensor(members, dtype=torch.int32),
                fill_color=None if stroked else paint,
                use_even_odd_rule=False,
                stroke_color=paint if stroked else None,
            )
        )
    return shapes, groups

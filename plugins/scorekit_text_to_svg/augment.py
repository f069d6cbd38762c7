"""Pictures as seen by a camera that is not held still: small changes of perspective, place and scale."""

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

CORNER = 0.06  # of the picture's side: how far each corner moves at most, at strength 1
SHIFT = 0.05
ZOOM = (0.9, 1.1)


def warped(layered: Tensor, views: int, strength: float, generator: torch.Generator) -> Tensor:
    """`views` random views of each of B layers (B, 4, S, S): (B * views, 4, S, S), those of one drawing side by side.

    A homography each: four corners that move by themselves, then a shift and a zoom, which crops or leaves a margin. Beyond the canvas
    there is nothing: what comes in is transparent.

    strength  in [0, 1]; 0 repeats the layers as they are
    """
    many = layered.repeat_interleave(views, 0)
    if strength == 0:
        return many
    count, size = len(many), many.shape[-1]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator, device=generator.device).to(layered.device)

    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], device=layered.device)
    moved = corners + strength * 2 * CORNER * (2 * uniform(4, 2) - 1)
    zoom = 1 + strength * (ZOOM[0] - 1 + (ZOOM[1] - ZOOM[0]) * uniform(1, 1))
    moved = moved / zoom + strength * 2 * SHIFT * (2 * uniform(1, 2) - 1)
    axis = (torch.arange(size, device=layered.device) + 0.5) * (2 / size) - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    place = torch.stack([x, y, torch.ones_like(x)], -1).reshape(1, -1, 3) @ _homography(corners, moved).mT
    grid = (place[..., :2] / place[..., 2:]).reshape(count, size, size, 2)
    # Opacity, not transmittance: the padding is zero.
    solid = torch.cat([many[:, :3], 1 - many[:, 3:]], 1)
    seen = grid_sample(solid, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return torch.cat([seen[:, :3], 1 - seen[:, 3:]], 1)


def _homography(source: Tensor, target: Tensor) -> Tensor:
    """Matrices (n, 3, 3) that take four points (4, 2) to (n, 4, 2)."""
    count = len(target)
    x, y = source.unbind(-1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    u, v = target.unbind(-1)
    first = torch.stack([x, y, one, zero, zero, zero], -1).expand(count, 4, 6)
    second = torch.stack([zero, zero, zero, x, y, one], -1).expand(count, 4, 6)
    place = torch.stack([x, y], -1)
    rows = torch.cat(
        [
            torch.cat([first, -u[..., None] * place], -1),
            torch.cat([second, -v[..., None] * place], -1),
        ],
        1,
    )
    solution = torch.linalg.solve(rows, torch.cat([u, v], 1)[..., None])[..., 0]
    return torch.cat([solution, solution.new_ones(count, 1)], 1).reshape(count, 3, 3)

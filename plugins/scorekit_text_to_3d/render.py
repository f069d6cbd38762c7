"""Volume rendering of a field: colour, opacity, depth and normals of many rays, differentiably.

Samples are placed only where a ray crosses the field's ball, so no work is spent on empty corners. Plain torch on
purpose: it runs on every device, and costs less on a CPU than the ray containers of larger frameworks.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from scorekit.zoo.render import Camera
from scorekit_text_to_3d.cameras import pixel_rays
from scorekit_text_to_3d.field import Field
from scorekit_text_to_3d.occupancy import Occupancy
from scorekit_text_to_3d.shading import Shading


class Composite(NamedTuple):
    """A ray's samples summed up. weights (R, S); opacity (R,); depth (R,) is the mean depth times the opacity."""

    weights: Tensor
    opacity: Tensor
    depth: Tensor


@dataclass(frozen=True)
class Pictures:
    """n rendered pictures, and what the regularisers want to know of their samples.

    rgb      (n, 3, H, W) in [0, 1] on the background; opacity (n, 1, H, W) in [0, 1].
    depth    (n, 1, H, W) mean distance along the ray, where opaque; inf where the opacity is below one half.
    normal   (n, 3, H, W) mean normal, not normalised; None when normals were not asked for.
    weights  (R, S) of the samples of the R rays that met the ball; facing (R, S) normal . ray direction, or None.
    """

    rgb: Tensor
    opacity: Tensor
    depth: Tensor
    normal: Tensor | None
    weights: Tensor
    facing: Tensor | None


def composite(density: Tensor, edges: Tensor) -> Composite:
    """Emission-absorption quadrature (Max 1995; NeRF, arXiv:2003.08934, eq. 3).

    density (R, S) per sample; edges (R, S + 1) increasing distances between which a sample's density holds.
    The transmittance before sample i is exp(-sum_{j<i} density_j length_j): exact for piecewise constant density.
    """
    absorbed = density * edges.diff(dim=-1)
    through = torch.exp(-(absorbed.cumsum(-1) - absorbed))
    weights = through * -torch.expm1(-absorbed)
    middle = (edges[:, 1:] + edges[:, :-1]) / 2
    return Composite(weights, weights.sum(-1), (weights * middle).sum(-1))


def ball_chord(origin: Tensor, direction: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Where rays (R, 3) enter and leave the ball around the origin, (R,) each; enter >= leave when they miss it."""
    along = -(origin * direction).sum(-1)
    half = (radius**2 - origin.square().sum(-1) + along.square()).clamp(min=0).sqrt()
    return (along - half).clamp(min=0), along + half


def render(
    field: Field,
    camera: Camera,
    size: int,
    samples: int = 48,
    background: float | Tensor = 1.0,
    shading: Shading | None = None,
    generator: torch.Generator | None = None,
    normals: bool = False,
    occupied: Occupancy | None = None,
) -> Pictures:
    """Render square pictures of `size` pixels, differentiably in the field.

    background  grey level, or colours (n, 3), behind the object.
    shading     how albedo becomes colour; None shows the albedo. Asking for light asks for normals.
    generator   on the field's device: rays and samples are jittered (training). None: pixel centres (showing).
    occupied    where to look; samples elsewhere are taken as empty. None: everywhere.
    """
    normals = normals or (shading is not None and shading.lit)
    n, pixels = len(camera), size * size
    origins, directions = pixel_rays(camera, size, generator)
    direction = directions.reshape(-1, 3)
    near, far = ball_chord(origins.repeat_interleave(pixels, dim=0), direction, field.radius)
    ray = (far > near + 1e-4).nonzero().squeeze(1)  # rays that meet the ball: all others show the background
    picture = ray // pixels
    origin, direction = origins[picture], direction[ray]
    edges, middle = _samples(near[ray], far[ray], samples, generator)
    points = origin[:, None] + middle[..., None] * direction[:, None]

    density, rgb, normal = _look(field, points, normals, occupied)
    weights, opacity, depth = composite(density, edges)
    if shading is not None:
        rgb = shading.shade(rgb, normal, points, picture)
    colour = (weights[..., None] * rgb).sum(1)

    def image(values: Tensor, channels: int, empty: float = 0.0) -> Tensor:
        full = values.new_full((n * pixels, channels), empty)
        full = full.index_copy(0, ray, values.view(-1, channels))
        return full.view(n, size, size, channels).permute(0, 3, 1, 2)

    shown = image(opacity, 1)
    behind = torch.as_tensor(background, dtype=colour.dtype, device=colour.device)
    behind = behind.expand(n, 3)[..., None, None]
    seen_depth = torch.where(opacity > 0.5, depth / opacity.clamp(min=1e-6), torch.inf)
    return Pictures(
        rgb=image(colour, 3) + (1 - shown) * behind,
        opacity=shown,
        depth=image(seen_depth.detach(), 1, empty=torch.inf),
        normal=image((weights[..., None] * normal).sum(1), 3) if normal is not None else None,
        weights=weights,
        facing=(normal * direction[:, None]).sum(-1) if normal is not None else None,
    )


def _look(
    field: Field, points: Tensor, normals: bool, occupied: Occupancy | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Density (R, S), colour and normal (R, S, 3) at points (R, S, 3), empty where not occupied."""
    flat, shape = points.view(-1, 3), points.shape
    if occupied is None:
        density, rgb, normal = field.sample(flat, normals)
    else:
        full = (occupied(flat)).nonzero().squeeze(1)
        found = field.sample(flat[full], normals)
        density = found.density.new_zeros(len(flat)).index_copy(0, full, found.density)
        rgb = found.rgb.new_zeros(flat.shape).index_copy(0, full, found.rgb)
        normal = None
        if found.normal is not None:
            normal = found.normal.new_zeros(flat.shape).index_copy(0, full, found.normal)
    return density.view(shape[:2]), rgb.view(shape), normal.view(shape) if normal is not None else None


def _samples(near: Tensor, far: Tensor, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Edges (R, count + 1) of equal intervals and one place in each (R, count): the middle, or a random one."""
    length = (far - near)[:, None]
    edges = near[:, None] + length * torch.linspace(0, 1, count + 1, device=near.device)
    if generator is None:
        return edges, (edges[:, 1:] + edges[:, :-1]) / 2
    place = torch.rand(len(near), count, generator=generator, device=near.device)
    return edges, edges[:, :-1] + place * length / count

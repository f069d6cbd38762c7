"""What people look at: previews, the contact sheet and the turntable film."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scorekit_text_to_3d.cameras import camera_at, orbit
from scorekit_text_to_3d.field import Field
from scorekit_text_to_3d.mesh import Mesh
from scorekit_text_to_3d.occupancy import Occupancy, occupancy
from scorekit_text_to_3d.raster import rasterise
from scorekit_text_to_3d.render import render

CLAY = 0.82  # grey of a mesh that is shown without its colours
FILM_LIGHT = 0.3  # share of light in the film: enough to show the shape, too little to change a colour's name


def to_uint8(images: Tensor) -> np.ndarray:
    """(n, 3, H, W) in [0, 1] to (n, H, W, 3) bytes."""
    array: np.ndarray = (images.detach().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return array


def tile(images: Tensor, columns: int) -> Tensor:
    """(n, 3, H, W), n a multiple of columns, to one picture (3, rows H, columns W) in reading order."""
    n, channels, height, width = images.shape
    grid = images.view(n // columns, columns, channels, height, width)
    return grid.permute(2, 0, 3, 1, 4).reshape(channels, n // columns * height, columns * width)


@torch.no_grad()
def preview(field: Field, occupied: Occupancy | None = None, size: int = 96, views: int = 4) -> Tensor:
    """Front, left, back and right of the field in a row: (3, size, views size)."""
    device = next(field.parameters()).device
    return tile(render(field, orbit(views).to(device), size, occupied=occupied).rgb.cpu(), columns=views)


@torch.no_grad()
def contact_sheet(field: Field, mesh: Mesh, size: int = 192, views: int = 8) -> Tensor:
    """Rows of the field, of the mesh cut from it and of it in clay, from `views` sides; (3, 3 size, views size)."""
    camera = orbit(views)
    device = next(field.parameters()).device
    pictures = render(field, camera.to(device), size, samples=64, occupied=occupancy(field))
    colours, _ = rasterise(mesh, camera, size)
    clay, _ = rasterise(mesh._replace(colours=np.full_like(mesh.colours, CLAY)), camera, size, light=0.7)
    return tile(torch.cat([pictures.rgb.cpu(), colours, clay]), columns=views)


def turntable(mesh: Mesh, path: Path, size: int = 192, frames: int = 48, seconds: float = 3.0) -> None:
    """Film one turn around the mesh as an H.264 MP4 that every browser plays; `size` is even, in pixels."""
    import imageio.v2 as imageio

    camera = orbit(frames)
    with imageio.get_writer(
        path,
        format="FFMPEG",
        fps=frames / seconds,
        codec="libx264",
        quality=8,
        macro_block_size=2,
        pixelformat="yuv420p",
    ) as film:
        for frame in range(frames):
            colours, _ = rasterise(mesh, camera_at(camera, slice(frame, frame + 1)), size, light=FILM_LIGHT)
            film.append_data(to_uint8(colours)[0])  # type: ignore[attr-defined]

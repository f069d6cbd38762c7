"""Where the pictures are taken from.

Cameras are `scorekit.zoo.render.Camera`, and their ranges are those of the pictures that pico-image learned from: a
model judges best the views that it knows. +z is up, azimuth 0 looks at the front from +x, azimuth 90 stands on +y.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from scorekit.zoo.render import DISTANCE_FACTOR, Camera, fitting_distance, sample_camera

if TYPE_CHECKING:
    from nerfstudio.cameras.cameras import Cameras as NerfstudioCameras

SUBPIXELS = 3  # the training pictures are means over 3 x 3 rays a pixel; a random one of them is an unbiased estimate


def random_cameras(n: int, generator: torch.Generator) -> Camera:
    """n cameras as in the training pictures, their azimuths stratified: one in each of n equal sectors.

    generator must live on the CPU, so that a seed means the same views on every device.
    """
    camera = sample_camera(n, generator)
    start, within = torch.rand(1, generator=generator), torch.rand(n, generator=generator)
    azimuth = (start + (torch.arange(n) + within) / n) * 360
    return Camera((azimuth + 180) % 360 - 180, camera.elevation, camera.distance, camera.fov)


def orbit(n: int, elevation: float = 15.0, fov: float = 40.0, start: float = 0.0) -> Camera:
    """n cameras evenly spaced around the object, the first at azimuth `start`, at the mean training distance."""
    fovs = torch.full((n,), fov)
    distance = fitting_distance(fovs) * sum(DISTANCE_FACTOR) / 2
    azimuth = start + torch.arange(n) * (360.0 / n)
    return Camera(azimuth, torch.full((n,), elevation), distance, fovs)


def camera_at(camera: Camera, index: slice | Tensor) -> Camera:
    """Some of the cameras."""
    return Camera(camera.azimuth[index], camera.elevation[index], camera.distance[index], camera.fov[index])


def pixel_rays(camera: Camera, size: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Origins (n, 3) and unit directions (n, size, size, 3), one ray through each pixel of square pictures.

    With a generator (on the cameras' device) a ray takes one of 3 x 3 places in its pixel at random, which averages
    to an anti-aliased picture; without one it takes the centre.
    """
    if generator is None:
        origin, direction = camera.rays(size, size)
        return origin.view(-1, 3), direction
    origin, fine = camera.rays(size * SUBPIXELS, size * SUBPIXELS)
    n, device = len(camera), fine.device
    choice = torch.randint(SUBPIXELS**2, (n, size, size, 1, 1), generator=generator, device=device)
    tiles = fine.view(n, size, SUBPIXELS, size, SUBPIXELS, 3).permute(0, 1, 3, 2, 4, 5).reshape(n, size, size, -1, 3)
    return origin.view(-1, 3), tiles.gather(3, choice.expand(n, size, size, 1, 3)).squeeze(3)


def nerfstudio_cameras(camera: Camera, size: int) -> "NerfstudioCameras":
    """The same cameras as nerfstudio's, for its viewer, its exporters and its own methods."""
    from nerfstudio.cameras.cameras import Cameras as NerfstudioCameras

    axes = camera.frame().transpose(1, 2)  # columns right, up, back: nerfstudio's camera-to-world
    pose = torch.cat([axes, camera.position()[..., None]], dim=-1)
    focal = size / 2 / torch.tan(torch.deg2rad(camera.fov) / 2)
    return NerfstudioCameras(pose, focal, focal, size / 2, size / 2, size, size)

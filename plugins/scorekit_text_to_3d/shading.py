"""Light on the field (DreamFusion, arXiv:2209.14988, section 3.1).

Pictures that show only albedo can look right on a flat or hollow shape; a light that moves, and pictures with the
colour taken away, make the shape itself answer to the model.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from scorekit.zoo.render import Camera


@dataclass(frozen=True)
class Shading:
    """How albedo becomes colour: colour = albedo (ambient + diffuse max(0, normal . light)).

    light       (n, 3) position of a point light for each of n pictures, world units.
    ambient, diffuse   in [0, 1]; diffuse 0 leaves albedo times ambient.
    textureless the albedo is replaced by white.
    """

    light: Tensor
    ambient: float = 1.0
    diffuse: float = 0.0
    textureless: bool = False

    @property
    def lit(self) -> bool:
        """Whether normals are needed."""
        return self.diffuse > 0

    def to(self, device: torch.device) -> "Shading":
        """The same lights on another device."""
        return replace(self, light=self.light.to(device))

    def shade(self, albedo: Tensor, normal: Tensor | None, points: Tensor, picture: Tensor) -> Tensor:
        """Colours (R, S, 3) of samples with this albedo and normal at points (R, S, 3); picture (R,) of each ray."""
        base = torch.ones_like(albedo) if self.textureless else albedo
        if not self.lit or normal is None:
            return base * self.ambient
        toward = F.normalize(self.light[picture][:, None] - points, dim=-1)
        lambert = (normal * toward).sum(-1, keepdim=True).clamp(min=0)
        return base * (self.ambient + self.diffuse * lambert)


def random_shading(camera: Camera, generator: torch.Generator, lambertian: float, textureless: float) -> Shading | None:
    """Draw a mode: lambertian with that probability, textureless with that one, else plain albedo (None).

    Lights stand near the cameras, moved by a normal deviate of one world unit. Cameras and generator are
    on the CPU.
    """
    draw = float(torch.rand((), generator=generator))
    offset = torch.randn(len(camera), 3, generator=generator)
    if draw >= lambertian + textureless:
        return None
    light = camera.position() + offset
    ambient = 0.1 + 0.4 * float(torch.rand((), generator=generator))
    return Shading(light, ambient, 1 - ambient, textureless=draw < textureless)

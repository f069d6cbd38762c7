"""Fields whose density is a formula: the truth that renderings and meshes are held against."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from scorekit_text_to_3d.field import RADIUS, Field, FieldSample


class FormulaField(Field):
    """density(points (N, 3)) -> (N,) and rgb(points) -> (N, 3), any functions."""

    def __init__(
        self,
        density: Callable[[Tensor], Tensor],
        rgb: Callable[[Tensor], Tensor] | tuple[float, float, float] = (0.5, 0.5, 0.5),
        radius: float = RADIUS,
    ) -> None:
        super().__init__()
        self.radius = radius
        self.formula, self.paint = density, rgb
        self.anchor = nn.Parameter(torch.zeros(()))  # gives the field a device

    def sample(self, points: Tensor, normals: bool = False) -> FieldSample:
        rgb = self.paint(points) if callable(self.paint) else points.new_tensor(self.paint).expand(len(points), 3)
        normal = torch.nn.functional.normalize(points, dim=-1) if normals else None
        return FieldSample(self.formula(points) + self.anchor, rgb, normal)

    def total_variation(self, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        del generator
        return torch.zeros(()), torch.zeros(())


def ball(
    radius: float, density: float = 60.0, centre: tuple[float, float, float] = (0, 0, 0)
) -> Callable[[Tensor], Tensor]:
    """A solid ball whose density falls off within a hundredth or two of its surface, density / 2 on it."""

    def formula(points: Tensor) -> Tensor:
        distance = (points - points.new_tensor(centre)).norm(dim=-1) - radius
        return density * torch.sigmoid(-distance / 0.006)

    return formula

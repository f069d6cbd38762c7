"""Which part of the ball holds anything: rays need no samples in the rest.

Most of a picture's samples fall into empty space once an object has formed; skipping them makes a rendering several
times cheaper. Space one cell beyond the object counts as occupied, so that a surface under optimisation can move.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from scorekit_text_to_3d.field import Field

CELLS = 40  # along an edge of the cube that holds the ball
EMPTY_BELOW = 0.1  # inverse world units: a ray through a whole unit of this loses a tenth of its light


@dataclass(frozen=True)
class Occupancy:
    """A cube of cells (CELLS, CELLS, CELLS), true where the field may be seen, indexed x, y, z; radius of the ball."""

    cells: Tensor
    radius: float

    def __call__(self, points: Tensor) -> Tensor:
        """Whether each of the points (N, 3) lies in an occupied cell, (N,) bool."""
        count = len(self.cells)
        index = ((points + self.radius) * (count / (2 * self.radius))).long().clamp_(0, count - 1)
        flat = (index[:, 0] * count + index[:, 1]) * count + index[:, 2]
        return self.cells.view(-1)[flat]


@torch.no_grad()
def occupancy(field: Field, cells: int = CELLS) -> Occupancy:
    """Look at the corners and centres of all cells: a cell is occupied if it or a neighbour holds any density."""
    device = next(field.parameters()).device
    axis = torch.linspace(-field.radius, field.radius, 2 * cells + 1, device=device)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)
    density = torch.stack([field.density(plane) for plane in points])[None, None]
    peak = F.max_pool3d(density, kernel_size=3, stride=2)  # over the 27 nodes of each cell
    grown = F.max_pool3d(peak, kernel_size=3, stride=1, padding=1)
    return Occupancy(grown[0, 0] > EMPTY_BELOW, field.radius)

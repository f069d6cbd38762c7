"""The field for a GPU: a multi-resolution hash encoding and a small network, from nerfstudio's parts."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scorekit_text_to_3d.field import BLOB_DENSITY, BLOB_RADIUS, RADIUS, Field, FieldSample, blob

_DIFFERENCE = 0.01  # step of the normals, world units


class HashField(Field):
    """Instant-NGP's encoding (arXiv:2201.05989) read by a network of one hidden layer.

    finest, log2_table  resolutions from 16 to `finest` nodes an edge, two to each doubling, 2^log2_table entries each.
    implementation  "torch" runs everywhere; "tcnn" needs tiny-cuda-nn and a CUDA device.
    Blob and density scale as in `GridField`.
    """

    def __init__(
        self,
        finest: int = 512,
        log2_table: int = 17,
        width: int = 64,
        radius: float = RADIUS,
        blob_density: float = BLOB_DENSITY,
        blob_radius: float = BLOB_RADIUS,
        density_scale: float = 12.0,
        implementation: Literal["torch", "tcnn"] = "torch",
    ) -> None:
        from nerfstudio.field_components.encodings import HashEncoding

        super().__init__()
        self.radius = radius
        self.blob_density, self.blob_radius, self.density_scale = blob_density, blob_radius, density_scale
        levels = 2 + round(2 * math.log2(finest / 16))
        self.encoding = HashEncoding(levels, 16, finest, log2_table, implementation=implementation)
        self.network = nn.Sequential(nn.Linear(self.encoding.get_out_dim(), width), nn.ReLU(), nn.Linear(width, 4))

    def sample(self, points: Tensor, normals: bool = False) -> FieldSample:
        """See `Field.sample`. Normals are differences over a tetrahedron: four more densities."""
        raw = self._raw(points)
        density = self.density_scale * F.softplus(raw[:, 0])
        normal = None
        if normals:
            corners = points.new_tensor([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
            around = self._raw((points[:, None] + _DIFFERENCE * corners).reshape(-1, 3))[:, 0].view(-1, 4, 1)
            normal = F.normalize(-(around * corners).sum(1), dim=-1, eps=1e-6)
        return FieldSample(density, torch.sigmoid(raw[:, 1:]), normal)

    def total_variation(self, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Mean squared change over a small step, of the raw density and of the colours, at random points."""
        device = next(self.parameters()).device
        here = (torch.rand(4096, 3, generator=generator, device=device) * 2 - 1) * self.radius
        there = here + 0.02 * torch.randn(4096, 3, generator=generator, device=device)
        change = self._raw(here), self._raw(there)
        density = (change[0][:, 0] - change[1][:, 0]).square().mean()
        return density, (torch.sigmoid(change[0][:, 1:]) - torch.sigmoid(change[1][:, 1:])).square().sum(-1).mean()

    def _raw(self, points: Tensor) -> Tensor:
        """Raw density with the blob's bias, and raw colours, (N, 4)."""
        where = (points / self.radius + 1) / 2  # the encoding is defined on the unit cube
        raw = self.network(self.encoding(where.clamp(0, 1)).float())
        start = blob(points.square().sum(-1), self.blob_density, self.blob_radius, self.density_scale)
        return torch.cat([raw[:, :1] + start[:, None], raw[:, 1:]], dim=1)

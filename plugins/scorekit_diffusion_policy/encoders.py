"""Pictures into features: ResNet-18 with group norms and a spatial softmax (Levine et al. 2016; as in arXiv:2303.04137)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

KEYPOINTS = 32
SHARPNESS = 3.0  # of the softmax of a new network


class PictureEncoder(nn.Module):
    """(B, T, C, H, W) in [-1, 1] to (B, T * features): where in the picture each of 32 learned patterns is.

    Group norms instead of batch norms: averaged (EMA) weights have no running statistics to go with them.
    """

    def __init__(self, channels: int, frames: int) -> None:
        from torchvision.models import resnet18

        super().__init__()
        net = resnet18(weights=None, norm_layer=lambda width: nn.GroupNorm(width // 16, width))
        # The last level keeps its resolution: places are read from maps of a sixteenth of the picture, not a thirty-second.
        last: Any = net.layer4[0]
        last.conv1.stride = last.downsample[0].stride = (1, 1)
        first = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        parts = [first, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4]
        self.backbone = nn.Sequential(*parts)
        # Each map is normalised over its picture: the softmax of a new network would be flat, and tell no place from another.
        self.maps = nn.Sequential(nn.Conv2d(512, KEYPOINTS, 1), nn.InstanceNorm2d(KEYPOINTS))
        self.sharpness = nn.Parameter(torch.full((KEYPOINTS, 1, 1), SHARPNESS))
        self.features = frames * 2 * KEYPOINTS

    def forward(self, pixels: Tensor) -> Tensor:
        places: Tensor = spatial_softmax(self.sharpness * self.maps(self.backbone(pixels.flatten(0, 1))))
        return places.reshape(len(pixels), self.features)


def spatial_softmax(maps: Tensor) -> Tensor:
    """The expected place (x, y) in [-1, 1] of each map (B, K, H, W) read as unnormalised log-probabilities: (B, K, 2)."""
    height, width = maps.shape[-2:]
    share = maps.flatten(2).softmax(2).reshape(maps.shape)
    x = torch.linspace(-1, 1, width, device=maps.device, dtype=share.dtype)
    y = torch.linspace(-1, 1, height, device=maps.device, dtype=share.dtype)
    return torch.stack([(share.sum(2) * x).sum(2), (share.sum(3) * y).sum(2)], 2)

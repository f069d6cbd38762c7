"""From matches to a warp of the plane: a homography, or a smooth field; and an edit carried along it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from scorekit_dift.descriptors import Descriptors
from scorekit_dift.matching import Matches, dense_matches, match_points

FEWEST = 8  # matches from which a homography is believed


@dataclass(frozen=True)
class Homography:
    """matrix (3, 3) takes (x, y, 1) of the source to the target, in pixels; inliers (N,) says which matches agree with it."""

    matrix: Tensor
    inliers: Tensor

    def __call__(self, points: Tensor) -> Tensor:
        """Points (N, 2) of the source in the target."""
        moved = torch.cat([points, torch.ones_like(points[:, :1])], 1).double() @ self.matrix.T
        return (moved[:, :2] / moved[:, 2:]).to(points)


def fit_homography(matches: Matches, threshold: float) -> Homography | None:
    """RANSAC and least squares on its inliers (OpenCV's, with its fixed seed); None where fewer than 8 matches agree.

    threshold  distance in pixels of the target within which a match agrees
    """
    import cv2

    if len(matches) < FEWEST:
        return None
    source, target = (points.cpu().double().numpy() for points in (matches.source, matches.target))
    matrix, inliers = cv2.findHomography(source, target, cv2.RANSAC, threshold, maxIters=5000, confidence=0.999)
    if matrix is None or int(inliers.sum()) < FEWEST:
        return None
    return Homography(torch.from_numpy(matrix), torch.from_numpy(inliers[:, 0]).bool())


def warp_by_homography(edit: Tensor, homography: Homography, size: tuple[int, int]) -> Tensor:
    """An RGBA picture (4, H, W) over the source as it lies over the target of `size` = (height, width): (4, height, width)."""
    height, width = size
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    back = Homography(torch.linalg.inv(homography.matrix), homography.inliers)
    places = back(torch.stack([x.flatten(), y.flatten()], 1)).view(height, width, 2)
    # Behind the horizon of the plane there is nothing of it.
    row = homography.matrix.inverse()[2].float()
    places[(row[0] * x + row[1] * y + row[2]).sign() != row[2].sign()] = -1e4
    return _sampled(edit, places)


def warp_by_field(edit: Tensor, source: Descriptors, target: Descriptors, *, spread: float = 2.0) -> Tensor:
    """The same along the matches of every cell: what is not seen twice alike is filled from its neighbours, or left out.

    spread  in cells, of the Gaussian that smooths the field
    """
    h, w = target.values.shape[1:]
    there = dense_matches(target, source)
    back = match_points(source, target, there.target)
    gap = (back.target - there.source).abs() / there.source.new_tensor([target.cell[1], target.cell[0]])
    agrees = (gap.amax(1) <= 1.5).float().view(1, 1, h, w)
    shift = (there.target - there.source).T.view(1, 2, h, w)
    weight = _blurred(agrees, spread)
    smooth = _blurred(shift * agrees, spread) / weight.clamp_min(1e-6)
    field = F.interpolate(smooth, target.size, mode="bilinear", align_corners=False)[0].permute(1, 2, 0).cpu()
    known = F.interpolate(weight, target.size, mode="bilinear", align_corners=False)[0, 0].cpu() > 0.5
    height, width = target.size
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    places = torch.stack([x, y], -1) + field
    places[~known] = -1e4
    return _sampled(edit, places)


def laid_over(edit: Tensor, picture: Tensor) -> Tensor:
    """An RGBA picture (4, H, W) over a picture (3, H, W)."""
    return edit[:3] * edit[3:] + picture * (1 - edit[3:])


def _sampled(edit: Tensor, places: Tensor) -> Tensor:
    """RGBA at places (H, W, 2) in pixels of the edit, transparent outside."""
    scale = torch.tensor([2 / edit.shape[2], 2 / edit.shape[1]])
    # Colours count as much as they cover, so that transparent pixels lend none.
    flat = torch.cat([edit[:3] * edit[3:], edit[3:]])[None]
    found = F.grid_sample(flat, (places * scale - 1)[None].to(flat), align_corners=False)[0]
    return torch.cat([found[:3] / found[3:].clamp_min(1e-6), found[3:]]).clamp(0, 1)


def _blurred(values: Tensor, spread: float) -> Tensor:
    radius = max(1, round(3 * spread))
    axis = torch.arange(-radius, radius + 1, device=values.device, dtype=values.dtype)
    bell = torch.exp(-0.5 * (axis / spread) ** 2)
    bell = (bell / bell.sum()).expand(values.shape[1], 1, -1)
    rows = F.conv2d(values, bell[:, :, :, None], padding=(radius, 0), groups=values.shape[1])
    return F.conv2d(rows, bell[:, :, None, :], padding=(0, radius), groups=values.shape[1])

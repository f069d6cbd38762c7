"""Pairs of pictures with known correspondence: graf and aloe, random homographies of photographs, views of rendered objects."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

SIZE = 400  # longer side of all pictures; distances in px are of pictures of this size
QUERIES = 400  # places asked for in each pair
OPENCV_DATA = Path("/usr/share/doc/opencv-doc/examples/data")
# The photographs that scikit-image's wheel holds, in colour or not; medical pictures, drawings and text are left out.
PHOTOGRAPHS = ("astronaut", "brick", "camera", "cat", "coffee", "grass", "gravel", "rocket")


@dataclass(frozen=True)
class Pair:
    """Two pictures (3, H, W) in [0, 1], places in the first (N, 2) and where they are in the second, (x, y) in pixels, and a group."""

    name: str
    group: str
    source: Tensor
    target: Tensor
    points: Tensor
    truth: Tensor


def projected(points: Tensor, homography: Tensor) -> Tensor:
    """Points (N, 2) through a homography (3, 3), in the convention whose first pixel has its middle at (.5, .5)."""
    flat = torch.cat([points, torch.ones(len(points), 1)], 1).double() @ homography.double().T
    return (flat[:, :2] / flat[:, 2:]).float()


def warped(picture: Tensor, homography: Tensor) -> Tensor:
    """The picture (3, H, W) seen through the homography; white where nothing is seen."""
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(shift) @ homography.double().numpy() @ shift  # OpenCV's first pixel has its middle at (0, 0)
    size = (picture.shape[2], picture.shape[1])
    array = cv2.warpPerspective(
        picture.permute(1, 2, 0).numpy(), matrix, size, flags=cv2.INTER_AREA, borderValue=(1, 1, 1)
    )
    return torch.from_numpy(array).permute(2, 0, 1).clamp(0, 1)


def random_homography(size: tuple[int, int], generator: torch.Generator, hard: bool) -> Tensor:
    """About the middle: turn, scale and a shift of the corners. Mild: up to 8 degrees, 10 % and 4 %; hard: 35 degrees, 40 % and 15 %."""
    height, width = size
    angle, scale, shift = (math.radians(35), 0.4, 0.15) if hard else (math.radians(8), 0.1, 0.04)
    draw = 2 * torch.rand(10, generator=generator) - 1
    turn, grow = draw[0] * angle, (1 + scale) ** draw[1]
    corners = torch.tensor([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]])
    middle = torch.tensor([width / 2, height / 2])
    rotation = torch.tensor([[torch.cos(turn), -torch.sin(turn)], [torch.sin(turn), torch.cos(turn)]])
    moved = (corners - middle) @ rotation.T * grow + middle + draw[2:].view(4, 2) * shift * max(size)
    return torch.from_numpy(cv2.getPerspectiveTransform(corners.numpy(), moved.numpy().astype(np.float32)))


def homography_pair(
    name: str, group: str, picture: Tensor, homography: Tensor, generator: torch.Generator, dim: bool
) -> Pair:
    """A picture and its warp; `dim` also changes brightness and contrast."""
    target = warped(picture, homography)
    if dim:
        gain, gamma = (0.7 + 0.5 * torch.rand(1, generator=generator)), 2 ** (torch.rand(1, generator=generator) - 0.5)
        target = (target**gamma * gain).clamp(0, 1)
    points, truth = _seen(_anywhere(picture, 4 * QUERIES, generator), lambda p: projected(p, homography), target)
    return Pair(name, group, picture, target, points, truth)


def photograph_pairs(seeds: int = 2) -> Iterator[Pair]:
    """Mild and hard homographies of scikit-image's photographs, the hard ones with other light."""
    from skimage import data

    for index, name in enumerate(PHOTOGRAPHS):
        picture = _fitted(np.asarray(getattr(data, name)()))
        for hard in (False, True):
            for seed in range(seeds):
                generator = torch.Generator().manual_seed(1000 * index + 10 * seed + hard)
                homography = random_homography(tuple(picture.shape[1:]), generator, hard)  # type: ignore[arg-type]
                group = "hard homographies" if hard else "mild homographies"
                yield homography_pair(f"{name}-{seed}", group, picture, homography, generator, dim=hard)


def graf(folder: Path = OPENCV_DATA) -> Pair:
    """graf1 and graf3 of the VGG affine data with their homography, as the Debian package opencv-doc has them."""
    one, other = (_read(folder / name) for name in ("graf1.png", "graf3.png"))
    text = (folder / "H1to3p.xml").read_text()
    match = re.search(r"<data>([^<]*)</data>", text)
    assert match
    matrix = np.array([float(number) for number in match[1].split()]).reshape(3, 3)
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    scale = np.diag([SIZE / max(one.shape[:2])] * 2 + [1.0])
    homography = torch.from_numpy(scale @ half @ matrix @ np.linalg.inv(half) @ np.linalg.inv(scale))
    source, target = _fitted(one), _fitted(other)
    generator = torch.Generator().manual_seed(0)
    points, truth = _seen(_anywhere(source, 4 * QUERIES, generator), lambda p: projected(p, homography), target)
    return Pair("graf", "graf", source, target, points, truth)


def aloe(folder: Path = OPENCV_DATA) -> Pair:
    """The stereo pair aloe of the Middlebury 2006 data with its disparities, from the same package."""
    one, other = (_read(folder / name) for name in ("aloeL.jpg", "aloeR.jpg"))
    disparity = cv2.imread(str(folder / "aloeGT.png"), cv2.IMREAD_GRAYSCALE)
    factor = SIZE / max(one.shape[:2])
    source, target = _fitted(one), _fitted(other)
    points = _anywhere(source, 4 * QUERIES, torch.Generator().manual_seed(0))
    full = (points / factor).long()
    found = torch.from_numpy(disparity)[full[:, 1], full[:, 0]].float()
    points, shift = points[found > 0], found[found > 0] * factor  # 0: not known
    kept, truth = _seen(points, lambda p: p - torch.stack([shift, torch.zeros_like(shift)], 1), target)
    return Pair("aloe", "aloe", source, target, kept, truth)


def rendered_pairs(count: int = 24, size: int = 192) -> Iterator[Pair]:
    """Two views, 15 to 40 degrees apart, of one rendered object."""
    from scorekit.zoo.objects import COLORS, KINDS, sample_object
    from scorekit.zoo.render import correspondences, look, render

    colors = list(COLORS)
    for index in range(count):
        generator = torch.Generator().manual_seed(index)
        kind = KINDS[index % len(KINDS)]
        obj = sample_object(kind, colors[index % len(colors)], generator)
        azimuth = float(torch.rand(1, generator=generator)) * 360
        turn = 15 + 25 * float(torch.rand(1, generator=generator))
        cameras = look(azimuth), look(azimuth + turn)
        views = [render(obj, camera, size) for camera in cameras]
        _, here, there = correspondences(views[0], views[1], cameras[1])
        chosen = torch.randperm(len(here), generator=generator)[:QUERIES]
        points, truth = (rows[chosen].flip(1).float() + 0.5 for rows in (here, there))
        factor = SIZE / size
        pictures = [F.interpolate(view.rgb, (SIZE, SIZE), mode="bilinear")[0] for view in views]
        yield Pair(f"{kind}-{index}", "rendered objects", *pictures, points * factor, truth * factor)


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise SystemExit(
            f"{path} is missing; install the Debian package opencv-doc, or name its folder with --opencv-data"
        )
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def _fitted(array: np.ndarray) -> Tensor:
    """(H, W) or (H, W, 3) uint8 as (3, H, W) in [0, 1], SIZE px long."""
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, 2)
    picture = torch.from_numpy(np.ascontiguousarray(array)).permute(2, 0, 1)[None].float() / 255
    factor = SIZE / max(picture.shape[2:])
    size = tuple(round(side * factor) for side in picture.shape[2:])
    return F.interpolate(picture, size, mode="bilinear", antialias=True)[0].clamp(0, 1)


def _anywhere(picture: Tensor, count: int, generator: torch.Generator) -> Tensor:
    draw = torch.rand(count, 2, generator=generator)
    return draw * torch.tensor([picture.shape[2], picture.shape[1]])


def _seen(points: Tensor, move, target: Tensor) -> tuple[Tensor, Tensor]:
    """At most QUERIES of the points, those that stay inside the target by 4 px."""
    moved = move(points)
    inside = ((moved > 4) & (moved < torch.tensor([target.shape[2], target.shape[1]]) - 4)).all(1)
    return points[inside][:QUERIES], moved[inside][:QUERIES]

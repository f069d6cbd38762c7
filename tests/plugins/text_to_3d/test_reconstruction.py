"""The field, renderer and mesh together: rebuild true objects from their pictures alone."""

import pytest
import torch

from scorekit.zoo.objects import sample_object
from scorekit.zoo.render import render as render_truth
from scorekit_text_to_3d.cameras import camera_at, random_cameras
from scorekit_text_to_3d.field import GridField
from scorekit_text_to_3d.mesh import extract
from scorekit_text_to_3d.occupancy import occupancy
from scorekit_text_to_3d.raster import rasterise
from scorekit_text_to_3d.render import render


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "colour"), [("mushroom", "red"), ("chair", "blue")])
def test_a_true_object_is_rebuilt_from_its_pictures(kind: str, colour: str) -> None:
    generator = torch.Generator().manual_seed(0)
    thing = sample_object(kind, colour, generator, 1)[torch.zeros(64, dtype=torch.long)]
    camera = random_cameras(64, generator)
    with torch.no_grad():
        truth = render_truth(thing, camera, 32)
    field, where = GridField(32), None
    optimiser = torch.optim.Adam(field.parameters(), lr=0.1, betas=(0.9, 0.99))
    for step in range(150):
        if step == 60:
            field = field.refined(48)
            optimiser = torch.optim.Adam(field.parameters(), lr=0.1, betas=(0.9, 0.99))
        if step > 60 and step % 16 == 0:
            where = occupancy(field)
        chosen = torch.randint(64, (4,), generator=generator)
        pictures = render(field, camera_at(camera, chosen), 32, 40, generator=generator, occupied=where)
        loss = (pictures.rgb - truth.rgb[chosen]).square().mean()
        loss = loss + 0.5 * (pictures.opacity - truth.alpha[chosen]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    unseen = random_cameras(16, generator)
    with torch.no_grad():
        truth = render_truth(thing[:16], unseen, 64)
        pictures = render(field, unseen, 64, 96)
    assert overlap(pictures.opacity, truth.alpha) > 0.92
    assert (pictures.rgb - truth.rgb).square().mean() < 0.006  # 22 dB: the colours and marks are where they should be
    mesh = extract(field)
    colours, cover = rasterise(mesh, unseen, 64)
    assert overlap(cover, truth.alpha) > 0.92
    assert (colours - truth.rgb).square().mean() < 0.012


def overlap(a: torch.Tensor, b: torch.Tensor) -> float:
    a, b = a > 0.5, b > 0.5
    return float((a & b).sum() / (a | b).sum())

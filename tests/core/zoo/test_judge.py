"""The shipped judge on renders that no training saw, and its manners."""

import pytest
import torch
import torch.nn.functional as F

from scorekit.zoo.dataset import make_shard
from scorekit.zoo.judge import SIDE, Judge
from scorekit.zoo.judge.augment import augment
from scorekit.zoo.objects import COLORS, KINDS, sample_object
from scorekit.zoo.render import look, render


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.load()


@pytest.fixture(scope="module")
def fresh() -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (96, 3, 64, 64) of trained and of held-out pairs, with their labels (96, 2)."""
    shards = [make_shard(0, 64, SIDE, 90_001), make_shard(0, 32, SIDE, 90_001, held_out=True)]
    rgba = torch.cat([torch.from_numpy(shard["rgba"]) for shard in shards])
    labels = [torch.stack([torch.from_numpy(shard[name]) for name in ("kind", "color")], 1) for shard in shards]
    return rgba[..., :3].permute(0, 3, 1, 2).float() / 255, torch.cat(labels).long()


def right(judge: Judge, images: torch.Tensor, labels: torch.Tensor) -> float:
    found = torch.stack([scores.argmax(1) for scores in judge(images)], 1)
    return float((found == labels).all(1).float().mean())


def test_names_fresh_renders(judge: Judge, fresh: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, labels = fresh
    assert right(judge, images, labels) > 0.95
    assert right(judge, images, labels.roll(1, 0)) < 0.1  # and not because anything would do


@pytest.mark.parametrize("side", [32, 128])
def test_names_pictures_of_other_sizes(judge: Judge, fresh: tuple[torch.Tensor, torch.Tensor], side: int) -> None:
    images, labels = fresh
    resized = F.interpolate(images, (side, side), mode="bilinear", antialias=True, align_corners=False)
    assert right(judge, resized, labels) > 0.93


def test_names_disturbed_pictures(judge: Judge, fresh: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, labels = fresh
    assert right(judge, augment(images, torch.Generator().manual_seed(0)), labels) > 0.88


def test_is_normalised_and_independent_of_the_batch(judge: Judge, fresh: tuple[torch.Tensor, torch.Tensor]) -> None:
    images = fresh[0][:6]
    kind, color = judge(images)
    assert kind.shape == (6, len(KINDS))
    assert color.shape == (6, len(COLORS))
    for scores in (kind, color):
        torch.testing.assert_close(scores.exp().sum(1), torch.ones(6))
    alone = judge(images[2:3])
    torch.testing.assert_close(alone[0], kind[2:3], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(judge(images * 3 - 1)[0], judge((images * 3 - 1).clamp(0, 1))[0])


def test_decides_from_several_views(judge: Judge) -> None:
    generator = torch.Generator().manual_seed(8)
    for kind, color in (("mushroom", "blue"), ("chair", "red"), ("rocket", "gray")):
        obj = sample_object(kind, color, generator)
        views = torch.cat([render(obj, look(azimuth), 40).rgb for azimuth in range(0, 360, 45)])
        assert judge.decide(views) == (kind, color)


def test_gradient_reaches_the_picture(judge: Judge, fresh: tuple[torch.Tensor, torch.Tensor]) -> None:
    images = (0.8 * fresh[0][:2] + 0.1).requires_grad_()
    judge(images)[0][:, 0].sum().backward()
    assert images.grad is not None
    assert images.grad.abs().amax((1, 2, 3)).min() > 0


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(3, 8, 8), "(N, 3, H, W)"),
        (torch.zeros(1, 4, 8, 8), "(1, 4, 8, 8)"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "uint8"),
        (torch.full((1, 3, 8, 8), torch.nan), "finite"),
    ],
)
def test_bad_pictures_are_named(judge: Judge, images: torch.Tensor, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        judge(images)
    assert "images must be" in str(caught.value)
    assert words in str(caught.value)


def test_a_folder_without_weights_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        Judge.load(tmp_path)


def test_save_and_load_agree(tmp_path, judge: Judge, fresh: tuple[torch.Tensor, torch.Tensor]) -> None:
    judge.save(tmp_path)
    assert torch.equal(Judge.load(tmp_path)(fresh[0][:3])[1], judge(fresh[0][:3])[1])


def test_augment_keeps_the_background_white_and_the_object_there() -> None:
    images = torch.ones(64, 3, 64, 64)
    images[:, :, 20:44, 20:44] = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
    changed = augment(images, torch.Generator().manual_seed(0))
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert changed[:, :, :3].mean() > 0.97
    ink = (1 - changed[:, 1]).sum((1, 2)) / (1 - images[:, 1]).sum((1, 2))
    assert ink.min() > 0.6  # scale 1.18 shrinks the area to 0.72
    assert ink.max() < 1.7
    centre = changed[:, :, 31:33, 31:33].mean((2, 3))
    assert (centre[:, 0] - centre[:, 1]).min() > 0.5

"""EmerDiff on a network whose pixels are known to follow its attention, and on small random models."""

from pathlib import Path

import pytest
import small_models
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scorekit.denoiser import Condition, Denoiser
from scorekit.models import load
from scorekit.schedule import VP
from scorekit_segmentation.agreement import mean_iou
from scorekit_segmentation.emerdiff import added_once, segment
from scorekit_segmentation.kmeans import kmeans
from scorekit_segmentation.layers import chosen_attentions, cross_attentions


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.to_q = nn.Linear(3, 3, bias=False)
        nn.init.eye_(self.to_q.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        return 0.0 * self.to_q(tokens)


class Follower(nn.Module):
    """Says that x0 is x, plus, in each pixel, the attention's output at the places of like colour around it: borders are the picture's."""

    def __init__(self) -> None:
        super().__init__()
        self.up_blocks = nn.ModuleList([nn.ModuleDict({"attn2": Attending()})])

    def forward(self, x: Tensor, _timestep: Tensor) -> Tensor:
        small = F.avg_pool2d(x, 4)
        said = self.up_blocks[0]["attn2"](small.flatten(2).mT).mean(2)  # (B, places)
        gap = (x.flatten(2).mT[:, :, None] - small.flatten(2).mT[:, None]).square().sum(-1)
        return x + (F.softmax(-20 * gap, 2) @ said[..., None]).mT.reshape(len(x), 1, *x.shape[2:])


@pytest.fixture
def follower() -> Denoiser:
    return Denoiser(Follower().eval(), VP.cosine(), "x0", (3, 32, 32), name="follower")


@pytest.fixture
def disc() -> tuple[Tensor, Tensor]:
    """A red disc on a blue ground, and a green bar that covers no whole place."""
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    truth = ((x - 14.5) ** 2 + (y - 13.5) ** 2 < 81).long()
    truth[25:29, 3:29] = 2
    return torch.tensor([[0.0, 0.0, 0.8], [0.9, 0.0, 0.0], [0.0, 0.8, 0.0]])[truth].permute(2, 0, 1), truth


def test_pixels_go_to_the_cluster_that_makes_them(follower: Denoiser, disc: tuple[Tensor, Tensor]) -> None:
    picture, truth = disc
    masks = segment(follower, picture, 6, t_modulate=0.2, strength=1.0, steps=4)
    coarse = F.interpolate(masks.coarse[None, None].float(), (32, 32))[0, 0].long()
    assert mean_iou(masks.labels, truth) > 0.9
    assert mean_iou(masks.labels, truth) > mean_iou(coarse, truth) + 0.1


def test_the_modulation_ends_after_its_step(follower: Denoiser) -> None:
    attention = cross_attentions(follower)[0]
    assert attention.name == "up_blocks.0.attn2"
    assert attention.grid == (8, 8)
    x = torch.rand(2, 3, 32, 32)
    level = torch.zeros(2)
    with torch.no_grad():
        plain = follower.network(x, level)
        with added_once(follower, attention, torch.ones(2, 64)) as over:
            torch.testing.assert_close(follower.network(x, level), plain + 1)
            over()
            torch.testing.assert_close(follower.network(x, level), plain)
        with added_once(follower, attention, torch.ones(3, 64)), pytest.raises(ValueError, match="2 samples where 3"):
            follower.network(x, level)
        torch.testing.assert_close(follower.network(x, level), plain)


@pytest.mark.parametrize("make", ["stable_diffusion", "sdxl"])
def test_real_classes_are_segmented(make: str, tmp_path: Path) -> None:
    pipe = small_models.stable_diffusion("epsilon") if make == "stable_diffusion" else small_models.sdxl()
    pipe.save_pretrained(tmp_path)
    model = load(str(tmp_path))
    picture = torch.rand(3, 24, 20, generator=torch.Generator().manual_seed(0))
    one, other = (
        segment(model, picture, 3, prompt="a red cube", steps=2, generator=torch.Generator().manual_seed(1))
        for _ in range(2)
    )
    assert one.labels.shape == (24, 20)
    assert one.differences.shape[1:] == (24, 20)
    assert int(one.coarse.max()) <= 2
    assert torch.equal(one.labels, other.labels)
    assert bool((one.differences > 0).any())


def test_what_cannot_be_is_refused(follower: Denoiser, disc: tuple[Tensor, Tensor]) -> None:
    plain = Denoiser(nn.Conv2d(3, 3, 1), VP.cosine(), "eps", (3, 8, 8), name="plain")
    plain.network = type("N", (nn.Module,), {"forward": lambda self, x, _timestep: x})()
    with pytest.raises(ValueError, match="plain has no cross-attention in a decoder"):
        chosen_attentions(plain)
    with pytest.raises(
        ValueError, match=r"read_layer: there is no cross-attention 'up_blocks\.9'; there are up_blocks\.0\.attn2"
    ):
        segment(follower, disc[0], 3, read="up_blocks.9")
    with pytest.raises(ValueError, match="clusters must be from 2 to 64"):
        segment(follower, disc[0], 65)
    with pytest.raises(ValueError, match=r"t_modulate must lie in \(0, 1\]"):
        segment(follower, disc[0], 3, t_modulate=0.0)
    assert Condition({}).batch == 1


def test_kmeans_finds_separate_groups_whatever_the_seed() -> None:
    generator = torch.Generator().manual_seed(0)
    middles = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    rows = middles.repeat_interleave(50, 0) + torch.randn(200, 2, generator=generator)
    for seed in range(5):
        labels, centres = kmeans(rows, 4, torch.Generator().manual_seed(seed))
        assert len(set(labels.view(4, 50).mode(1).values.tolist())) == 4
        assert (labels.view(4, 50) == labels.view(4, 50).mode(1).values[:, None]).all()
        assert torch.cdist(middles, centres).amin(1).max() < 0.5
    assert kmeans(torch.ones(5, 2), 2, generator)[0].shape == (5,)
    with pytest.raises(ValueError, match="clusters must be from 1 to 200"):
        kmeans(rows, 201, generator)


def test_agreement_joins_masks_of_one_part() -> None:
    truth = torch.zeros(8, 8, dtype=torch.long)
    truth[:, 4:] = 1
    fine = torch.arange(64).view(8, 8)
    assert mean_iou(fine, truth) == 1.0
    assert mean_iou(torch.zeros(8, 8, dtype=torch.long), truth) == pytest.approx(0.25)
    halves = torch.zeros(8, 8, dtype=torch.long)
    halves[:, 5:] = 1
    assert mean_iou(halves, truth) == pytest.approx((32 / 40 + 24 / 32) / 2)

"""Samples longer than a model's own: exact where windows agree, an average where they do not."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from scorekit.analytic import GaussianMixture
from scorekit.denoiser import Condition, Denoiser
from scorekit.sampling import sample
from scorekit.schedule import VP, Flow
from scorekit.windows import MOST_ROWS, Windowed, windows

CLIP = (2, 4, 3, 3)  # channels, frames, height, width


def still(std: float = 0.5) -> GaussianMixture:
    """Clips whose frames are independent and of one law: any window of a longer clip says the same of a frame."""
    picture = torch.randn(2, 1, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return GaussianMixture(picture.expand(CLIP)[None].contiguous(), std, VP.cosine(), name="still")


@pytest.mark.parametrize(
    ("length", "width", "overlap", "starts"),
    [(4, 4, 2, [0]), (6, 4, 2, [0, 2]), (7, 4, 2, [0, 2, 3]), (8, 4, 0, [0, 4]), (9, 4, 3, [0, 1, 2, 3, 4, 5])],
)
def test_windows_cover_all_places_and_share_what_they_should(
    length: int, width: int, overlap: int, starts: list[int]
) -> None:
    assert windows(length, width, overlap) == starts
    assert {place for start in starts for place in range(start, start + width)} == set(range(length))
    assert all(start + width - after >= overlap for start, after in pairwise(starts))


@pytest.mark.parametrize("length", [8, 9, 15, 37, 200])
@pytest.mark.parametrize("overlap", [0, 4, 7])
def test_where_places_are_independent_the_windows_are_exact(length: int, overlap: int) -> None:
    schedule = VP.cosine().zero_terminal_snr()
    long = Windowed(GaussianMixture(torch.full((1, 2, 8), 0.5), 0.3, schedule), length, overlap=overlap)
    whole = GaussianMixture(torch.full((1, 2, length), 0.5), 0.3, schedule)
    x = torch.randn(3, 2, length, generator=torch.manual_seed(0))
    for t in (0.1, 0.7, 1.0, torch.tensor([0.2, 0.5, 0.9])):
        torch.testing.assert_close(long.given()(x, t).v, whole.given()(x, t).v)


@pytest.mark.parametrize("axis", [1, -3])
def test_windows_lie_along_any_axis(axis: int) -> None:
    model = still()
    long = Windowed(model, 7, axis=axis)
    assert long.shape == (2, 7, 3, 3)
    x = torch.randn(3, *long.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    at = long.given(None)(x, 0.4).x0
    for start in range(4):
        within = slice(start, start + 4)
        assert (at[:, :, within] - model.given(None)(x[:, :, within], 0.4).x0).abs().max() < 1e-12


def test_where_windows_differ_a_place_is_their_average_in_every_reading() -> None:
    means = torch.randn(3, *CLIP, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    x = torch.randn(2, 2, 6, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    read = {}
    for kind in ("v", "eps", "x0"):
        model = GaussianMixture(means, 0.4, VP.cosine(), prediction=kind)  # type: ignore[arg-type]
        read[kind] = Windowed(model, 6, axis=1, overlap=2).given(None)(x, 0.5).x0
    parts = [model.given(None)(x[:, :, start : start + 4], 0.5).x0 for start in (0, 2)]
    # Tents 1 2 2 1: frame 2 is third in the first window and first in the second, frame 3 the other way about.
    torch.testing.assert_close(read["v"][:, :, 2], (2 * parts[0][:, :, 2] + parts[1][:, :, 0]) / 3)
    torch.testing.assert_close(read["v"][:, :, 3], (parts[0][:, :, 3] + 2 * parts[1][:, :, 1]) / 3)
    torch.testing.assert_close(read["v"][:, :, 5], parts[1][:, :, 3])
    for kind in ("eps", "x0"):
        assert (read[kind] - read["v"]).abs().max() < 1e-8


@pytest.mark.parametrize("length", [12, 200])
def test_levels_and_conditions_of_each_sample_reach_its_windows(length: int) -> None:
    seen: list[Any] = []

    def network(x: Tensor, timestep: Tensor, word: Tensor) -> Tensor:
        seen.append((len(x), timestep.tolist(), word.flatten().tolist()))
        return x * word[:, :, None]

    long = Windowed(Denoiser(network, Flow(), "flow", (1, 8)), length)
    word = Condition({"word": torch.tensor([[1.0], [2.0]])})
    x = torch.randn(2, 1, length, generator=torch.manual_seed(0))
    output = long.given(word)(x, torch.tensor([0.2, 0.9])).output
    torch.testing.assert_close(output, x * torch.tensor([1.0, 2.0])[:, None, None])
    assert sum(rows for rows, *_ in seen) == 2 * len(long.starts)
    for rows, timesteps, words in seen:
        assert rows <= MOST_ROWS  # memory does not grow with the length
        assert words == [1.0, 2.0] * (rows // 2)
        assert timesteps == pytest.approx([timesteps[0], timesteps[1]] * (rows // 2))
        assert timesteps[0] < timesteps[1]


def test_a_learned_variance_is_averaged_with_the_output() -> None:
    def network(x: Tensor, _timestep: Tensor) -> Tensor:
        return torch.cat([x, torch.full_like(x, 0.5)], 1)

    long = Windowed(Denoiser(network, VP.linear(), "eps", (1, 8)), 20)
    prediction = long.predict(torch.randn(2, 1, 20, generator=torch.manual_seed(0)), 0.5)
    torch.testing.assert_close(prediction.range, torch.full((2, 1, 20), 0.75))


def test_samples_of_long_clips_follow_the_law_of_a_frame() -> None:
    model = still(0.3)
    long = Windowed(model, 9, axis=1)
    generator = torch.Generator().manual_seed(0)
    x = sample(long.given(None), 200, solver="ddpm", steps=30, dtype=torch.float64, generator=generator)
    centred = x - model.means.reshape(CLIP)[:, :1]
    assert (centred.std((0, 1, 3, 4)) - 0.3).abs().max() < 0.05
    assert centred.mean().abs() < 0.01


def test_what_has_no_windows_is_refused() -> None:
    model = Denoiser(lambda x, t: x, VP.cosine(), "v", (1, 8), name="short")
    with pytest.raises(ValueError, match=r"^length must be at least 8, that of short, not 7\.$"):
        Windowed(model, 7)
    for overlap in (-1, 8):
        with pytest.raises(
            ValueError, match=r"^overlap must lie in \[0, 7\] for short, whose windows have 8 places, not"
        ):
            Windowed(model, 9, overlap=overlap)

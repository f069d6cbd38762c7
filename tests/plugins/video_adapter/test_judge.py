"""The judge's distances and labels against closed forms."""

from pathlib import Path

import numpy as np
import pytest
import torch

from scorekit_video_adapter.captions import TASKS, caption
from scorekit_video_adapter.judge import CLIP_WIDTH, FRAME_WIDTH, HEADS, Judge, frechet, labels_of, right


def test_the_frechet_distance_of_known_gaussians() -> None:
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(4000, 6, generator=generator, dtype=torch.float64)
    base = (base - base.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(base.T.cov()).mT)  # exactly N(0, 1)
    assert frechet(base, base) == pytest.approx(0, abs=1e-9)
    assert frechet(base, base + 0.5) == pytest.approx(6 * 0.25)
    scales = torch.tensor([0.5, 1, 2, 3, 1, 1], dtype=torch.float64)
    assert frechet(base, base * scales) == pytest.approx(float((scales - 1).square().sum()))
    # Of two full covariances, against the eigenvalues of their product.
    mixed = base @ torch.randn(6, 6, generator=generator, dtype=torch.float64)
    other = base @ torch.randn(6, 6, generator=generator, dtype=torch.float64)
    a, b = mixed.T.cov(), other.T.cov()
    expected = a.trace() + b.trace() - 2 * torch.linalg.eigvals(a @ b).real.clamp_min(0).sqrt().sum()
    assert frechet(mixed, other) == pytest.approx(float(expected))


def test_a_verdict_is_right_when_all_that_was_asked_for_is() -> None:
    texts = [
        caption("mug", "red", "turning left", sketch=True),
        caption("mug", None, "bouncing"),
        list(TASKS.values())[2],
    ]
    wanted = torch.tensor([labels_of(text) for text in texts])
    assert wanted[0, 3] == -1
    assert wanted[1, 1] == -1
    assert wanted[2].tolist() == [-1, -1, -1, 2]
    named = wanted.clamp_min(0)
    assert right(named, texts).tolist() == [1, 1, 1]
    named[0, 2] += 1  # another motion
    named[1, 1] += 1  # a colour that was not asked for
    assert right(named, texts).tolist() == pytest.approx([2 / 3, 1, 1])


def test_verdicts_do_not_depend_on_neighbours_and_survive_the_disk(tmp_path: Path) -> None:
    torch.manual_seed(0)
    judge = Judge().eval()
    clips = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 32, 32), np.uint8)
    named, of_clips, of_frames = judge.verdicts(clips)
    assert named.shape == (5, len(HEADS))
    assert of_clips.shape == (5, CLIP_WIDTH)
    assert of_frames.shape == (5, 8, FRAME_WIDTH)
    torch.testing.assert_close(judge.verdicts(clips[2:3])[1], of_clips[2:3], atol=1e-5, rtol=1e-4)
    judge.save(tmp_path)
    torch.testing.assert_close(Judge.load(tmp_path).verdicts(clips)[1], of_clips, atol=2e-2, rtol=2e-2)
    with pytest.raises(ValueError, match="folder must hold the judge's"):
        Judge.load(tmp_path / "nothing")

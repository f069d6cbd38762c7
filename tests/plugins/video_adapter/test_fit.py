"""gamma fitted where the best one is known."""

import pytest
import torch

from scorekit.analytic import GaussianMixture
from scorekit.schedule import VP, Flow
from scorekit_video_adapter.composition import Prior
from scorekit_video_adapter.fit import fit
from scorekit_video_adapter.gamma import Curve

SHAPE = (1, 2, 2, 2)


def law(mean: float, std: float = 0.5, schedule: VP | Flow | None = None) -> GaussianMixture:
    """Two Gaussians a little apart, one for each word."""
    means = torch.stack([torch.full(SHAPE, mean - 0.2), torch.full(SHAPE, mean + 0.2)]).double()
    return GaussianMixture(means, std, schedule or VP.cosine(), captions=["left", "right"], name=f"law at {mean:g}")


def drawn(mean: float, count: int = 64) -> tuple[torch.Tensor, list[str]]:
    words = ["left", "right"] * (count // 2)
    noise = torch.randn(count, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    centres = torch.tensor([mean - 0.2, mean + 0.2] * (count // 2), dtype=torch.float64)
    return centres[:, None, None, None, None] + 0.5 * noise, words


def fitted(small: GaussianMixture, priors: list[GaussianMixture], mean: float, **options: object) -> list[Curve]:
    clips, words = drawn(mean)
    return fit(
        small,
        [Prior(prior) for prior in priors],
        clips,
        words,
        log_snrs=(-3.0, 0.0, 2.0),
        draws=8,
        generator=torch.Generator().manual_seed(0),
        **options,  # type: ignore[arg-type]
    )


def test_a_prior_of_the_wrong_domain_gets_nothing() -> None:
    (curve,) = fitted(law(0.0), [law(3.0)], 0.0)
    assert max(curve.value) < 0.02


def test_a_prior_that_knows_better_gets_nearly_everything() -> None:
    (curve,) = fitted(law(3.0), [law(0.0)], 0.0)
    assert min(curve.value) > 20


@pytest.mark.parametrize("schedule", [VP.cosine(), Flow()])
def test_two_models_that_err_to_opposite_sides_are_mixed_as_their_errors_are(schedule: VP | Flow) -> None:
    """Truth at 0, models at -1 and 2: two thirds of the first, one third of the second, so gamma is one half at every level."""
    (curve,) = fitted(law(-1.0), [law(2.0, schedule=schedule)], 0.0)
    assert curve.value == pytest.approx((0.5, 0.5, 0.5), abs=0.05)


def test_the_useless_one_of_two_priors_is_left_out() -> None:
    first, second = fitted(law(-1.0), [law(2.0), law(-5.0)], 0.0)
    assert first.value == pytest.approx((0.5, 0.5, 0.5), abs=0.05)
    assert second.value == (0.0, 0.0, 0.0)


def test_a_contrast_is_as_strong_as_the_words_that_the_small_model_does_not_know() -> None:
    """The small model's words move nothing; the prior's move it by .4 as the truth does, so a little under one adds what is missing."""
    deaf = GaussianMixture(torch.zeros(2, *SHAPE).double(), 0.54, VP.cosine(), captions=["left", "right"], name="deaf")
    (curve,) = fitted(deaf, [law(0.0)], 0.0, form="contrast")
    assert all(0.6 < value < 1.4 for value in curve.value)


def test_clips_without_captions_are_refused() -> None:
    with pytest.raises(ValueError, match="captions must be one for each of the 2 clips, and at least one, not 1"):
        fit(law(0.0), [Prior(law(1.0))], torch.zeros(2, *SHAPE), ["left"])

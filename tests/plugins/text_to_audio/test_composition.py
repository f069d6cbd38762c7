"""Two prompts in one score, on mixtures whose products are known."""

import torch

from scorekit.analytic import GaussianMixture
from scorekit.schedule import VP
from scorekit_text_to_audio.composition import composed

MEANS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def model() -> GaussianMixture:
    """Four corners: low or high, soft or loud."""
    names = ["low soft", "high soft", "low loud", "high loud"]
    return GaussianMixture(MEANS, 0.2, VP.cosine().zero_terminal_snr(), captions=names)


def test_the_expression_is_the_sum_it_says() -> None:
    m, x = model(), torch.randn(5, 2, generator=torch.manual_seed(0))
    null, high, loud, low = (m.given(p)(x, 0.4).eps for p in (None, "high", "loud", "low"))
    made = composed(m, "high", guidance=3.0, also="loud", weight=0.5, avoid="low")(x, 0.4).eps
    torch.testing.assert_close(made, null + 3.0 * (high - null) + 1.5 * (loud - null) - 1.5 * (low - null))
    torch.testing.assert_close(composed(m, "high", guidance=1.0)(x, 0.4).eps, high)


def test_both_qualities_are_in_the_sample() -> None:
    from scorekit.sampling import sample

    both = sample(composed(model(), "high", guidance=2.0, also="loud"), 200, steps=20, generator=torch.manual_seed(0))
    assert float(((both - MEANS[3]).norm(dim=1) < 0.6).float().mean()) > 0.95
    one = sample(composed(model(), "high", guidance=2.0), 200, steps=20, generator=torch.manual_seed(0))
    loud = float((one[:, 1] > 0.5).float().mean())
    assert 0.3 < loud < 0.7  # alone it says nothing of loudness
    avoided = sample(
        composed(model(), "high", guidance=5.0, avoid="soft"), 200, steps=20, generator=torch.manual_seed(0)
    )
    assert float((avoided[:, 1] > 0.5).float().mean()) > 0.95

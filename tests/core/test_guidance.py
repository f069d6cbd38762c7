"""Guidance has the numbers of its papers, and of the reference library where that has them."""

import pytest
import torch

from scorekit.denoiser import Denoiser
from scorekit.guidance import cfg, clipped, conjunction, interval, perp_neg, thresholded
from scorekit.schedule import VP, Flow

F64 = torch.float64


@pytest.fixture
def x(generator):
    return torch.randn(4, 3, generator=generator, dtype=F64)


# Classifier-free guidance


def test_guidance_by_hand(counted, x) -> None:
    given = counted(VP.cosine(), "v").model.given
    null, cond = given(None), given("a pear")
    guided = cfg(null, cond, 7.5)(x, 0.4)
    torch.testing.assert_close(guided.eps, -6.5 * null(x, 0.4).eps + 7.5 * cond(x, 0.4).eps)


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0])
@pytest.mark.parametrize("kind", ["eps", "v", "x0"])
def test_rescaling_is_that_of_diffusers(counted, x, kind, share) -> None:
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    subject = counted(VP.cosine(), kind)
    null, cond = subject.model.given(None), subject.model.given("a pear")
    ours = cfg(null, cond, 7.5, rescale=share)(x, 0.4)
    plain, text = cfg(null, cond, 7.5)(x, 0.4), cond(x, 0.4)
    torch.testing.assert_close(ours.read(kind), rescale_noise_cfg(plain.read(kind), text.read(kind), share))
    assert subject.network.batches[0] == 8  # one forward of both


def test_an_interval_guides_inside_and_is_conditional_outside(counted, x) -> None:
    subject = counted(VP.cosine(), "v")
    null, cond = subject.model.given(None), subject.model.given("a pear")
    score = cfg(null, cond, interval(5.0, 0.2, 0.8))
    for t in (0.9, 0.8, 0.5, 0.2, 0.1):
        score(x, t)
    assert subject.network.batches == [4, 8, 8, 4, 4]
    t = torch.tensor([0.9, 0.8, 0.3, 0.1], dtype=F64)
    expected = torch.stack(
        [(cond if at > 0.8 or at <= 0.2 else cfg(null, cond, 5.0))(x, at).x0[i] for i, at in enumerate(t)]
    )
    torch.testing.assert_close(score(x, t).x0, expected, rtol=1e-9, atol=1e-9)


def test_and_multiplies_densities_and_not_divides(gaussian_on) -> None:
    """At t -> 0 the composed score is that of the product of p_i / p_null, whose precision and mean are known."""
    schedule, t = VP.scaled_linear(), 0.3
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    parts = {
        "null": (0.1, 2.0, 1 - 1.5 - 0.8 + 0.3),
        "a": (0.7, 0.5, 1.5),
        "b": (-0.3, 0.6, 0.8),
        "c": (0.2, 1.0, -0.3),
    }
    null, a, b, c = (gaussian_on(schedule, m, s).given() for m, s, _ in parts.values())
    score = conjunction(null, (1.5, a), (0.8, b), (-0.3, c))
    x = torch.tensor([[-0.4], [1.2]], dtype=F64)
    expected = sum(w * (alpha * m - x) / (alpha**2 * s**2 + sigma**2) for m, s, w in parts.values())
    torch.testing.assert_close(score(x, t).score, expected)


# Thresholds


def test_clipping_keeps_x0_in_bounds_and_tells_the_noise_so(counted, x) -> None:
    given = counted(VP.cosine(), "eps").model.given
    guided = cfg(given(None), given("a pear"), 12.0)
    t = torch.tensor([0.3, 0.6, 0.9, 0.99], dtype=F64)
    before, after = guided(x, t), clipped(guided)(x, t)
    assert before.x0.abs().max() > 2
    assert torch.equal(after.x0, before.x0.clamp(-1, 1))
    schedule = VP.cosine()
    torch.testing.assert_close(schedule.noised(after.x0, after.eps, t), x)


def test_dynamic_thresholding_is_that_of_diffusers(counted, generator) -> None:
    from diffusers import DDIMScheduler

    reference = DDIMScheduler(thresholding=True, dynamic_thresholding_ratio=0.9, sample_max_value=2.5)
    given = counted(VP.cosine(), "x0").model.given
    x = 3 * torch.randn(5, 3, generator=generator, dtype=F64)
    guided = cfg(given(None), given("a pear"), 9.0)
    torch.testing.assert_close(
        thresholded(guided, 0.9, 2.5)(x, 0.5).x0,
        reference._threshold_sample(guided(x, 0.5).x0[..., None, None])[..., 0, 0].to(F64),
        rtol=1e-6,
        atol=1e-6,
    )


def test_dynamic_thresholds_of_large_samples() -> None:
    """More numbers than torch.quantile takes; of |x0| = 0, 1, ..., n - 1 the quantile is known."""
    n = 2**24 + 3
    score = Denoiser(lambda x, _: x, VP.cosine(), "x0", (n,)).given()
    x = torch.arange(n, dtype=torch.float32)[None]
    with torch.no_grad():
        made = thresholded(score, 0.75)(x, 0.5).x0
    # float32 holds whole numbers up to 2^24
    torch.testing.assert_close(made[0, : n // 2], x[0, : n // 2] / (0.75 * (n - 1)))
    assert made[0, -1] == 1


# Perp-Neg


def by_hand(null, positive, negatives, scale):
    """Sample by sample, in eps, with vectors."""
    rows = []
    for i in range(len(null)):
        d = positive[i] - null[i]
        total = d.clone()
        for weight, negative in negatives:
            e = negative[i] - null[i]
            total += (weight[i] if isinstance(weight, torch.Tensor) else weight) * (e - (e @ d) / (d @ d) * d)
        rows.append(null[i] + scale * total)
    return torch.stack(rows)


@pytest.mark.parametrize("kind", ["eps", "x0", "v", "flow", "score"])
def test_perp_neg_by_hand(counted, x, kind) -> None:
    given = counted(VP.cosine(), kind).model.given
    t = torch.tensor([0.1, 0.4, 0.7, 0.9], dtype=F64)
    null, positive, one, two = given(None), given("a pear"), given("eel"), given("banana")
    weights = torch.tensor([-1.0, 0.0, -0.25, 0.5], dtype=F64)
    eps = [score(x, t).eps for score in (null, positive, one, two)]
    value = perp_neg(null, positive, [(weights, one), (-0.7, two)], 5.0)(x, t)
    torch.testing.assert_close(
        value.eps, by_hand(eps[0], eps[1], [(weights, eps[2]), (-0.7, eps[3])], 5.0), rtol=1e-8, atol=1e-8
    )
    # across parameterisations and schedules the directions are the same
    other = counted(Flow(), "flow").model.given
    elsewhere = other("eel")
    mixed = perp_neg(null, positive, [(-0.7, elsewhere)], 5.0)(x, t)
    at_x = (0 * null + elsewhere)(x, t).eps
    torch.testing.assert_close(mixed.eps, by_hand(eps[0], eps[1], [(-0.7, at_x)], 5.0), rtol=1e-8, atol=1e-8)


def test_perp_neg_is_guidance_where_nothing_is_perpendicular(counted, x) -> None:
    given = counted(Flow(), "v").model.given
    null, positive = given(None), given("a pear")
    guided = (null + 6.0 * (positive - null))(x, 0.5).eps
    parallel = null - 2.0 * (positive - null)
    zeros = torch.zeros(4, dtype=F64)
    for negatives in (
        [],
        [(-1.0, positive)],
        [(-1.0, parallel)],
        [(0.0, given("eel"))],
        [(zeros, given("eel"))],
        [(-1.0, null)],
    ):
        torch.testing.assert_close(perp_neg(null, positive, negatives, 6.0)(x, 0.5).eps, guided, rtol=1e-10, atol=1e-10)


def test_perp_neg_of_a_positive_that_is_null_is_finite(counted, x) -> None:
    given = counted(Flow(), "v").model.given
    value = perp_neg(given(None), given(""), [(-1.0, given("eel"))], 6.0)(x, 0.5)
    assert value.eps.isfinite().all()


def test_perp_neg_s_scale_may_follow_t(counted, x) -> None:
    given = counted(Flow(), "v").model.given
    parts = given(None), given("a pear"), [(-1.0, given("eel"))]
    t = torch.tensor([0.2, 0.4, 0.6, 0.8], dtype=F64)
    made = perp_neg(*parts, lambda t: 10 * t)(x, t)
    for i in range(4):
        torch.testing.assert_close(made.eps[i], perp_neg(*parts, 10 * float(t[i]))(x, float(t[i])).eps[i])


def test_perp_neg_in_half_precision_is_finite(counted) -> None:
    given = counted(Flow(), "v").model.given
    x = 300 * torch.randn(2, 3).half()
    assert perp_neg(given(None), given(""), [(-1.0, given("eel"))], 6.0)(x, 0.5).x0.isfinite().all()


# Bad input


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda s: cfg(s, "a", 2.0), r"^cond must be a score, such as model.given\(prompt\), not 'a'\.$"),
        (lambda s: cfg(s, s, 2.0, rescale=1.5), r"^rescale must lie in \[0, 1\], not 1.5\.$"),
        (lambda s: clipped(s, 1.0, 0.0), r"^low must be less than high, not 1.0 and 0.0\.$"),
        (lambda s: thresholded(s, 0.0), r"^quantile must lie in \(0, 1\], not 0.0\.$"),
        (lambda s: thresholded(s, 0.9, 0.5), r"^most must be at least 1, not 0.5\.$"),
        (lambda _: interval(2.0, 0.5, 0.5), r"^low and high must satisfy 0 <= low < high <= 1, not 0.5 and 0.5\.$"),
    ],
)
def test_numbers_out_of_range(counted, call, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call(counted().model.given("a"))

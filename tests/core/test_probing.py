import math

import pytest
import torch

from scorekit.analytic import GaussianMixture
from scorekit.denoiser import Condition, Denoiser
from scorekit.models import load
from scorekit.prediction import KINDS, target
from scorekit.probing import denoising_error
from scorekit.schedule import VE, VP, Flow
from scorekit.score import energy
from scorekit.zoo.captions import caption
from scorekit.zoo.objects import sample_object
from scorekit.zoo.render import look, render_rgba

F64 = torch.float64
LEVELS = torch.tensor([0.1, 0.4, 0.4, 0.8], dtype=F64)


def drawn(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=F64)


def one_by_one(scores, x0, t, eps, kind="eps", loss="l2"):
    """The definition: one score, one image, one level at a time."""
    element = {"l2": lambda e: e * e, "l1": abs, "huber": lambda e: e * e / 2 if abs(e) < 1 else abs(e) - 0.5}[loss]
    table = torch.zeros(len(scores), len(x0), len(t), dtype=F64)
    schedule = scores[0].schedule
    for s, score in enumerate(scores):
        for i in range(len(x0)):
            for j, at in enumerate(t):
                clean, noise = x0[i : i + 1], (eps[i, j] if eps.ndim > x0.ndim else eps[j])[None]
                alpha, sigma = float(schedule.alpha(at)), float(schedule.sigma(at))
                # a score of another schedule answers in the variables of the first one's
                estimate = (0.0 * scores[0] + score)(alpha * clean + sigma * noise, at).read(kind)
                errors = (estimate - target(kind, clean, noise, alpha, sigma)).flatten().tolist()
                table[s, i, j] = sum(element(e) for e in errors) / len(errors)
    return table


def scores_of(mixture_on):
    vp, flow = mixture_on(VP.cosine(), "v"), mixture_on(Flow(), "flow")
    cond, null = vp.given("red"), vp.given()
    return [
        cond,
        null + 3.0 * (cond - null),
        flow.given("blue"),
        0.5 * flow.given() + 0.5 * vp.given("ball"),
        null + (lambda t: 2 * t) * (vp.given("cube") - null),
        cond + energy(lambda x0: x0.square().sum(1)),
        null - null,
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_its_definition(mixture_on, generator, kind) -> None:
    scores, x0, eps = scores_of(mixture_on), drawn(generator, 3, 4), drawn(generator, 4, 4)
    found = denoising_error(scores, x0, LEVELS, eps, kind=kind)
    torch.testing.assert_close(found, one_by_one(scores, x0, LEVELS, eps, kind))


@pytest.mark.parametrize("loss", ["l2", "l1", "huber"])
@pytest.mark.parametrize("batch", [None, 4, 5, 23])
def test_every_loss_in_any_chunks_with_a_noise_for_each_image(mixture_on, generator, loss, batch) -> None:
    scores, x0, eps = scores_of(mixture_on), 2 * drawn(generator, 3, 4), drawn(generator, 3, 4, 4)
    with torch.no_grad():
        found = denoising_error(scores, x0, LEVELS, eps, loss=loss, batch=batch)
    torch.testing.assert_close(found, one_by_one(scores, x0, LEVELS, eps, loss=loss))
    assert not found.requires_grad


def test_scores_of_one_network_are_one_forward(counted, generator) -> None:
    subject = counted(VP.cosine())
    given, x0 = subject.model.given, drawn(generator, 2, 3)
    prompts = [given(text) for text in ("a pear", "eel", "banana")]
    denoising_error(prompts, x0, LEVELS)
    assert subject.network.batches == [3 * 2 * 4]
    subject.network.batches.clear()
    # guidance: the unconditional term that they share runs once for all
    guided = [given(None) + 5.0 * (prompt - given(None)) for prompt in prompts]
    denoising_error([*guided, *prompts, given(None)], x0, LEVELS)
    assert subject.network.batches == [4 * 2 * 4]


def test_no_forward_has_more_rows_than_batch(counted, generator) -> None:
    subject = counted(VP.cosine())
    x0, prompts = drawn(generator, 2, 3), [subject.model.given(text) for text in ("a", "be", "cat", "deer", "eagle")]
    rows = {}
    for batch in (1, 2, 4, 5, 12, 39, 40, 1000):
        subject.network.batches.clear()
        denoising_error(prompts, x0, LEVELS, batch=batch)
        rows[batch] = list(subject.network.batches)
        assert sum(rows[batch]) == 40
    assert rows[1] == [1] * 40
    assert rows[2] == [2] * 20  # two runs of two prompts each, then the fifth with two samples at a time
    assert rows[4] == [4] * 10  # a run of four prompts, then the fifth with four samples at a time
    assert rows[5] == [5] * 8
    assert rows[12] == [10] * 4
    assert rows[39] == [35, 5]
    assert rows[40] == rows[1000] == [40]
    guided = prompts[0] + 2.0 * (prompts[1] - prompts[2])
    with pytest.raises(ValueError, match=r"batch must be at least 3, the conditions that score 1 needs together"):
        denoising_error([prompts[0], guided], x0, LEVELS, batch=2)


@pytest.mark.parametrize("schedule", [VP.scaled_linear(), VP.cosine(), VE(80.0), Flow()], ids=repr)
def test_the_error_under_a_gaussian_is_the_closed_form(gaussian_on, generator, schedule) -> None:
    m, s = 0.7, 0.25
    scores = [gaussian_on(schedule, m, s).given(), gaussian_on(schedule, -0.2, 0.6).given()]
    x0, t = torch.tensor([[0.7], [1.4], [-0.3]], dtype=F64), torch.tensor([0.01, 0.3, 0.9], dtype=F64)
    expected = torch.zeros(2, 3, 3, dtype=F64)
    for k, (mean, std) in enumerate([(m, s), (-0.2, 0.6)]):
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        q = alpha**2 * std**2 + sigma**2
        # eps - eps_hat = (alpha^2 s^2 eps - alpha sigma (x0 - m)) / q
        expected[k] = ((alpha**2 * std**2) ** 2 + (alpha * sigma * (x0 - mean)) ** 2) / q**2
    # the error is quadratic in eps: the draws 1 and -1 have its mean exactly
    signs = torch.tensor([1.0, -1.0], dtype=F64).repeat_interleave(3)[:, None]
    exact = denoising_error(scores, x0, t.repeat(2), signs).unflatten(2, (2, 3)).mean(2)
    torch.testing.assert_close(exact, expected)
    n = 4000
    many = denoising_error(scores, x0, t.repeat_interleave(n), generator, batch=10_000).unflatten(2, (3, n))
    assert ((many.mean(3) - expected).abs() < 4.5 * many.std(3) / math.sqrt(n) + 1e-12).all()


def test_the_class_of_a_sample_is_the_prompt_of_least_error(generator) -> None:
    means = 2 * drawn(generator, 5, 16)
    model = GaussianMixture(means, 0.4, VP.cosine(), captions=["ape", "bee", "cat", "dog", "elk"])
    truth = torch.arange(5).repeat(20)
    x0 = means[truth] + 0.4 * drawn(generator, 100, 16)
    prompts = [model.given(word) for word in ("ape", "bee", "cat", "dog", "elk")]
    t = torch.linspace(0.2, 0.8, 8, dtype=F64)
    errors = denoising_error(prompts, x0, t, generator)
    assert errors.shape == (5, 100, 8)
    assert (errors.mean(2).argmin(0) == truth).all()


def test_the_embedded_model_knows_renders_by_their_prompts(generator) -> None:
    kinds = ("mushroom", "rocket", "snowman", "donut")
    rendered = [render_rgba(sample_object(kind, "red", generator), look(20.0), 32) for kind in kinds]
    pictures = torch.cat([color + 1 - alpha for color, alpha in rendered])
    model = load("pico-image")
    prompts = [model.given(caption(kind, "red")) for kind in kinds]
    t = torch.linspace(0.15, 0.85, 5)
    with torch.no_grad():
        errors = denoising_error(prompts, model.encode(pictures), t, generator, batch=40)
    assert errors.mean(2).argmin(0).tolist() == [0, 1, 2, 3]


def test_shared_noise_makes_differences_sharp(generator) -> None:
    # two scores that nearly agree: what the noise does to both cancels in their difference
    model = GaussianMixture(
        torch.stack([torch.zeros(8), torch.full((8,), 0.1)]).double(), 0.5, Flow(), captions=["a", "b"]
    )
    a, b = model.given("a"), model.given("b")
    x0, t = torch.zeros(1, 8, dtype=F64), torch.full((2000,), 0.4, dtype=F64)
    together = denoising_error([a, b], x0, t, generator)
    apart = torch.stack([denoising_error([score], x0, t, generator)[0] for score in (a, b)])
    shared, independent = (together[1] - together[0]).std(), (apart[1] - apart[0]).std()
    # with c = alpha^2 s^2 / q and u = alpha sigma 0.1 / q the errors are the means of (c eps)^2 and (c eps + u)^2 over 8 elements
    c, u = 0.36 * 0.25 / 0.25, 0.6 * 0.4 * 0.1 / 0.25
    assert shared.item() == pytest.approx(2 * c * u / math.sqrt(8), rel=0.08)
    assert independent.item() == pytest.approx(math.sqrt((4 * c**4 + 4 * c**2 * u**2) / 8), rel=0.08)
    assert shared < 0.3 * independent


def test_noise_of_a_generator_does_not_depend_on_company(mixture_on, generator) -> None:
    model = mixture_on(VP.cosine())
    scores, x0 = [model.given("red"), model.given("blue")], drawn(generator, 3, 4)

    def errors(scores, x0, *times):
        fresh = torch.Generator().manual_seed(7)
        return torch.cat([denoising_error(scores, x0, t, fresh) for t in times], 2)

    whole = errors(scores, x0, LEVELS)
    torch.testing.assert_close(errors(scores[1:], x0[2:], LEVELS), whole[1:, 2:])
    torch.testing.assert_close(errors(scores, x0, LEVELS[:1], LEVELS[1:]), whole)
    assert (whole[:, :, 1] - whole[:, :, 2]).abs().min() > 1e-6  # a level that is named twice is drawn twice
    torch.manual_seed(7)
    torch.testing.assert_close(denoising_error(scores, x0, LEVELS), whole)


@pytest.mark.parametrize("batch", [None, 3, 4])
def test_prompts_may_differ_from_image_to_image(counted, generator, batch) -> None:
    subject = counted(VP.cosine())
    given, x0, eps = subject.model.given, drawn(generator, 3, 3), drawn(generator, 4, 3)
    texts = ["a pear", "eel", "banana"]
    own, null = given(texts), given(None)
    found = denoising_error([own, null + 2.0 * (own - null), given("eel")], x0, LEVELS, eps, batch=batch)
    for i, text in enumerate(texts):
        alone = given(text)
        scores = [alone, null + 2.0 * (alone - null), given("eel")]
        torch.testing.assert_close(found[:, i : i + 1], one_by_one(scores, x0[i : i + 1], LEVELS, eps))
    with pytest.raises(ValueError, match=r"the prompt 'a pear' was made for 3 samples; x0 has 2\."):
        denoising_error([given("eel"), own], x0[:2], LEVELS, eps)


def test_a_learned_condition_gets_its_gradient(generator) -> None:
    model = Denoiser(lambda x, timestep, c: x * c, VP.cosine(), "eps", (3,), dtype=F64)
    word = drawn(generator, 1, 3).requires_grad_()
    x0, eps = drawn(generator, 2, 3), drawn(generator, 4, 3)
    other = Condition({"c": torch.ones(1, 3, dtype=F64)})
    errors = denoising_error([model.given(other), model.given(Condition({"c": word}))], x0, LEVELS, eps, batch=6)
    (found,) = torch.autograd.grad(errors[1].sum(), word)
    rows = x0.repeat_interleave(4, 0), eps.repeat(2, 1), LEVELS.repeat(2)
    x = model.schedule.noised(*rows)
    expected = (2 * (x * word.detach() - rows[1]) * x / 3).sum(0, keepdim=True)
    torch.testing.assert_close(found, expected)


def test_bad_input_is_refused_in_one_sentence(mixture_on, counted) -> None:
    score, x0 = mixture_on(VP.cosine()).given(), torch.zeros(2, 4, dtype=F64)
    for change, message in [
        ({"scores": score}, "scores must be a sequence of one or more scores."),
        ({"scores": []}, "scores must be a sequence of one or more scores."),
        ({"scores": [score, counted().model.given()]}, "samples of one shape: mixture has (4,), counted (3,)."),
        ({"x0": x0[:, :3]}, "x0 must have one or more samples of shape (4,) for mixture, not the shape (2, 3)."),
        ({"x0": x0[:0]}, "x0 must have one or more samples"),
        ({"t": torch.tensor(0.5)}, "t must be a vector of one or more levels in [0, 1]."),
        ({"t": torch.tensor([0.5, 1.5])}, "t must be a vector of one or more levels in [0, 1]."),
        ({"t": torch.tensor([math.nan])}, "t must be a vector of one or more levels in [0, 1]."),
        ({"eps": x0}, "eps must have the shape (4, 4), or (2, 4, 4) for a noise of each image's own, not (2, 4)."),
        ({"kind": "epsilon"}, "kind must be one of eps, x0, v, flow, score, not 'epsilon'."),
        ({"loss": "l3"}, "loss must be one of l2, l1, huber, not 'l3'."),
        ({"batch": 0}, "batch must be at least 1"),
        ({"scores": [score, energy(lambda x0: x0.sum(1))]}, "energy is no score by itself"),
    ]:
        arguments = {"scores": [score], "x0": x0, "t": LEVELS, "eps": None} | change
        with pytest.raises(ValueError) as error:
            denoising_error(**arguments)
        assert message in str(error.value)

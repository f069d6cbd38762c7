"""A captured loop gives the sampler's own numbers, and nothing in a loop waits for a device."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from scorekit.capture import capture
from scorekit.denoiser import Condition, Denoiser
from scorekit.guidance import cfg, clipped, perp_neg
from scorekit.inpainting import Known
from scorekit.langevin import langevin
from scorekit.loop import Watch
from scorekit.noise import Noise
from scorekit.sampling import Sampler, sample
from scorekit.schedule import VP, Flow
from scorekit.score import Score, energy

SHAPE = (2, 3)


def network(x: Tensor, timestep: Tensor, toward: Tensor) -> Tensor:
    return 0.3 * x + torch.tanh(toward.to(x) - x) * (timestep / 1000).reshape(-1, 1, 1).to(x)


def model(device: str = "cpu", **kwargs: Any) -> Denoiser:
    kwargs = {"schedule": VP.cosine(), "prediction": "v", "shape": SHAPE} | kwargs
    return Denoiser(network, device=device, name="small", **kwargs)


def condition(value: float, device: str = "cpu") -> Condition:
    return Condition({"toward": torch.full((1, *SHAPE), value, device=device)})


def guided(device: str = "cpu") -> Score:
    one = model(device)
    return cfg(one.given(condition(0.0, device)), one.given(condition(1.0, device)), 3.0)


def per_sample(device: str = "cpu") -> Score:
    one = model(device)
    return one.given(condition(1.0, device)) + (lambda t: t * torch.tensor([0.5, 2.0, 0.0, 1.0])) * one.given(
        condition(-1.0, device)
    )


def of_two_schedules(device: str = "cpu") -> Score:
    flow = Denoiser(network, Flow(), "flow", SHAPE, device=device)
    return model(device).given(condition(1.0, device)) + 0.5 * flow.given(condition(-1.0, device))


def of_functions(device: str = "cpu") -> Score:
    one = model(device)
    a, b, c = (one.given(condition(value, device)) for value in (1.0, 0.0, -1.0))
    return clipped(perp_neg(b, a, [(-1.0, c)], 2.0)) + energy(lambda x0: x0.square().flatten(1).sum(1))


SCORES = [guided, per_sample, of_two_schedules, of_functions]
SAMPLERS: list[dict[str, Any]] = [
    {"solver": "ddim", "steps": 5},
    {"solver": "ddpm", "steps": 6},
    {"solver": "dpm++2m_sde", "steps": 5},
    {"solver": "unipc", "steps": 6},
    {"solver": "heun", "steps": 4, "s_churn": 5.0},
    {"solver": "langevin", "steps": 4, "corrector": langevin(2, adjusted=True)},
    {"solver": "ddim", "steps": 4, "resample": 2, "corrector": langevin()},
]


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("options", SAMPLERS, ids=lambda o: o["solver"])
def test_nothing_waits_for_the_device(score: Callable[[str], Score], options: dict[str, Any]) -> None:
    """On a device that has no numbers: whoever asks for one fails. Looking at the end is `Watch.settle`'s part, and left out."""
    sampler = Sampler(score("meta"), 4, **options)
    noise = Noise(sampler.shape, None, "meta")
    watch = Watch(sampler.loop.rows.after, "it", torch.device("meta"))
    known = Known(torch.ones(SHAPE, device="meta"), torch.ones(SHAPE, device="meta"))
    x = sampler.loop.run(sampler.begin(noise), noise, watch, known=known)
    assert x.shape == (4, *SHAPE)
    assert x.device.type == "meta"


def test_such_a_device_tells_who_asks() -> None:
    asks = Denoiser(lambda x, _: x * float(x.mean()), VP.cosine(), "v", SHAPE, device="meta")
    sampler = Sampler(asks.given(), 1)
    noise = Noise(sampler.shape, None, "meta")
    with pytest.raises(RuntimeError, match="meta"):
        sampler.loop.run(sampler.begin(noise), noise, Watch(sampler.loop.rows.after, "it", torch.device("meta")))


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("options", SAMPLERS, ids=lambda o: o["solver"])
def test_a_captured_loop_is_the_loop(score: Callable[[str], Score], options: dict[str, Any]) -> None:
    expression = score("cpu")
    sampler = Sampler(expression, 4, **options)
    fast = capture(sampler)
    for seed in (0, 1):
        expected = sample(expression, 4, generator=torch.Generator().manual_seed(seed), **options)
        for made in (sampler, fast):
            assert torch.equal(made(generator=torch.Generator().manual_seed(seed)), expected)


def test_every_sample_keeps_its_own_generator() -> None:
    def generators() -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in (3, 4, 5)]

    sampler = Sampler(guided(), 3, solver="ddpm", steps=5)
    expected = sampler(generator=generators())
    assert torch.equal(capture(sampler)(generator=generators()), expected)
    alone = Sampler(guided(), 1, solver="ddpm", steps=5)(generator=generators()[1:2])
    torch.testing.assert_close(alone, expected[1:2])


@pytest.mark.parametrize("prepared", [lambda sampler: sampler, capture], ids=["sampler", "captured"])
@pytest.mark.parametrize("score", [guided, of_functions])
def test_conditions_are_read_at_every_call(prepared: Callable[[Sampler], Any], score: Callable[[], Score]) -> None:
    one = model()
    seen = condition(1.0)
    expression = one.given(seen) if score is guided else clipped(one.given(seen) - 0.1 * one.given(condition(0.0)))
    made = prepared(Sampler(expression, 2, solver="ddim", steps=4))
    for value in (1.0, -2.0):
        seen.fields["toward"].fill_(value)
        again = Condition({"toward": seen.fields["toward"].clone()})
        fresh = one.given(again) if score is guided else clipped(one.given(again) - 0.1 * one.given(condition(0.0)))
        x_T = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(5))
        expected = sample(fresh, 2, solver="ddim", steps=4, x_T=x_T)
        given = made(x_T=x_T) if prepared is not capture else made(generator=torch.Generator().manual_seed(5))
        torch.testing.assert_close(given, expected)


def test_inputs_of_a_capture() -> None:
    shape = (2, *SHAPE)
    x0, mask, known = torch.rand(shape), torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), torch.rand(shape)
    sampler = Sampler(guided(), 2, solver="ddim", steps=6, start=0.6)
    fast = capture(sampler, x0=x0, mask=mask, known=known)
    for changed in (known, known + 1):
        made = fast(known=changed, generator=torch.Generator().manual_seed(2))
        expected = sampler(x0=x0, mask=mask, known=changed, generator=torch.Generator().manual_seed(2))
        assert torch.equal(made, expected)
        assert torch.equal(made[:, 0, 0], changed[:, 0, 0])
    with pytest.raises(ValueError, match=r"^x_T must be given to capture\(\) first"):
        fast(x_T=x0)
    with pytest.raises(ValueError, match=r"^known must have the shape \(2, 2, 3\) of the capture, not \(2, 3\)\.$"):
        fast(known=known[0])


def test_a_captured_loop_names_the_step_that_is_not_finite() -> None:
    sampler = Sampler(Denoiser(lambda x, t: x / (t > 500), VP.cosine(), "v", SHAPE).given(), 1, solver="ddim", steps=4)
    with pytest.raises(
        FloatingPointError, match=r"^sample\(\) with solver ddim gave values that are not finite in step 3 of 4"
    ):
        capture(sampler)()


def test_threads_share_a_sampler() -> None:
    sampler = Sampler(guided(), 2, solver="dpm++2m_sde", steps=8)
    expected = [sampler(generator=torch.Generator().manual_seed(seed)) for seed in range(4)]
    made: dict[int, Tensor] = {}

    def run(seed: int) -> None:
        made[seed] = sampler(generator=torch.Generator().manual_seed(seed))

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(made[seed], expected[seed]) for seed in range(4))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("options", SAMPLERS, ids=lambda o: o["solver"])
def test_a_graph_is_the_loop(score: Callable[[str], Score], options: dict[str, Any]) -> None:
    sampler = Sampler(score("cuda"), 4, **options)
    fast = capture(sampler)
    for seed in (0, 1):
        expected = sampler(generator=torch.Generator("cuda").manual_seed(seed))
        torch.testing.assert_close(fast(generator=torch.Generator("cuda").manual_seed(seed)), expected)

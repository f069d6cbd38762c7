import copy
import itertools
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from scorekit.prediction import Kind
from scorekit.schedule import VE, VP, Flow, Schedule
from scorekit.training import Settings, denoising_loss, train
from scorekit.training.trainer import CHECKPOINT, _generator

M, S = 0.7, 0.25


class Quadratic(nn.Module):
    """A loss whose optimum is the data's mean; small enough to follow by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0]))
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return (x - self.weight).square().mean()


def quadratic(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
    return model(batch + 0.1 * torch.randn(batch.shape, generator=generator))


def normal(generator: torch.Generator) -> Tensor:
    return torch.randn(8, 2, generator=generator) + 3


def test_settings_of_a_recipe_take_its_fields_and_what_is_said_beside() -> None:
    recipe = SimpleNamespace(steps=7, lr=0.5, batch=3)
    assert Settings.of(recipe, warmup=2, lr=0.25) == Settings(steps=7, lr=0.25, warmup=2)


SETTINGS = Settings(steps=30, lr=0.05, warmup=5, cooldown=10, ema=0.9)


def run(
    folder: Path, settings: Settings = SETTINGS, model: nn.Module | None = None, **options
) -> tuple[nn.Module, nn.Module]:
    model = model or Quadratic()
    return model, train(
        model, options.pop("loss", quadratic), options.pop("batches", normal), settings, folder, cpu=True, **options
    )


def saved(folder: Path) -> dict:
    return torch.load(folder / CHECKPOINT, weights_only=True)


# What it learns


class Affine(nn.Module):
    """output = w . features(x, t) on the two functions that the exact answer is made of, and two that it is not."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.schedule = schedule
        self.weight = nn.Parameter(torch.zeros(4))

    def forward(self, x: Tensor, timestep: Tensor) -> Tensor:
        t = (timestep.double() + (1 if isinstance(self.schedule, VP) else 0)) / 1000
        alpha, sigma = self.schedule.alpha(t).float()[:, None], self.schedule.sigma(t).float()[:, None]
        q = alpha**2 * S**2 + sigma**2
        features = torch.cat([sigma * x / q, alpha * sigma / q, x, alpha], 1)
        return (features @ self.weight)[:, None]


@pytest.mark.parametrize("schedule", [VP.scaled_linear(), Flow()], ids=repr)
def test_a_linear_denoiser_learns_the_closed_form(schedule: Schedule, tmp_path: Path) -> None:
    def loss(model: nn.Module, x0: Tensor, generator: torch.Generator) -> Tensor:
        return denoising_loss(model, schedule, "eps", x0, {}, generator)

    _, learned = run(
        tmp_path,
        Settings(steps=250, lr=0.08, warmup=10, cooldown=200, weight_decay=0.0, ema=0.95),
        Affine(schedule),
        loss=loss,
        batches=lambda g: M + S * torch.randn(256, 1, generator=g),
    )
    # E[eps | x] = sigma (x - alpha m) / q at levels from all over the schedule
    t = torch.linspace(0.05, 1, 20)
    x = schedule.noised(M + S * torch.linspace(-2, 2, 20)[:, None], torch.linspace(2, -2, 20)[:, None], t)
    alpha, sigma = schedule.alpha(t)[:, None], schedule.sigma(t)[:, None]
    exact = sigma * (x - alpha * M) / (alpha**2 * S**2 + sigma**2)
    with torch.no_grad():
        made = learned(x, schedule.timestep(t).float())
    assert float((made - exact).square().mean()) < 1e-3 * float(exact.square().mean())


@pytest.mark.parametrize("schedule", [VP.cosine(), VP.scaled_linear().zero_terminal_snr(), VE(10.0), Flow()], ids=repr)
@pytest.mark.parametrize("kind", ["eps", "x0", "v", "flow"])
def test_the_objective_of_an_exact_network_is_the_posterior_variance(
    gaussian_on, schedule: Schedule, kind: Kind
) -> None:
    model = gaussian_on(schedule, M, S, kind)
    levels: list[Tensor] = []

    def network(x: Tensor, timestep: Tensor) -> Tensor:
        t = (
            (4 * timestep.double()).exp() / 10
            if isinstance(schedule, VE)
            else (timestep.double() + isinstance(schedule, VP)) / 1000
        )
        levels.append(t)
        return model.predict(x, t).output

    n = 20_000
    x0 = M + S * torch.randn(n, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    value = denoising_loss(network, schedule, kind, x0, {}, torch.Generator().manual_seed(1))
    (t,) = levels
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    q = alpha**2 * S**2 + sigma**2
    # Given x, x0 and eps are on one line: d eps = -(alpha / sigma) d x0, and Var[x0 | x] = s^2 sigma^2 / q
    along = {"x0": sigma, "eps": alpha, "v": alpha**2 + sigma**2, "flow": alpha + sigma}[kind]
    variance = along**2 * S**2 / q
    assert value.item() == pytest.approx(
        variance.mean().item(), abs=4.5 * math.sqrt(2 * variance.square().mean().item() / n) + 1e-5
    )
    # levels are stratified: one in each of n equal parts of [1/N, 1]
    assert (t.sort().values.diff() < 2.1 / n).all()
    assert t.min() >= 1e-3 - 1e-5
    assert t.max() <= 1


# Following it by hand


def test_averaged_weights_by_hand(tmp_path: Path) -> None:
    history: list[Tensor] = []
    model = Quadratic()
    start = model.weight.detach().clone()
    _, averaged = run(tmp_path, model=model, report=lambda *_: history.append(model.weight.detach().clone()))
    ema = start
    for step, weight in enumerate(history):
        decay = min(0.9, (1 + step) / (10 + step))
        ema = decay * ema + (1 - decay) * weight
    torch.testing.assert_close(averaged.weight.detach(), ema, rtol=1e-6, atol=1e-6)
    assert int(averaged.calls) == 30  # buffers are copied, not averaged
    assert not averaged.training
    assert not averaged.weight.requires_grad
    assert torch.equal(model.weight.detach(), history[-1])


def test_optimiser_by_hand(tmp_path: Path) -> None:
    model, twin = Quadratic(), Quadratic()
    run(tmp_path, replace(SETTINGS, clip=0.5), model)
    optimizer = torch.optim.AdamW(twin.parameters(), lr=1.0, betas=(0.9, 0.99), weight_decay=0.01)
    for step in range(30):
        generator = _generator(0, step, 0)
        optimizer.param_groups[0]["lr"] = SETTINGS.learning_rate(step)
        batch = normal(generator)
        quadratic(twin, batch, generator).backward()
        nn.utils.clip_grad_norm_(twin.parameters(), 0.5)
        optimizer.step()
        optimizer.zero_grad()
    torch.testing.assert_close(model.weight, twin.weight, rtol=1e-6, atol=1e-6)


def test_learning_rate() -> None:
    settings = Settings(steps=100, lr=2.0, warmup=10, cooldown=20)
    rates = [settings.learning_rate(step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert rates[9:81] == [2.0] * 72
    assert rates[80:] == pytest.approx([0.1 * (100 - step) for step in range(80, 100)])
    assert min(rates) > 0
    flat = Settings(steps=5, lr=2.0, warmup=0, cooldown=0)
    assert [flat.learning_rate(step) for step in range(5)] == [2.0] * 5
    # a run can be prolonged: until the cooldown both have the same rates
    longer = replace(settings, steps=200)
    assert [longer.learning_rate(step) for step in range(80)] == rates[:80]


def test_reports(tmp_path: Path) -> None:
    reports: list[tuple] = []
    run(tmp_path, replace(SETTINGS, steps=4), report=lambda *r: reports.append(r))
    assert [(step, total) for step, total, _ in reports] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert all(set(metrics) == {"loss", "grad_norm", "steps_per_second"} for *_, metrics in reports)
    first = Quadratic()
    generator = _generator(0, 0, 0)
    assert reports[0][2]["loss"] == pytest.approx(quadratic(first, normal(generator), generator).item(), rel=1e-6)


# Going on


def stop_at(step: int):
    def report(done: int, *_: object) -> None:
        if done == step:
            raise InterruptedError

    return report


def equal_state(one: dict, other: dict) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal_state(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(equal_state(a, b) for a, b in zip(one, other, strict=True))
    return torch.equal(one, other) if isinstance(one, Tensor) else one == other


def test_resuming_is_not_to_be_seen(tmp_path: Path) -> None:
    _, straight = run(tmp_path / "straight")
    for stop in (1, 12, 25):
        with pytest.raises(InterruptedError):
            run(tmp_path / "broken", report=stop_at(stop))
        assert saved(tmp_path / "broken")["step"] == stop
    _, resumed = run(tmp_path / "broken")
    assert torch.equal(resumed.weight, straight.weight)
    assert equal_state(saved(tmp_path / "broken"), saved(tmp_path / "straight"))
    assert sorted(path.name for path in (tmp_path / "broken").iterdir()) == [CHECKPOINT]


def test_an_interrupted_step_is_taken_again(tmp_path: Path) -> None:
    def interrupted(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        if int(model.calls) == 7:
            raise KeyboardInterrupt
        return quadratic(model, batch, generator)

    _, straight = run(tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", loss=interrupted)
    assert saved(tmp_path / "broken")["step"] == 7
    _, resumed = run(tmp_path / "broken")
    assert torch.equal(resumed.weight, straight.weight)


def test_a_loss_that_is_not_finite_names_its_step_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        run(tmp_path, report=stop_at(5))
    before = saved(tmp_path)

    def breaks(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        return quadratic(model, batch, generator) * (math.nan if int(model.calls) == 8 else 1.0)

    model = Quadratic()
    with pytest.raises(FloatingPointError, match=r"^The training loss is not finite at step 7\.$"):
        run(tmp_path, model=model, loss=breaks)
    assert equal_state(saved(tmp_path), before)
    assert model.weight.isfinite().all()


def test_a_gradient_that_is_not_finite_is_noticed_before_it_does_harm(tmp_path: Path) -> None:
    def breaks(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        value = quadratic(model, batch, generator)
        # finite, with an infinite slope at 0
        return value + ((model.weight - model.weight.detach()).abs().sqrt().sum() if int(model.calls) == 4 else 0)

    model = Quadratic()
    with pytest.raises(FloatingPointError, match=r"^The gradient of the training loss is not finite at step 3\.$"):
        run(tmp_path, model=model, loss=breaks)
    assert model.weight.isfinite().all()


def test_changed_steps_on_resume(tmp_path: Path) -> None:
    constant = replace(SETTINGS, cooldown=0)
    _, straight = run(tmp_path / "straight", constant)
    run(tmp_path / "parts", replace(constant, steps=12))
    _, prolonged = run(tmp_path / "parts", constant)
    assert torch.equal(prolonged.weight, straight.weight)
    assert saved(tmp_path / "parts")["step"] == 30
    # fewer than were done: nothing happens, and nothing is forgotten
    _, same = run(tmp_path / "parts", replace(constant, steps=5))
    assert torch.equal(same.weight, straight.weight)
    assert saved(tmp_path / "parts")["step"] == 30
    _, still = run(tmp_path / "parts", constant)
    assert torch.equal(still.weight, straight.weight)


def test_seeds(tmp_path: Path) -> None:
    weights = [
        run(tmp_path / str(i), replace(SETTINGS, seed=seed))[1].weight for i, seed in enumerate((0, 0, 1, 2**32 - 1))
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[3])
    keys = itertools.product(range(4), range(50), range(4))  # seed, step, process
    streams = {int(torch.randint(2**62, (), generator=_generator(*key))) for key in keys}
    assert len(streams) == 800


def test_batches_may_be_nested(tmp_path: Path) -> None:
    def batches(generator: torch.Generator) -> dict:
        return {"x": normal(generator), "more": [torch.zeros(1), ("text", torch.ones(1))]}

    def loss(model: nn.Module, batch: dict, generator: torch.Generator) -> Tensor:
        assert batch["more"][1][0] == "text"
        return quadratic(model, batch["x"], generator)

    _, plain = run(tmp_path / "plain")
    _, nested = run(tmp_path / "nested", loss=loss, batches=batches)
    assert torch.equal(plain.weight, nested.weight)


def test_precision_may_change_from_run_to_run(tmp_path: Path) -> None:
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.seen: list[torch.dtype] = []

        def forward(self, x: Tensor) -> Tensor:
            output = self.layer(x)
            self.seen.append(output.dtype)
            return output

    def loss(model: nn.Module, batch: Tensor, _: torch.Generator) -> Tensor:
        return model(batch).float().square().mean()

    dense = Dense()
    for precision, computed in (("no", torch.float32), ("bf16", torch.bfloat16), ("no", torch.float32)):
        model = copy.deepcopy(dense)
        _, averaged = run(tmp_path / f"{precision}{computed}", Settings(steps=2, precision=precision), model, loss=loss)
        assert averaged.layer.weight.dtype == torch.float32
        assert model.layer.weight.dtype == torch.float32
        assert averaged.layer.weight.isfinite().all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 0}, r"^steps must be at least 1, not 0\.$"),
        ({"steps": 5, "ema": 1.0}, r"^ema must lie in \[0, 1\), not 1\.0\.$"),
        ({"steps": 5, "ema": -0.1}, r"^ema must lie in \[0, 1\), not -0\.1\.$"),
    ],
)
def test_bad_settings(options: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Settings(**options)

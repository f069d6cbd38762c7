"""The fixtures for plugin authors, used as in a plugin's own tests."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scorekit.analytic import GaussianMixture
from scorekit.denoiser import Denoiser
from scorekit.host.plugin import Application, RunContext
from scorekit.host.record import Run
from scorekit.host.registry import Registry, discover
from scorekit.sampling import sample


class Tiny(Application):
    name, title, summary = "tiny", "Tiny", "Does next to nothing."

    def run(self, params: Application.Params, ctx: RunContext) -> None:
        ctx.save("line.txt", f"a line {params}")


def test_the_exact_denoiser_samples_what_it_says(denoiser: GaussianMixture) -> None:
    def drawn(prompt: str | None) -> Tensor:
        return sample(denoiser.given(prompt), 4000, steps=40, generator=torch.Generator().manual_seed(0))

    assert torch.allclose(drawn("top").mean(0), torch.tensor([0.0, 1.0]), atol=0.02)
    assert torch.allclose(drawn("left").std(0), torch.tensor([0.2, 0.2]), atol=0.02)
    nearest = torch.cdist(drawn(None), denoiser.means).argmin(1).bincount() / 4000
    assert torch.allclose(nearest, torch.full((3,), 1 / 3), atol=0.05)


def test_the_pico_model_is_the_embedded_one(pico_denoiser: Denoiser, run_context: RunContext) -> None:
    assert pico_denoiser.shape == (3, 32, 32)
    assert run_context.model() is pico_denoiser


def test_the_run_context_is_one_of_a_real_run(run_context: RunContext) -> None:
    Tiny().run(Tiny.Params(), run_context)
    run = Run.load(run_context.folder)
    assert run.artifacts["line.txt"].read_text().startswith("a line")
    assert (run_context.seed, run_context.device.type) == (0, "cpu")
    with pytest.raises(ValueError, match="inside the run folder"):
        run_context.save("../line.txt", "x")


def test_an_isolated_registry_has_nothing_else(
    isolated_registry: Callable[..., Registry], capsys: pytest.CaptureFixture[str]
) -> None:
    from scorekit.host.cli import main

    registry = isolated_registry("scorekit_text_to_svg", "no_such_module_at_all")
    assert set(registry.applications()) == {"text-to-svg"}
    assert next(row.reason for row in registry.rows if not row.usable).startswith("ModuleNotFoundError")
    assert set(discover(strict=False).applications()) == {"text-to-svg"}
    assert main(["run", "dift"]) == 2
    assert "there is no application 'dift'; there are text-to-svg" in capsys.readouterr().err


def test_the_next_test_has_everything_again() -> None:
    assert {"text-to-svg", "dift"} <= set(discover(strict=False).applications())

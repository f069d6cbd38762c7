"""Fixtures for the tests of plugins. pytest finds this module by itself, so it imports nothing heavy before a fixture is asked for.

denoiser            an exact Gaussian mixture in two dimensions, with captions
pico_denoiser       the embedded pico-image on the CPU, loaded once for all tests
run_context         the RunContext of a run in a temporary folder
isolated_registry   a registry of named plugins only
"""

import threading
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from scorekit.analytic import GaussianMixture
    from scorekit.denoiser import Denoiser
    from scorekit.host.plugin import Application, RunContext
    from scorekit.host.registry import Registry


@pytest.fixture
def denoiser() -> "GaussianMixture":
    """The exact denoiser of three Gaussians of deviation 0.2 at (-1, 0), (1, 0) and (0, 1), named "left", "right" and "top".

    Equally likely, on the rectified-flow schedule, in closed form: what is sampled from it has known means and variances.
    """
    import torch

    from scorekit.analytic import GaussianMixture
    from scorekit.schedule import Flow

    means = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    return GaussianMixture(means, 0.2, Flow(), captions=("left", "right", "top"))


@pytest.fixture(scope="session")
def pico_denoiser() -> "Denoiser":
    """The embedded text-to-image model, 32 x 32 pixels, on the CPU in float32."""
    import scorekit.models

    return scorekit.models.load("pico-image", device="cpu")


@pytest.fixture
def run_context(tmp_path: Path, request: pytest.FixtureRequest) -> "RunContext":
    """The context of a run with seed 0 on the CPU, in a folder of its own. `ctx.model()` is `pico_denoiser`; other names are loaded.

    Its files can be read at `run_context.folder`; artifacts are recorded in run.json there, as in any run.
    """
    import torch

    from scorekit.host import models
    from scorekit.host.plugin import Application, RunContext
    from scorekit.host.runs import queue

    class Neutral(Application):
        name, title, summary, default_model = "neutral", "Neutral", "Stands for an application in a test.", "pico-image"

        def run(self, params: Any, ctx: RunContext) -> None:
            """Nothing: a test does the work."""

    def load(name: str) -> "tuple[Denoiser, dict[str, Any]]":
        if name == "pico-image":
            return request.getfixturevalue("pico_denoiser"), {"name": name, "kind": "embedded", "sha256": None}
        return models.load(name, device=torch.device("cpu"), dtype=torch.float32, trust_pickle=False)

    run = queue(Neutral, None, tmp_path / "run", device="cpu")
    return RunContext(run, torch.device("cpu"), torch.float32, load, lambda _: None, threading.Event())


@pytest.fixture
def isolated_registry(monkeypatch: pytest.MonkeyPatch) -> "Callable[..., Registry]":
    """isolated_registry(*plugins) -> Registry of these alone: modules, "module", "module:Class" or Application classes.

    Until the test ends, `discover()` and the command line in this process find nothing else, whatever is installed. Broken plugins
    become rows with their reason, as ever.
    """
    from scorekit.host import registry
    from scorekit.host.provenance import ENTRY_POINTS

    def make(*plugins: "str | ModuleType | type[Application]") -> "Registry":
        entries = [EntryPoint(*_named(plugin), ENTRY_POINTS) for plugin in plugins]
        monkeypatch.setattr(registry, "entry_points", lambda group: entries if group == ENTRY_POINTS else [])
        monkeypatch.delenv("SCOREKIT_PLUGINS", raising=False)
        return registry.discover(strict=False)

    return make


def _named(plugin: "str | ModuleType | type[Application]") -> tuple[str, str]:
    """Name and value of an entry point for the plugin."""
    if isinstance(plugin, str):
        value = plugin
    elif isinstance(plugin, ModuleType):
        value = plugin.__name__
    else:
        value = f"{plugin.__module__}:{plugin.__qualname__}"
    return value.partition(":")[0].replace(".", "-"), value

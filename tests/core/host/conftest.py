"""A plugin of small real applications, installed the way importlib.metadata sees it: a folder with a dist-info."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from plugin_site import install

SAMPLE = '''
"""Applications that do a little of what real ones do."""
import time
from pathlib import Path
from typing import Literal

from pydantic import Field

from scorekit.host.plugin import Application, ModelSpec, ParameterError, Params, RunError, hookimpl


class Walk(Application):
    """A random walk: every source of chance that a plugin may use, and a state that a checkpoint has to keep."""

    name, title, summary = "walk", "Random walk", "Walks at random and says where it ended."
    artifacts = ("walk.json",)

    class Params(Params):
        steps: int = Field(20, ge=1, le=10_000, description="How far to walk.")
        pause: float = Field(0.0, ge=0, le=1, description="Rest after a step.", json_schema_extra={"unit": "s"})
        style: Literal["plain", "fancy"] = Field("plain", description="How to walk.")
        words: list[str] = Field(["a"], description="What to say on the way.")
        loud: bool = Field(False, description="Say it aloud.")
        map: Path | None = Field(None, description="Where to walk.", json_schema_extra={"advanced": True})

    def run(self, params, ctx):
        import random

        import numpy as np
        import torch

        place, first = torch.zeros(2, device=ctx.device), 0
        if state := ctx.restore():
            place, first = state["place"], state["step"]
        for step in range(first + 1, params.steps + 1):
            place += torch.randn(2, generator=ctx.generator, device=ctx.device)
            place += torch.rand(2) + random.random() + float(np.random.rand())
            time.sleep(params.pause)
            ctx.checkpoint(lambda: {"place": place, "step": step}, step)
            ctx.preview(lambda: torch.rand(3, 8, 8, generator=torch.Generator()))
            ctx.progress(step, params.steps, distance=place.norm())
        ctx.metric("distance", place.norm())
        ctx.save("walk.json", {"place": place.tolist(), "words": params.words, "style": params.style})


class Trouble(Application):
    """Ends in every way but well."""

    name, title, summary = "trouble", "Trouble", "Fails in the way it is told to."

    class Params(Params):
        how: Literal["nan", "crash", "exit", "known", "parameter", "empty", "outside", "diverge"] = "crash"

    def run(self, params, ctx):
        for step in range(1, 21):
            ctx.progress(step, 20, loss=float("nan") if params.how == "nan" and step == 12 else 1.0)
        if params.how == "crash":
            raise KeyError("the cat")
        if params.how == "exit":
            raise SystemExit(3)
        if params.how == "known":
            raise RunError("the field is empty; nothing to export")
        if params.how == "diverge":
            raise FloatingPointError("The training loss is not finite at step 7.")
        if params.how == "parameter":
            raise ParameterError("--how must not be parameter; use nan")
        if params.how == "empty":
            ctx.save("video.mp4", lambda path: path.write_bytes(b""))
        if params.how == "outside":
            ctx.save("../evil.txt", "text")


class Lesson(Application):
    name, title, summary, kind = "lesson", "Lesson", "Trains nothing in particular.", "training"

    def run(self, params, ctx):
        ctx.save("notes.txt", "learned")


class Look(Application):
    """Loads the model of the run and says what it got."""

    name, title, summary, default_model = "look", "Look", "Loads a model.", "toy"

    def run(self, params, ctx):
        model = ctx.model()
        assert ctx.model() is model
        ctx.save("seen.txt", f"{model} {ctx.dtype} {ctx.device}")


@hookimpl
def scorekit_applications():
    return [Walk, Trouble, Lesson, Look]


@hookimpl
def scorekit_models():
    return [ModelSpec("toy", "A model of its own kind.", load=lambda device, dtype: f"toy on {device} in {dtype}")]
'''


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH that holds the sample plugin."""
    folder = tmp_path_factory.mktemp("site")
    install(folder, "sample-plugin", {"sample": "sample_applications"}, sample_applications=SAMPLE)
    return folder


@pytest.fixture
def sample(site: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The sample plugin's module in this process."""
    monkeypatch.syspath_prepend(str(site))
    import sample_applications  # type: ignore[import-not-found]

    assert isinstance(sample_applications, ModuleType)
    return sample_applications


Scorekit = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def here(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Scorekit:
    """The command line in `tmp_path`, but in this process: torch is imported once for all tests."""
    from scorekit.host.cli import main

    request.getfixturevalue("sample")  # for its place on the import path

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "120")
        capfd.readouterr()
        code = main(list(arguments))
        return subprocess.CompletedProcess(list(arguments), code, *capfd.readouterr())

    return call


def environment(site: Path, **extra: str) -> dict[str, str]:
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", **extra}


@pytest.fixture
def scorekit(site: Path, tmp_path: Path) -> Scorekit:
    """Run the command line in `tmp_path`, as a user does."""

    def call(*arguments: str, **extra: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "scorekit.host.cli", *arguments]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=environment(site, **extra),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call

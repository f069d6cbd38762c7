"""Models of small_models.py, saved once for all tests."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import control_for, deepfloyd, saved, stable_diffusion


@pytest.fixture(scope="session")
def sd_eps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    return saved(stable_diffusion("epsilon"), tmp_path_factory.mktemp("sd") / "tiny-eps")


@pytest.fixture(scope="session")
def sd_v(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    return saved(stable_diffusion("v_prediction"), tmp_path_factory.mktemp("sd") / "tiny-v")


@pytest.fixture(scope="session")
def control(sd_eps: tuple[Any, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    return control_for(sd_eps[0].unet, tmp_path_factory.mktemp("control") / "edges")


@pytest.fixture(scope="session")
def floyd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    return saved(deepfloyd(), tmp_path_factory.mktemp("if") / "tiny-if")


@pytest.fixture(scope="session")
def pico(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """An untrained PicoImage, and its folder as the recipe writes it."""
    from scorekit.zoo.pico_image import PicoImage, Recipe, export

    torch.manual_seed(0)
    recipe = Recipe(size=16, channels=(16, 32), text=16)
    folder = tmp_path_factory.mktemp("pico") / "pico-tiny"
    model = PicoImage(recipe)
    export(model, recipe, folder)  # rounds the model to fp16 in place
    return model.float().eval(), folder

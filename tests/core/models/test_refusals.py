"""Folders that cannot be loaded are refused in one sentence that says what is wrong with them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from scorekit.models import load
from scorekit.models.weights import choose


@pytest.fixture
def copy(pico: tuple[Any, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(pico[1], tmp_path / "broken"))


def edit(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def refused(folder: Path, **options: Any) -> str:
    with pytest.raises(ValueError) as error:
        load(str(folder), **options)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("broken")
    return message


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("unet/config.json", "has no unet/config.json"),
        ("unet/diffusion_pytorch_model.safetensors", "has no weights in unet/"),
        ("text_encoder", "has no text_encoder/config.json"),
        ("tokenizer", "has no tokenizer/"),
        ("scheduler/scheduler_config.json", "has no scheduler/scheduler_config.json"),
    ],
)
def test_missing_file_is_named(copy: Path, file: str, said: str) -> None:
    shutil.rmtree(copy / file) if (copy / file).is_dir() else (copy / file).unlink()
    assert said in refused(copy)


def test_tokenizer_without_a_vocabulary(copy: Path) -> None:
    for file in (copy / "tokenizer").glob("*"):
        if file.name != "tokenizer_config.json":
            file.unlink()
    assert "tokenizer/" in refused(copy)


@pytest.mark.parametrize("damage", ["cut", "text"])
def test_damaged_weights(copy: Path, damage: str) -> None:
    file = copy / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000] if damage == "cut" else b"version https://git-lfs.github.com/spec/v1")
    assert "unet/diffusion_pytorch_model.safetensors is damaged" in refused(copy)


def test_weights_that_lack_a_tensor_are_not_made_up(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    for role, name in (("text_encoder", "model"), ("unet", "diffusion_pytorch_model")):
        file = copy / role / f"{name}.safetensors"
        tensors = load_file(file)
        lost = sorted(tensors)[0]
        save_file({key: value for key, value in tensors.items() if key != lost}, file, {"format": "pt"})
        # both are broken after the second round; the network is loaded first
        assert f"the weights in {role}/ lack 1 tensors" in refused(copy)


def test_weights_of_another_shape(copy: Path) -> None:
    edit(copy / "unet" / "config.json", lambda config: config.update(block_out_channels=[32, 32]))
    assert "unet/ could not be loaded as UNet2DConditionModel" in refused(copy)


def test_pickle_needs_trust(copy: Path) -> None:
    from safetensors.torch import load_file

    reference = load(str(copy)).given("a red cube")
    safe = copy / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(safe), copy / "unet" / "diffusion_pytorch_model.bin")
    safe.unlink()
    message = refused(copy)
    assert "only pickle weights in unet/ (unet/diffusion_pytorch_model.bin)" in message
    assert "--trust-pickle" in message
    x = torch.randn(1, 3, 16, 16)
    trusted = load(str(copy), trust_pickle=True).given("a red cube")
    with torch.no_grad():
        torch.testing.assert_close(trusted(x, 0.5).output, reference(x, 0.5).output)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (
            "model_index.json",
            lambda index: index.update(
                _class_name="StableDiffusionXLPipeline", text_encoder_2=["transformers", "CLIPTextModelWithProjection"]
            ),
            "StableDiffusionXLPipeline (unet UNet2DConditionModel, text_encoder CLIPTextModel, "
            "text_encoder_2 CLIPTextModelWithProjection), "
            "which is not supported; supported are latent text-to-image",
        ),
        ("model_index.json", lambda index: index.update(unet=["my_module", "MyUNet"]), "unet MyUNet"),
        ("model_index.json", lambda index: index.clear(), "no network"),
        (
            "scheduler/scheduler_config.json",
            lambda c: c.update(prediction_type="rectified"),
            "prediction_type must be epsilon, v_prediction",
        ),
        (
            "scheduler/scheduler_config.json",
            lambda c: c.update(beta_schedule="sigmoid"),
            "beta_schedule must be linear",
        ),
        (
            "scorekit.json",
            lambda extra: extra.update(patch=0),
            "patch in scorekit.json must be a whole number from 1 on",
        ),
        ("scorekit.json", lambda extra: extra.update(patch=1), "takes 12 channels where a text-to-image model takes 3"),
        (
            "scorekit.json",
            lambda extra: extra.update(vocabulary="a an"),
            "vocabulary in scorekit.json must be a list of words",
        ),
        ("unet/config.json", lambda config: config.update(sample_size=None), "sample_size is missing"),
    ],
)
def test_configuration_that_is_not_understood(copy: Path, file: str, change: Any, said: str) -> None:
    edit(copy / file, change)
    assert said in refused(copy)


def test_broken_json(copy: Path) -> None:
    (copy / "model_index.json").write_text("{")
    assert "model_index.json is not readable JSON" in refused(copy)


def test_device_and_dtype_are_checked(copy: Path) -> None:
    with pytest.raises(ValueError, match="device 'gpu' cannot be used on this machine"):
        load(str(copy), device="gpu")
    with pytest.raises(ValueError, match=r"dtype must be a floating-point type .*, not torch.int8"):
        load(str(copy), dtype=torch.int8)


def test_half_precision_copies_are_taken_for_half_precision() -> None:
    both = [f"unet/diffusion_pytorch_model{v}.safetensors" for v in ("", ".fp16", ".non_ema")] + [
        "unet/diffusion_pytorch_model.bin"
    ]
    chosen = {half: choose(both, "unet", half=half, trust_pickle=False, model="m") for half in (False, True)}
    assert (chosen[False].files, chosen[False].variant) == (("unet/diffusion_pytorch_model.safetensors",), None)
    assert (chosen[True].files, chosen[True].variant) == (("unet/diffusion_pytorch_model.fp16.safetensors",), "fp16")
    only = ["text_encoder/model.fp16-00001-of-00002.safetensors", "text_encoder/model.fp16-00002-of-00002.safetensors"]
    assert choose(only, "text_encoder", half=False, trust_pickle=False, model="m").files == tuple(only)

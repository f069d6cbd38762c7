"""LoRAs are added to the weights exactly: W + scale (alpha / rank) B A."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import dit, flux, saved, sd3, sdxl
from torch import Tensor, nn

from scorekit.models import load
from scorekit.models.folder import ModelFolder

RANK, ALPHA = 4, 2.0
LAYERS = {
    "unet": ["down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", "mid_block.resnets.0.conv1"],
    "text_encoder": ["encoder.layers.0.self_attn.q_proj", "encoder.layers.1.mlp.fc1"],
}


@pytest.fixture(scope="module")
def lora(sd_eps: tuple[Any, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA of unet and text encoder, trained by nobody, written by peft and diffusers."""
    from diffusers import StableDiffusionPipeline
    from peft import LoraConfig, get_peft_model_state_dict

    torch.manual_seed(0)
    pipe = StableDiffusionPipeline.from_pretrained(sd_eps[1], safety_checker=None)
    state = {}
    for role, layers in LAYERS.items():
        network = getattr(pipe, role)
        network.add_adapter(LoraConfig(r=RANK, lora_alpha=ALPHA, init_lora_weights=False, target_modules=layers))
        state[role] = get_peft_model_state_dict(network)
    folder = tmp_path_factory.mktemp("lora")
    configs = {f"{role}_lora_adapter_metadata": getattr(pipe, role).peft_config["default"].to_dict() for role in LAYERS}
    for config in configs.values():
        config["target_modules"] = sorted(config["target_modules"])
        config["peft_type"] = "LORA"
    StableDiffusionPipeline.save_lora_weights(
        folder, unet_lora_layers=state["unet"], text_encoder_lora_layers=state["text_encoder"], **configs
    )
    return folder


def weights(model: Any) -> dict[str, dict[str, Tensor]]:
    roles: dict[str, nn.Module] = {"unet": model.network.unet, "text_encoder": model.prompts.encoder}
    return {role: dict(network.named_parameters()) for role, network in roles.items()}


def addition(file: Path, role: str, layer: str) -> Tensor:
    """(alpha / rank) B A, from the file's tensors."""
    tensors = load_file(file)
    down, up = (
        next(value for key, value in tensors.items() if key.startswith(f"{role}.") and f"{layer}.lora_{side}" in key)
        for side in "AB"
    )
    product = up.flatten(1) @ down.flatten(1)
    return ALPHA / RANK * product.reshape(up.shape[0], *down.shape[1:])


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_it_is_added_exactly(sd_eps: tuple[Any, Path], lora: Path, scale: float) -> None:
    base = weights(load(str(sd_eps[1])))
    fused = weights(load(str(sd_eps[1]), lora=(lora, scale)))
    for role, layers in LAYERS.items():
        assert fused[role].keys() == base[role].keys()  # nothing of peft is left
        for name, after in fused[role].items():
            expected = base[role][name]
            assert not after.requires_grad
            if (layer := name.removesuffix(".weight")) in layers:
                expected = expected + scale * addition(lora / "pytorch_lora_weights.safetensors", role, layer)
                assert (after - base[role][name]).abs().max() > 1e-3
            torch.testing.assert_close(after, expected, rtol=0, atol=1e-6)


def test_several_add_up(sd_eps: tuple[Any, Path], lora: Path) -> None:
    file = lora / "pytorch_lora_weights.safetensors"
    twice = weights(load(str(sd_eps[1]), lora=[str(file), (lora, 0.5)]))
    once = weights(load(str(sd_eps[1]), lora=(file, 1.5)))
    for role in LAYERS:
        for name, after in twice[role].items():
            torch.testing.assert_close(after, once[role][name], rtol=0, atol=1e-6)


@torch.no_grad()
def test_it_is_what_the_pipeline_makes_of_it(sd_eps: tuple[Any, Path], lora: Path) -> None:
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(sd_eps[1], safety_checker=None)
    pipe.load_lora_weights(lora)
    model = load(str(sd_eps[1]), lora=lora)
    x, tokens = torch.randn(1, 4, 8, 8), pipe.tokenizer("a red cube", padding="max_length", return_tensors="pt")
    text = pipe.text_encoder(tokens.input_ids).last_hidden_state
    expected = pipe.unet(x, 499, encoder_hidden_states=text).sample
    # Fused or beside the weights: float32's rounding.
    torch.testing.assert_close(model.given("a red cube")(x, 0.5).output, expected, rtol=1e-4, atol=1e-5)


def test_a_folder_of_peft(sd_eps: tuple[Any, Path], tmp_path: Path) -> None:
    from diffusers import UNet2DConditionModel
    from peft import LoraConfig, get_peft_model

    unet = UNet2DConditionModel.from_pretrained(sd_eps[1] / "unet")
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, init_lora_weights=False, target_modules=["attn1.to_q"])
    get_peft_model(unet, config).save_pretrained(tmp_path)
    layer = LAYERS["unet"][0]
    before, after = (weights(load(str(sd_eps[1]), lora=given))["unet"][f"{layer}.weight"] for given in (None, tmp_path))
    file = tmp_path / "adapter_model.safetensors"
    tensors = {key.replace("base_model.model.", "unet."): value for key, value in load_file(file).items()}
    save_file(tensors, tmp_path / "renamed.safetensors")
    expected = before + addition(tmp_path / "renamed.safetensors", "unet", layer)
    torch.testing.assert_close(after, expected, rtol=0, atol=1e-6)


def test_a_file_of_kohya(sd_eps: tuple[Any, Path], tmp_path: Path) -> None:
    """Its names join everything with "_", and every layer has its alpha."""
    layer = LAYERS["unet"][0]
    name = "lora_unet_" + layer.replace(".", "_")
    down, up = torch.randn(RANK, 32), torch.randn(32, RANK)
    tensors = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(ALPHA)}
    save_file(tensors, tmp_path / "style.safetensors")
    before, after = (
        weights(load(str(sd_eps[1]), lora=given))["unet"][f"{layer}.weight"]
        for given in (None, tmp_path / "style.safetensors")
    )
    torch.testing.assert_close(after, before + ALPHA / RANK * up @ down, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "layer"),
    [
        (sd3, "transformer.transformer_blocks.0.attn.to_q"),
        (flux, "transformer.single_transformer_blocks.0.attn.to_k"),
        (sdxl, "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_out.0"),
        (sdxl, "text_encoder_2.text_model.encoder.layers.1.self_attn.v_proj"),
    ],
)
def test_other_families(make: Any, layer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alpha defaults to the rank."""
    folder = saved(make(), tmp_path / "model")[1]
    loaded: dict[str, nn.Module] = {}
    real = ModelFolder.network

    def remember(self: ModelFolder, role: str, *args: Any) -> Any:
        loaded[role] = real(self, role, *args)
        return loaded[role]

    monkeypatch.setattr(ModelFolder, "network", remember)

    def weight() -> Tensor:
        role, name = layer.split(".", 1)
        parameters = dict(loaded[role].named_parameters())
        # Newer transformers have no text_model between an encoder and its layers.
        return parameters[
            f"{name}.weight" if f"{name}.weight" in parameters else f"{name}.weight".removeprefix("text_model.")
        ]

    load(str(folder))
    before = weight()
    down, up = torch.randn(2, before.shape[1]), torch.randn(before.shape[0], 2)
    save_file({f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}, tmp_path / "style.safetensors")
    load(str(folder), lora=(tmp_path / "style.safetensors", 0.5))
    torch.testing.assert_close(weight(), before + 0.5 * up @ down, rtol=0, atol=1e-5)


def refused(model: Path, lora: Any) -> str:
    with pytest.raises(ValueError, match=r"^lora") as error:
        load(str(model), lora=lora)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_does_not_fit_is_refused(sd_eps: tuple[Any, Path], lora: Path, tmp_path: Path) -> None:
    file, model = lora / "pytorch_lora_weights.safetensors", sd_eps[1]
    tensors = load_file(file)

    def variant(name: str, change: Any) -> Path:
        save_file({key: value.clone() for key, value in change.items()}, tmp_path / name)
        return tmp_path / name

    other = variant("other.safetensors", {key.replace("unet.", "transformer."): v for key, v in tensors.items()})
    assert "other.safetensors does not fit tiny-eps: 4 of its 8 tensors belong to none of" in refused(model, other)
    blocks = variant(
        "blocks.safetensors", {key.replace("down_blocks.1", "down_blocks.7"): v for key, v in tensors.items()}
    )
    assert "blocks.safetensors was made for another model" in refused(model, blocks)
    wide = variant(
        "wide.safetensors", {key: torch.cat([v, v], 1) if "lora_A" in key else v for key, v in tensors.items()}
    )
    assert "wide.safetensors does not fit the model's" in refused(model, wide)
    plain = variant("plain.safetensors", {"unet.conv_in.weight": torch.zeros(1)})
    assert "plain.safetensors is no LoRA file; it holds unet.conv_in.weight" in refused(model, plain)


def test_what_is_no_lora_is_refused(sd_eps: tuple[Any, Path], lora: Path, tmp_path: Path) -> None:
    model = sd_eps[1]
    (tmp_path / "damaged.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    assert "damaged.safetensors could not be read as a LoRA" in refused(model, tmp_path / "damaged.safetensors")
    (tmp_path / "old.bin").write_bytes(b"pickle")
    assert "old.bin must be a .safetensors file" in refused(model, tmp_path / "old.bin")
    (tmp_path / "empty").mkdir()
    assert "the folder empty must hold one .safetensors file (it holds none)" in refused(model, tmp_path / "empty")
    assert "'no where' is no file, no folder, and no hub id" in refused(model, "no where")
    assert "must be a finite number, not nan" in refused(model, (lora, float("nan")))
    assert "lora must be a file, a folder or a hub id" in refused(model, [3])


def test_a_family_without_lora(tmp_path: Path, lora: Path) -> None:
    assert "is of a family that takes no LoRA" in refused(saved(dit(), tmp_path / "dit")[1], lora)

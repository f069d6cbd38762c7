"""Memory order, compilation and offloading change nothing but speed and memory."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from scorekit.distillation import distill
from scorekit.guidance import cfg
from scorekit.models import load, offload
from scorekit.models.controlnet import with_control
from scorekit.sampling import sample


@torch.no_grad()
def test_channels_last(sd_eps: tuple[Any, Path]) -> None:
    plain, fast = load(str(sd_eps[1])), load(str(sd_eps[1]), channels_last=True)
    weight = fast.network.unet.conv_in.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(fast.given("a cube")(x, 0.5).output, plain.given("a cube")(x, 0.5).output)


@pytest.mark.slow
@torch.no_grad()
def test_compiled_network_is_the_network(sd_eps: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph is captured as for a GPU; torch's own interpreter runs it, for code generation takes minutes."""
    used: list[str] = []
    real = nn.Module.compile

    def compile_eagerly(module: nn.Module, *args: Any, **options: Any) -> None:
        used.append(type(module).__name__)
        real(module, *args, backend="eager", **options)

    monkeypatch.setattr(nn.Module, "compile", compile_eagerly)
    plain, fast = load(str(sd_eps[1])), load(str(sd_eps[1]), compile=True)
    assert used == ["TextUNet"]
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(fast.given("a cube")(x, 0.5).output, plain.given("a cube")(x, 0.5).output)


@pytest.fixture
def moves(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The class of what moves, and whether it comes or rests: a device that computes, and is told from the CPU's by its number."""
    made: list[tuple[str, str]] = []
    real = offload.move

    def noted(module: nn.Module, device: torch.device) -> None:
        made.append((type(module).__name__, "comes" if device == COMPUTING else "rests"))
        real(module, device)

    monkeypatch.setattr(offload, "move", noted)
    return made


COMPUTING = torch.device("cpu", 0)


@torch.no_grad()
def test_parts_take_turns(sd_eps: tuple[Any, Path], moves: list[tuple[str, str]]) -> None:
    plain, shared = load(str(sd_eps[1])), load(str(sd_eps[1]), device=COMPUTING, offload=True)
    text, network, codec = "CLIPTextModel", "UNet2DConditionModel", "AutoencoderKL"
    assert sorted(moves) == [(codec, "rests"), (text, "rests"), (network, "rests")]
    moves.clear()
    noise = torch.randn(2, *plain.shape, generator=torch.Generator().manual_seed(0))
    pictures = [
        model.decode(sample(cfg(model.given(None), model.given("a cube"), 4.0), 2, steps=3, x_T=noise))
        for model in (plain, shared)
    ]
    assert torch.equal(*pictures)
    # Two prompts and three steps move each part once.
    assert moves == [(text, "comes"), (text, "rests"), (network, "comes"), (network, "rests"), (codec, "comes")]
    moves.clear()
    assert torch.equal(shared.encode(pictures[0]), plain.encode(pictures[0]))
    assert moves == []


def test_what_gradients_pass_through_stays(sd_eps: tuple[Any, Path], moves: list[tuple[str, str]]) -> None:
    """Distillation: from a picture through the autoencoder's encoder, while the network is asked without gradients."""
    plain, shared = load(str(sd_eps[1])), load(str(sd_eps[1]), device=COMPUTING, offload=True)
    gradients = []
    for model in (plain, shared):
        picture = torch.full((1, 3, 16, 16), 0.5, requires_grad=True)
        distill(
            model.given("a cube"), model.encode(picture), 0.5, generator=torch.Generator().manual_seed(1)
        ).backward()
        gradients.append(picture.grad)
    assert torch.equal(*gradients)
    assert ("AutoencoderKL", "comes") in moves
    assert ("AutoencoderKL", "rests") not in moves[3:]


@torch.no_grad()
def test_a_controlnet_comes_with_its_network(
    sd_eps: tuple[Any, Path], control: tuple[Any, Path], moves: list[tuple[str, str]]
) -> None:
    model = load(str(sd_eps[1]), device=COMPUTING, offload=True, controlnet=control[1])
    score = model.given(with_control(model.prompts(["a cube"]), torch.rand(1, 3, 16, 16)))
    moves.clear()
    for t in (0.9, 0.5):
        score(torch.randn(1, *model.shape), t)
    assert moves == [("CLIPTextModel", "rests"), ("UNet2DConditionModel", "comes"), ("ControlNetModel", "comes")]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@torch.no_grad()
def test_parts_leave_the_gpu(sd_eps: tuple[Any, Path]) -> None:
    model = load(str(sd_eps[1]), device="cuda", offload=True)
    text = model.prompts(["a cube"]).fields["text"]
    assert text.device.type == "cuda"
    model.decode(sample(model.given("a cube"), 1, steps=1))
    assert {model.prompts.encoder.device.type, model.network.unet.device.type} == {"cpu"}
    expected = load(str(sd_eps[1]), device="cuda").prompts(["a cube"]).fields["text"]
    torch.testing.assert_close(text, expected)

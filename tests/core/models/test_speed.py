"""Memory order, compilation and offloading change nothing but speed and memory."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from scorekit.models import load
from scorekit.models.networks import visiting


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


@torch.no_grad()
def test_offloaded_encoders_read_the_same(sd_eps: tuple[Any, Path], floyd: tuple[Any, Path]) -> None:
    for _, folder in (sd_eps, floyd):
        plain, offloaded = load(str(folder)), load(str(folder), offload=True)
        texts = ["a red cube", "a mushroom"]
        torch.testing.assert_close(offloaded.prompts(texts).fields["text"], plain.prompts(texts).fields["text"])


class Where(nn.Module):
    """Notes where it is while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.seen: list[str] = []

    def forward(self, x: torch.Tensor, *, mask: torch.Tensor | None) -> torch.Tensor:
        self.seen += [self.weight.device.type, x.device.type, "none" if mask is None else mask.device.type]
        return x * self.weight


def test_a_visitor_goes_home() -> None:
    """On the device that every machine has beside its CPU: one without memory, which cannot be returned from."""
    module = Where()
    visiting(module, torch.device("meta"))
    with pytest.raises(NotImplementedError, match="meta"):  # only the way home fails, for want of data
        module(torch.ones(2), mask=torch.ones(2))
    assert module.seen == ["meta", "meta", "meta"]
    module = Where()
    visiting(module, torch.device("cpu"))
    assert module(torch.ones(2), mask=None).tolist() == [1, 1]
    assert module.weight.device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_encoders_leave_the_gpu(sd_eps: tuple[Any, Path]) -> None:
    model = load(str(sd_eps[1]), device="cuda", offload=True)
    text = model.prompts(["a cube"]).fields["text"]
    assert text.device.type == "cuda"
    assert model.prompts.encoder.device.type == "cpu"
    expected = load(str(sd_eps[1]), device="cuda").prompts(["a cube"]).fields["text"]
    torch.testing.assert_close(text, expected)

import gc
import threading
import weakref

import pytest
import torch
from small_models import text_unet
from torch import nn

from scorekit.denoiser import Condition, Denoiser
from scorekit.features import features, layer_shapes, noised_features
from scorekit.models import load
from scorekit.models.networks import TextUNet
from scorekit.schedule import VP, Flow

BLOCK, QUERY = "unet.up_blocks.1", "unet.up_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q"


@pytest.fixture(scope="module")
def pico():
    return load("pico-image")


@pytest.fixture
def x(generator):
    return torch.randn(2, 3, 32, 32, generator=generator)


def called(network, *names):
    """A list to which the modules' names are added whenever they run, and the hooks to remove."""
    seen: list[str] = []
    modules = dict(network.named_modules())
    hooks = [modules[name].register_forward_hook(lambda *_, name=name: seen.append(name)) for name in names]
    return seen, hooks


def by_hand(network, name, run):
    """The first output of a module in a whole forward."""
    kept = []
    hook = dict(network.named_modules())[name].register_forward_hook(lambda _module, _args, output: kept.append(output))
    run()
    hook.remove()
    return kept[0]


def hooks_on(network):
    return sum(len(module._forward_hooks) for module in network.modules())


# On real models


@pytest.mark.parametrize("t", [0.0, 0.26, torch.tensor([0.1, 0.9])], ids=str)
def test_features_are_those_of_the_whole_forward(pico, x, t) -> None:
    score = pico.given("a red mushroom")
    names = [QUERY, BLOCK, "unet.mid_block"]
    with torch.no_grad():
        found = features(pico, x, t, "a red mushroom", layers=names)
        for name in names:
            assert torch.equal(found[name], by_hand(pico.network, name, lambda: score(x, t)))
    assert list(found) == names
    assert found[BLOCK].shape[0] == found[QUERY].shape[0] == 2
    assert hooks_on(pico.network) == 0


def test_the_forward_ends_with_the_last_wanted_layer(pico, x) -> None:
    path = ["unet.down_blocks.0", "unet.mid_block", "unet.up_blocks.0", BLOCK, "unet.conv_out"]
    seen, hooks = called(pico.network, *path)
    for wanted in ([BLOCK], ["unet.mid_block", "unet.down_blocks.0"], ["unet.down_blocks.0"], ["unet.conv_out"]):
        seen.clear()
        with torch.no_grad():
            features(pico, x, 0.3, layers=wanted)
        last = max(path.index(name) for name in wanted)
        assert seen == path[: last + 1]
    for hook in hooks:
        hook.remove()


def test_layers_are_listed_with_the_shapes_they_have(pico, x) -> None:
    shapes = layer_shapes(pico)
    names = [BLOCK, QUERY, "unet.down_blocks.0", "unet.conv_out"]
    with torch.no_grad():
        found = features(pico, x, 0.3, layers=names)
    assert {name: tuple(value.shape[1:]) for name, value in found.items()} == {name: shapes[name] for name in names}
    order = list(shapes)
    assert order.index(QUERY) < order.index("unet.up_blocks.0") < order.index(BLOCK) < order.index("unet.conv_out")
    assert "unet.down_blocks" not in shapes  # a list of blocks, which never runs by itself
    assert hooks_on(pico.network) == 0


def test_a_down_block_gives_its_hidden_states(generator) -> None:
    torch.manual_seed(0)
    model = Denoiser(TextUNet(text_unet(4, 8).eval()), VP.scaled_linear(), "eps", (4, 8, 8))
    given = Condition({"text": torch.randn(1, 5, 16, generator=generator)})
    x = torch.randn(2, 4, 8, 8, generator=generator)
    found = features(model, x, 0.3, given, layers=["unet.down_blocks.0", "unet.down_blocks.0[0]"])
    hidden, residuals = by_hand(model.network, "unet.down_blocks.0", lambda: model.given(given)(x, 0.3))
    assert len(residuals) == 2
    for value in found.values():
        assert torch.equal(value, hidden)
    with pytest.raises(ValueError, match=r"'unet.down_blocks.0\[1\]' has there no tensor, but \[0\] of shape"):
        features(model, x, 0.3, given, layers=["unet.down_blocks.0[1]"])


class Tokens(nn.Module):
    """A transformer of diffusers whose image tokens are x (B, N, C) patched already, or a latent (B, C, H, W)."""

    def __init__(self, transformer, **fixed):
        super().__init__()
        self.transformer, self.fixed = transformer, fixed

    def forward(self, x, timestep, text, pooled):
        options = {"encoder_hidden_states": text, "pooled_projections": pooled, "timestep": timestep, **self.fixed}
        return self.transformer(hidden_states=x, return_dict=False, **options)[0]


def sd3():
    from diffusers import SD3Transformer2DModel

    config = {"sample_size": 8, "patch_size": 2, "in_channels": 4, "out_channels": 4, "num_layers": 3}
    config |= {
        "attention_head_dim": 8,
        "num_attention_heads": 2,
        "joint_attention_dim": 16,
        "caption_projection_dim": 16,
    }
    model = SD3Transformer2DModel(**config, pooled_projection_dim=8, pos_embed_max_size=4)
    return Tokens(model), (4, 8, 8), "transformer.transformer_blocks.1", "transformer.transformer_blocks.2"


def flux():
    from diffusers import FluxTransformer2DModel

    config = {"patch_size": 1, "in_channels": 8, "num_layers": 2, "num_single_layers": 1, "attention_head_dim": 16}
    config |= {"num_attention_heads": 2, "joint_attention_dim": 16, "pooled_projection_dim": 8}
    model = FluxTransformer2DModel(**config, guidance_embeds=False, axes_dims_rope=(4, 6, 6))
    ids = {"img_ids": torch.zeros(16, 3), "txt_ids": torch.zeros(5, 3)}
    return Tokens(model, **ids), (16, 8), "transformer.transformer_blocks.1", "transformer.single_transformer_blocks.0"


@pytest.mark.parametrize("make", [sd3, flux])
def test_joint_blocks_give_the_image_s_tokens(make, generator) -> None:
    torch.manual_seed(0)
    network, shape, block, last = make()
    model = Denoiser(network.eval(), Flow(), "flow", shape)
    text, pooled = torch.randn(1, 5, 16, generator=generator), torch.randn(1, 8, generator=generator)
    given, x = Condition({"text": text, "pooled": pooled}), torch.randn(2, *shape, generator=generator)
    with torch.no_grad():
        found = features(model, x, 0.5, given, layers=[block, f"{block}[0]", f"{block}[1]", f"{block}.attn.to_q", last])
        of_text, of_image = by_hand(network, block, lambda: model.given(given)(x, 0.5))
    assert of_text.shape[1] == 5
    assert of_image.shape[1] == 16
    assert torch.equal(found[block], of_image)
    assert torch.equal(found[f"{block}[1]"], of_image)
    assert torch.equal(found[f"{block}[0]"], of_text)
    assert found[f"{block}.attn.to_q"].shape[:2] == (2, 16)
    assert found[last].shape == of_image.shape  # the last block of SD3 gives no text any more
    assert layer_shapes(model, given)[block] == of_image.shape[1:]


def test_the_mean_over_noises_is_the_mean_of_single_ones(pico, generator) -> None:
    x0, prompts = torch.rand(2, 3, 32, 32, generator=generator) * 2 - 1, ["a red mushroom", "a blue cube"]
    with torch.no_grad():
        found = noised_features(
            pico, x0, 0.26, prompts, layers=[QUERY, BLOCK], ensemble=3, generator=torch.Generator().manual_seed(3)
        )
        eps = torch.randn(3, 2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
        noised = [pico.schedule.noised(x0, one, 0.26) for one in eps]
        single = [features(pico, x, 0.26, prompts, layers=[QUERY, BLOCK]) for x in noised]
        for name, value in found.items():
            torch.testing.assert_close(value, sum(one[name] for one in single) / 3, rtol=1e-4, atol=1e-4)
        clean = noised_features(pico, x0, 0.0, layers=[BLOCK], ensemble=1)
        torch.testing.assert_close(clean[BLOCK], features(pico, x0, 0.0, layers=[BLOCK])[BLOCK])
    with pytest.raises(ValueError, match=r"ensemble must be at least 1, not 0\."):
        noised_features(pico, x0, 0.26, layers=[BLOCK], ensemble=0)


# Hooks, memory, gradients, threads: on a network small enough to see through


class Small(nn.Module):
    """Three layers, one of which writes into what the one before it gave, and one that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.act, self.twice = nn.Linear(3, 3), nn.ReLU(inplace=True), nn.Linear(3, 3)
        self.pair = Pair()
        self.table = Table()
        self.fails = False

    def forward(self, x, timestep):
        h = self.twice(self.twice(self.act(self.first(x)))) + timestep[:, None] / 1000 + self.table()
        if self.fails:
            raise RuntimeError("a failure of the network")
        return self.pair(h)[0]


class Pair(nn.Module):
    def forward(self, x):
        return x + 1, x + 2


class Table(nn.Module):
    def forward(self):
        return torch.zeros(1, 3)


@pytest.fixture
def small():
    torch.manual_seed(0)
    return Denoiser(Small(), Flow(), "v", (3,))


def test_a_layer_that_is_written_into_afterwards_and_one_that_runs_twice(small) -> None:
    net, x = small.network, torch.randn(4, 3)
    first = net.first(x)
    assert (first < 0).any()
    found = features(small, x, 0.5, layers=["first", "twice", "pair[0]"])
    torch.testing.assert_close(found["first"], first)
    torch.testing.assert_close(found["twice"], net.twice(first.relu()))
    # also where it is the last
    torch.testing.assert_close(features(small, x, 0.5, layers=["first"])["first"], first)


def test_nothing_stays_on_the_network_or_in_memory(small) -> None:
    x, made = torch.randn(4, 3), []
    small.network.act.register_forward_hook(lambda _module, _args, output: made.append(weakref.ref(output)))
    gc.collect()
    gc.disable()
    try:
        with torch.no_grad():
            found = features(small, x, 0.5, layers=["twice"])
            value = weakref.ref(found["twice"])
            assert made[0]() is None  # what the layers before gave is gone
            del found
            assert value() is None
    finally:
        gc.enable()
    assert hooks_on(small.network) == 1
    small.network.fails = True
    with pytest.raises(RuntimeError, match="a failure of the network"):
        features(small, x, 0.5, layers=["pair"])
    assert hooks_on(small.network) == 1
    features(small, x, 0.5, layers=["twice"])  # the failure lies behind what is wanted


def test_gradients_flow_where_they_are_enabled(small) -> None:
    x = torch.randn(4, 3, requires_grad=True)
    found = features(small, x, 0.5, layers=["first", "twice"])
    expected = small.network.twice(small.network.first(x).relu())
    grads = [torch.autograd.grad(value.square().sum(), x)[0] for value in (found["twice"], expected)]
    torch.testing.assert_close(*grads)
    with torch.no_grad():
        assert not features(small, x, 0.5, layers=["first"])["first"].requires_grad


def test_threads_that_share_a_network_see_their_own_calls(pico, generator) -> None:
    inputs = torch.randn(4, 1, 3, 32, 32, generator=generator)
    with torch.no_grad():
        expected = [features(pico, x, 0.3, layers=[BLOCK])[BLOCK] for x in inputs]
    found, whole = {}, {}
    start = threading.Barrier(5)

    def probe(i: int) -> None:
        start.wait()
        with torch.no_grad():
            found[i] = [features(pico, inputs[i], 0.3, layers=[BLOCK])[BLOCK] for _ in range(5)]

    def predict() -> None:  # a plain forward beside them must not be cut short
        start.wait()
        with torch.no_grad():
            whole.update(enumerate(pico.given()(inputs[0], 0.3).output for _ in range(5)))

    threads = [threading.Thread(target=probe, args=(i,)) for i in range(4)] + [threading.Thread(target=predict)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(whole) == 5
    for i, value in enumerate(expected):
        for one in found[i]:
            torch.testing.assert_close(one, value)
    assert hooks_on(pico.network) == 0


@pytest.mark.slow
def test_a_compiled_network_shows_its_features(small) -> None:
    """Code that was compiled before a hook came calls no such hook."""
    x = torch.randn(4, 3)
    with torch.no_grad():
        expected = features(small, x, 0.3, layers=["twice"])["twice"]
        small.network.compile(backend="eager")
        plain = small.given()(x, 0.3).output
        torch.testing.assert_close(features(small, x, 0.3, layers=["twice"])["twice"], expected)
        torch.testing.assert_close(small.given()(x, 0.3).output, plain)


# Bad input


def test_unknown_layers_name_those_nearby(pico, small, x) -> None:
    for layers, message in [
        (
            ["up_blocks.1"],
            "pico-image has no layer 'up_blocks.1'; near it are unet.up_blocks.1; layer_shapes(denoiser)",
        ),
        (["unet.up_block.1"], "near it are unet.up_blocks.1, "),
        (["unet.up_blocks.1[x]"], "has no layer 'unet.up_blocks.1[x]'"),
        (["zzz"], "pico-image has no layer 'zzz'; layer_shapes(denoiser) lists all."),
        ([BLOCK, ""], "has no layer ''"),
        (["unet.up_blocks"], "'unet.up_blocks' does not run by itself in pico-image"),
        (BLOCK, "layers must be a sequence of one or more names."),
        ([], "layers must be a sequence of one or more names."),
    ]:
        with pytest.raises(ValueError) as error:
            features(pico, x, 0.3, layers=layers)
        assert message in str(error.value)
    assert hooks_on(pico.network) == 0
    points = torch.randn(4, 3)
    with pytest.raises(
        ValueError, match=r"'pair' gives several tensors; ask for one of \[0\] of shape \(4, 3\), \[1\] of"
    ):
        features(small, points, 0.3, layers=["pair"])
    assert {"pair[0]", "pair[1]"} < layer_shapes(small).keys()
    with pytest.raises(ValueError, match=r"'table' gives \(1, 3\) for 16 samples: it cannot be averaged\."):
        noised_features(small, points, 0.3, layers=["table"], ensemble=4)


def test_a_function_has_no_layers(counted, mixture_on) -> None:
    for model in (counted().model, mixture_on(Flow())):
        with pytest.raises(ValueError, match="has no layers: its network is a function"):
            features(model, torch.zeros(1, *model.shape), 0.3, layers=["a"])
        with pytest.raises(ValueError, match="has no layers: its network is a function"):
            layer_shapes(model)

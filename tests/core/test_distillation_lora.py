"""The LoRA critic on a real UNet: it learns, and the teacher stays what it was, bit for bit."""

import copy
import threading

import pytest
import torch
from small_models import text_unet
from torch import Tensor, nn

from scorekit.denoiser import Condition, Denoiser
from scorekit.distillation import LoraCritic, distill
from scorekit.distillation.lora import LoraLinear, adapted
from scorekit.models import load
from scorekit.models.networks import TextUNet, freeze
from scorekit.schedule import VP


def encode(texts) -> Condition:
    seed = sum(map(ord, "".join(texts or ())))
    text = torch.randn(len(texts or "x"), 5, 16, generator=torch.Generator().manual_seed(seed))
    return Condition({"text": text}, key=texts, label="a prompt")


@pytest.fixture
def teacher() -> Denoiser:
    torch.manual_seed(0)
    network = freeze(TextUNet(text_unet(4, 8)), torch.device("cpu"), torch.float32)
    return Denoiser(network, VP.scaled_linear(), "eps", (4, 8, 8), prompts=encode, name="tiny")


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def batch(n: int = 4) -> tuple[Tensor, Tensor]:
    return torch.randn(n, 4, 8, 8, generator=seeded(3)), torch.linspace(0.1, 0.9, n, dtype=torch.float64)


def trained(critic: LoraCritic, x: Tensor, prompt, steps: int) -> list[float]:
    optimiser, generator, losses = torch.optim.Adam(critic.parameters(), lr=1e-2), seeded(1), []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = critic.loss(x, torch.rand(len(x), generator=generator) * 0.9 + 0.05, prompt, generator)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_it_moves_and_the_teacher_is_bit_for_bit_the_same(teacher: Denoiser) -> None:
    x, t = batch()
    weights = copy.deepcopy(teacher.network.state_dict())
    with torch.no_grad():
        before = teacher.given("a cube")(x, t).output
    critic = LoraCritic(teacher, rank=4, generator=seeded())
    with torch.no_grad():
        assert torch.equal(critic.given("a cube")(x, t).output, before)  # it starts as the teacher
    trained(critic, x, "a cube", 10)
    with torch.no_grad():
        assert torch.equal(teacher.given("a cube")(x, t).output, before)
        assert not torch.equal(critic.given("a cube")(x, t).output, before)
        # also where both are evaluated in one expression, in either order
        both = teacher.given("a cube") - critic.given("a cube")
        expected = before - critic.given("a cube")(x, t).output
        torch.testing.assert_close(both(x, t).eps, expected, rtol=0, atol=1e-6)
        torch.testing.assert_close((-1 * both)(x, t).eps, -expected, rtol=0, atol=1e-6)
        assert torch.equal(teacher.given("a cube")(x, t).output, before)
    after = teacher.network.state_dict()
    assert weights.keys() == after.keys()
    assert all(torch.equal(weights[name], after[name]) for name in weights)


def test_it_learns_a_picture_that_a_trained_model_does_not_know() -> None:
    """pico-image has never seen a chequerboard: in ten steps its critic knows this one, and it still does not."""
    teacher = load("pico-image")
    row, column = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    board = ((row // 4 + column // 4) % 2).float()
    x = teacher.encode(torch.stack([board, 1 - board, 0 * board])[None]).expand(4, -1, -1, -1)
    critic, same = LoraCritic(teacher, generator=seeded()), LoraCritic(teacher)

    def held_out(critic: LoraCritic) -> float:
        """The loss at noise that training never saw, the same at every call."""
        t = torch.linspace(0.05, 0.95, 12, dtype=torch.float64)
        with torch.no_grad():
            return critic.loss(x[:1].expand(12, -1, -1, -1), t, "a red mushroom", seeded(9)).item()

    first = held_out(critic)
    trained(critic, x, "a red mushroom", 10)
    assert held_out(critic) < 0.75 * first
    assert held_out(same) == first


def test_teacher_in_training_gets_no_gradient(teacher: Denoiser) -> None:
    teacher.network.requires_grad_(True)
    critic = LoraCritic(teacher, generator=seeded())
    x, t = batch()
    critic.loss(x, t, "a cube", seeded()).backward()
    assert all(p.grad is None for p in teacher.network.parameters())
    assert all(p.requires_grad for p in teacher.network.parameters())
    # and at first the gradient reaches every `up`, `down` being multiplied by zero
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in critic.parameters()[1::2])


def test_vsd_of_a_fresh_critic_is_no_push_and_then_is(teacher: Denoiser) -> None:
    critic = LoraCritic(teacher, generator=seeded())
    x, t = batch()
    x.requires_grad_()
    target = teacher.given("a cube")

    def push() -> Tensor:
        return torch.autograd.grad(distill(target, x, t, baseline=critic.given("a cube"), generator=seeded(5)), x)[0]

    assert push().abs().max() == 0
    trained(critic, x, "a cube", 10)
    assert push().abs().max() > 1e-3
    assert all(p.grad is None for p in teacher.network.parameters())


def test_weights_share_their_storage(teacher: Denoiser) -> None:
    critic = LoraCritic(teacher, rank=2)
    own = {p.data_ptr() for p in teacher.network.parameters()}
    learned = {id(p) for p in critic.parameters()}
    rest = [p for p in critic.denoiser.network.parameters() if id(p) not in learned]
    assert {p.data_ptr() for p in rest} == own
    assert sum(p.numel() for p in critic.parameters()) < 0.2 * sum(p.numel() for p in rest)


def test_it_is_the_network_with_the_product_added(teacher: Denoiser) -> None:
    critic = LoraCritic(teacher, rank=3, scale=0.5, generator=seeded())
    merged = copy.deepcopy(teacher)
    with torch.no_grad():
        for p in critic.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=seeded(p.numel())))
        for name, layer in critic.denoiser.network.named_modules():
            if isinstance(layer, LoraLinear):
                merged.network.get_submodule(name).weight += 0.5 * layer.up @ layer.down
        x, t = batch()
        found, expected = (d.given("a")(x, t).output for d in (critic, merged))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        assert (found - teacher.given("a")(x, t).output).abs().max() > 1e-2


def test_layers_are_chosen_by_name(teacher: Denoiser) -> None:
    def names(layers: str) -> set[str]:
        network = adapted(teacher.network, 2, layers=layers)
        return {name for name, m in network.named_modules() if isinstance(m, LoraLinear)}

    linear = {name for name, m in teacher.network.named_modules() if type(m) is nn.Linear}
    assert names("") == linear
    attention = names(r"attn\d\.to_[qkv]$")
    assert attention == {name for name in linear if name.endswith((".to_q", ".to_k", ".to_v"))}
    assert attention
    with pytest.raises(ValueError, match=r"^layers: TextUNet has no linear layer whose name holds 'decoder'\.$"):
        names("decoder")


def test_a_half_precision_teacher_has_float32_changes() -> None:
    base = nn.Sequential(nn.Linear(6, 5), nn.SiLU(), nn.Linear(5, 6)).to(torch.bfloat16).requires_grad_(False)
    network = adapted(base, 2, generator=seeded())
    x = torch.randn(3, 6, generator=seeded()).to(torch.bfloat16)
    assert torch.equal(network(x), base(x))
    assert network(x).dtype == torch.bfloat16
    assert {p.dtype for p in network.parameters() if p.requires_grad} == {torch.float32}


def test_a_single_layer_is_a_network_too() -> None:
    base = nn.Linear(4, 4)
    network = adapted(base, 1, generator=seeded())
    assert isinstance(network, LoraLinear)
    assert len([p for p in network.parameters() if p.requires_grad]) == 2
    assert base.weight.requires_grad


def test_state_goes_on_in_another_critic(teacher: Denoiser) -> None:
    x, t = batch()
    one, other = LoraCritic(teacher, generator=seeded(1)), LoraCritic(teacher, generator=seeded(2))
    trained(one, x, "a", 3)
    other.load_state_dict(one.state_dict())
    with torch.no_grad():
        assert torch.equal(one.given("a")(x, t).output, other.given("a")(x, t).output)
    with pytest.raises(
        ValueError, match=r"^state must be the state_dict of a critic of the same network, rank, layers"
    ):
        LoraCritic(teacher, rank=2).load_state_dict(one.state_dict())


def test_same_generator_same_critic(teacher: Denoiser) -> None:
    one, two, other = (LoraCritic(teacher, camera=3, generator=seeded(n)).state_dict() for n in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_camera_starts_at_nothing(teacher: Denoiser) -> None:
    x, t = batch()
    critic = LoraCritic(teacher, camera=16, generator=seeded())
    told = critic.posed("a cube", torch.randn(4, 16, generator=seeded(2)))
    with torch.no_grad():
        expected = teacher.given("a cube")(x, t).output
        assert torch.equal(critic.given(told)(x, t).output, expected)
        assert torch.equal(critic.given("a cube")(x, t).output, expected)  # without cameras it works, too
        for p in critic.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=seeded(p.numel())))
        other = critic.posed("a cube", torch.randn(4, 16, generator=seeded(4)))
        assert (critic.given(told)(x, t).output - critic.given(other)(x, t).output).abs().max() > 1e-3


class OneWord(nn.Module):
    """A frozen random network of x (B, 2), the timestep and text (B, L, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(19, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 2))

    def forward(self, x: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        return self.layers(torch.cat([x, timestep[:, None] / 1000, text.mean(1)], 1))


def test_camera_tells_views_apart() -> None:
    """From one camera (1, 1) is seen, from the other (-1, -1): under noise that hides both, the critic expects what it was told."""
    torch.manual_seed(0)
    network = OneWord().requires_grad_(False)
    teacher = Denoiser(network, VP.scaled_linear(), "x0", (2,), prompts=encode)
    critic = LoraCritic(teacher, rank=8, camera=2, generator=seeded())
    poses = torch.eye(2).repeat(32, 1)
    x = (poses[:, :1] - poses[:, 1:]).expand(-1, 2)
    trained(critic, x, critic.posed("a cube", poses), 150)
    noise = torch.randn(64, 2, generator=seeded(7))
    with torch.no_grad():
        told = critic.given(critic.posed("a cube", poses))(noise, 1.0).x0
        swapped = critic.given(critic.posed("a cube", poses.flip(1)))(noise, 1.0).x0
    assert (told - x).abs().mean() < 0.3
    assert (swapped + x).abs().mean() < 0.3


def test_two_threads_do_not_disturb_each_other(teacher: Denoiser) -> None:
    critic = LoraCritic(teacher, generator=seeded())
    x, t = batch(2)
    trained(critic, x, "a", 3)
    with torch.no_grad():
        expected = teacher.given("a")(x, t).output
    wrong: list[int] = []

    def work() -> None:
        with torch.no_grad():
            wrong.extend(i for i in range(15) if not torch.equal(teacher.given("a")(x, t).output, expected))

    thread = threading.Thread(target=work)
    thread.start()
    trained(critic, x, "a", 5)
    thread.join()
    assert not wrong


def function(x: Tensor, timestep: Tensor) -> Tensor:
    return x * timestep[:, None]


@pytest.mark.parametrize(
    ("network", "options", "sentence"),
    [
        (function, {}, r"^LoraCritic needs a denoiser whose network is a torch\.nn\.Module; that of plain is none\.$"),
        (nn.Linear(4, 4), {"rank": 0}, r"^rank must be at least 1, not 0\.$"),
        (nn.Linear(4, 4), {"camera": 16}, r"^camera must be 0 for plain: its network takes no text for it to join\.$"),
        (nn.Linear(4, 4), {"camera": -1}, r"^camera must be 0 or how many numbers describe a camera, not -1\.$"),
    ],
)
def test_refusals(network, options, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        LoraCritic(Denoiser(network, VP.cosine(), "eps", (4,), name="plain"), **options)


def test_camera_refusals(teacher: Denoiser) -> None:
    with pytest.raises(ValueError, match=r"^camera must have the shape \(B, 2\), not \(4, 3\)\.$"):
        LoraCritic(teacher, camera=2).posed("a", torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"^camera: this LoraCritic was made without; give it camera=, the count"):
        LoraCritic(teacher).posed("a", torch.zeros(4, 3))

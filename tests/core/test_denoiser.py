import pytest
import torch

from scorekit.denoiser import Condition, Denoiser
from scorekit.models.codecs import PixelCodec
from scorekit.schedule import VE, VP, Flow


def field(rows: int, value: float = 1.0, label: str = "a condition") -> Condition:
    return Condition({"c": torch.full((rows, 3), value, dtype=torch.float64)}, label=label)


def test_the_network_is_told_timesteps_of_the_schedule(counted) -> None:
    x = torch.randn(4, 3, dtype=torch.float64)
    c = {"c": torch.zeros_like(x)}
    t = torch.tensor([0.001, 0.25, 0.5, 1.0], dtype=torch.float64)
    for schedule, told in (
        (VP.scaled_linear(), [0, 249, 499, 999]),
        (Flow(), [1, 250, 500, 1000]),
        (VE(80.0), (t * 80).log() / 4),
    ):
        subject = counted(schedule)
        subject.model.predict(x, t, c)
        subject.model.predict(x, 0.5, c)
        one, other = subject.network.timesteps
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, torch.as_tensor(told, dtype=torch.float32))
        torch.testing.assert_close(other, one[2].expand(4))


def test_the_network_runs_in_its_dtype_and_the_caller_keeps_hers() -> None:
    seen = []

    def network(x, timestep):
        seen.append((x.dtype, timestep.dtype))
        return x

    model = Denoiser(network, Flow(), "v", (2,), dtype=torch.bfloat16)
    for dtype in (torch.float32, torch.float64):
        made = model.predict(torch.randn(3, 2, dtype=dtype), 0.3)
        assert {made.x0.dtype, made.eps.dtype, made.output.dtype} == {dtype}
    assert seen == [(torch.bfloat16, torch.float32)] * 2


def test_prompts_are_encoded_once_and_forgotten_in_the_end(counted) -> None:
    subject = counted()
    for prompt in ("a", "b", "a", ["a", "b"], ("a", "b"), None, ""):
        subject.model.given(prompt)
    assert subject.encoded == [("a",), ("b",), ("a", "b"), None, ("",)]  # no prompt is not the empty prompt
    for i in range(600):
        subject.model.given(f"prompt {i}")
    assert len(subject.model._encoded) <= 256
    subject.model.given("a")
    assert subject.encoded[-1] == ("a",)


def test_condition_stack() -> None:
    per_sample = Condition({"c": torch.arange(6.0).reshape(2, 3), "d": torch.ones(1, 4)})
    shared = Condition({"c": torch.full((1, 3), 9.0), "d": torch.zeros(1, 4)})
    assert (per_sample.batch, shared.batch, Condition({}).batch) == (2, 1, 1)
    fields = Condition.stack([shared, per_sample], 2)
    torch.testing.assert_close(fields["c"], torch.tensor([[9.0, 9, 9], [9, 9, 9], [0, 1, 2], [3, 4, 5]]))
    torch.testing.assert_close(fields["d"], torch.tensor([[0.0] * 4, [0] * 4, [1] * 4, [1] * 4]))
    assert Condition.stack([Condition({})], 5) == {}


def test_conditions_are_equal_by_key_or_by_being_the_same() -> None:
    one, other = field(1), field(1)
    assert one.key != other.key
    assert one.key == one.key
    assert Condition({}, key="a").key == Condition({}, key="a").key


def test_pixel_codec() -> None:
    model = Denoiser(lambda x, t: x, Flow(), "v", (3, 8, 8), codec=PixelCodec((8, 8)))
    pictures = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(model.encode(pictures), pictures * 2 - 1)
    torch.testing.assert_close(model.decode(model.encode(pictures)), pictures)
    large = torch.full((1, 3, 32, 16), 0.25, requires_grad=True)
    small = model.encode(large)
    torch.testing.assert_close(small, torch.full((1, 3, 8, 8), -0.5))
    small.sum().backward()
    # every picture element counts equally: antialiased, and nothing is dropped
    torch.testing.assert_close(large.grad.sum(), torch.tensor(2.0 * small.numel()))
    assert (large.grad > 0).all()
    assert model.decode(torch.full((1, 3, 8, 8), 3.0)).max() == 1
    plain = Denoiser(lambda x, t: x, Flow(), "v", (3,))
    assert plain.encode(pictures) is pictures
    assert plain.decode(pictures) is pictures


@pytest.mark.parametrize("prompt", [[], 3, ["a", None]])
def test_a_prompt_is_text(counted, prompt) -> None:
    with pytest.raises(ValueError, match=r"^prompt must be a text, a list of one or more texts"):
        counted().model.given(prompt)


def test_errors_name_what_is_wrong(counted) -> None:
    subject = counted(name="tiny")
    x = torch.randn(2, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"^tiny takes samples of shape \(3,\); x has \(4,\)\.$"):
        subject.model.given("a")(torch.randn(2, 4, dtype=torch.float64), 0.5)
    with pytest.raises(ValueError, match=r"^the prompt 'a' was made for 3 samples; x has 2\.$"):
        subject.model.given(["a", "b", "c"])(x, 0.5)
    with pytest.raises(ValueError, match=r"^one was made for 3 samples; x has 2\.$"):
        subject.model.given(field(3, label="one"))(x, 0.5)
    other = Condition({"mask": torch.ones(1, 3)}, label="other")
    with pytest.raises(
        ValueError, match=r"^one has the fields \['c'\] and other has \['mask'\]: conditions of one network"
    ):
        (subject.model.given(field(1, label="one")) + subject.model.given(other))(x, 0.5)
    mute = Denoiser(lambda x, t: x, Flow(), "v", (3,), name="mute", dtype=torch.float64)
    with pytest.raises(ValueError, match=r"^mute takes no prompt; use given\(None\) or a Condition\.$"):
        mute.given("a")
    assert torch.equal(mute.given(None)(x, 0.5).output, x)
    assert subject.network.batches == []

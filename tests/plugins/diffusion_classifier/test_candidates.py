"""Candidates: encoded once, on common noise, in full batches, and their errors those of the core."""

from typing import Any

import pytest
import torch
from torch import Tensor

from scorekit.denoiser import Condition, Denoiser
from scorekit.probing import denoising_error
from scorekit.schedule import VP, Flow
from scorekit_diffusion_classifier.candidates import Candidates, noises

TEXTS = ("a pear", "eel", "banana", "")


class Counted:
    """A denoiser of words whose forwards and encodings are counted."""

    def __init__(self, schedule: Any = None, prediction: Any = "eps") -> None:
        self.rows: list[int] = []
        self.encoded: list[tuple[str, ...]] = []
        self.model = Denoiser(
            self.network, schedule or VP.cosine(), prediction, (3,), prompts=self.encode, name="counted"
        )

    def network(self, x: Tensor, timestep: Tensor, c: Tensor) -> Tensor:
        self.rows.append(len(x))
        return torch.tanh(x + c) * torch.cos(timestep / 300)[:, None] + 0.3 * c

    def encode(self, texts: Any) -> Condition:
        self.encoded.append(tuple(texts))
        rows = [torch.tensor([len(t), t.count("e"), t.count("a")]) / 10 for t in texts]
        return Condition({"c": torch.stack(rows)}, key=tuple(texts))


@pytest.mark.parametrize("kind", ["eps", "v", "flow", "x0"])
@pytest.mark.parametrize("loss", ["l2", "l1", "huber"])
@pytest.mark.parametrize("schedule", [VP.cosine(), Flow()], ids=repr)
def test_the_errors_are_those_of_the_core(schedule: Any, loss: Any, kind: Any) -> None:
    subject = Counted(schedule, "flow" if isinstance(schedule, Flow) else "eps")
    x0, t, eps = torch.randn(5, 3), torch.linspace(0.1, 0.9, 6, dtype=torch.float64), noises(6, (3,), 4)
    candidates = Candidates(subject.model, TEXTS)
    truth = denoising_error([subject.model.given(text) for text in TEXTS], x0, t, eps, kind=kind, loss=loss)
    image, candidate = torch.tensor([0, 3, 3, 4, 1]), torch.tensor([1, 0, 2, 3, 1])
    for batch in (1, 7, 64):
        errors = candidates.errors(x0, t, eps, kind=kind, loss=loss, batch=batch)
        found = errors(image, candidate, 2, 6)
        torch.testing.assert_close(found, truth[candidate, image, 2:6].double())
        assert errors.evaluations == 5 * 4


def test_rows_of_images_candidates_and_levels_share_full_forwards_and_texts_are_encoded_once() -> None:
    subject = Counted()
    candidates = Candidates(subject.model, TEXTS)
    errors = candidates.errors(torch.randn(8, 3), torch.linspace(0.1, 0.9, 16), noises(16, (3,), 0), batch=48)
    pairs = torch.cartesian_prod(torch.arange(8), torch.arange(4))
    errors(pairs[:, 0], pairs[:, 1], 0, 4)
    assert subject.rows == [48, 48, 32]
    errors(pairs[:3, 0], pairs[:3, 1], 4, 16)
    assert subject.rows[3:] == [36]
    assert subject.encoded == [TEXTS]


def test_many_texts_are_encoded_in_parts() -> None:
    subject = Counted()
    candidates = Candidates(subject.model, [f"{'e' * (i % 9)}{'a' * (i // 9)}" for i in range(150)])
    assert [len(texts) for texts in subject.encoded] == [64, 64, 22]
    assert candidates.fields["c"].shape == (150, 3)


def test_noise_of_more_levels_begins_with_that_of_fewer() -> None:
    assert torch.equal(noises(8, (2, 3), 5)[:3], noises(3, (2, 3), 5))
    assert not torch.equal(noises(3, (2, 3), 5), noises(3, (2, 3), 6))


def test_what_cannot_race_is_refused() -> None:
    model = Counted().model
    for texts, message in [
        ([], "classes must be two or more; got 0"),
        (["a"], "classes must be two or more; got 1"),
        (["a", "b", "a"], "classes must differ from each other; 'a' is named twice"),
    ]:
        with pytest.raises(ValueError, match=message):
            Candidates(model, texts)
    with pytest.raises(ValueError, match="counted takes no prompt"):
        Candidates(Denoiser(lambda x, t: x, VP.cosine(), "eps", (3,), name="counted"), ["a", "b"])

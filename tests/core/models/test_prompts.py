"""Prompts become conditions: shapes, identities, refusals."""

from pathlib import Path
from typing import Any

import pytest
import torch

from scorekit.models import load


@pytest.fixture(scope="module")
def pico_model(pico: tuple[Any, Path]) -> Any:
    return load(str(pico[1]))


@pytest.fixture(scope="module")
def sd_model(sd_eps: tuple[Any, Path]) -> Any:
    return load(str(sd_eps[1]))


def test_condition_has_one_row_per_prompt(sd_model: Any) -> None:
    condition = sd_model.prompts(["a cube", "a red cube", "a cube"])
    text = condition.fields["text"]
    assert text.shape == (3, 16, 16)
    assert not text.requires_grad
    torch.testing.assert_close(text[0], text[2])
    assert (text[0] - text[1]).abs().max() > 1e-3


def test_equal_prompts_are_one_term(sd_model: Any, pico_model: Any) -> None:
    one, again, other = (sd_model.prompts([text]) for text in ("a cube", "a cube", "a red cube"))
    assert one.key == again.key != other.key
    assert pico_model.prompts(["a cube"]).key != one.key
    assert one.label == "the prompt 'a cube'"
    assert len(sd_model.prompts(["mushroom" + " " * 80 + "cube"]).label) < 70


def test_null_is_the_empty_text(sd_model: Any) -> None:
    null = sd_model.prompts(None)
    torch.testing.assert_close(null.fields["text"], sd_model.prompts([""]).fields["text"])
    assert null.label == "no prompt"


def test_unknown_word_is_named_with_those_that_are_known(pico_model: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^prompt: pico-tiny does not know 'zebra'; it knows the words: a, an, .*, yellow\.$"
    ):
        pico_model.given("a red zebra")
    with pytest.raises(ValueError, match="does not know '!'"):
        pico_model.given("a red cube!")
    with pytest.raises(ValueError, match="does not know 'zebra'"):
        pico_model.given(["a cube", "a zebra"])


@pytest.mark.parametrize("blank", ["  ", "\n", ","])
def test_blank_prompt_is_refused(pico_model: Any, blank: str) -> None:
    with pytest.raises(ValueError, match="prompt must not be empty"):
        pico_model.given(blank)


def test_case_and_commas_do_not_matter(pico_model: Any) -> None:
    plain = pico_model.prompts(["a red cube, front view"]).fields["text"]
    torch.testing.assert_close(pico_model.prompts(["A RED cube ,  front View"]).fields["text"], plain)


def test_long_prompt_warns_of_what_is_lost(sd_model: Any) -> None:
    with pytest.warns(UserWarning, match="reads 16 tokens; of 'a red.*' it does not read 'mushroom mushroom"):
        sd_model.prompts(["a red " * 7 + "mushroom mushroom"])


def test_t5_ignores_its_padding(floyd: tuple[Any, Path]) -> None:
    """The states of a prompt's own tokens equal those of the prompt encoded without padding."""
    pipe, folder = floyd
    states = load(str(folder)).prompts(["A red cube"]).fields["text"]
    assert states.shape == (1, 77, 16)
    tokens = pipe.tokenizer(["a red cube"], return_tensors="pt").input_ids
    with torch.no_grad():
        bare = pipe.text_encoder(tokens).last_hidden_state
    torch.testing.assert_close(states[:, : bare.shape[1]], bare, rtol=1e-4, atol=1e-5)

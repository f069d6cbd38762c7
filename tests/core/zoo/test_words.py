import pytest

from scorekit.zoo.words import make_text_encoder, make_tokenizer


def test_every_word_is_one_token_and_others_fall_into_letters() -> None:
    words = ("man", "mango", "a", "go")
    tokenizer = make_tokenizer(words, length=8)
    for word in words:
        assert tokenizer.tokenize(word) == [f"{word}</w>"]
    assert len(tokenizer.tokenize("ango")) > 1
    ids = tokenizer("a mango, go", padding="max_length").input_ids
    assert len(ids) == 8
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a mango , go"


def test_a_word_that_the_tokenizer_would_split_is_refused() -> None:
    with pytest.raises(RuntimeError, match="splits the word 'two words'"):
        make_tokenizer(("one", "two words"))


def test_the_encoder_fits_its_tokenizer() -> None:
    tokenizer = make_tokenizer(("red", "blue"), length=6)
    encoder = make_text_encoder(tokenizer, 16)
    ids = tokenizer(["red", "blue, red"], padding="max_length", return_tensors="pt").input_ids
    assert encoder(ids).last_hidden_state.shape == (2, 6, 16)

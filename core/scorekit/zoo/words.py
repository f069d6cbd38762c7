"""Tokenizer and text encoder of the embedded models: the words of their captions are the tokens, one each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any


def make_tokenizer(words: Sequence[str], length: int = 16) -> Any:
    """A CLIPTokenizer in which every one of `words`, and the comma, is one token.

    The merges are those of byte-pair encoding (Sennrich et al. 2016) learned on the words until none is split.

    words   lower-case letters only: CLIP's tokenizer splits at everything else
    length  tokens of a caption at most, the two ends among them

    Raises RuntimeError for a word that is split.
    """
    from transformers import CLIPTokenizer

    spelled = [[*word[:-1], word[-1] + "</w>"] for word in (*words, ",")]
    pieces, merges = {piece for word in spelled for piece in word}, []
    while pairs := Counter(pair for word in spelled for pair in pairwise(word)):
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        pieces.add("".join(best))
        spelled = [_merge(word, best) for word in spelled]
    vocab = {piece: index for index, piece in enumerate([*sorted(pieces), "<|startoftext|>", "<|endoftext|>"])}
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=length)
    for word in words:  # a silent fall back to letters would train, badly
        if len(tokenizer(word).input_ids) != 3:
            raise RuntimeError(f"The tokenizer splits the word {word!r}.")
    return tokenizer


def make_text_encoder(tokenizer: Any, width: int) -> Any:
    """An untrained CLIPTextModel of two layers for the tokenizer; states (n, length, width)."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=4,
            projection_dim=width,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _merge(word: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for piece in word:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged

"""Prompt encoders: from texts to the Condition of a text-to-image network."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from scorekit.denoiser import Condition


@dataclass(frozen=True)
class Reading:
    """How the models of one kind of text encoder were trained to read a prompt.

    tokens  length in tokens, to which every prompt is padded and cut; None: what tokenizer and encoder allow
    masked  the encoder is told which tokens are padding
    clean   applied to the text before the tokenizer
    """

    tokens: int | None = None
    masked: bool = False
    clean: Callable[[str], str] = str


READINGS: dict[str, Reading] = {
    # Latent diffusion lets CLIP attend to its padding (Rombach et al. 2022).
    "CLIPTextModel": Reading(),
    # DeepFloyd IF: T5 was shown lower-case captions of at most 77 tokens.
    "T5EncoderModel": Reading(tokens=77, masked=True, clean=lambda text: text.lower().strip()),
}


class PromptEncoder:
    """A tokenizer and a text encoder: n texts -> Condition with the field "text", the encoder's last states (n, L, D).

    tokenizer, encoder  of transformers; the encoder frozen, on its device and in its dtype
    reading     the conventions of the encoder's kind
    dtype       of the states handed to the network
    vocabulary  words, where the model knows no others; None for an open vocabulary
    model       how messages call the model
    """

    def __init__(
        self,
        tokenizer: Any,
        encoder: Any,
        reading: Reading,
        *,
        dtype: torch.dtype,
        vocabulary: Sequence[str] | None = None,
        model: str = "the model",
    ) -> None:
        self.tokenizer, self.encoder, self.reading, self.dtype, self.model = tokenizer, encoder, reading, dtype, model
        self.vocabulary = None if vocabulary is None else frozenset(vocabulary)
        limits = (tokenizer.model_max_length, getattr(encoder.config, "max_position_embeddings", None))
        self.length = reading.tokens or min(limit for limit in limits if limit is not None)
        self.masked = reading.masked or bool(getattr(encoder.config, "use_attention_mask", False))
        self._mark = object()  # equal texts of one encoder are one condition; those of two encoders are not

    def __call__(self, texts: Sequence[str] | None) -> Condition:
        """The condition of `texts`, one per sample; None is the null condition of guidance, the empty text.

        Warns where the end of a prompt does not fit.
        Raises ValueError for a word, or an empty prompt, that a closed vocabulary does not have.
        """
        if texts is None:
            return Condition({"text": self._states([""])}, key=(self._mark, None), label="no prompt")
        self._refuse_unknown(texts)
        return Condition({"text": self._states(texts)}, key=(self._mark, tuple(texts)), label=_label(texts))

    def _states(self, texts: Sequence[str]) -> torch.Tensor:
        clean = [self.reading.clean(text) for text in texts]
        self._warn_of_cuts(clean)
        options = {"padding": "max_length", "max_length": self.length, "truncation": True, "return_tensors": "pt"}
        tokens = self.tokenizer(clean, **options)
        device = self.encoder.device
        mask = tokens.attention_mask.to(device) if self.masked else None
        with torch.no_grad():
            states: torch.Tensor = self.encoder(tokens.input_ids.to(device), attention_mask=mask).last_hidden_state
        return states.to(self.dtype)

    def _warn_of_cuts(self, texts: Sequence[str]) -> None:
        for text, ids in zip(texts, self.tokenizer(list(texts)).input_ids, strict=True):
            if len(ids) > self.length:
                lost = self.tokenizer.decode(ids[self.length - 1 : -1])  # the last place goes to the end token
                limit = f"prompt: {self.model} reads {self.length} tokens"
                warnings.warn(f"{limit}; of {_short(text)!r} it does not read {_short(lost)!r}.", stacklevel=4)

    def _refuse_unknown(self, texts: Sequence[str]) -> None:
        if self.vocabulary is None:
            return
        for text in texts:
            # A comma separates; everything else that is no word is as unknown as a foreign word.
            words = re.findall(r"\w[\w'-]*|[^\w\s,]", text.lower())
            if not words:
                raise ValueError(f"prompt must not be empty; {self.model} knows the words: {self._words()}.")
            for word in words:
                if word not in self.vocabulary:
                    known = f"it knows the words: {self._words()}"
                    raise ValueError(f"prompt: {self.model} does not know {word!r}; {known}.")

    def _words(self) -> str:
        return ", ".join(sorted(self.vocabulary or ()))


def _label(texts: Sequence[str]) -> str:
    if len(texts) == 1:
        return f"the prompt {_short(texts[0])!r}"
    return f"the {len(texts)} prompts from {_short(texts[0])!r} on"


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."

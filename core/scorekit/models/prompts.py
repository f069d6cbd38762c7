"""Prompt encoders: from texts to the Condition of a text-to-image network."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from scorekit.denoiser import Condition


@dataclass(frozen=True)
class Reading:
    """How the models of one kind of text encoder were trained to read a prompt.

    tokens  length in tokens, to which every prompt is padded and cut; None: what tokenizer and encoder allow
    masked  the encoder is told which tokens are padding
    clean   applied to the text before the tokenizer
    layer   whose states are read, counted as `hidden_states` of transformers is (-2: before the last layer); None: the encoder's
            last states, after its final norm
    """

    tokens: int | None = None
    masked: bool = False
    clean: Callable[[str], str] = str
    layer: int | None = None


def lowered(text: str) -> str:
    return text.lower().strip()


READINGS: dict[str, Reading] = {
    # Latent diffusion lets CLIP attend to its padding (Rombach et al. 2022).
    "CLIPTextModel": Reading(),
    # DeepFloyd IF: T5 was shown lower-case captions of at most 77 tokens.
    "T5EncoderModel": Reading(tokens=77, masked=True, clean=lowered),
}


class Encoded(NamedTuple):
    """n texts: states (n, L, D); pooled (n, P), None for encoders without; mask (n, L), 1 on the texts' tokens and 0 on padding."""

    states: Tensor
    pooled: Tensor | None
    mask: Tensor


class TextEncoder:
    """A tokenizer and a text encoder: n texts -> Encoded.

    tokenizer, encoder  of transformers; the encoder frozen, on its device and in its dtype
    reading     the conventions of the encoder's kind, or of the family of models
    dtype       of the states handed to the network
    model       how messages call the model
    """

    def __init__(self, tokenizer: Any, encoder: Any, reading: Reading, *, dtype: torch.dtype, model: str) -> None:
        self.tokenizer, self.encoder, self.reading, self.dtype, self.model = tokenizer, encoder, reading, dtype, model
        limits = (tokenizer.model_max_length, getattr(encoder.config, "max_position_embeddings", None))
        self.length = reading.tokens or min(limit for limit in limits if limit is not None)
        self.masked = reading.masked or bool(getattr(encoder.config, "use_attention_mask", False))

    def __call__(self, texts: Sequence[str]) -> Encoded:
        """Warns where the end of a text does not fit."""
        clean = [self.reading.clean(text) for text in texts]
        self._warn_of_cuts(clean)
        options = {"padding": "max_length", "max_length": self.length, "truncation": True, "return_tensors": "pt"}
        tokens = self.tokenizer(clean, **options)
        ids, mask = (tensor.to(self.encoder.device) for tensor in (tokens.input_ids, tokens.attention_mask))
        layer = self.reading.layer
        with torch.no_grad():
            out = self.encoder(
                ids, attention_mask=mask if self.masked else None, output_hidden_states=layer is not None
            )
        states: Tensor = out.last_hidden_state if layer is None else out.hidden_states[layer]
        pooled = getattr(out, "text_embeds", None)
        pooled = getattr(out, "pooler_output", None) if pooled is None else pooled
        pooled = None if pooled is None else pooled.to(self.dtype)
        return Encoded(states.to(self.dtype), pooled, mask.to(states.device))

    def _warn_of_cuts(self, texts: Sequence[str]) -> None:
        for text, ids in zip(texts, self.tokenizer(list(texts)).input_ids, strict=True):
            if len(ids) > self.length:
                lost = self.tokenizer.decode(ids[self.length - 1 : -1])  # the last place goes to the end token
                limit = f"prompt: {self.model} reads {self.length} tokens"
                warnings.warn(f"{limit}; of {_short(text)!r} it does not read {_short(lost)!r}.", stacklevel=4)


class Prompts:
    """n texts -> Condition.

    encode      n texts -> the fields of their condition, (n, ...) or (1, ...)
    null        the fields of guidance's null condition; None: those of the empty text
    vocabulary  words, where the model knows no others; None for an open vocabulary
    model       how messages call the model
    """

    def __init__(
        self,
        encode: Callable[[Sequence[str]], dict[str, Tensor]],
        *,
        null: Callable[[], dict[str, Tensor]] | None = None,
        vocabulary: Sequence[str] | None = None,
        model: str = "the model",
    ) -> None:
        self.encode, self.null, self.model = encode, null or (lambda: encode([""])), model
        self.vocabulary = None if vocabulary is None else frozenset(vocabulary)
        self._mark = object()  # equal texts of one encoder are one condition; those of two encoders are not

    def __call__(self, texts: Sequence[str] | None) -> Condition:
        """The condition of `texts`, one per sample; None is the null condition of guidance, as the family's models were trained.

        Warns where the end of a prompt does not fit.
        Raises ValueError for a word, or an empty prompt, that a closed vocabulary does not have.
        """
        if texts is None:
            return Condition(self.null(), key=(self._mark, None), label="no prompt")
        self._refuse_unknown(texts)
        return Condition(self.encode(texts), key=(self._mark, tuple(texts)), label=_label(texts))

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


class PromptEncoder(Prompts):
    """The prompts of a model with one text encoder: a Condition with the field "text", the encoder's states (n, L, D).

    constants  fields (1, ...) that every condition has beside it
    The other arguments are those of TextEncoder and Prompts.
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
        constants: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.tokenizer, self.encoder = tokenizer, encoder
        text, shared = TextEncoder(tokenizer, encoder, reading, dtype=dtype, model=model), dict(constants or {})
        super().__init__(lambda texts: {"text": text(texts).states} | shared, vocabulary=vocabulary, model=model)


def with_guidance(condition: Condition, scale: float) -> Condition:
    """The condition with another guidance scale w, for models that guidance was distilled into (LCM, Flux): they answer in one call
    what null + w (cond - null) would be.

    scale  w >= 0; the models were trained on some range of it (LCM: 2 to 14)

    Raises ValueError where the condition's model was not distilled.
    """
    if "guidance" not in condition.fields:
        raise ValueError(
            f"guidance scale: the model of {condition.label} has no guidance distilled into it; write null + w * (cond - null)."
        )
    if not scale >= 0:
        raise ValueError(f"guidance scale must be 0 or more, not {scale}.")
    fields = condition.fields | {"guidance": torch.full_like(condition.fields["guidance"], scale)}
    return Condition(fields, key=(condition.key, "guidance", scale), label=condition.label)


def with_sizes(
    condition: Condition,
    original: tuple[int, int],
    *,
    crop: tuple[int, int] = (0, 0),
    target: tuple[int, int] | None = None,
) -> Condition:
    """The condition with other sizes, for models that are told where a training picture came from (SDXL; Podell et al. 2023, 2.2).

    original  (height, width) in pixels that the picture had before it was scaled and cut; small ones give blurred pictures
    crop      (top, left) at which it was cut
    target    (height, width) asked for; None keeps the model's own

    Raises ValueError where the condition's model takes no sizes.
    """
    if "sizes" not in condition.fields:
        raise ValueError(f"sizes: the model of {condition.label} is not conditioned by sizes.")
    before = condition.fields["sizes"]
    head = before.new_tensor([*original, *crop]).expand(len(before), 4)
    tail = before[:, 4:] if target is None else before.new_tensor(target).expand(len(before), 2)
    key = (condition.key, "sizes", original, crop, target)
    return Condition(condition.fields | {"sizes": torch.cat([head, tail], 1)}, key=key, label=condition.label)


def _label(texts: Sequence[str]) -> str:
    if len(texts) == 1:
        return f"the prompt {_short(texts[0])!r}"
    return f"the {len(texts)} prompts from {_short(texts[0])!r} on"


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."

"""DiT: pictures of classes by a transformer on latents, with the names of classes in the place of prompts."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import torch

from scorekit.denoiser import Condition, Denoiser
from scorekit.models.families.family import Family, denoiser, latents, refuse_channels, size
from scorekit.models.folder import ModelFolder
from scorekit.models.networks import LatentTransformer


class ClassPrompts:
    """n class names or numbers -> Condition with the field "classes" (n,), the classes' numbers.

    count   of the classes; the number after the last is the null condition of guidance (Ho and Salimans 2022)
    labels  from a class's number, as text, to its names, with commas between them; None for a model that does not name its classes
    device  of the field
    model   how messages call the model
    """

    def __init__(self, count: int, labels: Mapping[str, str] | None, device: torch.device, model: str) -> None:
        self.count, self.device, self.model = count, device, model
        named = ((name.strip(), int(key)) for key, names in (labels or {}).items() for name in names.split(","))
        self.numbers = {name.lower(): number for name, number in named}
        self._mark = object()

    def __call__(self, texts: Sequence[str] | None) -> Condition:
        """The condition of one class per sample; None is the null condition.

        Raises ValueError for a name or a number that no class has.
        """
        numbers = (self.count,) if texts is None else tuple(self._number(text) for text in texts)
        field = torch.tensor(numbers, dtype=torch.long, device=self.device)
        label = "no class" if texts is None else f"the classes {', '.join(texts[:3])}"
        return Condition({"classes": field}, key=(self._mark, numbers), label=label)

    def _number(self, text: str) -> int:
        word = text.strip().lower()
        if word.isdecimal() and int(word) < self.count:
            return int(word)
        if word in self.numbers:
            return self.numbers[word]
        known = f"a number from 0 to {self.count - 1}"
        close = difflib.get_close_matches(word, self.numbers, 1)
        hint = f", or a name of a class{f' such as {close[0]!r}' if close else ''}" if self.numbers else ""
        raise ValueError(f"prompt: {self.model} takes {known}{hint}, not {text!r}.")


def _dit(folder: ModelFolder) -> Denoiser:
    """Peebles and Xie 2023: classes for prompts; the class after the last is the null condition."""
    from diffusers import DiTTransformer2DModel

    transformer = folder.network("transformer", DiTTransformer2DModel)
    codec, (height, width) = latents(folder, size(folder, transformer, "transformer"))
    refuse_channels(folder, transformer, int(codec.vae.config.latent_channels), "transformer")
    classes = ClassPrompts(
        int(transformer.config.num_embeds_ada_norm), folder.index.get("id2label"), folder.device, folder.name
    )
    network = LatentTransformer(transformer, {"classes": "class_labels"})
    return denoiser(folder, network, (transformer.config.in_channels, height, width), codec, classes)


FAMILIES: tuple[Family, ...] = (
    Family(
        "DiT (classes)",
        # The first releases name the class that was split up since.
        {"transformer": ("DiTTransformer2DModel", "Transformer2DModel"), "vae": ("AutoencoderKL",)},
        _dit,
    ),
)

"""Prompts as one score: guidance, a second prompt, a prompt to avoid."""

from typing import Any

from scorekit.denoiser import Denoiser, Prompt
from scorekit.guidance import conjunction
from scorekit.score import Score


def composed(
    model: Denoiser,
    prompt: Prompt,
    *,
    guidance: float = 4.0,
    also: Prompt = None,
    weight: float = 1.0,
    avoid: Prompt = None,
    seconds: float | None = None,
) -> Score:
    """null + g (prompt - null) + g w (also - null) - g / 2 (avoid - null): a sound that is likely under both prompts (composable diffusion,
    Liu et al. 2022, arXiv:2206.01714, eq. 11) and unlikely under the third.

    prompts  each a text, or a list of texts, one for each sound
    seconds  what follows them should be silence, for models that are told so (Stable Audio)

    Raises ValueError for prompts that the model does not know.
    """
    given = _told(model, seconds)
    null = given(None)
    wanted = [(guidance, given(prompt))]
    if also is not None:
        wanted.append((guidance * weight, given(also)))
    if avoid is not None:
        wanted.append((-guidance / 2, given(avoid)))
    return conjunction(null, *wanted)


def _told(model: Denoiser, seconds: float | None) -> Any:
    """`model.given`, with the seconds where the model's prompts take them."""
    between = getattr(model.prompts, "between", None)
    longest = getattr(model.prompts, "longest", None)
    if between is None or longest is None or seconds is None or seconds >= longest:
        return model.given
    prompts = between(0.0, seconds)
    return lambda text: model.given(prompts([text] if isinstance(text, str) else text))

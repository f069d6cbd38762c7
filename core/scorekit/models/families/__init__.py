"""The families of models that are understood: which components a folder must have, and how they become a Denoiser.

A family is a row of a table. To add one: a row, a builder, and, where its network has another signature, a wrapper in
`networks`.
"""

from __future__ import annotations

from scorekit.models.families import audio, dit, latent_transformers, pictures, video
from scorekit.models.families.family import Family
from scorekit.models.folder import ModelFolder

FAMILIES: tuple[Family, ...] = (
    *pictures.FAMILIES,
    *latent_transformers.FAMILIES,
    *dit.FAMILIES,
    *video.FAMILIES,
    *audio.FAMILIES,
)


# Pipelines that are known, and known not to be whole models of their own.
_PARTS_OF_OTHERS = {
    "StableDiffusionXLImg2ImgPipeline": "SDXL's refiner, which finishes pictures of another model",
    "IFSuperResolutionPipeline": "a later stage of DeepFloyd IF, which enlarges pictures of another model",
}


def family_of(folder: ModelFolder) -> Family:
    """The family of a model folder. Raises ValueError, naming what was found and what is supported, if there is none."""
    for family in FAMILIES:
        if family.fits(folder.parts):
            return family
    if folder.pipeline in _PARTS_OF_OTHERS:
        raise ValueError(f"{folder.name} is {_PARTS_OF_OTHERS[folder.pipeline]}; it is not supported.")
    found = ", ".join(f"{role} {name}" for role, name in folder.parts.items()) or "no network"
    known = "; ".join(f"{family.title} with {family.wants}" for family in FAMILIES)
    raise ValueError(f"{folder.name} is a {folder.pipeline} ({found}), which is not supported; supported are {known}.")

"""The parameters of the DIFT applications. No torch here: listing them reads this file."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic.config import JsonDict

from scorekit.host.plugin import ADVANCED, Params

PIXELS: JsonDict = {**ADVANCED, "unit": "px"}


class FeatureParams(Params):
    """Which features are read. What is unset is the default of the model's family."""

    layers: list[str] = Field(
        [],
        description="Blocks or layers, such as up_blocks.1; several are put together. Default: by the model's family.",
    )
    t: float | None = Field(
        None, ge=0, le=1, description="Noise level, from 0 (data) to 1 (noise); default: by family."
    )
    ensemble: int | None = Field(None, ge=1, le=256, description="Noises that are averaged; default: by family.")
    scales: list[float] = Field(
        [],
        description="Sizes of the picture, as factors, put together; default: by family.",
        json_schema_extra=ADVANCED,
    )
    size: int | None = Field(
        None,
        ge=32,
        le=4096,
        description="Longer side at which pictures are seen; default: by family.",
        json_schema_extra=PIXELS,
    )
    whiten: int | None = Field(
        None,
        ge=0,
        le=8192,
        description="Dimensions after whitening the features together; 0: none; default: by family.",
        json_schema_extra=ADVANCED,
    )
    prompt: str | None = Field(None, description='What the model is told, such as "a photo of a cat".')

    @field_validator("scales")
    @classmethod
    def _factors(cls, scales: list[float]) -> list[float]:
        if not all(0.1 <= scale <= 4 for scale in scales):
            raise ValueError("scales must be factors from 0.1 to 4")
        return scales


class DiftParams(FeatureParams):
    """Two pictures, and what is wanted of them."""

    source: Path | None = Field(None, description="First picture; without both, a photograph and its warp are made.")
    target: Path | None = Field(None, description="Second picture.")
    points: list[str] = Field([], description='Places in the source to look for, "x,y" in pixels; repeat for more.')
    edit: Path | None = Field(
        None, description="Picture with transparency over the source, to be carried to the target."
    )
    warp: Literal["homography", "field"] = Field(
        "homography", description="How the edit is carried: as on a plane, or along the matches of every cell."
    )
    lines: int = Field(60, ge=0, le=2000, description="Matches drawn as lines, the best of them.")
    features: Literal["none", "safetensors", "npz"] = Field(
        "none", description="Also write the features of both pictures."
    )
    threshold: float = Field(
        6.0,
        gt=0,
        le=1000,
        description="Distance within which a match agrees with the homography.",
        json_schema_extra=PIXELS,
    )
    window: int = Field(
        2,
        ge=0,
        le=16,
        description="Cells around the best one that place a match between them.",
        json_schema_extra=ADVANCED,
    )
    sharpness: float = Field(
        30.0, gt=0, le=10_000, description="Factor on the cosines in that mean.", json_schema_extra=ADVANCED
    )

    @field_validator("points")
    @classmethod
    def _numbers(cls, points: list[str]) -> list[str]:
        for point in points:
            parse_point(point)
        return points

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.source is None) != (self.target is None):
            raise ValueError("source and target must be given together, or neither of them")
        return self


class DiftVideoParams(FeatureParams):
    """A video and the labels of its first frame."""

    video: Path | None = Field(None, description="Video (MP4, GIF, ...); without it a turning object is rendered.")
    labels: Path | None = Field(None, description="Picture of the first frame's size whose areas have one colour each.")
    frames: int = Field(48, ge=2, le=2000, description="Frames that are read, from the first on.")
    neighbours: int = Field(
        10, ge=1, le=100, description="Places of earlier frames that vote.", json_schema_extra=ADVANCED
    )
    context: int = Field(
        4, ge=0, le=32, description="Earlier frames that vote, beside the first.", json_schema_extra=ADVANCED
    )
    radius: float = Field(
        0.2,
        gt=0,
        le=2,
        description="How far a voting place may lie, as a share of the longer side.",
        json_schema_extra=ADVANCED,
    )
    temperature: float = Field(
        0.1, gt=0, le=10, description="Of the softmax over the votes.", json_schema_extra=ADVANCED
    )

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.video is None) != (self.labels is None):
            raise ValueError("video and labels must be given together, or neither of them")
        return self


def parse_point(text: str) -> tuple[float, float]:
    """(x, y) of "x,y". Raises ValueError for anything else."""
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f'points must be "x,y" in pixels, such as "120,80", not {text!r}') from None
    return x, y

"""The parameters of text to SVG. No torch here: listing the application reads this file."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic.config import JsonDict

from scorekit.host.plugin import ADVANCED, Params

ADVANCED_PIXELS: JsonDict = {**ADVANCED, "unit": "px"}


class TextToSVGParams(Params):
    """What to draw, in which manner, and how long."""

    prompt: str = Field(
        "a red mushroom",
        min_length=1,
        description="What to draw; background and view are added by themselves.",
        examples=["a red mushroom", "a yellow rocket", "an orange ice cream cone"],
    )
    style: Literal["flat", "sketch", "pixel-art", "low-poly"] = Field(
        "flat", description="Filled curves, open strokes, a grid of squares, or filled polygons."
    )
    paths: int = Field(32, ge=1, le=1024, description="Paths at most; those that nobody would miss are left out.")
    palette: int | None = Field(8, ge=1, le=64, description="Colours at most; none: as many as paths.")
    start: Literal["live", "scratch"] = Field(
        "live", description="Layer by layer from a sample of the model (LIVE), or from random paths."
    )
    steps: int | None = Field(
        None,
        ge=0,
        le=100_000,
        description="Steps of score distillation; default: 300 from scratch, 60 after a sample.",
    )
    guidance: float = Field(4.0, ge=0, le=500, description="Classifier-free guidance; 4 for pico-image, 100 for SD.")
    drawings: int = Field(
        1, ge=1, le=16, description="Drawings made side by side; the one of least denoising error is icon.svg."
    )
    init: Path | None = Field(None, description="SVG file to go on from, instead of a start.")

    method: Literal["sds", "vsd"] = Field(
        "sds",
        description="Score distillation, or its variational form, with a critic and best with several drawings.",
        json_schema_extra=ADVANCED,
    )
    view: str | None = Field(
        "auto",
        description="From where, if the model was taught views; auto: from the front left and above; none: unsaid.",
        json_schema_extra=ADVANCED,
    )
    style_words: bool = Field(
        True, description="Name the style in the prompt, if the model takes any words.", json_schema_extra=ADVANCED
    )
    candidates: int = Field(
        8, ge=1, le=256, description="Samples to choose the starts from.", json_schema_extra=ADVANCED
    )
    fit_steps: int = Field(
        320, ge=1, le=100_000, description="Steps of fitting the sample in all.", json_schema_extra=ADVANCED
    )
    views: int = Field(4, ge=1, le=64, description="Views of a drawing judged in a step.", json_schema_extra=ADVANCED)
    augment: float = Field(
        0.5, ge=0, le=1, description="Perspective, crops and scale of the views.", json_schema_extra=ADVANCED
    )
    grid: int = Field(16, ge=4, le=128, description="Squares along an edge, in pixel art.", json_schema_extra=ADVANCED)
    render_size: int | None = Field(
        None,
        ge=8,
        le=2048,
        description="Side of the pictures that are judged; default: twice a small model's, or a large one's.",
        json_schema_extra=ADVANCED_PIXELS,
    )
    rasteriser: Literal["torch", "diffvg"] = Field(
        "torch", description="Our own, or pydiffvg where it is installed.", json_schema_extra=ADVANCED
    )
    picture_size: int = Field(
        256,
        ge=16,
        le=4096,
        multiple_of=2,
        description="Side of the PNG and of the film.",
        json_schema_extra=ADVANCED_PIXELS,
    )
    film_frames: int = Field(60, ge=2, le=1000, description="Pictures in the film.", json_schema_extra=ADVANCED)
    lr: float = Field(1.0, gt=0, le=100, description="Factor on all step sizes.", json_schema_extra=ADVANCED)
    t_min: float = Field(0.02, gt=0, lt=1, description="Least noise level.", json_schema_extra=ADVANCED)
    t_max: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Greatest noise level at the start; default: 0.98 from scratch, 0.5 after a sample.",
        json_schema_extra=ADVANCED,
    )
    t_max_end: float = Field(
        0.3, gt=0, le=1, description="Greatest noise level at the end.", json_schema_extra=ADVANCED
    )
    replace_every: int = Field(
        25, ge=1, description="Steps between two replacements of paths that do not show.", json_schema_extra=ADVANCED
    )
    replace_until: float = Field(
        0.5, ge=0, le=1, description="Share of the steps after which none is replaced.", json_schema_extra=ADVANCED
    )
    tolerance: float = Field(
        0.012,
        ge=0,
        le=1,
        description="Difference (root mean square) that leaving out paths may make.",
        json_schema_extra=ADVANCED,
    )
    w_crossing: float = Field(
        0.01, ge=0, description="Weight: curves do not cross themselves.", json_schema_extra=ADVANCED
    )
    w_kinks: float = Field(0.003, ge=0, description="Weight: smooth joints.", json_schema_extra=ADVANCED)
    w_slivers: float = Field(0.001, ge=0, description="Weight: no thin shapes.", json_schema_extra=ADVANCED)

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if not self.prompt.strip():
            raise ValueError("prompt must not be empty")
        if not self.t_min < min(self.first_t_max, self.t_max_end):
            raise ValueError(
                f"t_min must be below t_max and t_max_end; got {self.t_min}, {self.first_t_max}, {self.t_max_end}"
            )
        if self.from_sample and self.candidates < self.drawings:
            raise ValueError(
                f"candidates must be at least drawings, each of which starts from one; got {self.candidates} and {self.drawings}"
            )
        if self.init is not None and self.style == "pixel-art":
            raise ValueError("init cannot be used with style pixel-art: its squares come from no file")
        return self

    @property
    def from_sample(self) -> bool:
        return self.start == "live" and self.init is None

    @property
    def distillation_steps(self) -> int:
        """`steps`, or its default."""
        if self.steps is not None:
            return self.steps
        return 300 if self.start == "scratch" and self.init is None else 60

    @property
    def first_t_max(self) -> float:
        """`t_max`, or its default."""
        if self.t_max is not None:
            return self.t_max
        return 0.98 if self.start == "scratch" and self.init is None else 0.5

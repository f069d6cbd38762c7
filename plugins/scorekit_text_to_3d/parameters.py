"""The parameters of text to 3D. No torch here: listing the application reads this file."""

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic.config import JsonDict

from scorekit.host.plugin import ADVANCED, Params

ADVANCED_PIXELS: JsonDict = {**ADVANCED, "unit": "px"}


class TextTo3DParams(Params):
    """What to make, how long, and how."""

    prompt: str = Field(
        "a red mushroom",
        min_length=1,
        description="What to make; the view is added by itself.",
        examples=["a red mushroom", "a yellow chair", "an orange ice cream cone"],
    )
    steps: int = Field(500, ge=1, le=100_000, description="Optimisation steps.")
    guidance: float = Field(4.0, ge=0, le=500, description="Classifier-free guidance; 4 for pico-image, 100 for SD.")
    method: Literal["sds", "csd"] = Field("sds", description="Score distillation, or classifier score distillation.")
    field: Literal["grid", "hash"] = Field(
        "grid", description="Dense voxel grid (fast on a CPU), or nerfstudio's hash encoding (for a GPU)."
    )
    resolution: int = Field(
        48, ge=16, le=512, description="Nodes along an edge of the grid, or of the finest hash level."
    )
    views: int = Field(4, ge=1, le=64, description="Pictures judged in each step.")
    mesh_resolution: int = Field(96, ge=24, le=512, description="Nodes along an edge when the mesh is cut.")

    film_frames: int = Field(
        48, ge=1, le=1000, description="Pictures in the turntable film.", json_schema_extra=ADVANCED
    )
    picture_size: int = Field(
        192,
        ge=16,
        le=2048,
        multiple_of=2,
        description="Side of the pictures in the film and the contact sheet.",
        json_schema_extra=ADVANCED_PIXELS,
    )
    lr: float = Field(0.1, gt=0, le=10, description="Adam's step size.", json_schema_extra=ADVANCED)
    render_size: int | None = Field(
        None,
        ge=8,
        le=1024,
        description="Pixels of a picture; default: the model's own size.",
        json_schema_extra=ADVANCED_PIXELS,
    )
    samples: int = Field(40, ge=8, le=1024, description="Samples along a ray.", json_schema_extra=ADVANCED)
    t_min: float = Field(0.02, gt=0, lt=1, description="Least noise level.", json_schema_extra=ADVANCED)
    t_max: float = Field(0.98, gt=0, le=1, description="Greatest noise level at the start.", json_schema_extra=ADVANCED)
    t_max_end: float = Field(
        0.3, gt=0, le=1, description="Greatest noise level at the end.", json_schema_extra=ADVANCED
    )
    view_prompts: bool = Field(True, description="Name the view in the prompt.", json_schema_extra=ADVANCED)
    perp_neg: bool = Field(
        False, description="Push away from the other views (Perp-Neg); twice the cost.", json_schema_extra=ADVANCED
    )
    lambertian: float = Field(0.0, ge=0, le=1, description="Share of steps lit by a lamp.", json_schema_extra=ADVANCED)
    textureless: float = Field(0.0, ge=0, le=1, description="Share of steps lit and white.", json_schema_extra=ADVANCED)
    background: Literal["auto", "white", "random"] = Field(
        "auto",
        description="Behind the object: auto takes turns with those that the model can be asked for, else random colours.",
        json_schema_extra=ADVANCED,
    )
    w_sparsity: float = Field(0.0, ge=0, description="Weight: little matter in view.", json_schema_extra=ADVANCED)
    w_entropy: float = Field(0.01, ge=0, description="Weight: no half-opaque pixels.", json_schema_extra=ADVANCED)
    w_orientation: float = Field(0.0, ge=0, description="Weight: surfaces face the camera.", json_schema_extra=ADVANCED)
    w_concentration: float = Field(0.0, ge=0, description="Weight: one surface a ray.", json_schema_extra=ADVANCED)
    w_density_tv: float = Field(0.01, ge=0, description="Weight: a smooth shape.", json_schema_extra=ADVANCED)
    w_colour_tv: float = Field(0.01, ge=0, description="Weight: smooth colours.", json_schema_extra=ADVANCED)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.prompt.strip():
            raise ValueError("prompt must not be empty")
        if not self.t_min < min(self.t_max, self.t_max_end):
            raise ValueError(
                f"t_min must be below t_max and t_max_end; got {self.t_min}, {self.t_max}, {self.t_max_end}"
            )
        if self.lambertian + self.textureless > 1:
            raise ValueError("lambertian and textureless are shares of the steps: together at most 1")
        return self

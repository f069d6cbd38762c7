"""The parameters of VideoAdapter. No torch here: listing them reads this file."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from scorekit.host.plugin import ADVANCED, Params
from scorekit_video_adapter.gamma import FIT, checked, parse

SOLVERS = Literal[
    "ddpm", "euler_a", "dpm++2m_sde", "ddim", "euler", "heun", "dpm++1", "dpm++2m", "unipc", "langevin",
]  # fmt: skip


class VideoAdapterParams(Params):
    """Which models, how strong, what clip."""

    prompt: str = Field(
        "a sketch of a red mug turning", min_length=1, max_length=1000, description="What the clip shows."
    )
    adapter: str = Field(
        "pico-video-sketch",
        description="Small model of the domain: a name, a folder in diffusers format, or one that `scorekit train video-adapter` made.",
    )
    prior: list[str] = Field(
        ["pico-video"], max_length=8, description="Models that steer it, named likewise; repeat for more."
    )
    gamma: list[str] = Field(
        ["0.5"],
        description='Strength of each prior, one for all or one each: a number, "a..b" over log-SNR from noise to data, or fit.',
        examples=[["0.5"], ["1..0"]],
    )
    alpha: float = Field(2.0, ge=0, le=100, description="Guidance scale; 1: the models as they are under the prompt.")
    form: Literal["paper", "mean", "contrast"] = Field(
        "paper",
        description="small + gamma prior as published; their mean; or small + gamma (prior with prompt - prior without).",
    )
    sweep: list[float] = Field(
        [0.0, 0.25, 0.5, 1.0],
        max_length=16,
        description="Values of gamma of which sweep.png shows a clip each, and the prior alone; [] for none.",
    )
    count: int = Field(1, ge=1, le=16, description="Clips, side by side in the film.")
    frames: int | None = Field(
        None,
        ge=2,
        le=1024,
        description="Frames of the clip; more than the models have are made by overlapping windows; default: theirs.",
    )
    overlap: int | None = Field(
        None, ge=0, le=1023, description="Frames of x that windows share; default: half.", json_schema_extra=ADVANCED
    )
    image: Path | None = Field(None, description="Picture that the first frame shows.")
    video: Path | None = Field(None, description="Clip to be edited: noised up to `strength`, and denoised from there.")
    strength: float = Field(0.6, gt=0, le=1, description="How much of the clip is made anew: 1 is all of it.")
    prior_prompt: str | None = Field(
        None, min_length=1, max_length=1000, description="What the priors are told; default: the prompt."
    )
    validation: Path | None = Field(
        None, description="Folder of clips with captions.csv on which gamma is fitted.", json_schema_extra=ADVANCED
    )
    steps: int = Field(
        24, ge=1, le=1000, description="Steps of the solver; strong priors ask for more, and the run says so."
    )
    solver: SOLVERS = Field(
        "ddpm", description="The form paper asks for one that draws noise: the first three.", json_schema_extra=ADVANCED
    )
    langevin: int = Field(
        0,
        ge=0,
        le=100,
        description="Langevin steps at every level, towards the true product.",
        json_schema_extra=ADVANCED,
    )
    langevin_size: float = Field(0.1, gt=0, le=10, description="Their size, eta / sigma^2.", json_schema_extra=ADVANCED)
    resample: int = Field(
        1,
        ge=1,
        le=20,
        description="Times each step is repeated, so that frames come to fit the image.",
        json_schema_extra=ADVANCED,
    )
    clip_x0: bool = Field(
        True, description="Keep x0 in the range of pixels; latents are left.", json_schema_extra=ADVANCED
    )
    fps: float = Field(8.0, ge=1, le=60, description="Speed of the film.", json_schema_extra={"unit": "frames/s"})
    rounds: int = Field(3, ge=1, le=100, description="Times that the film shows the clip.", json_schema_extra=ADVANCED)
    enlarge: Literal["nearest", "bicubic"] = Field(
        "nearest", description="How small frames are enlarged.", json_schema_extra=ADVANCED
    )

    @field_validator("gamma")
    @classmethod
    def _readable(cls, gamma: list[str]) -> list[str]:
        for word in gamma:
            parse(word)
        return gamma

    @field_validator("sweep")
    @classmethod
    def _in_range(cls, sweep: list[float]) -> list[float]:
        return [checked(value) for value in sweep]

    @field_validator("prompt", "prior_prompt")
    @classmethod
    def _not_blank(cls, prompt: str | None) -> str | None:
        if prompt is not None and not prompt.strip():
            raise ValueError("prompt must hold a word")
        return prompt

    @model_validator(mode="after")
    def _together(self) -> Self:
        if len(self.gamma) not in (1, len(self.prior)):
            raise ValueError(
                f"gamma must be given once, or once for each of the {len(self.prior)} priors, not {len(self.gamma)} times"
            )
        if FIT in [parse(word) for word in self.gamma]:
            if len(set(self.gamma)) > 1:
                raise ValueError("gamma is fitted for all priors together, or for none")
            if self.validation is None:
                raise ValueError("gamma fit needs validation, a folder of clips with captions.csv")
        if self.image is not None and self.video is not None:
            raise ValueError(
                "image and video must not be given together: a clip is begun from one or edited from the other"
            )
        if self.solver == "langevin" and self.langevin == 0:
            raise ValueError("solver langevin needs langevin steps, at least 1")
        return self

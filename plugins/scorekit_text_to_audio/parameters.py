"""The parameters of the applications for sound. No torch here: listing them reads this file."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic.config import JsonDict

from scorekit.host.plugin import ADVANCED, Params

SECONDS: JsonDict = {"unit": "s"}
PROMPTS = ["a high nylon guitar, short note", "a low male voice says seven", "a low organ, long note"]
Solver = Literal["dpm++2m", "ddim", "ddpm", "euler", "euler_a", "heun", "dpm++2m_sde", "unipc"]


class TextToAudioParams(Params):
    """What should sound, how it is made, and how it is written."""

    prompt: str = Field(PROMPTS[0], description="What should sound.", examples=PROMPTS)
    and_: str | None = Field(
        None, description="A second prompt: the sound has the qualities of both.", examples=["a low piano, long note"]
    )
    weight: float = Field(1.0, ge=0, le=20, description="Of the second prompt beside the first.")
    avoid: str | None = Field(None, description="What the sound should not be like.")
    count: int = Field(2, ge=1, le=64, description="Sounds that are made.")
    seconds: float | None = Field(
        None,
        gt=0,
        le=86_400,
        description="Length; beyond the model's own by overlapping windows. Default: the model's, or the recording's.",
        json_schema_extra=SECONDS,
    )
    audio: Path | None = Field(None, description="Recording to be edited or repaired: WAV, FLAC, OGG, MP3.")
    strength: float = Field(
        0.6, gt=0, le=1, description="Of an edit: 0 keeps the recording, 1 keeps nothing. Without a gap."
    )
    gap: str | None = Field(
        None, description="Seconds of the recording to be filled in, from..to.", examples=["0.3..0.6"]
    )

    guidance: float = Field(
        2.5,
        ge=0,
        le=100,
        description="Classifier-free guidance; 2.5 for pico-audio, 7 for Stable Audio, 3.5 for AudioLDM 2.",
    )
    steps: int = Field(30, ge=1, le=1000, description="Steps of the sampler.")
    solver: Solver | None = Field(
        None, description="Sampler; default: dpm++2m, in a gap ddpm.", json_schema_extra=ADVANCED
    )
    langevin: int = Field(
        0,
        ge=0,
        le=100,
        description="Langevin steps at every level, which make a product exact.",
        json_schema_extra=ADVANCED,
    )
    overlap: float = Field(
        0.5, ge=0, le=0.95, description="Share of a window that the next covers.", json_schema_extra=ADVANCED
    )
    format: Literal["pcm16", "float"] = Field(
        "pcm16", description="Samples of the WAV file.", json_schema_extra=ADVANCED
    )
    sample_rate: int | None = Field(
        None,
        ge=4000,
        le=192_000,
        description="Of the WAV file; default: the model's.",
        json_schema_extra={**ADVANCED, "unit": "Hz"},
    )
    loudness: float | None = Field(
        -20.0,
        ge=-60,
        le=-5,
        description="Of the WAV file, in LUFS, where the peaks allow it; none: as it comes.",
        json_schema_extra=ADVANCED,
    )

    @field_validator("prompt", "and_", "avoid")
    @classmethod
    def _said(cls, text: str | None) -> str | None:
        if text is not None and not text.strip():
            raise ValueError("a prompt must say something; this one is empty")
        return text

    @field_validator("gap")
    @classmethod
    def _interval(cls, gap: str | None) -> str | None:
        if gap is not None:
            parse_gap(gap)
        return gap

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.audio is not None and self.seconds is not None:
            raise ValueError("seconds cannot be used with audio: the result is as long as the recording")
        return self

    @property
    def sampler(self) -> str:
        """`solver`, or its default: in a gap one that draws new noise, by which what is filled in comes to fit what is known."""
        return self.solver or ("dpm++2m" if self.gap is None else "ddpm")


class TextToSynthParams(Params):
    """What the synthesiser should sound like, and how long its patch is worked on."""

    prompt: str = Field(PROMPTS[0], description="What should sound.", examples=PROMPTS)
    patch: Path | None = Field(None, description="Patch file (JSON) to go on from; with --steps 0 it is only played.")
    start: Literal["sample", "scratch"] = Field(
        "sample", description="From a patch fitted to a sample of the model, or from random patches."
    )
    patches: int = Field(
        4, ge=1, le=32, description="Patches made side by side; the one of least denoising error wins."
    )
    fit_steps: int = Field(150, ge=0, le=10_000, description="Steps of fitting the sample.")
    steps: int | None = Field(
        None, ge=0, le=100_000, description="Steps of score distillation; default: 40 after a sample, 300 from scratch."
    )
    guidance: float = Field(4.0, ge=0, le=500, description="Classifier-free guidance.")

    search: int = Field(
        192, ge=1, le=20_000, description="Random patches to choose the starts from.", json_schema_extra=ADVANCED
    )
    sample_steps: int = Field(20, ge=1, le=1000, description="Steps of the sampler.", json_schema_extra=ADVANCED)
    lr: float = Field(0.02, gt=0, le=1, description="Step size, as a share of each range.", json_schema_extra=ADVANCED)
    t_min: float = Field(0.02, gt=0, lt=1, description="Least noise level.", json_schema_extra=ADVANCED)
    t_max: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Greatest noise level at the start; default: 0.4 after a sample, 0.95 from scratch.",
        json_schema_extra=ADVANCED,
    )
    film: bool = Field(
        True, description="Also write film.mp4, how the spectrogram came to be.", json_schema_extra=ADVANCED
    )

    @field_validator("prompt")
    @classmethod
    def _said(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("a prompt must say something; this one is empty")
        return text

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if not self.t_min < self.first_t_max:
            raise ValueError(f"t_min must be below t_max; got {self.t_min} and {self.first_t_max}")
        if self.search < self.patches:
            raise ValueError(f"search must be at least patches; got {self.search} and {self.patches}")
        return self

    @property
    def from_sample(self) -> bool:
        return self.start == "sample" and self.patch is None

    @property
    def distillation_steps(self) -> int:
        """`steps`, or its default."""
        if self.steps is not None:
            return self.steps
        return 300 if self.start == "scratch" and self.patch is None else 40

    @property
    def first_t_max(self) -> float:
        """`t_max`, or its default."""
        if self.t_max is not None:
            return self.t_max
        return 0.95 if self.start == "scratch" and self.patch is None else 0.4


def parse_gap(text: str) -> tuple[float, float]:
    """(from, to) in seconds of "0.3..0.6". Raises ValueError for anything else."""
    try:
        first, last = (float(part) for part in text.split(".."))
    except ValueError:
        first, last = 0.0, 0.0
    if not 0 <= first < last < float("inf"):
        raise ValueError(f"gap must be two times in seconds, from..to, such as 0.3..0.6, not {text!r}")
    return first, last

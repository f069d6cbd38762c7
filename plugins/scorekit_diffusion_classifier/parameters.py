"""The parameters of the diffusion classifier. No torch here: listing the application reads this file."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from scorekit.host.plugin import ADVANCED, Params

EXAMPLE = "a red mushroom, a blue mushroom, a yellow mushroom, a red car, a red house, a green tree, a red donut, a purple chair"


class DiffusionClassifierParams(Params):
    """What to classify, into which classes, and at what cost."""

    image: Path | None = Field(None, description="Picture to classify; none: a rendered red mushroom.")
    classes: str | None = Field(
        None,
        description="Prompts or class names, with commas (or semicolons) between them; none: the folders of data, or an example.",
        examples=["a red mushroom, a blue mushroom, a green tree"],
    )
    data: Path | None = Field(
        None, description="Instead of image: a folder of class folders, or a CSV with the columns path and label."
    )
    template: str = Field("{}", description="Prompt made of a class name, such as 'a photo of a {}'.")
    limit: int | None = Field(None, ge=1, description="Pictures of data at most, drawn at random.")
    evaluations: int | None = Field(None, ge=4, description="Budget: evaluations of the network for one picture.")
    seconds: float | None = Field(
        None, gt=0, description="Budget: time for one picture.", json_schema_extra={"unit": "s"}
    )
    levels: int = Field(64, ge=2, le=4096, description="Noise levels at most; candidates that are beaten meet fewer.")

    calibration: Path | None = Field(
        None,
        description="Calibration.json of an earlier run, or labelled pictures to learn one from; none: what ships with the model.",
        json_schema_extra=ADVANCED,
    )
    use_calibration: bool = Field(
        True,
        description="Use a calibration; off: equal weights, probabilities not calibrated.",
        json_schema_extra=ADVANCED,
    )
    first: int = Field(4, ge=2, le=4096, description="Levels before the first decision.", json_schema_extra=ADVANCED)
    confidence: float = Field(
        0.95, gt=0.5, le=1, description="Of each comparison; 1: nobody is pruned.", json_schema_extra=ADVANCED
    )
    kind: Literal["auto", "eps", "x0", "v", "flow"] = Field(
        "auto", description="What is compared; auto: what the network predicts.", json_schema_extra=ADVANCED
    )
    loss: Literal["l2", "l1", "huber"] = Field(
        "l2", description="How; l1 for objects, l2 for fine-grained classes.", json_schema_extra=ADVANCED
    )
    batch: int = Field(64, ge=1, le=65536, description="Rows of one forward.", json_schema_extra=ADVANCED)
    group: int = Field(16, ge=1, le=4096, description="Pictures that race side by side.", json_schema_extra=ADVANCED)

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.image is not None and self.data is not None:
            raise ValueError("image and data cannot both be given: one picture, or a set of them")
        if self.first > self.levels:
            raise ValueError(f"first must be at most levels; got {self.first} and {self.levels}")
        if "{}" not in self.template or self.template.count("{}") > 1:
            raise ValueError(f"template must hold {{}} once, the place of the class name; got {self.template!r}")
        if self.image is not None and self.classes is None:
            raise ValueError("classes must be given with an image, such as 'a red mushroom, a blue mushroom'")
        if not self.use_calibration and self.calibration is not None:
            raise ValueError("use_calibration is off, and calibration names one: one of the two")
        named = self.class_names
        if named is not None and len(named) < 2:
            raise ValueError(f"classes must be two or more, with commas between them; got {len(named)}")
        if named is not None and len(set(named)) < len(named):
            raise ValueError("classes must differ from each other; one is named twice")
        return self

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The classes by name; None where the data says."""
        if self.classes is None:
            return None if self.data is not None else tuple(word.strip() for word in EXAMPLE.split(","))
        mark = ";" if ";" in self.classes else ","
        return tuple(word.strip() for word in self.classes.split(mark) if word.strip())

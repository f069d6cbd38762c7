"""The parameters of running a policy. No torch here: listing the application reads this file."""

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic.config import JsonDict

from scorekit.host.plugin import ADVANCED, Params

ADVANCED_PIXELS: JsonDict = {**ADVANCED, "unit": "px"}


class RunPolicyParams(Params):
    """Which policy acts where, how it samples its plans, and what is shown of it."""

    env: str = Field(
        "pusht",
        min_length=1,
        description="The world: pusht, metaworld/push-v3 and so on, or a Gymnasium id.",
        examples=["pusht", "metaworld/push-v3", "Reacher-v5"],
    )
    policy: str = Field(
        "pico-pusht",
        min_length=1,
        description="An embedded policy, or a folder with config.json and weights.safetensors.",
    )
    episodes: int = Field(50, ge=1, le=100_000, description="Episodes, each from a seed of its own.")
    seeds: Literal["test", "training"] = Field(
        "test", description="Test seeds, on which nothing shipped here was trained, or training seeds."
    )
    skip: int = Field(0, ge=0, description="Seeds left out before the first.", json_schema_extra=ADVANCED)

    solver: Literal["ddpm", "ddim", "euler", "heun", "dpm++2m", "unipc", "consistency"] | None = Field(
        None, description="How a plan is sampled; default: the policy's own."
    )
    steps: int | None = Field(None, ge=1, le=1000, description="Steps of the solver; default: the policy's own.")
    action_steps: int | None = Field(
        None, ge=1, description="Actions executed before the next plan; default: the policy's own."
    )
    real_time: bool = Field(
        False, description="Real-time chunking: a plan begins as the one before it goes on, so that no seam is felt."
    )
    delay: int | None = Field(
        None,
        ge=0,
        description="Actions of the plan before that are kept as they are, in real-time chunking; default: the policy's own.",
        json_schema_extra=ADVANCED,
    )
    goal: list[float] | None = Field(
        None,
        description="Where each plan should end: x, y in pixels of PushT's arena, or x, y, z in metres in Meta-World.",
        json_schema_extra=ADVANCED,
    )
    goal_scale: float = Field(
        10.0, ge=0, le=1000, description="How strongly plans are led to the goal.", json_schema_extra=ADVANCED
    )

    videos: int = Field(4, ge=0, le=64, description="First episodes that are shown as MP4.")
    failures: int = Field(2, ge=0, le=64, description="Further episodes that are shown because they failed.")
    samples: int = Field(
        48, ge=2, le=1024, description="Plans drawn from one observation, to see what the policy considers."
    )
    picture_size: int = Field(
        256, ge=64, le=1024, multiple_of=2, description="Side of the pictures.", json_schema_extra=ADVANCED_PIXELS
    )
    environments: int = Field(
        16, ge=1, le=256, description="Worlds that step together, with one batch of plans.", json_schema_extra=ADVANCED
    )

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.delay is not None and not self.real_time:
            raise ValueError("delay is for real_time")
        return self

    def sampling(self) -> dict[str, str | int]:
        """The settings that differ from the policy's own, as `Policy.with_sampling` takes them."""
        named = {"solver": self.solver, "steps": self.steps, "action_steps": self.action_steps, "delay": self.delay}
        changed: dict[str, str | int] = {name: value for name, value in named.items() if value is not None}
        return {**changed, "chunking": "real-time"} if self.real_time else changed

"""What a policy is, as plain data: the content of its config.json. No torch here."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Objective = Literal["eps", "x0", "v", "flow", "regression"]


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ObservationConfig(_Plain):
    """One named array of an observation: its shape without time, and "float32" or "uint8" (pictures, (height, width, 3))."""

    shape: tuple[int, ...]
    dtype: Literal["float32", "uint8"] = "float32"


class NetworkConfig(_Plain):
    """The size of the network.

    kind     "mlp", "unet" or "transformer": what turns noised actions into a prediction
    width    of its blocks (the first level of the U-Net)
    depth    blocks of the MLP or transformer; levels of the U-Net, each twice as wide as the one before
    trunk, trunk_depth  width and residual blocks of the network that reads the observation, once for each plan
    """

    kind: Literal["mlp", "unet", "transformer"] = "mlp"
    width: int = Field(256, ge=8)
    depth: int = Field(2, ge=1)
    trunk: int = Field(512, ge=8)
    trunk_depth: int = Field(3, ge=0)


class SamplingConfig(_Plain):
    """How a plan is drawn and how much of it is executed.

    solver, steps  of `scorekit.solvers`; a policy trained by regression takes neither
    action_steps   actions executed before the next plan
    clip           x0 is kept within this; None: not clipped
    chunking       "real-time": a plan begins with what is left of the plan before it, firmly for `delay` actions, then less and less
                   (Black et al. 2025, arXiv:2506.07339, by inpainting); "none": plans do not know each other
    """

    solver: str = "ddim"
    steps: int = Field(10, ge=1)
    action_steps: int = Field(8, ge=1)
    clip: float | None = Field(None, gt=0)
    chunking: Literal["none", "real-time"] = "none"
    delay: int = Field(1, ge=0)


class PolicyConfig(_Plain):
    """Everything but the weights.

    task            the world it was trained in: "pusht", "metaworld/push-v3", a Gymnasium id
    observations    what it reads, in this order
    action_low, action_high  bounds of one action, in the world's units
    obs_steps       observations that a plan is made from, the present one last
    horizon         actions of a plan, the first for the present step
    representation  "generic" (min-max) or "pusht-frame"
    relative        "generic" only: (observation, first index): actions are positions, relative to this part of the present observation
    mirror          trained on mirror images, too, where the task has a symmetry
    prediction      what the network answers; "regression": the plan itself, with no diffusion
    levels          training steps of the noise schedule (cosine; straight paths for "flow")
    training        how it was trained, as a record
    """

    version: Literal[1] = 1
    task: str
    observations: dict[str, ObservationConfig] = Field(min_length=1)
    action_low: tuple[float, ...] = Field(min_length=1)
    action_high: tuple[float, ...] = Field(min_length=1)
    obs_steps: int = Field(2, ge=1)
    horizon: int = Field(16, ge=1)
    representation: Literal["generic", "pusht-frame"] = "generic"
    relative: tuple[str, int] | None = None
    mirror: bool = False
    network: NetworkConfig = NetworkConfig()
    prediction: Objective = "v"
    levels: int = Field(100, ge=2)
    sampling: SamplingConfig = SamplingConfig()
    training: dict[str, Any] = Field(default_factory=dict)

    @property
    def action_dim(self) -> int:
        """Numbers of one action."""
        return len(self.action_low)

    @model_validator(mode="after")
    def _agree(self) -> PolicyConfig:
        if len(self.action_low) != len(self.action_high):
            raise ValueError("action_low and action_high must have the same length.")
        if self.sampling.action_steps > self.horizon:
            raise ValueError(
                f"action_steps must be from 1 to the horizon {self.horizon}, not {self.sampling.action_steps}."
            )
        if self.relative is not None:
            name, first = self.relative
            shape = self.observations[name].shape if name in self.observations else ()
            if len(shape) != 1 or not 0 <= first <= shape[0] - self.action_dim:
                raise ValueError(
                    f"relative must name a vector observation and where in it {self.action_dim} positions begin."
                )
        return self


def sentence(error: ValidationError) -> str:
    """What pydantic found, in one sentence."""
    first = error.errors()[0]
    where, what = ".".join(map(str, first["loc"])), str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    return f"{where}: {what}." if where else f"{what}."

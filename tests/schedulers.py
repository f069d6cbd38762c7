"""Driving the schedulers of diffusers and our plans over one exact denoiser: what the tests of the solvers share."""

import torch

from scorekit.sampling import sample

F64 = torch.float64
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
PREDICTION = {"eps": "epsilon", "v": "v_prediction", "x0": "sample"}


def levels_of(scheduler) -> torch.Tensor:
    """The grid that the scheduler visits, in our t."""
    return torch.cat([(scheduler.timesteps.to(F64) + 1) / 1000, torch.zeros(1, dtype=F64)])


def drive(scheduler, model, x: torch.Tensor, kind: str, **step) -> torch.Tensor:
    """The loop as diffusers documents it."""
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, timestep)
        output = model.predict(scaled, (timestep.to(F64) + 1) / 1000).read(kind)
        x = scheduler.step(output, timestep, x, **step).prev_sample
    return x


def ours(model, x: torch.Tensor, solver: str, levels: torch.Tensor, **options) -> torch.Tensor:
    return sample(model.given(), tuple(x.shape), solver=solver, levels=levels, x_T=x, dtype=F64, **options)

"""From a world's arrays to a policy's tensors, refusing in one sentence what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from scorekit_diffusion_policy.config import PolicyConfig

if TYPE_CHECKING:
    import gymnasium


def read_history(
    config: PolicyConfig, name: str, history: Mapping[str, np.ndarray[Any, Any]], device: torch.device
) -> dict[str, Tensor]:
    """Observations, each (B, obs_steps, ...), as tensors on the device.

    Raises ValueError, naming the policy and the observation, where one is missing, of another shape, or not finite.
    """
    tensors, batch = {}, None
    for key, wanted in config.observations.items():
        if key not in history:
            raise ValueError(
                f"policy {name} reads the observation {key!r}; the world gives {', '.join(history) or 'none'}."
            )
        value = np.asarray(history[key])
        shape = (config.obs_steps, *wanted.shape)
        if value.ndim != len(shape) + 1 or value.shape[1:] != shape or batch not in (None, len(value)):
            raise ValueError(
                f"observation {key!r} for policy {name} must be (B, {', '.join(map(str, shape))}), not {value.shape}."
            )
        batch = len(value)
        if wanted.dtype == "uint8":
            if value.dtype != np.uint8:
                raise ValueError(f"observation {key!r} for policy {name} must be pictures of uint8, not {value.dtype}.")
        else:
            value = value.astype(np.float32, copy=False)
            if not np.isfinite(value).all():
                raise ValueError(f"observation {key!r} for policy {name} has values that are not finite.")
        tensors[key] = torch.from_numpy(np.ascontiguousarray(value)).to(device)
    return tensors


def refuse_world(
    config: PolicyConfig, name: str, actions: gymnasium.Space[Any], observations: gymnasium.Space[Any]
) -> None:
    """Raise ValueError where a world's spaces are not those that the policy was trained in: wrong world, or a changed one."""
    trained = f"policy {name} was trained in {config.task}"
    low, high = getattr(actions, "low", None), getattr(actions, "high", None)
    if low is None or high is None or np.shape(low) != (config.action_dim,):
        raise ValueError(
            f"{trained}, whose actions are {config.action_dim} numbers; those of this world are {actions}."
        )
    if not (np.allclose(low, config.action_low, atol=1e-4) and np.allclose(high, config.action_high, atol=1e-4)):
        raise ValueError(
            f"{trained}, whose actions lie in {list(config.action_low)} to {list(config.action_high)}; "
            f"here they lie in {low.tolist()} to {high.tolist()}."
        )
    given = getattr(observations, "spaces", {})
    for key, wanted in config.observations.items():
        if key not in given:
            raise ValueError(
                f"{trained} and reads the observation {key!r}; this world gives {', '.join(given) or 'none'}."
            )
        if tuple(given[key].shape or ()) != wanted.shape:
            raise ValueError(f"{trained}, where {key!r} has the shape {wanted.shape}; here it has {given[key].shape}.")

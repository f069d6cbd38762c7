"""Large models on a small device: their parts take turns there, and rest in the CPU's memory in between."""

from __future__ import annotations

from typing import Any

import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from accelerate.utils import send_to_device
from torch import Tensor, nn


class Turns:
    """One group of modules is on the device at a time: the one that was called last. It stays until another is called, so that a
    sampler's steps move nothing.

    What is called with gradients to record stays for good: a backward pass would find its weights gone.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._groups: dict[str, list[nn.Module]] = {}
        self._here: str | None = None
        self._stay: set[str] = set()

    def guest(self, module: nn.Module, group: str) -> nn.Module:
        """The module, resting from now on; every call takes it, and its group, to the device."""
        self._groups.setdefault(group, []).append(module)
        move(module, torch.device("cpu"))
        hooked: nn.Module = add_hook_to_module(module, _Guest(self, group))
        return hooked

    def admit(self, group: str, *, stays: bool) -> None:
        """Bring a group, after the one before it has left."""
        if stays:
            self._stay.add(group)
        if group == self._here:
            return
        if self._here is not None and self._here not in self._stay:
            for module in self._groups[self._here]:
                move(module, torch.device("cpu"))
        for module in self._groups[group]:
            move(module, self.device)
        self._here = group


class _Guest(ModelHook):  # type: ignore[misc]
    """accelerate calls it before a module's forward, diffusers before an autoencoder's encode and decode, then without their inputs."""

    def __init__(self, turns: Turns, group: str) -> None:
        self._turns, self._group = turns, group

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:  # noqa: ARG002
        inputs = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        recorded = any(value.requires_grad for value in inputs) if inputs else True
        self._turns.admit(self._group, stays=torch.is_grad_enabled() and recorded)
        return send_to_device(args, self._turns.device), send_to_device(kwargs, self._turns.device)


def move(module: nn.Module, device: torch.device) -> None:
    """Weights and buffers of a module to a device."""
    module.to(device)

"""Models that stay loaded between the jobs of one worker.

A job may do to a model what it likes (hooks, LoRAs, a changed weight) and may be stopped in the middle of it, so a model
is handed to the next job only if nothing of it has changed: same seed, same result, whoever was there before.
"""

import copy
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scorekit.host import models

if TYPE_CHECKING:
    import torch
    from torch import nn

    from scorekit.denoiser import Denoiser

MOST_MODELS = 4
SHARE = 0.5  # of the device's memory that resting models may fill


@dataclass
class _Kept:
    denoiser: "Denoiser"
    identity: dict[str, Any]
    modules: "list[nn.Module]"
    bytes: int
    print: list[Any]


class Warm:
    """A loader for `scorekit.host.execute` that keeps what it loaded. `most_bytes`: of all resting models together."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = int(most_bytes * SHARE)
        self._kept: OrderedDict[tuple[Any, ...], _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def load(
        self, name: str, device: "torch.device", dtype: "torch.dtype", trust_pickle: bool
    ) -> "tuple[Denoiser, dict[str, Any]]":
        """As `scorekit.host.models.load`; a model that is kept is handed out if its files are still the same."""
        from scorekit.denoiser import Denoiser

        key = (name, str(device), str(dtype), trust_pickle)
        if kept := self._kept.get(key):
            if _identity(name) == kept.identity:
                self._kept.move_to_end(key)
                return _fresh(kept.denoiser), dict(kept.identity)
            del self._kept[key]
        denoiser, identity = models.load(name, device, dtype, trust_pickle)
        modules = list(_modules(denoiser)) if isinstance(denoiser, Denoiser) else []
        if modules and identity.get("sha256"):
            size = sum(t.numel() * t.element_size() for m in modules for t in _tensors(m))
            self._kept[key] = _Kept(denoiser, identity, modules, size, [_print(m) for m in modules])
            return _fresh(denoiser), dict(identity)
        return denoiser, identity

    def review(self) -> None:
        """After a job: forget models that it changed, and the least recently used beyond the limits."""
        for key, kept in list(self._kept.items()):
            if [_print(module) for module in kept.modules] != kept.print:
                del self._kept[key]
        while len(self._kept) > MOST_MODELS or sum(k.bytes for k in self._kept.values()) > self._most_bytes:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget all, to make room."""
        self._kept.clear()


def _identity(name: str) -> dict[str, Any] | None:
    import scorekit.models

    try:
        found = models.find(name)
        return scorekit.models.identity((found.spec.source if found.spec else None) or found.name)
    except (ValueError, OSError):
        return None


def _fresh(denoiser: "Denoiser") -> "Denoiser":
    """The same networks in a denoiser of its own, with no prompts remembered."""
    made = copy.copy(denoiser)
    made.backgrounds, made.views, made._encoded = dict(denoiser.backgrounds), dict(denoiser.views), {}
    return made


def _modules(denoiser: "Denoiser") -> "Iterator[nn.Module]":
    """The networks of a denoiser: its own, and those of its codec and prompt encoder, which may be plain objects around them."""
    from torch import nn

    seen: set[int] = set()
    stack: list[tuple[Any, int]] = [(part, 0) for part in (denoiser.network, denoiser.codec, denoiser.prompts)]
    while stack:
        value, depth = stack.pop()
        if value is None or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, nn.Module):
            yield value
        elif depth < 3:
            inside = [getattr(value, "__self__", None), *getattr(value, "__dict__", {}).values()]
            stack += [(part, depth + 1) for part in inside]
            if isinstance(value, list | tuple):
                stack += [(part, depth + 1) for part in value]
            elif isinstance(value, dict):
                stack += [(part, depth + 1) for part in value.values()]


def _tensors(module: "nn.Module") -> "Iterator[torch.Tensor]":
    yield from module.parameters()
    yield from module.buffers()


def _print(module: "nn.Module") -> list[Any]:
    """What a change would show in: parts and their settings, hooks, and each tensor's identity, version and sum.

    In-place changes raise a tensor's version, but not those made through `.data`: hence the sum.
    """
    import torch

    found: list[Any] = []
    for name, part in module.named_modules():
        hooks = len(part._forward_hooks), len(part._forward_pre_hooks), len(part._backward_hooks)
        own = "forward" in part.__dict__, id(part.__dict__.get("processor"))
        found.append((name, id(part), part.training, hooks, own))
    with torch.no_grad():
        for tensor in _tensors(module):
            flags = tensor._version, tensor.requires_grad, str(tensor.device), tensor.dtype
            total = float(tensor.sum(dtype=torch.float64)) if tensor.is_floating_point() else 0.0
            found.append((id(tensor), tensor.data_ptr(), flags, total))
    return found

"""Features: what named layers of a network say during one denoising call.

Diffusion features (DIFT, Tang et al. 2023, arXiv:2306.03881) are the outputs of one block of a U-Net or transformer for a noised
picture; EmerDiff (Namekata et al. 2024, arXiv:2401.11739) reads the queries of one cross-attention, the layer
"...attn2.to_q". Layers are named as in `network.named_modules()`; `layer_shapes` lists them.

A layer that gives several tensors counts as one of them. Of those that it gives itself (a tuple inside its tuple, the residuals of a
U-Net's down block, is left aside) it is the only one, or else the one shaped as its input `hidden_states`, which is how blocks of
SD3, Flux and the video transformers call the picture's tokens, whatever their order. Where that does not decide, and to have the
text's tokens, ask for an element of the tuple: "transformer_blocks.3[0]".
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from scorekit.denoiser import Condition, Denoiser, Prompt
from scorekit.schedule import Time
from scorekit.terms import Given

Record = Callable[[str, Tensor | None, Any], None]


class _Enough(Exception):
    """All that was asked for is there; the rest of the forward is not needed."""


def features(
    denoiser: Denoiser, x: Tensor, t: Time, condition: Prompt | Condition = None, *, layers: Sequence[str]
) -> dict[str, Tensor]:
    """The outputs of named layers at x (B, ...) and t, by the names asked for; (B, ...) for nearly all layers.

    denoiser   its network must be an nn.Module
    x, t       noised samples and their level, a number or (B,) in [0, 1]: to noise them is the caller's business (`noised_features`
               does it)
    condition  as in `denoiser.given`
    layers     names such as "unet.up_blocks.1", with "[i]" behind for an element of a tuple. A layer that runs several times counts
               the first time.

    The forward ends as soon as all layers have run. Nothing stays on the network and nothing of the call is kept but the result.
    Threads may share a network: each sees only its own call. Gradients flow where torch.is_grad_enabled().

    Raises ValueError for a network that has no layers (a function or a closed form), unknown names (naming near ones), layers that
    do not run or give no tensor, and what a score says of x, t and condition.
    """
    if isinstance(layers, str) or not layers:
        raise ValueError("layers must be a sequence of one or more names.")
    modules = _modules(denoiser)
    asked = {name: _address(name, modules, denoiser.name) for name in layers}
    found: dict[str, Tensor] = {}

    def record(layer: str, hidden: Tensor | None, output: Any) -> None:
        fresh = [name for name, (where, _) in asked.items() if where == layer and name not in found]
        for name in fresh:
            found[name] = _tensor(name, asked[name][1], hidden, output)
        if len(found) == len(asked):
            raise _Enough
        for name in fresh:  # what runs from here on might write into it
            found[name] = found[name].clone()

    hooked = {where: modules[where] for where, _ in asked.values()}
    with suppress(_Enough), _hooked(denoiser, hooked, record):
        denoiser.given(condition)(x, t)
    if idle := [name for name in asked if name not in found]:
        raise ValueError(
            f"layers: {idle[0]!r} does not run by itself in {denoiser.name}; ask for a layer inside or around it."
        )
    return {name: found[name] for name in asked}


def noised_features(
    denoiser: Denoiser,
    x0: Tensor,
    t: float,
    condition: Prompt | Condition = None,
    *,
    layers: Sequence[str],
    ensemble: int = 8,
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """The mean of `features` over several noises, all in one batch of ensemble * B samples.

    x0         (B, ...) data in the model's space
    t          level in [0, 1]; DIFT takes about 0.26 for semantics and 0 for geometry
    ensemble   noises for each sample, from 1 on (DIFT: 8). Every sample has its own: features of two pictures that are to be matched
               must not agree because of the noise.
    generator  on the device of x0

    Raises ValueError as `features` does, and for a layer whose output is not batched over samples.
    """
    if ensemble < 1:
        raise ValueError(f"ensemble must be at least 1, not {ensemble}.")
    (_, term), *_ = denoiser.given(condition).terms
    assert isinstance(term, Given)
    given = term.condition
    if given.batch > 1:  # one for each sample
        fields = Condition.stack([given], len(x0))
        given = Condition({name: torch.cat([value] * ensemble) for name, value in fields.items()}, label=given.label)
    many = torch.cat([x0] * ensemble)
    eps = torch.randn(many.shape, generator=generator, device=x0.device, dtype=x0.dtype)
    found = features(denoiser, denoiser.schedule.noised(many, eps, t), t, given, layers=layers)
    for name, value in found.items():
        if not value.ndim or len(value) % len(many):
            raise ValueError(
                f"layers: {name!r} gives {tuple(value.shape)} for {len(many)} samples: it cannot be averaged."
            )
    return {name: value.reshape(ensemble, -1, *value.shape[1:]).mean(0) for name, value in found.items()}


def layer_shapes(denoiser: Denoiser, condition: Prompt | Condition = None) -> dict[str, tuple[int, ...]]:
    """Every layer that `features` can be asked for and the shape of its output for one sample, without the batch.

    In the order in which they finish. Where a layer gives several tensors of which none is the picture's, each is listed ("name[0]").
    Costs one forward of one sample under `condition`, which networks that take no prompt may need. Raises ValueError as `features`.
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def record(layer: str, hidden: Tensor | None, output: Any) -> None:
        parts = _parts(output)
        one = _main(parts, hidden)
        named = {f"{layer}[{index}]": part for index, part in parts.items()} if one is None else {layer: one}
        for name, value in named.items():
            shapes.setdefault(name, tuple(value.shape[1:]))

    with torch.no_grad(), _hooked(denoiser, _modules(denoiser), record):
        denoiser.given(condition)(torch.zeros(1, *denoiser.shape, device=denoiser.device), 0.5)
    return shapes


@contextmanager
def _hooked(denoiser: Denoiser, modules: Mapping[str, nn.Module], record: Record) -> Iterator[None]:
    """record(name, hidden_states or the first input, output) after each call of a module by this thread."""
    thread = threading.get_ident()

    def hook(layer: str) -> Callable[..., None]:
        def after(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            if threading.get_ident() == thread:
                hidden = kwargs.get("hidden_states", args[0] if args else None)
                record(layer, hidden if isinstance(hidden, Tensor) else None, output)

        return after

    with ExitStack() as hooks:
        if any(module._compiled_call_impl is not None for module in _network(denoiser).modules()):
            # Compiled code calls no hooks that came after it.
            hooks.enter_context(torch.compiler.set_stance("force_eager"))
        for layer, module in modules.items():
            hooks.enter_context(module.register_forward_hook(hook(layer), with_kwargs=True))
        yield


def _network(denoiser: Denoiser) -> nn.Module:
    if not isinstance(denoiser.network, nn.Module):
        raise ValueError(f"{denoiser.name} has no layers: its network is a function, not an nn.Module.")
    return denoiser.network


def _modules(denoiser: Denoiser) -> dict[str, nn.Module]:
    return {name: module for name, module in _network(denoiser).named_modules() if name}


def _address(name: str, modules: Iterable[str], model: str) -> tuple[str, int | None]:
    """The layer, and which element of its output, that a name asks for."""
    layer, index = re.fullmatch(r"(.*?)(?:\[(\d+)\])?", name, re.DOTALL).groups()  # type: ignore[union-attr]
    if layer in modules:
        return layer, None if index is None else int(index)
    # A name that lacks its beginning is likelier than a misspelt one.
    near = [known for known in modules if known.endswith(f".{layer}")] or get_close_matches(layer, modules, cutoff=0.5)
    hint = f"near it are {', '.join(near[:3])}; " if near else ""
    raise ValueError(f"layers: {model} has no layer {name!r}; {hint}layer_shapes(denoiser) lists all.")


def _parts(output: Any) -> dict[int, Tensor]:
    """The tensors that an output consists of, by their place in it."""
    if isinstance(output, Mapping):  # the output classes of diffusers and transformers are mappings
        output = tuple(output.values())
    elements = output if isinstance(output, (tuple, list)) else (output,)
    return {place: element for place, element in enumerate(elements) if isinstance(element, Tensor)}


def _main(parts: Mapping[int, Tensor], hidden: Tensor | None) -> Tensor | None:
    """The one tensor that a layer's output counts as; None where that is not decided."""
    fits = list(parts.values())
    if len(fits) > 1 and hidden is not None:
        fits = [part for part in fits if part.shape == hidden.shape]
    return fits[0] if len(fits) == 1 else None


def _tensor(name: str, index: int | None, hidden: Tensor | None, output: Any) -> Tensor:
    parts = _parts(output)
    chosen = _main(parts, hidden) if index is None else parts.get(index)
    if chosen is None:
        known = ", ".join(f"[{place}] of shape {tuple(part.shape)}" for place, part in parts.items())
        wanted = "gives several tensors; ask for one of" if index is None and parts else "has there no tensor, but"
        raise ValueError(f"layers: {name!r} {wanted} {known or 'none at all'}.")
    return chosen

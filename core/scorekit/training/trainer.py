"""The training loop: accelerate for devices, processes and precision; EMA; checkpoints that resume exactly.

Data is asked for by step: batches(generator) draws one batch with a generator seeded from (seed, step, process), so a resumed run
sees what an uninterrupted one would have seen, and no loader state needs saving.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, is_initialized
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn

Report = Callable[[int, int, dict[str, float]], None]
CHECKPOINT = "training.pt"


@dataclass(frozen=True)
class Settings:
    """How to train.

    steps      optimiser steps in all; may be changed on resume
    warmup     steps over which the learning rate rises linearly to `lr`
    cooldown   last steps over which it falls linearly to 0; between them it is constant, so that a run can be prolonged
    ema        ceiling of the decay of the averaged weights; the decay at step n is min(ema, (1 + n) / (10 + n))
    precision  of the forward pass: "no" (float32), "bf16" or "fp16"
    checkpoint_seconds  between checkpoints
    """

    steps: int
    lr: float = 1e-3
    warmup: int = 200
    cooldown: int = 0
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float = 1.0
    ema: float = 0.999
    precision: Literal["no", "bf16", "fp16"] = "no"
    seed: int = 0
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, not {self.steps}.")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must lie in [0, 1), not {self.ema}.")

    @classmethod
    def of(cls, recipe: object, **others: Any) -> Self:
        """What a recipe says in fields of the same names (steps, lr, precision, ...); `others` are said beside it."""
        named = {name: getattr(recipe, name) for name in (field.name for field in fields(cls)) if hasattr(recipe, name)}
        return cls(**named | others)

    def learning_rate(self, step: int) -> float:
        """At a step counted from 0."""
        rise = (step + 1) / max(self.warmup, 1)
        fall = (self.steps - step) / max(self.cooldown, 1)
        return self.lr * min(1.0, rise, fall)


def train(
    model: nn.Module,
    loss: Callable[[nn.Module, Any, torch.Generator], Tensor],
    batches: Callable[[torch.Generator], Any],
    settings: Settings,
    folder: Path,
    report: Report = lambda step, total, metrics: None,
    *,
    cpu: bool = False,
) -> nn.Module:
    """Train `model` and return a copy with the averaged (EMA) weights, on the CPU in float32.

    loss      loss(model, batch, generator) -> scalar; the generator is on the CPU
    batches   batches(generator) -> batch, on the CPU; tensors, or tuples, lists and dicts of them, are moved to the device
    folder    holds `training.pt`, written every `checkpoint_seconds` and at the end; where it exists training goes on from it
    report    called by the main process after every step as report(step, total, metrics); what it raises stops the run, after a
              checkpoint
    cpu       stay off the GPU even where there is one

    Run under `accelerate launch` it uses every process given; the batch is then per process.
    Raises FloatingPointError where the loss is not finite, naming the step.
    """
    # accelerate keeps one state per process and refuses another precision: a notebook may train twice.
    if is_initialized() and (
        AcceleratorState().mixed_precision != settings.precision or (AcceleratorState().device.type == "cpu") != cpu
    ):
        AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(
        cpu=cpu,
        mixed_precision=settings.precision,
        kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True, broadcast_buffers=False)],
    )
    ema = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay
    )
    start, path = 0, Path(folder) / CHECKPOINT
    if path.exists():
        state = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        start = int(state["step"])
    model, optimizer = accelerator.prepare(model, optimizer)
    ema.to(accelerator.device)
    model.train()
    bare = accelerator.unwrap_model(model)

    def save(step: int) -> None:
        if accelerator.is_main_process:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".tmp")
            state = {
                "model": bare.state_dict(),
                "ema": ema.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
            }
            torch.save(state, temporary)
            os.replace(temporary, path)

    saved, began, done = time.monotonic(), time.monotonic(), start
    try:
        for step in range(start, settings.steps):
            generator = _generator(settings.seed, step, accelerator.process_index)
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate(step)
            batch = _to(batches(generator), accelerator.device)
            with accelerator.autocast():
                value = loss(model, batch, generator)
            now = value.detach().float()
            if not torch.isfinite(now):
                raise FloatingPointError(f"The training loss is not finite at step {step}.")
            accelerator.backward(value)
            norm = accelerator.clip_grad_norm_(model.parameters(), settings.clip)
            # In fp16 such gradients are no accident: accelerate's loss scaling skips the step.
            if settings.precision != "fp16" and not torch.isfinite(norm):
                raise FloatingPointError(f"The gradient of the training loss is not finite at step {step}.")
            optimizer.step()
            optimizer.zero_grad()
            _average(ema, bare, min(settings.ema, (1 + step) / (10 + step)))
            done = step + 1
            if accelerator.is_main_process:
                rate = (step + 1 - start) / (time.monotonic() - began)
                report(
                    step + 1, settings.steps, {"loss": float(now), "grad_norm": float(norm), "steps_per_second": rate}
                )
            if time.monotonic() - saved > settings.checkpoint_seconds:
                save(step + 1)
                saved = time.monotonic()
    except FloatingPointError:
        raise  # the last good checkpoint stays
    except BaseException:
        save(done)  # the steps that were taken whole: a run interrupted in its forward pass repeats that step
        raise
    save(done)
    return ema.to("cpu", torch.float32).eval()


def _generator(seed: int, step: int, process: int) -> torch.Generator:
    # A product of primes keeps the streams of neighbouring steps and processes apart.
    return torch.Generator().manual_seed(((seed * 1_000_003 + step) * 8_191 + process) % 2**63)


def _to(batch: Any, device: torch.device) -> Any:
    match batch:
        case Tensor():
            return batch.to(device, non_blocking=True)
        case dict():
            return {key: _to(value, device) for key, value in batch.items()}
        case list() | tuple():
            return type(batch)(_to(value, device) for value in batch)
        case _:
            return batch


@torch.no_grad()
def _average(ema: nn.Module, model: nn.Module, decay: float) -> None:
    kept: list[Tensor] = [p.detach() for p in ema.parameters()]
    new: list[Tensor] = [p.detach() for p in model.parameters()]
    torch._foreach_lerp_(kept, new, 1 - decay)
    for buffer, source in zip(ema.buffers(), model.buffers(), strict=True):
        buffer.copy_(source)

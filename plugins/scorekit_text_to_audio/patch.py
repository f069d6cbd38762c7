"""Patches: the controls of the synthesiser by name, with units and ranges, and the JSON file in which a patch can be edited by hand."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

KIND, VERSION = "scorekit-synth-patch", 1
HARMONICS = 16
MOST_BYTES = 1 << 20  # of a patch file
QUIET = -60.0  # dB: the lower end of a level, taken as nothing


@dataclass(frozen=True)
class Control:
    """A knob: its range in `unit`, its default, and whether equal turns are equal ratios."""

    low: float
    high: float
    default: float
    unit: str
    description: str
    ratio: bool = False

    def value(self, turn: Tensor) -> Tensor:
        """What a turn in [0, 1] says, in the control's unit."""
        if self.ratio:
            return self.low * (turn * math.log(self.high / self.low)).exp()
        return self.low + (self.high - self.low) * turn

    def turn(self, value: float) -> float:
        """The inverse of `value`."""
        if self.ratio:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


CONTROLS: dict[str, Control] = {
    "pitch": Control(40, 2000, 220, "Hz", "of the oscillators when the sweep is over", True),
    "detune": Control(0, 50, 0, "cents", "between the two oscillators, which are alike"),
    "tone": Control(QUIET, 0, -12, "dB", "level of the oscillators"),
    "noise": Control(QUIET, 0, QUIET, "dB", "level of the noise"),
    "noise_centre": Control(80, 7800, 2000, "Hz", "middle of the noise's band", True),
    "noise_width": Control(0.3, 6, 2, "octaves", "of the noise's band", True),
    "onset": Control(0, 0.4, 0.05, "s", "when the sound begins"),
    "attack": Control(0.002, 0.4, 0.01, "s", "from nothing to full loudness", True),
    "decay": Control(0.01, 2, 0.3, "s", "time constant of the fall to the sustained level", True),
    "sustain": Control(0, 1, 0.5, "", "level that is held, as a share of the full one"),
    "hold": Control(0.01, 1, 0.6, "s", "from the onset to the release", True),
    "release": Control(0.005, 1, 0.1, "s", "time constant of the fall after the release", True),
    "sweep": Control(-24, 24, 0, "semitones", "above the pitch at the onset"),
    "sweep_time": Control(0.01, 1, 0.1, "s", "time constant of the way from there to the pitch", True),
    "vibrato": Control(0, 100, 0, "cents", "depth of the vibrato"),
    "vibrato_rate": Control(2, 10, 5, "Hz", "speed of the vibrato", True),
    "cutoff": Control(100, 8000, 4000, "Hz", "of the low-pass filter of the oscillators", True),
    "resonance": Control(0, 18, 0, "dB", "boost at the cutoff"),
    "filter_sweep": Control(-2, 4, 0, "octaves", "by which the cutoff is higher at the onset"),
    "filter_time": Control(0.01, 1, 0.2, "s", "time constant of the cutoff's way to its place", True),
    **{
        f"harmonic_{n}": Control(QUIET, 0, 0 if n == 1 else -12 - 2.0 * n, "dB", f"level of the {n}. partial")
        for n in range(1, HARMONICS + 1)
    },
}
NAMES = tuple(CONTROLS)
Patch = dict[str, float]


def default_patch() -> Patch:
    """Every control at its default, in its unit."""
    return {name: control.default for name, control in CONTROLS.items()}


def turns_of(patches: Sequence[Mapping[str, float]]) -> Tensor:
    """Patches as turns of the knobs (B, controls) in [0, 1], in the order of NAMES; what a patch leaves out is at its default."""
    rows = [[control.turn(patch.get(name, control.default)) for name, control in CONTROLS.items()] for patch in patches]
    return torch.tensor(rows, dtype=torch.float32).clamp(0, 1)


def values_of(turns: Tensor) -> dict[str, Tensor]:
    """Turns (B, controls) as values in the controls' units, (B,) each."""
    return {name: control.value(turns[:, i]) for i, (name, control) in enumerate(CONTROLS.items())}


def patches_of(turns: Tensor) -> list[Patch]:
    """Turns (B, controls) as patches of numbers with five digits."""
    values = {name: value.tolist() for name, value in values_of(turns.detach().cpu().double()).items()}
    return [{name: float(f"{values[name][b]:.5g}") for name in NAMES} for b in range(len(turns))]


def patch_json(patch: Mapping[str, float], seconds: float, **more: Any) -> dict[str, Any]:
    """The content of a patch file: every control with value, unit, range and what it does."""
    return {
        "kind": KIND,
        "version": VERSION,
        "seconds": round(seconds, 4),
        **more,
        "controls": {
            name: {
                "value": patch[name],
                "unit": control.unit,
                "range": [control.low, control.high],
                "description": control.description,
            }
            for name, control in CONTROLS.items()
        },
    }


def read_patch(path: Path) -> Patch:
    """A patch from its file. A control may be a number or an object with a "value"; those left out are at their defaults.

    Raises ValueError, naming the control and its range, for what is no patch.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES >> 20} MiB")
        found = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"patch: {path.name} cannot be read as JSON ({str(error).splitlines()[0]})") from error
    if not isinstance(found, dict) or found.get("kind") != KIND or not isinstance(found.get("controls"), dict):
        raise ValueError(
            f'patch: {path.name} is no synthesiser patch: it must say "kind": "{KIND}" and have "controls"'
        )
    if found.get("version") != VERSION:
        raise ValueError(f"patch: {path.name} has version {found.get('version')!r}; {VERSION} is known")
    patch = default_patch()
    for name, said in found["controls"].items():
        control = CONTROLS.get(name)
        if control is None:
            raise ValueError(f"patch: {path.name} has an unknown control {name!r}; there are {', '.join(NAMES)}")
        value: Any = said.get("value") if isinstance(said, dict) else said
        number = isinstance(value, int | float) and not isinstance(value, bool)
        # Numbers in a file are rounded: the ends of a range may be passed by as much.
        slack = 1e-4 * (control.high - control.low)
        if not number or not control.low - slack <= value <= control.high + slack:
            raise ValueError(
                f"patch: {name} must be a number from {control.low:g} to {control.high:g} {control.unit}".rstrip()
                + f", not {value!r}"
            )
        patch[name] = float(min(max(value, control.low), control.high))
    return patch

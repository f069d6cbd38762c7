"""Captions of the procedural pictures: "a red mushroom, side view", or closer, "a red mushroom, high front left view".

The vocabulary is closed; `parse` inverts every caption that `caption` writes. `HELD_OUT` lists the pairs of colour and
kind that no training set holds, so that a model's grasp of new combinations can be measured.

A picture is on white unless its caption says ", on black". Naming the background lets a model learn more than one without mixing them
up, and two pictures of one object before two backgrounds tell what is opaque: score distillation lives on that.
"""

from __future__ import annotations

import torch

from scorekit.zoo.objects import COLORS, KINDS

# Where a camera stands, closely: one of three levels and eight bearings; its (azimuth, elevation) in degrees at the middle of each.
# The object's front is at azimuth 0, and its left at 90.
LEVELS: dict[str, float] = {"low": 5.0, "high": 35.0, "overhead": 65.0}
BEARINGS: dict[str, float] = {
    "front": 0.0, "front left": 45.0, "left": 90.0, "back left": 135.0,
    "back": 180.0, "back right": 225.0, "right": 270.0, "front right": 315.0,
}  # fmt: skip
POSES: dict[str, tuple[float, float]] = {
    f"{level} {bearing}": (azimuth, elevation)
    for level, elevation in LEVELS.items()
    for bearing, azimuth in BEARINGS.items()
}
SIDES: tuple[str, ...] = ("front", "side", "back", "overhead")  # and loosely
VIEWS: tuple[str, ...] = (*SIDES, *POSES)
BACKGROUNDS: dict[str, tuple[float, float, float]] = {"white": (1.0, 1.0, 1.0), "black": (0.0, 0.0, 0.0)}
OVERHEAD_ELEVATION = 50.0  # degrees; above it a view is "overhead"
POSE_SHARE = 0.6  # share of training captions that name the view closely
SIDE_SHARE = 0.15  # and loosely
COLORLESS_SHARE = 0.05  # share of training captions that leave the colour out

HELD_OUT: frozenset[tuple[str, str]] = frozenset({
    ("purple", "ball"), ("pink", "cube"), ("cyan", "cone"), ("brown", "cylinder"),
    ("green", "donut"), ("blue", "mushroom"), ("yellow", "snowman"), ("orange", "table"),
    ("red", "chair"), ("gray", "rocket"), ("purple", "tree"), ("cyan", "mug"),
    ("gray", "ice cream cone"), ("pink", "dumbbell"), ("green", "house"), ("orange", "car"),
})  # fmt: skip

WORDS: tuple[str, ...] = tuple(
    sorted(
        {"a", "an", "on", "view", *BACKGROUNDS, *COLORS, *(word for name in (*VIEWS, *KINDS) for word in name.split())}
    )
)


def pose_of(azimuth: float, elevation: float) -> str:
    """Close name of the view from an azimuth and an elevation in degrees (any turn of azimuth), one of POSES."""
    level = min(LEVELS, key=lambda name: abs(LEVELS[name] - elevation))
    bearing = min(BEARINGS, key=lambda name: abs((azimuth - BEARINGS[name] + 180.0) % 360.0 - 180.0))
    return f"{level} {bearing}"


def side_of(azimuth: float, elevation: float) -> str:
    """Loose name of the view, one of SIDES."""
    if elevation > OVERHEAD_ELEVATION:
        return "overhead"
    turn = abs((azimuth + 180.0) % 360.0 - 180.0)
    return "front" if turn <= 45.0 else "back" if turn >= 135.0 else "side"


def caption(kind: str, color: str | None = None, view: str | None = None, background: str | None = None) -> str:
    """The caption of a picture; a colour, view or background of None is left out. Raises ValueError for unknown names."""
    _check("kind", kind, KINDS)
    if color is not None:
        _check("color", color, tuple(COLORS))
    if view is not None:
        _check("view", view, VIEWS)
    noun = kind if color is None else f"{color} {kind}"
    article = "an" if noun[0] in "aeiou" else "a"
    text = f"{article} {noun}" if view is None else f"{article} {noun}, {view} view"
    if background is None:
        return text
    _check("background", background, tuple(BACKGROUNDS))
    return f"{text}, on {background}"


def describe(
    kind: str,
    color: str,
    azimuth: float,
    elevation: float,
    generator: torch.Generator | None = None,
    background: str | None = None,
) -> str:
    """A training caption: the view is named closely, loosely or not, and rarely the colour is left out, at random."""
    draw = torch.rand(2, generator=generator).tolist()
    named = None if draw[0] < COLORLESS_SHARE else color
    view = None
    if draw[1] < POSE_SHARE:
        view = pose_of(azimuth, elevation)
    elif draw[1] < POSE_SHARE + SIDE_SHARE:
        view = side_of(azimuth, elevation)
    return caption(kind, named, view, background)


def parse(text: str) -> tuple[str | None, str | None, str | None]:
    """Colour, kind and view named in a prompt; None for each that is absent.

    Case, punctuation and unknown words are ignored. Where a prompt names several, the longest kind and view and
    the first colour win.
    """
    words = "".join(ch if ch.isalpha() else " " for ch in text.lower()).split()
    spaced = f" {' '.join(words)} "
    color = next((word for word in words if word in COLORS), None)
    views = [view for view in VIEWS if f" {view} view " in spaced]
    view = max(views, key=len, default=None)
    kinds = [kind for kind in KINDS if f" {kind} " in spaced]
    return color, max(kinds, key=len, default=None), view


def _check(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")

"""Captions of the clips: "a red mug turning left", "a sketch of a blue tree sliding up", "a robot arm opens a door".

The vocabulary is closed; `parse` inverts every caption that `caption` writes. A clip is on white unless its caption says ", on black".
`HELD_OUT_MOTIONS` lists pairs of kind and motion that no training set holds, beside the pairs of colour and kind that pico-image's
training never saw, so that a model's grasp of new combinations can be measured.
"""

from scorekit.zoo.captions import BACKGROUNDS, WORDS
from scorekit.zoo.captions import parse as parse_picture
from scorekit.zoo.objects import COLORS, KINDS

# What a clip shows, in the words of its caption. Left and right are the picture's; a thing turns left when its near side moves left.
PLANE: tuple[str, ...] = (
    "sliding left", "sliding right", "sliding up", "sliding down", "bouncing", "growing", "shrinking",
)  # fmt: skip
SPACE: tuple[str, ...] = ("turning left", "turning right", "camera orbiting")
MOTIONS: tuple[str, ...] = (*PLANE, *SPACE)
LOOSE: dict[str, str] = {  # what a caption may say of some motions instead
    motion: motion.split()[0] for motion in MOTIONS if motion.startswith(("sliding", "turning"))
}
# Kinds that look different from their sides; a snowman's turning is hard to see.
TURNING_KINDS: tuple[str, ...] = tuple(kind for kind in KINDS if kind not in ("ball", "cone", "snowman", "tree"))
SKETCH = "a sketch of "

TASKS: dict[str, str] = {  # of Meta-World (Yu et al., arXiv:1910.10897), and what the robot does there
    "door-open-v3": "a robot arm opens a door",
    "drawer-open-v3": "a robot arm opens a drawer",
    "drawer-close-v3": "a robot arm closes a drawer",
    "button-press-topdown-v3": "a robot arm presses a button",
    "window-open-v3": "a robot arm opens a window",
    "box-close-v3": "a robot arm closes a box",
    "plate-slide-v3": "a robot arm slides a plate",
    "soccer-v3": "a robot arm kicks a ball",
}

HELD_OUT_MOTIONS: frozenset[tuple[str, str]] = frozenset({
    ("mug", "turning left"), ("car", "sliding right"), ("tree", "growing"), ("house", "bouncing"),
    ("chair", "turning right"), ("rocket", "sliding up"), ("mushroom", "shrinking"), ("cube", "sliding left"),
    ("donut", "sliding down"), ("table", "camera orbiting"), ("ball", "growing"), ("dumbbell", "bouncing"),
})  # fmt: skip

VOCABULARY: tuple[str, ...] = tuple(
    sorted({*WORDS, "sketch", "of", *(word for text in (*MOTIONS, *TASKS.values()) for word in text.split())})
)


def caption(
    kind: str, color: str | None, motion: str | None, *, sketch: bool = False, background: str | None = None
) -> str:
    """The caption of a clip of an object; a colour, motion or background of None is left out. Raises ValueError for unknown names."""
    _check("kind", kind, KINDS)
    noun = kind
    if color is not None:
        _check("color", color, tuple(COLORS))
        noun = f"{color} {kind}"
    text = f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
    if motion is not None:
        _check("motion", motion, (*MOTIONS, *LOOSE.values()))
        text += f", {motion}" if motion.startswith("camera") else f" {motion}"
    if background is not None:
        _check("background", background, tuple(BACKGROUNDS))
        text += f", on {background}"
    return SKETCH + text if sketch else text


def parse(text: str) -> tuple[str | None, str | None, str | None]:
    """Colour, kind and motion named in a prompt; None for each that is absent, and for a motion without its direction."""
    spaced = f" {' '.join(''.join(ch if ch.isalpha() else ' ' for ch in text.lower()).split())} "
    color, kind, _ = parse_picture(text)
    return color, kind, next((motion for motion in MOTIONS if f" {motion} " in spaced), None)


def _check(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")

"""The closed language of the captions."""

import pytest
import torch

from scorekit.zoo.captions import (
    BEARINGS,
    COLORLESS_SHARE,
    HELD_OUT,
    LEVELS,
    POSE_SHARE,
    POSES,
    SIDE_SHARE,
    SIDES,
    VIEWS,
    WORDS,
    caption,
    describe,
    parse,
    pose_of,
    side_of,
)
from scorekit.zoo.objects import COLORS, KINDS


def test_parse_inverts_caption_for_all_of_them() -> None:
    for kind in KINDS:
        for color in (None, *COLORS):
            for view in (None, *VIEWS):
                text = caption(kind, color, view)
                assert parse(text) == (color, kind, view)
                assert set(text.replace(",", "").split()) <= set(WORDS)


def test_captions_read_as_english() -> None:
    assert caption("mushroom", "red", "side") == "a red mushroom, side view"
    assert caption("mushroom", "red", "high front left") == "a red mushroom, high front left view"
    assert caption("cube", "orange") == "an orange cube"
    assert caption("ice cream cone") == "an ice cream cone"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A RED Mushroom!", ("red", "mushroom", None)),
        ("a photo of one blue car, back view.", ("blue", "car", "back")),
        ("a car, overhead back right view, on black", (None, "car", "overhead back right")),
        ("an ice cream cone", (None, "ice cream cone", None)),
        ("the back of a chair", (None, "chair", None)),
        ("a carpet", (None, None, None)),
        ("", (None, None, None)),
    ],
)
def test_parse_reads_free_prompts(text: str, expected: tuple[str | None, ...]) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("arguments", "name"),
    [(("dragon",), "kind"), (("car", "mauve"), "color"), (("car", "red", "below"), "view")],
)
def test_unknown_names_are_refused_with_the_choices(arguments: tuple[str, ...], name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be one of .*, .*; got '{arguments[-1]}'"):
        caption(*arguments)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "view"),
    [
        (0, 10, "front"), (45, 0, "front"), (-45, 0, "front"), (46, 0, "side"), (-90, 40, "side"), (134, 0, "side"),
        (135, 0, "back"), (-170, 0, "back"), (180, 0, "back"), (360, 0, "front"), (-270, 0, "side"), (540, 0, "back"),
        (0, 50, "front"), (0, 50.1, "overhead"), (180, 85, "overhead"),
    ],
)  # fmt: skip
def test_sides(azimuth: float, elevation: float, view: str) -> None:
    assert side_of(azimuth, elevation) == view


@pytest.mark.parametrize(
    ("azimuth", "elevation", "view"),
    [
        (0, 5, "low front"), (22, -10, "low front"), (23, 19, "low front left"), (90, 21, "high left"), (-90, 35, "high right"),
        (180, 49, "high back"), (-158, 51, "overhead back"), (315, 90, "overhead front right"), (359, 5, "low front"),
    ],
)  # fmt: skip
def test_poses(azimuth: float, elevation: float, view: str) -> None:
    assert pose_of(azimuth, elevation) == view


def test_every_pose_is_its_own_name() -> None:
    assert len(POSES) == len(LEVELS) * len(BEARINGS)
    assert all(pose_of(*angles) == name for name, angles in POSES.items())


def test_training_captions_drop_words_at_the_stated_rates() -> None:
    generator = torch.Generator().manual_seed(0)
    found = [parse(describe("car", "blue", 170.0, 30.0, generator)) for _ in range(3000)]
    assert {kind for _, kind, _ in found} == {"car"}
    assert {view for _, _, view in found} == {"high back", "back", None}
    assert abs(sum(color is None for color, _, _ in found) / 3000 - COLORLESS_SHARE) < 0.015
    assert abs(sum(view in POSES for _, _, view in found) / 3000 - POSE_SHARE) < 0.03
    assert abs(sum(view in SIDES for _, _, view in found) / 3000 - SIDE_SHARE) < 0.03


def test_one_pair_per_kind_is_held_out() -> None:
    assert sorted(kind for _, kind in HELD_OUT) == sorted(KINDS)
    assert {color for color, _ in HELD_OUT} <= set(COLORS)
    counts = [sum(color == name for color, _ in HELD_OUT) for name in COLORS]
    assert min(counts) >= 1
    assert max(counts) <= 2

"""The closed language of the captions."""

import pytest
import torch

from scorekit.zoo.captions import COLORLESS_SHARE, HELD_OUT, VIEW_SHARE, VIEWS, WORDS, caption, describe, parse, view_of
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
    assert caption("cube", "orange") == "an orange cube"
    assert caption("ice cream cone") == "an ice cream cone"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A RED Mushroom!", ("red", "mushroom", None)),
        ("a photo of one blue car, back view.", ("blue", "car", "back")),
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
def test_view_names(azimuth: float, elevation: float, view: str) -> None:
    assert view_of(azimuth, elevation) == view


def test_training_captions_drop_words_at_the_stated_rates() -> None:
    generator = torch.Generator().manual_seed(0)
    found = [parse(describe("car", "blue", "back", generator)) for _ in range(3000)]
    assert {kind for _, kind, _ in found} == {"car"}
    assert abs(sum(color is None for color, _, _ in found) / 3000 - COLORLESS_SHARE) < 0.015
    assert abs(sum(view is not None for _, _, view in found) / 3000 - VIEW_SHARE) < 0.03


def test_one_pair_per_kind_is_held_out() -> None:
    assert sorted(kind for _, kind in HELD_OUT) == sorted(KINDS)
    assert {color for color, _ in HELD_OUT} <= set(COLORS)
    counts = [sum(color == name for color, _ in HELD_OUT) for name in COLORS]
    assert min(counts) >= 1
    assert max(counts) <= 2

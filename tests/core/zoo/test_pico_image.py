"""The embedded model as it ships: it loads, it draws what it is asked for, on the background it is asked for."""

import torch

from scorekit import load, sample
from scorekit.zoo.captions import HELD_OUT, WORDS, caption
from scorekit.zoo.judge import Judge
from scorekit.zoo.objects import COLORS, KINDS


def draw(captions: list[str]) -> torch.Tensor:
    model = load("pico-image")
    null, cond = model.given(None), model.given(captions)
    generator = torch.Generator().manual_seed(0)
    return model.decode(sample(null + 4 * (cond - null), len(captions), steps=12, generator=generator))


def test_colours_and_most_kinds_are_right() -> None:
    colors = list(COLORS)
    wanted = [(kind, colors[i % 10]) for i, kind in enumerate(KINDS)]
    kind, color = Judge.load()(draw([caption(k, c, "front") for k, c in wanted]))
    named = [(KINDS[k], colors[c]) for k, c in zip(kind.argmax(1).tolist(), color.argmax(1).tolist(), strict=True)]
    assert sum(c == w[1] for (_, c), w in zip(named, wanted, strict=True)) >= 14
    assert sum(k == w[0] for (k, _), w in zip(named, wanted, strict=True)) >= 11


def test_it_composes_pairs_that_it_never_saw() -> None:
    pairs = sorted(HELD_OUT)
    color = Judge.load()(draw([caption(kind, color) for color, kind in pairs]))[1]
    named = [list(COLORS)[i] for i in color.argmax(1).tolist()]
    assert sum(n == c for n, (c, _) in zip(named, pairs, strict=True)) >= 13


def test_backgrounds_are_those_asked_for() -> None:
    pictures = draw([caption("mushroom", "red", background=b) for b in (None, "white", "black")])
    corners = pictures[..., :2, :2].mean((1, 2, 3))
    assert corners[:2].min() > 0.95
    assert corners[2] < 0.05
    assert load("pico-image").backgrounds == {"white": (1.0, 1.0, 1.0), "black": (0.0, 0.0, 0.0)}


def test_its_vocabulary_is_that_of_the_captions() -> None:
    model = load("pico-image")
    assert set(WORDS) == set(model.prompts.vocabulary)  # type: ignore[union-attr]

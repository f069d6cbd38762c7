"""Clips of objects, their captions and their looks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from scorekit.zoo.captions import HELD_OUT
from scorekit.zoo.objects import COLORS, KINDS, sample_object
from scorekit.zoo.render import Camera, look, render_rgba
from scorekit.zoo.words import make_tokenizer
from scorekit_video_adapter import domains, strips
from scorekit_video_adapter.captions import (
    HELD_OUT_MOTIONS,
    LOOSE,
    MOTIONS,
    TASKS,
    TURNING_KINDS,
    VOCABULARY,
    caption,
    parse,
)
from scorekit_video_adapter.looks import PENCIL, draw_look, painted, sketched
from scorekit_video_adapter.scenes import Stage, describe, pairs_of


def test_captions_are_parsed_back() -> None:
    for kind in KINDS:
        for motion in (None, *MOTIONS):
            for color in (None, "orange"):
                for sketch in (False, True):
                    text = caption(kind, color, motion, sketch=sketch, background="black")
                    assert parse(text) == (color, kind, motion), text
    assert parse("a red mug turning") == ("red", "mug", None)
    with pytest.raises(ValueError, match="motion must be one of sliding left"):
        caption("mug", "red", "flying")


def test_every_word_is_a_token_and_every_caption_fits() -> None:
    tokenizer = make_tokenizer(VOCABULARY)
    longest = [caption(kind, "orange", motion, sketch=True, background="black") for kind in KINDS for motion in MOTIONS]
    for text in (*longest, *TASKS.values()):
        ids = tokenizer(text).input_ids
        assert len(ids) == len(text.replace(",", " ,").split()) + 2 <= tokenizer.model_max_length, text


def test_held_out_pairs_are_never_drawn() -> None:
    assert not set(pairs_of()) & HELD_OUT_MOTIONS
    assert set(pairs_of(held_out=True)) >= HELD_OUT_MOTIONS
    assert all(kind in TURNING_KINDS for kind, motion in pairs_of() if motion.startswith("turning"))


def test_the_splits_of_the_sketch_domain_are_apart() -> None:
    train, validation, test = (set(domains.sketch_pairs(split)) for split in ("train", "validation", "test"))
    assert not train & validation
    assert not train & test
    assert not validation & test
    assert len(train | validation | test) == len(domains.SKETCH_KINDS) * len(MOTIONS)
    for known in (0, 1):  # every kind and every motion of the test is known from training, in other pairs
        assert {pair[known] for pair in test} <= {pair[known] for pair in train}
    texts = domains.sketch_captions(40, "test")
    assert {parse(text)[1:] for text in texts} == test
    assert texts == domains.sketch_captions(40, "test")


def test_a_strip_shows_what_its_cameras_saw() -> None:
    shard = strips.make_shard(0, 4, seed=9)
    middle = look(0.0, n=strips.FRAMES)
    for i in range(4):
        camera = Camera(
            torch.tensor(shard["azimuth"][i]), torch.tensor(shard["elevation"][i]), middle.distance, middle.fov
        )
        kind, color = KINDS[shard["kind"][i]], list(COLORS)[shard["color"][i]]
        assert (color, kind) not in HELD_OUT
        one = sample_object(kind, color, torch.Generator().manual_seed(i))[torch.zeros(strips.FRAMES, dtype=torch.long)]
        _, alpha = render_rgba(one, camera, strips.SIDE, 1)
        seen, again = torch.tensor(shard["rgba"][i, ..., 3]) > 127, alpha[:, 0] > 0.5
        assert ((seen & again).sum((1, 2)) / (seen | again).sum((1, 2))).min() > 0.7, kind  # sizes are jittered
        assert (np.diff(shard["azimuth"][i]) > 0).all()
        assert (np.diff(shard["elevation"][i]) > 0).all() == bool(shard["orbit"][i])


def test_azimuths_that_grow_turn_the_near_side_to_the_left() -> None:
    middle = look(0.0, n=1)
    before = torch.tensor([[[0.5, 0.0, 0.0]]])  # the point nearest to a camera at azimuth 0
    camera = Camera(torch.tensor([15.0]), torch.tensor([10.0]), middle.distance, middle.fov)
    _, column, _ = camera.project(before, 32, 32)
    assert float(column) < 15


def test_turning_right_is_turning_left_backwards(stage: Stage) -> None:
    kind = next(kind for kind in TURNING_KINDS if len(stage._strips[kind, False]) == 1)
    left, right = (stage._frames(kind, m, None, torch.Generator().manual_seed(0))[0] for m in MOTIONS[7:9])
    torch.testing.assert_close(left.flip(0), right)


def test_small_sets_show_what_they_have(stage: Stage) -> None:
    shown = stage.shown(pairs_of())
    assert 0 < len(shown) < len(pairs_of())  # 48 strips do not show every kind
    missing = next(pair for pair in pairs_of() if pair not in shown)
    with pytest.raises(ValueError, match=r"there are no pictures of an? "):
        stage.draw(torch.Generator(), (missing,))
    with pytest.raises(ValueError, match="any kind and motion"):
        stage.shown((missing,))


def test_builds_are_the_same_again_and_go_on(tmp_path: Path) -> None:
    first = strips.load(strips.build(tmp_path / "a", 3, seed=2))
    again = strips.load(strips.build(tmp_path / "a", 3, seed=2))
    other = strips.load(strips.build(tmp_path / "b", 3, seed=2))
    for found in (again, other):
        np.testing.assert_array_equal(first.rgba, found.rgba)
    with pytest.raises(ValueError, match="found none"):
        strips.load(tmp_path)


def test_scenes_are_drawn_from_their_seed(stage: Stage) -> None:
    pairs = tuple(pair for pair in pairs_of() if pair[1] in MOTIONS[:7])
    a, b = (stage.draw(torch.Generator().manual_seed(3), pairs) for _ in range(2))
    torch.testing.assert_close(a.clip, b.clip)
    assert a.clip.shape == (3, 8, 32, 32)
    assert float(a.clip.min()) >= 0
    assert float(a.clip.max()) <= 1
    dark = stage.draw(torch.Generator().manual_seed(3), pairs, background=0.0)
    assert float(a.clip[:, :, 0, 0].min()) == 1
    assert float(dark.clip[:, :, 0, 0].max()) == 0


def test_training_captions_are_of_the_scene(stage: Stage) -> None:
    pairs = tuple(pair for pair in pairs_of() if pair[1] in MOTIONS[:7])
    generator = torch.Generator().manual_seed(0)
    whole = 0
    for _ in range(60):
        scene = stage.draw(generator, pairs)
        text = describe(scene, generator)
        color, kind, motion = parse(text)
        assert kind == scene.kind
        assert color in (scene.color, None)
        assert motion in (scene.motion, None)
        whole += (color, motion) == (scene.color, scene.motion)
        if motion is None and scene.motion in LOOSE:
            assert LOOSE[scene.motion] in text or text.endswith(scene.kind)
    assert 30 < whole < 60


def test_a_sketch_is_paper_outside_and_ink_at_the_rim() -> None:
    frames = torch.zeros(1, 4, 16, 16)
    frames[:, :, 4:12, 4:12] = torch.tensor([0.8, 0.1, 0.1, 1.0]).view(1, 4, 1, 1)
    drawn = sketched(frames, PENCIL)[0]
    torch.testing.assert_close(drawn[:, 0, 0], torch.tensor(PENCIL.paper))
    paint, paper = torch.tensor([0.8, 0.1, 0.1]), torch.tensor(PENCIL.paper)
    torch.testing.assert_close(drawn[:, 8, 8], paper + PENCIL.wash * (paint - paper))
    assert (drawn[:, 8, 4] - torch.tensor(PENCIL.ink)).abs().max() < 0.25
    torch.testing.assert_close(painted(frames, 1.0)[0, :, 0, 0], torch.ones(3))
    looks = [draw_look(torch.Generator().manual_seed(seed)) for seed in range(20)]
    assert {sum(a.paper) > sum(a.ink) for a in looks} == {True, False}

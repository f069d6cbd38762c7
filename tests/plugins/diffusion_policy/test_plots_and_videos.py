"""Drawn plans, videos and plots: what is where in the pixels, and what a player reads of the files."""

from pathlib import Path

import numpy as np
import pytest

from scorekit_diffusion_policy.drawing import BAD, GOOD, LATE, SOON, framed, resized, sheet, with_plans, with_words
from scorekit_diffusion_policy.plots import curves, fan, fans, parting, spread
from scorekit_diffusion_policy.videos import Reel, filmstrip, grid, reel, write_mp4

WHITE = np.full((96, 128, 3), 255, dtype=np.uint8)


def test_a_plan_is_drawn_where_it_goes_from_orange_to_magenta() -> None:
    page = np.full((480, 640, 3), 255, dtype=np.uint8)
    line = np.stack([np.linspace(100, 500, 9), np.full(9, 240.0)], 1)
    made = with_plans(page, [line])
    assert made.shape == page.shape
    assert (page == 255).all()  # the frame itself stays
    rows, columns = np.nonzero((made < 250).any(2))
    assert abs(rows.mean() - 240) < 1.5
    assert columns.min() >= 90
    assert columns.max() <= 510
    assert np.abs(made[240, 100].astype(int) - SOON).max() < 10
    assert np.abs(made[240, 500].astype(int) - LATE).max() < 10


def test_points_that_are_not_finite_or_far_outside_are_left_out() -> None:
    line = np.array([[10.0, 10.0], [np.nan, 5.0], [60.0, 40.0], [1e6, -1e6]])
    assert (with_plans(WHITE, [line]) < 250).any()
    assert (with_plans(WHITE, [np.full((4, 2), np.nan)]) == 255).all()


def test_many_faint_lines_add_up() -> None:
    line = np.array([[20.0, 48.0], [100.0, 48.0]])
    one, many = (with_plans(WHITE, [line] * n, opacity=0.3, dots=False)[48, 60].astype(int).sum() for n in (1, 8))
    assert many < one < 3 * 255


def test_a_reel_shows_what_is_left_of_each_plan_and_how_it_ended() -> None:
    line = np.stack([np.linspace(20, 100, 8), np.full(8, 60.0)], 1)
    one = reel(7, True, 0.97, [WHITE] * 10, [(0, line), (4, line + np.array([0, 20]))], size=96, action_steps=4)
    assert len(one.frames) == 10
    plain = with_words(WHITE, " " * 3)
    inked = [np.nonzero((frame[30:] < 250).any(2)) for frame in one.frames]
    assert plain.shape == one.frames[0].shape
    lefts = [columns.min() for _, columns in inked[:4]]
    assert lefts == sorted(lefts)
    assert lefts[0] < lefts[-1]  # what is done is no longer drawn
    assert abs(inked[4][0].mean() + 30 - 80) < 2  # the second plan
    assert not len(inked[9][0])  # no plan is followed after the last step
    assert (framed(one.frames[9], one.colour)[0, 0] == GOOD).all()


def test_an_mp4_plays_with_its_frames_at_no_more_than_30_a_second(tmp_path: Path) -> None:
    import imageio.v2 as imageio

    frames = [np.full((64, 96, 3), 25 * (i % 10), dtype=np.uint8) for i in range(80)]
    write_mp4(tmp_path / "a.mp4", frames, 80)
    assert (tmp_path / "a.mp4").read_bytes()[4:8] == b"ftyp"
    with imageio.get_reader(tmp_path / "a.mp4") as film:
        meta = film.get_meta_data()
        shown = [frame for frame in film]
    assert meta["codec"] == "h264"
    assert meta["size"] == (96, 64)
    assert meta["fps"] == pytest.approx(80 / 3, abs=0.1)
    assert len(shown) == 27 + 27  # every third, and a second of rest
    assert abs(int(shown[3].mean()) - 25 * 9) < 8


def test_a_grid_and_a_filmstrip_show_all_episodes_to_their_end() -> None:
    reels = [
        Reel(i, i % 2 == 0, 1.0, [np.full((96, 96, 3), 40 * i + t, dtype=np.uint8) for t in range(3 + i)])
        for i in range(3)
    ]
    pages = list(grid(reels))
    assert len(pages) == 5
    assert all(page.shape == pages[0].shape and page.shape[0] % 2 == page.shape[1] % 2 == 0 for page in pages)
    assert (pages[0][100, 100] == 0).all()
    assert (pages[-1][100, 100] == 2).all()  # the first, over since its third frame
    assert (pages[-1][0, 0] == GOOD).all()
    assert (pages[-1][0, 196] == BAD).all()
    strip = filmstrip(reels, columns=4)
    assert strip.shape == (3 * 192 + 2 * 4, 4 * 192 + 3 * 4, 3)
    assert (strip[100, 100] == 0).all()
    assert (strip[100, -100] == 2).all()


def test_frames_are_made_even_and_rows_may_be_short() -> None:
    assert resized(np.zeros((101, 151, 3), dtype=np.uint8), 100).shape == (100, 150, 3)
    assert sheet([[WHITE, WHITE], [WHITE]]).shape == (196, 260, 3)


def test_pictures_of_many_plans() -> None:
    left, right = (np.stack([np.linspace(64, x, 6), np.linspace(80, 30, 6)], 1) for x in (20, 108))
    picture = fan(WHITE, [left] * 4 + [right] * 4, "8 plans")
    inked = (picture[25:] < 250).any(2)
    assert inked[:, :50].any()
    assert inked[:, 80:].any()
    assert not inked[10:20, 55:75].any()
    assert fans([picture, picture]).shape == (96, 264, 3)
    drawn = curves(np.random.default_rng(0).normal(size=(5, 8, 3)), [-1] * 3, [1] * 3)
    assert drawn.shape == (286, 858, 3)
    assert all((drawn[:, third : third + 286] < 200).any() for third in (0, 286, 572))
    assert spread(np.array([[[0.0, 3.0]], [[0.0, -3.0]]])) == pytest.approx(3)


def test_two_ways_part_more_than_one_broad_way() -> None:
    draw = np.random.default_rng(0)
    broad = draw.normal(size=(24, 1, 2))
    ways = 0.2 * draw.normal(size=(24, 1, 2)) + np.where(np.arange(24)[:, None, None] % 2, 1.0, -1.0) * [1.0, 0.0]
    assert parting(ways) > 3 * parting(broad)
    assert parting(np.ones((24, 4, 2))) == 0

"""Regularisers, palette, regions, simplification, views and squares, each against what is known of it."""

import math
from dataclasses import replace

import pytest
import torch
from svg_pictures import blobs, circle, polygon

from scorekit_text_to_svg import regularisers
from scorekit_text_to_svg.augment import warped
from scorekit_text_to_svg.drawing import Drawing
from scorekit_text_to_svg.live import cut_out, mismatch, outside, silhouette, worst_regions
from scorekit_text_to_svg.outline import Paint, Path, Subpath, assemble
from scorekit_text_to_svg.outlines import outlined
from scorekit_text_to_svg.palette import palette
from scorekit_text_to_svg.path_art import PathArt
from scorekit_text_to_svg.pixel_art import rectangles
from scorekit_text_to_svg.rasterise import layers, over, render
from scorekit_text_to_svg.templates import template
from scorekit_text_to_svg.visibility import simplified, visible_area

WHITE = torch.ones(3)


def cubic(*points: tuple[float, float]) -> Drawing:
    return assemble([Path([Subpath(points[0], [(points[1], points[2], points[3])])], Paint((0, 0, 0), 1.0, 0.01))])


def test_a_curve_that_crosses_itself_costs_and_one_that_does_not_is_free() -> None:
    bow = cubic((0.1, 0.5), (0.3, 0.2), (0.7, 0.2), (0.9, 0.5))
    # The handles cross over: the curve makes a loop.
    loop = cubic((0.3, 0.5), (1.2, 0.1), (-0.2, 0.1), (0.7, 0.5))
    assert float(regularisers.crossing(bow)) == 0
    assert float(regularisers.crossing(loop)) > 0.5
    mirrored = replace(loop, points=loop.points * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(regularisers.crossing(mirrored), regularisers.crossing(loop))
    assert (
        float(regularisers.crossing(polygon([(0, 0), (1, 1), (1, 0), (0, 1)]))) == 0
    )  # straight lines have no handles


def test_a_circle_has_no_kinks_and_a_lens_has_two() -> None:
    disc = assemble([Path([circle(0.5, 0.5, 0.3)], Paint((0, 0, 0)))])
    joined = regularisers.joints(disc.topology)
    assert len(joined) == 8
    assert float(regularisers.kinks(disc.points, joined)) == pytest.approx(0, abs=1e-5)
    up, down = ((0.2, 0.3), (0.8, 0.3), (0.8, 0.5)), ((0.8, 0.7), (0.2, 0.7), (0.2, 0.5))
    half = assemble([Path([Subpath((0.2, 0.5), [up, ((0.6, 0.5), (0.4, 0.5), (0.2, 0.5))], True)], Paint((0, 0, 0)))])
    assert float(regularisers.kinks(half.points, regularisers.joints(half.topology))) == pytest.approx(1, abs=1e-4)
    whole = assemble([Path([Subpath((0.2, 0.5), [up, down], True)], Paint((0, 0, 0)))])
    assert float(regularisers.kinks(whole.points, regularisers.joints(whole.topology))) == pytest.approx(0, abs=1e-5)


def test_hairs_cost_more_than_discs() -> None:
    disc = blobs(1, wobble=0)
    thin = replace(disc, points=disc.points * torch.tensor([1.0, 0.05]))
    assert float(regularisers.slivers(disc, 1)) < 0.5
    assert float(regularisers.slivers(thin, 1)) > 2.5


def test_the_palette_finds_the_colours_that_there_are() -> None:
    g = torch.Generator().manual_seed(0)
    true = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.8, 0.2], [0.95, 0.95, 0.9]])
    which = torch.randint(0, 3, (60,), generator=g)
    found, mine = palette(true[which] + 0.01 * torch.randn(60, 3, generator=g), torch.ones(60), 3)
    assert (found[mine] - true[which]).abs().max() < 0.02
    heavy, _ = palette(torch.tensor([[0.0] * 3, [1.0] * 3]), torch.tensor([3.0, 1.0]), 1)
    torch.testing.assert_close(heavy, torch.full((1, 3), 0.25), atol=1e-5, rtol=0)
    few, each = palette(torch.rand(2, 3, generator=g), torch.zeros(2), 8)
    assert few.shape == (2, 3)
    assert sorted(each.tolist()) == [0, 1]


def test_the_worst_regions_are_the_shapes_that_are_not_drawn_the_largest_first() -> None:
    disc = assemble([Path([circle(0.3, 0.35, 0.2)], Paint((0.9, 0.1, 0.1)))])
    bar = polygon([(0.55, 0.7), (0.95, 0.7), (0.95, 0.8), (0.55, 0.8)], (0.1, 0.1, 0.9))
    target = render(Drawing.of([disc, bar]), 64, WHITE)[0]
    nothing = torch.cat([torch.zeros(3, 64, 64), torch.ones(1, 64, 64)])
    first, second = worst_regions(cut_out(target), nothing, 2)
    torch.testing.assert_close(first.centre, torch.tensor([0.3, 0.35]), atol=0.01, rtol=0)
    torch.testing.assert_close(first.radii, torch.tensor([0.2, 0.2]), atol=0.015, rtol=0)
    torch.testing.assert_close(first.colour, torch.tensor([0.9, 0.1, 0.1]), atol=0.02, rtol=0)
    torch.testing.assert_close(second.centre, torch.tensor([0.75, 0.75]), atol=0.01, rtol=0)
    assert abs(math.sin(float(second.angle))) < 0.05
    assert float(second.radii[0]) > 3 * float(second.radii[1])
    assert worst_regions(cut_out(target), layers(Drawing.of([disc, bar]), 64)[0], 4) == []
    only = worst_regions(cut_out(target), layers(disc, 64)[0], 4)
    assert len(only) == 1
    torch.testing.assert_close(only[0].centre, second.centre)


def test_an_object_is_cut_out_of_its_white_background_with_soft_borders_and_white_parts() -> None:
    disc = assemble([Path([circle(0.5, 0.5, 0.35)], Paint((0.2, 0.3, 0.8)))])
    spot = assemble([Path([circle(0.5, 0.5, 0.12)], Paint((0.95, 0.95, 0.95)))])
    both = Drawing.of([disc, spot])
    true = layers(both, 48)[0]
    found = cut_out(over(true[None], WHITE)[0])
    torch.testing.assert_close(found.layers, true, atol=0.03, rtol=0)
    torch.testing.assert_close(found.over(0.0), over(true[None], torch.zeros(3))[0], atol=0.03, rtol=0)
    # Paint is shaded; what is as white as the paper may be a hole, and is the same drawn either way.
    assert not found.unknown.any()
    white = replace(spot, colour=torch.ones(1, 1, 3))
    ring = assemble([Path([circle(0.5, 0.5, 0.35), circle(0.5, 0.5, 0.12, False)], Paint((0.2, 0.3, 0.8)))])
    seen = cut_out(render(Drawing.of([disc, white]), 48, WHITE)[0])
    for drawing in (Drawing.of([disc, white]), ring):
        assert float(mismatch(seen, layers(drawing, 48)[0]).max()) < 1e-3
    assert float(mismatch(seen, layers(disc, 48)[0]).mean()) > 0.01
    assert float(mismatch(seen, layers(assemble([]), 48)[0]).mean()) > 0.1
    whole = silhouette(found)
    torch.testing.assert_close(whole.centre, torch.tensor([0.5, 0.5]), atol=0.01, rtol=0)
    torch.testing.assert_close(whole.radii, torch.tensor([0.35, 0.35]), atol=0.015, rtol=0)


def test_lines_are_drawn_around_shapes_where_no_other_shape_hides_them() -> None:
    disc = assemble([Path([circle(0.4, 0.5, 0.3)], Paint((1.0, 0.2, 0.2)))])
    card = polygon([(0.5, 0.1), (0.95, 0.1), (0.95, 0.9), (0.5, 0.9)], (0.2, 0.4, 1.0))
    lines = outlined(Drawing.of([disc, card]), 8)
    assert lines.paths == 2
    assert bool(lines.topology.stroked.all())
    arc = lines.only(torch.tensor([True, False]))
    places = arc.points[0, arc.topology.segments[:, [0, 3]]].flatten(0, 1)
    torch.testing.assert_close(
        (places - torch.tensor([0.4, 0.5])).square().sum(1).sqrt(), torch.full((len(places),), 0.3)
    )
    assert float(places[:, 0].min()) == pytest.approx(0.1, abs=1e-4)
    assert float(places[:, 0].max()) == pytest.approx(0.5, abs=0.02)  # it meets the card and does not go under it
    rest = lines.only(torch.tensor([False, True]))
    assert bool(rest.topology.straight.all())
    assert len(rest.topology.segments) == 4
    # Of two shapes with a common border, that border is one line; of one that is wholly hidden there is none.
    assert outlined(Drawing.of([replace(disc, colour=disc.colour * 0.5), disc]), 8).paths == 1
    assert outlined(Drawing.of([disc, card]), 1).paths == 1
    # Between shapes of one colour there is none either: a lens on the rim of the disc adds to the line around both.
    lens = assemble([Path([circle(0.7, 0.5, 0.12)], Paint((1.0, 0.2, 0.2)))])
    both = outlined(Drawing.of([disc, lens]), 8)
    ends = both.points[0, both.topology.segments[:, [0, 3]]].flatten(0, 1)
    assert both.paths == 2
    assert float((ends - torch.tensor([0.4, 0.5])).square().sum(1).sqrt().min()) > 0.29


def test_white_inside_an_object_is_not_its_background() -> None:
    ring = assemble([Path([circle(0.5, 0.5, 0.4), circle(0.5, 0.5, 0.2, False)], Paint((0, 0, 0)))])
    clear = outside(render(ring, 32, WHITE)[0])
    assert clear[0, 0]
    assert clear[31, 31]
    assert not clear[16, 16]


def test_visible_area_counts_what_is_seen_of_a_path() -> None:
    square = polygon([(0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5)])
    cover = polygon([(0.0, 0.0), (0.25, 0.0), (0.25, 0.5), (0.0, 0.5)])
    both = Drawing.of([square, cover])
    torch.testing.assert_close(visible_area(both), torch.tensor([[0.125, 0.125]]))
    half = replace(both, opacity=torch.tensor([[1.0, 0.5]]))
    torch.testing.assert_close(visible_area(half), torch.tensor([[0.1875, 0.0625]]))


def test_what_makes_no_difference_is_left_out_and_the_picture_stays() -> None:
    disc = assemble([Path([circle(0.5, 0.5, 0.3)], Paint((0.9, 0.1, 0.1)))])
    hidden = assemble([Path([circle(0.5, 0.5, 0.2)], Paint((0, 0, 1)))])
    same = assemble([Path([circle(0.45, 0.5, 0.1)], Paint((0.9, 0.1, 0.1)))])
    white = assemble([Path([circle(0.9, 0.9, 0.05)], Paint((1, 1, 1)))])
    kept = simplified(Drawing.of([hidden, disc, same]), 0.001)
    assert kept.paths == 1
    torch.testing.assert_close(layers(kept, 32), layers(disc, 32))
    # White on white does show before black.
    assert simplified(Drawing.of([disc, white]), 0.001).paths == 2
    assert simplified(Drawing.of([hidden, disc, same]), 1.0).paths == 1


def test_views_differ_keep_their_colours_and_show_nothing_beyond_the_canvas() -> None:
    g = torch.Generator().manual_seed(0)
    full = torch.cat([torch.full((1, 3, 32, 32), 0.25), torch.zeros(1, 1, 32, 32)], 1)
    seen = warped(full, 6, 1.0, g)
    assert seen.shape == (6, 4, 32, 32)
    torch.testing.assert_close(seen[:, 0], 0.25 * (1 - seen[:, 3]))
    assert 0.7 < float(1 - seen[:, 3].mean()) < 1
    assert float((seen[0] - seen[1]).abs().max()) > 0.1
    torch.testing.assert_close(warped(full, 2, 0.0, g), full.repeat(2, 1, 1, 1))


def test_replaced_paths_come_to_the_top_and_the_others_keep_their_order_and_their_memory() -> None:
    g = torch.Generator().manual_seed(0)
    art = PathArt.random(template("flat"), 4, 2, None, g, None)
    art.step(art.layers(16).square().sum(), 1.0)
    with torch.no_grad():
        art.values["opacity"].copy_(torch.tensor([[0.9, 0.01, 0.8, 0.7], [0.9, 0.8, 0.7, 0.6]]))
        art.values["points"].view(2, 4, 12, 2).add_(0)
    points = art.values["points"].detach().view(2, 4, 12, 2).clone()
    memory = art.optimiser.state[art.values["points"]]["exp_avg"].view(2, 4, 12, 2).clone()
    gone = (art.weights() < 0.0015) | (art.values["opacity"] < 0.08)
    assert gone[0, 1]
    count = art.replace(g)
    assert count == int(gone.sum())
    kept = torch.nonzero(~gone[0])[:, 0]
    now = art.values["points"].detach().view(2, 4, 12, 2)
    remembered = art.optimiser.state[art.values["points"]]["exp_avg"].view(2, 4, 12, 2)
    torch.testing.assert_close(now[0, : len(kept)], points[0, kept])
    torch.testing.assert_close(remembered[0, : len(kept)], memory[0, kept])
    assert not remembered[0, len(kept) :].any()


def test_squares_merge_into_few_rectangles_that_cover_the_same_cells() -> None:
    cells = [(r, c) for r in range(5) for c in range(6) if (r, c) not in ((0, 0), (3, 4))]
    found = rectangles(cells)
    covered = [(r, c) for left, top, right, bottom in found for r in range(top, bottom) for c in range(left, right)]
    assert sorted(covered) == sorted(cells)
    assert len(found) <= 6

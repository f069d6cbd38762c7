"""The rasteriser against areas known in closed form, finite differences, and resvg."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from svg_pictures import blobs, circle, polygon, psnr, resvg
from torch import Tensor

from scorekit_text_to_svg.coverage import coverage
from scorekit_text_to_svg.drawing import Drawing
from scorekit_text_to_svg.flatten import Edges
from scorekit_text_to_svg.outline import Paint, Path, Subpath, assemble
from scorekit_text_to_svg.rasterise import layers, over, render
from scorekit_text_to_svg.svg_read import read_svg
from scorekit_text_to_svg.svg_write import svg
from scorekit_text_to_svg.tiles import Tiles

WHITE = torch.ones(3)


def opacity(drawing: Drawing, size: int) -> Tensor:
    return 1 - layers(drawing, size)[0, 3]


def test_a_pixel_shows_the_share_of_it_that_is_inside() -> None:
    # A triangle on a canvas of 2 x 2 pixels with corners (0, 0), (2, 0), (0, 2): half of two pixels, all of one.
    seen = opacity(polygon([(0, 0), (1, 0), (0, 1)]), 2)
    torch.testing.assert_close(seen, torch.tensor([[1.0, 0.5], [0.5, 0.0]]))
    box = opacity(polygon([(0.1, 0.25), (0.6, 0.25), (0.6, 0.35), (0.1, 0.35)]), 4)
    expected = torch.zeros(4, 4)
    expected[1] = torch.tensor([0.6, 1.0, 0.4, 0.0]) * 0.4
    torch.testing.assert_close(box, expected)


@pytest.mark.parametrize("size", [16, 61, 256])
def test_the_area_of_a_circle_is_found_at_any_size(size: int) -> None:
    disc = assemble([Path([circle(0.47, 0.53, 0.31)], Paint((0, 0, 0)))])
    area = float(opacity(disc, size).sum()) / size**2
    # Chords lie inside: two thirds of the tolerance of flattening along the circumference is missing at most.
    assert math.pi * 0.31**2 - area == pytest.approx(0, abs=0.7 * 0.02 / size * 2 * math.pi * 0.31)


def test_the_direction_does_not_matter_and_overlap_is_not_counted_twice() -> None:
    there, back = (
        opacity(assemble([Path([circle(0.5, 0.5, 0.3, way)], Paint((0, 0, 0)))]), 32) for way in (True, False)
    )
    torch.testing.assert_close(there, back)
    twice = opacity(assemble([Path([circle(0.5, 0.5, 0.3), circle(0.5, 0.5, 0.2)], Paint((0, 0, 0)))]), 32)
    assert float(twice.max()) <= 1
    hole = opacity(assemble([Path([circle(0.5, 0.5, 0.3), circle(0.5, 0.5, 0.2, False)], Paint((0, 0, 0)))]), 32)
    inner = opacity(assemble([Path([circle(0.5, 0.5, 0.2)], Paint((0, 0, 0)))]), 32)
    torch.testing.assert_close(hole, there - inner, atol=1e-5, rtol=0)


def test_what_is_off_the_canvas_on_any_side_is_cut_and_nothing_else_changes() -> None:
    large = opacity(assemble([Path([circle(0.5, 0.5, 0.9)], Paint((0, 0, 0)))]), 48)
    small = opacity(assemble([Path([circle(0.5, 0.5, 0.3)], Paint((0, 0, 0)))]), 144)[48:96, 48:96]
    torch.testing.assert_close(large, small, atol=2e-3, rtol=0)
    for x, y in ((-2.0, 0.5), (3.0, 0.5), (0.5, -2.0), (0.5, 3.0)):
        assert not opacity(assemble([Path([circle(x, y, 0.4)], Paint((0, 0, 0)))]), 16).any()


@pytest.mark.parametrize("tilt", [0.0, 0.3, math.pi / 4])
@pytest.mark.parametrize("width", [0.3, 1.0, 5.5])
def test_a_straight_stroke_covers_its_exact_strip(tilt: float, width: float) -> None:
    size = 64
    along = (math.cos(tilt), math.sin(tilt))
    ends = [(0.5 + s * 2 * along[0], 0.5 + s * 2 * along[1]) for s in (-1, 1)]
    line = assemble([Path([Subpath(ends[0], [(ends[1],)])], Paint((0, 0, 0), 1.0, width / size))])
    half = width / 2 / size
    strip = [
        (x + s * half * -along[1], y + s * half * along[0])
        for s, (x, y) in zip((1, 1, -1, -1), (*ends, *ends[::-1]), strict=True)
    ]
    torch.testing.assert_close(opacity(line, size), opacity(polygon(strip), size), atol=2e-5, rtol=0)


def test_a_stroke_that_crosses_itself_is_no_darker_there_and_a_dot_is_a_disc() -> None:
    loop = Subpath((0.2, 0.2), [((0.8, 0.8),), ((0.8, 0.2),), ((0.2, 0.8),)])
    seen = opacity(assemble([Path([loop], Paint((0, 0, 0), 0.5, 0.1))]), 64)
    assert float(seen.max()) == pytest.approx(0.5)
    dot = opacity(assemble([Path([Subpath((0.5, 0.5))], Paint((0, 0, 0), 1.0, 0.4))]), 64)
    assert float(dot.sum()) / 64**2 == pytest.approx(math.pi * 0.2**2, rel=5e-3)


def test_painting_order_and_opacity() -> None:
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    both = Drawing.of([polygon(square, (1, 0, 0)), polygon(square, (0, 1, 0))])
    both = replace(both, opacity=torch.tensor([[1.0, 0.25]]))
    torch.testing.assert_close(render(both, 2, WHITE)[0, :, 0, 0], torch.tensor([0.75, 0.25, 0.0]))
    faint = replace(both, opacity=torch.tensor([[0.5, 0.25]]))
    # Over blue: .75 (.5 red + .5 blue) + .25 green.
    torch.testing.assert_close(
        render(faint, 2, torch.tensor([0.0, 0.0, 1.0]))[0, :, 1, 1], torch.tensor([0.375, 0.25, 0.375])
    )


def test_a_batch_is_each_of_its_drawings() -> None:
    many = blobs(5, batch=3)
    whole = layers(many, 24)
    for index in range(3):
        torch.testing.assert_close(whole[index], layers(many.one(index), 24)[0])


def closed_edges(corners: Tensor) -> Edges:
    return Edges(corners, corners.roll(-1, 0), torch.zeros(len(corners), dtype=torch.long))


def test_the_gradient_of_coverage_is_exact() -> None:
    g = torch.Generator().manual_seed(0)
    corners = (torch.rand(7, 2, generator=g, dtype=torch.float64) * 12 - 2).requires_grad_()
    weight = torch.randn(200, generator=g, dtype=torch.float64)

    def total(p: Tensor) -> Tensor:
        edges = closed_edges(p)
        # Tiles of the whole canvas, or a step could change their size.
        whole = Edges(torch.tensor([[0.0, 0.0]]).double(), torch.tensor([[8.0, 8.0]]).double(), torch.zeros(1).long())
        tiles = Tiles.around(whole, torch.zeros(1), 8)
        inside = torch.arange(tiles.total) % 9 < 8
        return (coverage(edges, tiles) * inside * weight[: tiles.total]).sum()

    assert torch.autograd.gradcheck(total, (corners,), eps=1e-7, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("style", ["flat", "sketch", "low-poly"])
def test_gradients_agree_with_finite_differences(style: str) -> None:
    g = torch.Generator().manual_seed(1)
    size = 48
    drawing = blobs(4, seed=4, style=style)
    drawing = replace(drawing, width=torch.full_like(drawing.width, 0.05))
    # A smooth weight: differences of half a pixel then tell a derivative, not the noise of single pixels.
    weight = torch.nn.functional.interpolate(torch.randn(1, 4, 5, 5, generator=g), size, mode="bicubic")[0].double()
    values = {name: getattr(drawing, name).double() for name in ("points", "colour", "opacity", "width")}

    def total(values: dict[str, Tensor]) -> Tensor:
        return (layers(replace(drawing, **values), size)[0].double() * weight).sum()

    leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
    total(leaves).backward()
    for name, step in (("points", 2e-3), ("colour", 1e-2), ("opacity", 1e-2), ("width", 2e-3)):
        exact = leaves[name].grad
        if exact is None:
            assert name == "width"
            assert style != "sketch"
            continue
        found = torch.zeros_like(exact)
        for index in range(exact.numel()):
            away = torch.zeros_like(exact)
            away.view(-1)[index] = step
            with torch.no_grad():
                ahead, behind = (total({**values, name: values[name] + sign * away}) for sign in (1, -1))
            found.view(-1)[index] = (ahead - behind) / (2 * step)
        if found.abs().max() == 0:
            assert exact.abs().max() == 0
            continue
        # Strokes are exact along straight lines and nearly so at their round ends.
        assert torch.cosine_similarity(exact.flatten(), found.flatten(), 0) > (0.995 if style == "sketch" else 0.999)
        assert float(exact.norm() / found.norm()) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("style", ["flat", "sketch", "low-poly"])
@pytest.mark.parametrize("size", [64, 200])
def test_resvg_shows_the_same(style: str, size: int) -> None:
    text = svg(blobs(24, seed=size, style=style), "blobs")
    ours = render(read_svg(text.encode()), size, WHITE)[0]
    # resvg takes few samples a pixel, and strokes have two borders: its picture of 4 x 4 the pixels, averaged, is nearer the truth.
    fine = torch.nn.functional.avg_pool2d(resvg(text, 4 * size)[None], 4)[0]
    assert psnr(ours, fine) > 38
    if style != "sketch":
        assert psnr(ours, resvg(text, size)) > 38


@pytest.mark.parametrize("width", [0.7, 1.0, 1.4, 3.0])
def test_resvg_shows_the_same_strokes_at_the_size_of_the_file(width: float) -> None:
    # Up to 1 px wide resvg draws a line of 1 px in a fainter ink, which is farthest from the truth at 1 px.
    strokes = blobs(24, seed=5, style="sketch")
    text = svg(replace(strokes, width=torch.full_like(strokes.width, width / 256)), "strokes")
    ours = render(read_svg(text.encode()), 256, WHITE)[0]
    assert psnr(ours, resvg(text, 256)) > 38
    fine = torch.nn.functional.avg_pool2d(resvg(text, 2048)[None], 8)[0]
    assert psnr(ours, fine) > 50


def test_diffvg_agrees_where_it_is_installed() -> None:
    pytest.importorskip("pydiffvg")
    for style, least in (("flat", 0.98), ("sketch", None)):
        drawing = blobs(8, seed=2, style=style)
        drawing = replace(drawing, width=torch.full_like(drawing.width, 0.05))
        grads = []
        pictures = []
        for backend in ("torch", "diffvg"):
            points = drawing.points.clone().requires_grad_()
            seen = render(replace(drawing, points=points), 64, torch.tensor([1.0, 0.9, 0.8]), backend=backend)  # type: ignore[arg-type]
            seen.square().sum().backward()
            pictures.append(seen.detach())
            grads.append(points.grad.flatten())  # type: ignore[union-attr]
        assert psnr(*pictures) > 38
        if (
            least is not None
        ):  # its gradients of strokes are noise even at 8 x 8 samples: finite differences agree with ours
            assert torch.cosine_similarity(*grads, dim=0) > least


def test_diffvg_is_refused_in_one_sentence_where_it_is_not() -> None:
    try:
        import pydiffvg  # noqa: F401
    except ImportError:
        with pytest.raises(ValueError, match="pydiffvg is not installed"):
            render(blobs(1), 8, WHITE, backend="diffvg")


coordinate = st.one_of(
    st.floats(-0.5, 1.5, width=32),
    st.sampled_from([0.0, 0.25, 0.5, 1.0, -1e-30, 1e-30, 1e6, -1e6, 1e30, -1e30, math.inf, -math.inf, math.nan]),
)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), style=st.sampled_from(["flat", "sketch", "low-poly"]), size=st.sampled_from([1, 7, 32]))
def test_whatever_is_drawn_picture_and_gradients_are_finite(data: st.DataObject, style: str, size: int) -> None:
    drawing = blobs(3, style=style)
    count = drawing.points.numel()
    numbers = data.draw(st.lists(coordinate, min_size=count, max_size=count))
    points = torch.tensor(numbers).view_as(drawing.points).requires_grad_()
    width = torch.tensor([data.draw(st.lists(coordinate, min_size=3, max_size=3))]).requires_grad_()
    colour, alpha = (value.clone().requires_grad_() for value in (drawing.colour, drawing.opacity))
    seen = layers(replace(drawing, points=points, width=width, colour=colour, opacity=alpha), size)
    assert seen.isfinite().all()
    assert float(seen.min()) >= -1e-5
    assert float(seen.max()) <= 1 + 1e-5
    over(seen, torch.rand(3)).square().sum().backward()
    for value in (points, width, colour, alpha):
        assert value.grad is None or value.grad.isfinite().all()


def test_points_that_coincide_and_paths_without_any_area_show_nothing() -> None:
    flat = blobs(4)
    for points in (torch.full_like(flat.points, 0.5), flat.points * torch.tensor([1.0, 0.0]) + 0.5):
        p = points.clone().requires_grad_()
        seen = layers(replace(flat, points=p), 16)
        seen.sum().backward()
        torch.testing.assert_close(seen[0, 3], torch.ones(16, 16))
        assert p.grad is not None
        assert p.grad.isfinite().all()


def test_thousands_of_paths_are_drawn() -> None:
    many = blobs(2000, opacity=0.5)
    points = many.points.requires_grad_()
    seen = layers(many, 32)
    seen.sum().backward()
    assert seen.isfinite().all()
    assert points.grad is not None
    assert points.grad.isfinite().all()
    assert float(seen[0, 3].mean()) < 0.3


def test_an_empty_drawing_is_its_background() -> None:
    torch.testing.assert_close(
        render(assemble([]), 4, torch.tensor([0.2, 0.4, 0.6]))[0, :, 0, 0], torch.tensor([0.2, 0.4, 0.6])
    )

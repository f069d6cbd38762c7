"""The SVG writer and reader: what is written is read back, what others write is drawn as resvg draws it, what could harm is refused."""

import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from svg_pictures import blobs, psnr, resvg

from scorekit_text_to_svg.drawing import Drawing
from scorekit_text_to_svg.rasterise import render
from scorekit_text_to_svg.svg_path import parse_path
from scorekit_text_to_svg.svg_read import SvgError, read_svg
from scorekit_text_to_svg.svg_write import svg

WHITE = torch.ones(3)
HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">'


def document(body: str) -> str:
    return f"{HEAD}{body}</svg>"


@pytest.mark.parametrize("style", ["flat", "sketch", "low-poly"])
def test_a_file_read_back_is_the_same_text_and_shape(style: str) -> None:
    drawing = blobs(6, style=style)
    text = svg(drawing, "a <red> & blue thing\x00", "made by hand")
    again = read_svg(text.encode())
    assert svg(again, "a <red> & blue thing", "made by hand") == text
    assert (again.points - drawing.points[:, : again.points.shape[1]]).abs().max() <= 0.5 / 10 / 256 + 1e-6
    assert torch.equal(again.topology.segments, drawing.topology.segments)
    assert torch.equal(again.topology.stroked, drawing.topology.stroked)
    assert (again.colour - drawing.colour).abs().max() <= 0.5 / 255 + 1e-6


def test_the_file_is_svg_1_1_with_title_and_nonzero_fill() -> None:
    root = ElementTree.fromstring(svg(blobs(2), "a red mushroom", "told at length").encode())
    name = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{name}svg"
    assert root.attrib["version"] == "1.1"
    assert root.findtext(f"{name}title") == "a red mushroom"
    assert root.findtext(f"{name}desc") == "told at length"
    group = root.find(f"{name}g")
    assert group is not None
    assert group.attrib["fill-rule"] == "nonzero"
    path = group[0]
    assert 0 < float(path.attrib["fill-opacity"]) < 1
    assert "opacity" not in path.attrib
    assert path.attrib["d"].endswith("Z")


def test_invisible_paths_are_left_out_and_full_opacity_is_not_said() -> None:
    drawing = blobs(3)
    points = drawing.points.clone()
    points[:, 24:] = 0.5  # the last path has collapsed to a point
    text = svg(replace(drawing, points=points, opacity=torch.tensor([[0.0, 1.0, 1.0]])), "t")
    assert text.count("<path") == 1
    assert "fill-opacity" not in text


def test_the_writer_refuses_what_it_cannot_say() -> None:
    with pytest.raises(ValueError, match="batch of one, not of 2"):
        svg(blobs(1, batch=2), "t")
    with pytest.raises(ValueError, match="decimals must lie in 0 to 4"):
        svg(blobs(1), "t", decimals=9)


FOREIGN = {
    "commands": '<path d="M10,10h30v20H10zm50 0l20 5-10 20z M10 60c0-20 30-20 30 0s30 20 30 0" fill="teal"/>',
    "quadratics": '<path d="M10 50Q30 10 50 50T90 50V90H10Z" fill="#c06"/>',
    "arcs": '<path d="M10 50A30 20 30 0 1 60 50 15 15 0 10 80 60L80 90A5 5 0 0 0 20 80Z" fill="rgb(20,90,200)"/>',
    "tight flags": '<path d="M20 50a30 30 0 1160 0a30 30 0 11-60 0" fill="green"/>',
    "shapes": '<rect x="10" y="10" width="50" height="30" rx="8" fill="orange"/><circle cx="70" cy="60" r="20" fill="navy" '
    'fill-opacity=".5"/><ellipse cx="30" cy="70" rx="25" ry="12" fill="olive"/><polygon points="60,10 90,15 80,40" fill="red"/>',
    "strokes": '<g fill="none" stroke="purple" stroke-width="6" stroke-linecap="round" stroke-linejoin="round">'
    '<polyline points="10,20 40,60 70,20"/><line x1="10" y1="80" x2="90" y2="70" stroke-opacity=".6"/></g>',
    "fill and stroke": '<rect x="20" y="20" width="50" height="40" fill="gold" stroke="black" stroke-width="5" '
    'stroke-linejoin="round" style="fill:pink"/>',
    "transforms": '<g transform="translate(50 50) rotate(30)"><rect x="-30" y="-10" width="60" height="20" '
    'fill="#393"/><g transform="scale(.5,1.5) skewX(20)" opacity=".6"><circle r="20" fill="#339"/></g></g>',
    "holes": '<path fill-rule="evenodd" fill="brown" d="M10 10H90V90H10ZM30 30H70V70H30ZM40 40H60V60H40Z"/>',
    "editors": '<defs><linearGradient id="a"/></defs><metadata>x</metadata><path xmlns:i="http://inkscape.org/x" '
    'i:label="b" d="M10 10L90 10L50 90Z"/>',
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_others_write_is_drawn_as_resvg_draws_it(name: str) -> None:
    text = document(FOREIGN[name])
    fine = torch.nn.functional.avg_pool2d(resvg(text, 512)[None], 4)[0]
    assert psnr(render(read_svg(text.encode()), 128, WHITE)[0], fine) > 38


def test_an_oblong_drawing_is_fitted_with_its_proportions() -> None:
    text = '<svg xmlns="http://www.w3.org/2000/svg" width="4cm" height="2cm" viewBox="-10 0 40 20"><circle cx="10" cy="10" r="10"/></svg>'
    drawing = read_svg(text.encode())
    low, high = drawing.points[0, ::3].amin(0), drawing.points[0, ::3].amax(0)
    torch.testing.assert_close(low, torch.tensor([0.25, 0.25]))
    torch.testing.assert_close(high, torch.tensor([0.75, 0.75]))


BOMB = '<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (BOMB + document("&b;"), "document type or entities"),
        ('<!DOCTYPE svg SYSTEM "other.dtd">' + document(""), "document type or entities"),
        ('<?xml-stylesheet href="http://example.org/a.css"?>' + document(""), "processing instruction"),
        (document("<script>alert(1)</script>"), "<script>"),
        (document('<defs><g><script href="#a"/></g></defs>'), "<script>"),
        (document("<foreignObject><p/></foreignObject>"), "<foreignObject>"),
        (document('<path d="M0 0L1 1" onclick="x()"/>'), "event handler onclick"),
        (document('<image href="http://example.org/a.png"/>'), "outside itself by href"),
        (
            document('<a xmlns:x="http://www.w3.org/1999/xlink" x:href="javascript:x()"><path d="M0 0"/></a>'),
            "outside itself",
        ),
        (document('<rect width="9" height="9" fill="url(http://example.org/#a)"/>'), "outside itself by url"),
        (document('<rect width="9" height="9" style="fill: URL( \'//example.org/a\' )"/>'), "outside itself by url"),
        (document('<rect width="9" height="9" fill="url(#a)"/>'), "not a plain colour"),
        (document("<text>hello</text>"), "uses <text>"),
        (document("<style>a{}</style>"), "uses <style>"),
        (document('<g clip-path="url(#c)"><path d="M0 0L1 1L2 0"/></g>'), "uses clip-path"),
        (document("<g>" * 80 + "</g>" * 80), "deeper than 64"),
        (document('<path d="M0 0L9 9L0 9"/>' * 2001), "more than 2000 paths"),
        (document(f'<path d="M0 0{"L9 9L0 9" * 30_000}"/>'), "more than 50,000 segments"),
        (" " * 4_000_001, "at most 4,000,000"),
        (document('<path d="M0 0L9 nine"/>'), "<path> that cannot be read"),
        (document('<path d="L9 9"/>'), "must begin with M"),
        (document('<path d="M0 0L1e999 4"/>'), "not finite"),
        (document('<g transform="wobble(3)"/>'), "not a transform"),
        (document('<rect width="50%" height="3"/>'), "not a length"),
        ('<svg viewBox="0 0 0 9"/>', "size must be positive"),
        (document(""), "draws nothing"),
        ("<html/>", "first element is <html>"),
        ("GIF89a", "not well-formed XML"),
        ("", "not well-formed XML"),
    ],
)
def test_what_is_hostile_or_unknown_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    began = time.process_time()
    with pytest.raises(SvgError) as refused:
        read_svg(text.encode())
    message = str(refused.value)
    assert sentence in message
    assert message.endswith(".")
    assert "\n" not in message
    assert time.process_time() - began < 5


def test_a_million_paths_are_refused_before_they_are_read() -> None:
    began = time.process_time()
    with pytest.raises(SvgError, match=r"bytes|paths"):
        read_svg(document("<path d='M0 0'/>" * 1_000_000).encode())
    assert time.process_time() - began < 1


def test_a_document_type_does_not_hide_in_another_encoding() -> None:
    for encoding in ("utf-16", "utf-8-sig"):
        with pytest.raises(SvgError, match="document type"):
            read_svg((BOMB + document("&b;")).encode(encoding))


@settings(max_examples=150, deadline=None)
@given(st.text("MmLlHhVvCcSsQqTtAaZz0123456789.,-+eE ", max_size=60))
def test_path_data_is_read_or_refused_and_nothing_else(data: str) -> None:
    try:
        subpaths = parse_path(data)
    except ValueError:
        return
    assert all(len(step) in (1, 3) for subpath in subpaths for step in subpath.steps)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 80))
def test_broken_bytes_are_refused(noise: bytes, place: int) -> None:
    whole = document('<path d="M10 10L90 10L50 90Z"/>').encode()
    try:
        drawing = read_svg(whole[:place] + noise + whole[place:])
    except SvgError:
        return
    assert isinstance(drawing, Drawing)

"""The viewers' server side: what files hold against what is known of them, and hostile, damaged and huge files as sentences."""

import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import viewer_files as files
from PIL import Image

from scorekit_studio.viewers import (
    charts,
    correspondences,
    draw,
    meshes,
    page,
    pictures,
    rollouts,
    sounds,
    tables,
    tensors,
)
from scorekit_studio.viewers.components import BUNDLE, NAMES
from scorekit_studio.viewers.envelope import pack, unpack
from scorekit_studio.viewers.kept import Kept
from scorekit_studio.viewers.svg_clean import clean, harmless
from scorekit_studio.viewers.trouble import Unshowable, plain, read, sized

ROOT = Path(pictures.__file__).parent


# ---- SVG ----

ATTACKS = {
    "script": '<script>alert(1)</script>',
    "script in CDATA": "<script><![CDATA[alert(1)]]></script>",
    "handler": '<rect width="1" height="1" onload="alert(1)" onclick="alert(1)"/>',
    "javascript link": '<a href="javascript:alert(1)"><rect width="1" height="1"/></a>',
    "xlink": '<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="http://evil.invalid/a.svg#x"/>',
    "data use": '<use href="data:image/svg+xml;base64,PHN2Zz4="/>',
    "image": '<image href="http://evil.invalid/a.png" width="1" height="1"/>',
    "filter image": '<filter id="f"><feImage href="http://evil.invalid/a.png"/></filter><rect filter="url(#f)"/>',
    "foreign object": '<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><img src="x" onerror="alert(1)"/></body></foreignObject>',
    "other namespace": '<x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script>',
    "style element": "<style>@import url(http://evil.invalid/a.css); * { background: url(http://evil.invalid/b) }</style>",
    "style attribute": '<rect style="fill:url(http://evil.invalid/c); background-image: url(http://evil.invalid/d)"/>',
    "escaped style": r'<rect style="fill: u\72l(http://evil.invalid/e)"/>',
    "commented style": '<rect style="fill: url/**/(http://evil.invalid/f)"/>',
    "paint": '<rect fill="url(http://evil.invalid/g#h)"/><rect fill="url(  &quot;//evil.invalid/i&quot;)"/>',
    "image-set": '<rect fill="image-set(&quot;http://evil.invalid/j&quot; 1x)"/>',
    "animated link": '<use href="#x"><animate attributeName="href" values="javascript:alert(1)"/><set attributeName="href" to="x"/></use>',
    "cursor": '<rect cursor="url(http://evil.invalid/k)"/>',
    "stylesheet instruction": '<?xml-stylesheet href="http://evil.invalid/l.css"?><rect/>',
    "base": '<rect xml:base="http://evil.invalid/"/>',
    "iframe": '<iframe src="http://evil.invalid/"/><embed src="http://evil.invalid/"/><object data="http://evil.invalid/"/>',
    "text": "<text>&lt;script&gt;alert(1)&lt;/script&gt;</text>",
    "id breaks out": '<rect id="&quot;&gt;&lt;script&gt;"/>',
}  # fmt: skip


@pytest.mark.parametrize("body", ATTACKS.values(), ids=ATTACKS)
def test_nothing_hostile_is_left_in_a_drawing(body: str) -> None:
    seen = clean(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{body}</svg>'.encode()).text
    assert not re.search(
        r"<\s*(script|style|image|a |use [^>]*//|foreignObject|iframe|embed|object|animate|set|fe\w+|\?|!)", seen
    )
    assert not re.search(r"evil|javascript|data:|@import|\son\w+=|url\((?!#)|base=", seen)


def test_what_is_harmless_in_a_drawing_is_kept() -> None:
    seen = clean(files.SVG.encode())
    assert (seen.width, seen.height, seen.left_out) == (100, 100, 0)
    assert [(layer.name, layer.colour) for layer in seen.layers] == [
        ("background", None),
        ("head", "#e11d48"),
        ("path 3", "#fde68a"),
    ]
    for kept in (
        'fill="url(#sky)"',
        "<linearGradient",
        'stroke="#78350f"',
        'd="M40 70 h20 v25 h-20 z"',
        'data-layer="2"',
    ):
        assert kept in seen.text
    assert clean(seen.text.encode()).text == seen.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "well-formed"),
        (b"<svg", "well-formed"),
        (files.SVG.encode()[:200], "written to its end"),
        (b"<html/>", "no SVG"),
        (b'<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><svg>&b;</svg>', "entities"),
        (b'<!DOCTYPE svg [<!ENTITY x SYSTEM "other.txt">]><svg>&x;</svg>', "entities"),
        (b"<svg>" + b"<g>" * 80 + b"</g>" * 80 + b"</svg>", "nested"),
        (b"<svg>" + b"<g/>" * 50_001 + b"</svg>", "elements"),
        (b"<svg>" + b" " * 4_000_001 + b"</svg>", "MB"),
        ("<svg>\x00</svg>".encode("utf-16"), "well-formed"),
    ],
)
def test_drawings_that_are_refused(content: bytes, said: str) -> None:
    with pytest.raises(Unshowable, match=said):
        clean(content)


def test_a_drawing_cannot_multiply_itself() -> None:
    levels = "".join(f'<g id="l{i + 1}"><use href="#l{i}"/><use href="#l{i}"/></g>' for i in range(20))
    assert "<use" not in clean(f'<svg><g id="l0"><rect/></g>{levels}</svg>'.encode()).text
    nested = "".join(f'<pattern id="p{i + 1}"><rect fill="url(#p{i})"/></pattern>' for i in range(20))
    assert "url(" not in clean(f'<svg><pattern id="p0"/>{nested}</svg>'.encode()).text
    assert clean(b'<svg><rect id="r"/>' + b'<use href="#r"/>' * 300 + b"</svg>").text.count("<use") == 200


@pytest.mark.parametrize(
    ("head", "size"),
    [
        ('viewBox="0 0 20 10"', (20, 10)),
        ('width="2in" viewBox="0 0 20 10"', (192, 96)),
        ('width="50" height="25"', (50, 25)),
        ("", (300, 150)),
        ('width="1e30" height="1"', (300, 1)),
        ('viewBox="0 0 nan 1"', (300, 150)),
        ('viewBox="0 0 1e8 1"', (10_000, 100)),
    ],
)
def test_the_size_of_a_drawing(head: str, size: tuple[float, float]) -> None:
    seen = clean(f"<svg {head}/>".encode())
    assert (seen.width, seen.height) == (size if "1e30" not in head else (seen.width, size[1]))


@pytest.mark.parametrize(
    "value", ["#fff", "url(#a)", "url('#a') red", "rgb(1, 2, 3)", "translate(1 2) rotate(3)", "M0 0L1 1z"]
)
def test_harmless_values(value: str) -> None:
    assert harmless(value)


# ---- sound ----


def test_a_tone_is_a_line_at_its_frequency() -> None:
    heard = sounds.decode(files.tone())
    assert (heard.rate, len(heard.samples)) == (files.RATE, int(1.5 * files.RATE))
    levels, edges = sounds.spectrogram(heard.samples, heard.rate)
    band = levels.astype(int).mean(1).argmax()
    assert edges[band] <= files.TONE * 1.02
    assert edges[band + 1] >= files.TONE * 0.98
    # Half of full scale is 6 dB below the brightest; far from the tone there is nothing.
    assert levels[band].mean() == pytest.approx(255 * (1 - 6.02 / sounds.RANGE), abs=3)
    assert levels[edges[:-1] > 3000][:, 4:-4].max() == 0


def test_levels_follow_a_change_of_pitch_in_time() -> None:
    t = np.arange(32_000) / 16_000
    samples = np.where(t < 1, np.sin(2 * np.pi * 300 * t), np.sin(2 * np.pi * 4000 * t)).astype(np.float32)
    levels, edges = sounds.spectrogram(samples, 16_000)
    loudest = edges[levels.argmax(0)]
    first, second = np.array_split(loudest, 2)
    assert np.median(first) == pytest.approx(300, rel=0.06)
    assert np.median(second) == pytest.approx(4000, rel=0.06)


def test_wave_files_read_the_same_without_soundfile() -> None:
    soundfile = pytest.importorskip("soundfile")
    import io

    samples = np.stack([np.linspace(-0.9, 0.9, 4000), np.sin(np.arange(4000) / 9)], 1)
    for kind in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32"):
        out = io.BytesIO()
        soundfile.write(out, samples, 8000, subtype=kind, format="WAV")
        with_it = sounds.decode(out.getvalue())
        own = sounds._wav(out.getvalue())
        assert own.channels == 2
        np.testing.assert_allclose(own.samples, with_it.samples, atol=1e-6)


def test_the_waveform_keeps_the_extremes() -> None:
    samples = np.zeros(50_000, np.float32)
    samples[[7, 31_111]] = 1.0, -1.0
    both = sounds.peaks(samples)
    assert both.shape == (sounds.PEAKS, 2)
    assert both[0, 1] == 127
    assert both[31_111 * sounds.PEAKS // 50_000, 0] == -127
    assert np.count_nonzero(both) == 2


# ---- episodes ----


def test_episodes_find_their_films() -> None:
    rows = [
        {"seed": 7, "success": True, "score": 0.9},
        {"seed": 8, "success": False, "score": 0.1},
        {"seed": 9, "success": False, "score": 0.2},
    ]
    found = rollouts.pair(
        rows, ["grid.mp4", "episode-8.mp4", "episode-80.mp4", "episodes.parquet", "sub/episode-9.mp4"]
    )
    assert [(one.name, one.film) for one in found] == [
        ("8", "episode-8.mp4"),
        ("9", "sub/episode-9.mp4"),
        ("7", None),
        ("80", "episode-80.mp4"),
    ]
    assert found[0].row == rows[1]
    assert found[0].label == "seed 8 · no success · score 0.10"
    assert found[2].label.endswith("not filmed")
    assert found[3].row is None
    assert [one.film for one in rollouts.pair([{"score": 1.0}, {"score": 2.0}], ["episode-1.mp4"])] == [
        "episode-1.mp4",
        None,
    ]
    assert rollouts.pair([], []) == []


# ---- models ----


def test_sound_models_pass(tmp_path: Path) -> None:
    meshes.check_glb(files.glb())
    meshes.check_ply(files.PLY)
    assert meshes.check_obj(files.OBJ) == "mesh.mtl"
    for name, content in (("mesh.obj", files.OBJ), ("mesh.mtl", files.MTL), ("skin.png", files.picture())):
        (tmp_path / name).write_bytes(content)
    header, parts = unpack(meshes.model(tmp_path / "mesh.obj", "A model"))
    assert header["format"] == "obj"
    assert parts["library"][1] == files.MTL
    assert parts["skin.png"] == ("image/png", files.picture())


def test_a_material_library_brings_nothing_from_other_folders(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(files.picture())
    inner = tmp_path / "run"
    inner.mkdir()
    (inner / "link.png").symlink_to(tmp_path / "secret.png")
    (inner / "mesh.mtl").write_text("map_Kd ../secret.png\nmap_Kd link.png\nmap_Kd /etc/passwd\n")
    (inner / "mesh.obj").write_bytes(files.OBJ)
    assert set(unpack(meshes.model(inner / "mesh.obj", ""))[1]) == {"model", "library"}
    (inner / "mesh.obj").write_bytes(files.OBJ.replace(b"mesh.mtl", b"../mesh.mtl"))
    assert set(unpack(meshes.model(inner / "mesh.obj", ""))[1]) == {"model"}


def bomb() -> bytes:
    """A PNG header that promises 400 megapixels."""
    head = files.picture()[12:16] + struct.pack(">II", 20_000, 20_000) + files.picture()[24:29]
    return files.picture()[:12] + head + struct.pack(">I", zlib.crc32(head)) + files.picture()[33:]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.glb", b"glTF", "damaged"),
        ("a.glb", b"PK\3\4" + bytes(80), "no GLB"),
        ("a.glb", files.glb()[:-4], "damaged"),
        ("a.glb", files.glb(buffers=[{"uri": "http://evil.invalid/a.bin", "byteLength": 136}]), "outside itself"),
        ("a.glb", files.glb(images=[{"uri": "../outside.png"}]), "outside itself"),
        ("a.glb", files.glb(images=[{"uri": "data:image/png;base64,AAAA"}]), "outside itself"),
        ("a.glb", files.glb(bufferViews=[{"buffer": 0, "byteLength": 4096}] * 3), "damaged"),
        ("a.glb", files.glb(accessors=[{"bufferView": 0, "componentType": 5126, "count": 10**9, "type": "VEC3"}] * 3), "too large"),
        ("a.glb", files.glb(accessors=[{"bufferView": 0, "componentType": 5126, "count": 99, "type": "VEC3"}] * 3), "damaged"),
        ("a.glb", files.glb(nodes=[{"children": [0], "mesh": 0}]), "damaged"),
        ("a.glb", files.glb(nodes=[{"children": [1]}, {"children": [0]}]), "damaged"),
        ("a.glb", files.glb(nodes=[{"children": [i + 1]} for i in range(900)] + [{"mesh": 0}]), "nested"),
        ("a.glb", files.glb(nodes=[{"mesh": 0}] * 20_001), "nodes"),
        ("a.glb", files.glb(extensionsRequired=["KHR_draco_mesh_compression"]), "draco"),
        ("a.glb", files.glb(meshes=[]), "nothing to draw"),
        ("a.glb", files.glb(meshes=[{"primitives": "?"}]), "damaged"),
        ("a.glb", files.glb(images=[{"bufferView": 0}]), "texture"),
        ("a.obj", b"# nothing\n", "nothing to draw"),
        ("a.obj", b"\0\1\2", "no OBJ"),
        ("a.ply", b"ply\nformat ascii 1.0\n", "header"),
        ("a.ply", b"ply\nformat binary_little_endian 1.0\nelement vertex 99\nproperty float x\nend_header\n", "damaged"),
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 999999999999\nproperty float x\nend_header\n", "larger"),
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex many\nend_header\n", "damaged"),
        ("a.stl", bytes(80) + struct.pack("<I", 7), "damaged"),
        ("a.stl", b"solid x\nfacet normal 0 0 1\n", "damaged"),
    ],
)  # fmt: skip
def test_models_that_are_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Unshowable, match=said):
        meshes.model(tmp_path / name, "")


# ---- pictures, films, other files ----


def test_pictures_are_decoded_and_made_smaller(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(files.picture(alpha=True))
    (kind, content), size, transparent = pictures.decoded(tmp_path / "a.png")
    assert (kind, content, size, transparent) == ("image/png", files.picture(alpha=True), (320, 240), True)
    large = Image.linear_gradient("L").resize((3000, 1500)).convert("RGB")
    large.save(tmp_path / "b.png")
    (kind, content), size, _ = pictures.decoded(tmp_path / "b.png")
    assert (kind, size) == ("image/webp", (3000, 1500))
    import io

    assert Image.open(io.BytesIO(content)).size == (2400, 1200)
    large.resize((40, 20)).save(tmp_path / "c.tif")
    assert pictures.decoded(tmp_path / "c.tif")[0][0] == "image/webp"


def test_half_a_film_is_known_before_a_browser_waits_for_the_rest(tmp_path: Path) -> None:
    files.film(tmp_path / "whole.mp4")
    whole = (tmp_path / "whole.mp4").read_bytes()
    assert pictures.film(tmp_path / "whole.mp4", "a film")
    for content in (whole[:-1], whole[: len(whole) // 2], whole[:40], whole + b"\0\0\0\2free"):
        (tmp_path / "half.mp4").write_bytes(content)
        with pytest.raises(Unshowable, match="damaged, or cut off"):
            pictures.film(tmp_path / "half.mp4", "a film")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.png", files.picture()[:300], "damaged"),
        ("a.png", bomb(), "megapixels"),
        ("a.png", b"<html><script>alert(1)</script>", "no picture"),
        ("a.png", b"", "empty"),
        ("a.mp4", b"<html>", "no film"),
        ("a.wav", files.tone()[:20], "no sound"),
        ("a.wav", b"RIFF" + bytes(40), "no sound"),
        ("a.parquet", b"PAR1" + bytes(40) + b"PAR1", "damaged"),
        ("a.csv", b"", "empty"),
        ("a.json", b'{"a": ', "no whole JSON"),
        ("a.json", b"[" * 200_000, "no whole JSON"),
        ("a.jsonl", b"1\n2\n", "no objects"),
        ("a.safetensors", (10**12).to_bytes(8, "little"), "damaged"),
        ("a.safetensors", (2).to_bytes(8, "little") + b"{}", "no arrays"),
        ("a.npz", b"PK\3\4", "damaged"),
        ("a.npy", b"\x93NUMPY", "damaged"),
    ],
)
def test_files_that_are_refused_with_a_sentence(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Unshowable, match=said):
        draw.file(tmp_path / name, name, key="x")


def test_a_file_that_is_gone_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(Unshowable, match="not there"):
        draw.file(tmp_path / "gone.png", "gone.png", key="x")
    (tmp_path / "big.svg").write_bytes(bytes(4_100_000))
    with pytest.raises(Unshowable, match=r"4\.1 MB; up to 4\.0 MB"):
        read(tmp_path / "big.svg", 4_000_000)


def test_tables_keep_their_values(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = {
        "n": [1, 2],
        "text": ["a", None],
        "raw": [b"xy", b"z"],
        "nested": [{"k": 1}, {"k": 2}],
        "list": [[1, 2], []],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    frame, total = tables.table(tmp_path / "a.parquet")
    assert total == 2
    assert frame["n"].tolist() == [1, 2]
    assert frame["text"].tolist() == ["a", None]
    assert frame["raw"].tolist() == ["2 bytes", "1 byte"]
    assert frame["nested"].tolist()[0] == "{'k': 1}"
    pyarrow.parquet.write_table(pyarrow.table({"n": list(range(9000))}), tmp_path / "b.parquet")
    frame, total = tables.table(tmp_path / "b.parquet")
    assert (len(frame), total) == (5000, 9000)
    pyarrow.parquet.write_table(pyarrow.table({"n": pyarrow.array([], pyarrow.int64())}), tmp_path / "c.parquet")
    assert len(tables.table(tmp_path / "c.parquet")[0]) == 0
    (tmp_path / "d.csv").write_text("a,b\n1,x\n2\n")
    assert tables.table(tmp_path / "d.csv")[0]["a"].tolist() == [1, 2]


def test_numbers_that_are_not_finite_do_not_break_json() -> None:
    assert tables.json_value(b'{"a": NaN, "b": -Infinity}') == {"a": "NaN", "b": "-Infinity"}


def test_arrays_are_read_without_pickle(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    values = torch.arange(24.0).reshape(2, 3, 4) / 7
    save_file(
        {"f": values, "h": values.half(), "b": values.bfloat16(), "i": torch.arange(3)}, tmp_path / "a.safetensors"
    )
    assert {one.name: one.shape for one in tensors.listed(tmp_path / "a.safetensors")} == {
        "f": (2, 3, 4),
        "h": (2, 3, 4),
        "b": (2, 3, 4),
        "i": (3,),
    }
    for name, kind in (("f", torch.float32), ("h", torch.float16), ("b", torch.bfloat16)):
        np.testing.assert_array_equal(
            tensors.load(tmp_path / "a.safetensors", name, 100), values.to(kind).float().numpy()
        )
    np.savez(tmp_path / "b.npz", f=values.numpy(), evil=np.array([{"a": 1}], object))
    np.testing.assert_array_equal(tensors.load(tmp_path / "b.npz", "f", 100), values.numpy())
    with pytest.raises(Unshowable):
        tensors.load(tmp_path / "b.npz", "evil", 100)
    with pytest.raises(Unshowable):
        tensors.load(tmp_path / "b.npz", "f", 10)
    whole = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "half.safetensors").write_bytes(whole[:-8])
    with pytest.raises(Unshowable, match="damaged"):
        tensors.listed(tmp_path / "half.safetensors")


# ---- correspondences ----


def test_matches_become_shares_of_the_pictures(tmp_path: Path) -> None:
    files.matches(tmp_path)
    run = files.run_of(tmp_path)
    header, parts = unpack(correspondences.message(tmp_path / "matches.json", run, page.present(run, tmp_path)))
    assert header["matches"][0] == [40 / 320, round(40 / 256, 5), 64 / 320, 48 / 256, 0.9]
    assert header["features"] == {"source": [48, 32, 40], "target": [48, 32, 40]}
    sent = np.frombuffer(parts["source features"][1], np.int8).reshape(48, 32, 40).astype(np.float32)
    true = np.load(tmp_path / "features.npz")["source"]
    cosine = (sent * true).sum(0) / np.linalg.norm(sent, axis=0) / np.linalg.norm(true, axis=0)
    assert cosine.min() > 0.999


def test_inputs_are_shown_only_where_they_are_what_they_were(tmp_path: Path) -> None:
    import hashlib

    run_folder = tmp_path / "run"
    run_folder.mkdir()
    listed: dict[str, Any] = {}
    for name in ("source", "target"):
        file = tmp_path / f"{name}.png"
        file.write_bytes(files.picture())
        listed[name] = [
            {"path": str(file), "bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        ]
    run = files.run_of(run_folder, inputs=listed)
    assert correspondences.pictures(run, {}) == (tmp_path / "source.png", tmp_path / "target.png")
    (tmp_path / "source.png").write_bytes(files.picture(50))
    assert correspondences.pictures(run, {}) is None
    assert correspondences.pictures(files.run_of(run_folder), {}) is None


@pytest.mark.parametrize("document", [[], {"mutual": 3}, {"mutual": [{"x": "a"}]}, {"points": [3]}])
def test_matches_that_are_none(document: Any) -> None:
    with pytest.raises(Unshowable):
        correspondences.shares(document, (10, 10), (10, 10))


# ---- charts ----


class Curves:
    def __init__(self) -> None:
        self.steps = [1, 2, 3]
        self.metrics: dict[str, list[float | None]] = {"loss": [1e4, 1.0, 0.1], "score": [None, 0.5, -0.6]}


def test_metrics_are_one_small_chart_each() -> None:
    figure = charts.metrics(Curves())
    assert [tuple(trace.y) for trace in figure.data] == [(1e4, 1.0, 0.1), (None, 0.5, -0.6)]
    assert (figure.layout.yaxis.type, figure.layout.yaxis2.type) == ("log", None)


def test_known_documents_become_charts() -> None:
    found = dict(charts.recognised(files.VERDICT))
    assert list(found) == ["Probabilities", "Race"]
    assert list(found["Probabilities"].data[0].x) == [0.83, 0.12, 0.05]
    assert found["Probabilities"].layout.yaxis.ticktext[1] == "tree &lt;b&gt;"
    assert [list(trace.x) for trace in found["Race"].data] == [[4, 16], [4, 16], [4]]
    matrix = dict(charts.recognised({"classes": ["a", "b"], "confusion": [[3, 1], [0, 4]]}))["Confusion"].data[0]
    assert [list(row) for row in matrix.z] == [[0.75, 0.25], [0, 1]]
    for odd in (
        {"classes": [{"class": 1, "probability": "high"}]},
        {"stages": [{}]},
        {"classes": 3},
        [1],
        "x",
        {"confusion": [1], "classes": ["a"]},
    ):
        assert charts.recognised(odd) == []


@pytest.mark.parametrize(
    "content",
    [
        {"data": [{"type": "scattergeo"}], "layout": {}},
        {"data": [{"type": "scatter", "x": [1]}], "layout": {"images": [{"source": "http://evil.invalid/a.png"}]}},
        {"data": [{"type": "bar", "x": [1], "text": ['<a href="x">y</a>']}], "layout": {}},
        {"data": [], "layout": {"title": "https://evil.invalid"}},
        {"data": [{"type": "scatter", "nonsense": 1}], "layout": {}},
        {"data": "x", "layout": {}},
    ],
)  # fmt: skip
def test_figures_that_are_refused(content: dict[str, Any]) -> None:
    with pytest.raises(Unshowable):
        charts.figure(content)


# ---- the rest ----


def test_messages_come_back_as_they_were() -> None:
    parts = {"one": ("image/png", b"abc"), "two": ("text/plain", b"")}
    header, back = unpack(pack(parts, alt="ä", small=True))
    assert (back, header["alt"], header["small"]) == (parts, "ä", True)
    stamp = header["stamp"]
    assert unpack(pack(parts, alt="ä", small=True))[0]["stamp"] == stamp
    assert unpack(pack({**parts, "one": ("image/png", b"abd")}, alt="ä", small=True))[0]["stamp"] != stamp
    assert unpack(pack(parts, alt="b", small=True))[0]["stamp"] != stamp


def test_messages_are_made_once_for_a_file(tmp_path: Path) -> None:
    path, made = tmp_path / "a", []
    path.write_bytes(b"1")
    kept = Kept(most=10)

    def make() -> bytes:
        made.append(1)
        return b"12345"

    for how in ("x", "x", "y", "x", "z", "x", "y"):
        assert kept.get((path,), how, make) == b"12345"
    assert len(made) == 4  # x, y, z, and y again, for which there was no room
    assert kept.held == 10
    path.write_bytes(b"22")
    kept.get((path,), "x", make)
    assert len(made) == 5


def test_a_runs_artifacts_in_their_order(tmp_path: Path) -> None:
    names = ["views.png", "mesh.obj", "turntable.mp4", "mesh.glb", "mesh.mtl", "summary.json"]
    assert page.ordered(names, ("mesh.glb", "mesh.obj", "*.png", "*.mp4"))[:4] == [
        "mesh.glb",
        "mesh.obj",
        "views.png",
        "turntable.mp4",
    ]
    main, others, rest = page.arranged(page.ordered(names, ("mesh.glb", "mesh.obj", "*.png", "*.mp4")))
    assert (main, others, rest) == (
        "mesh.glb",
        ["views.png", "turntable.mp4"],
        ["mesh.obj", "mesh.mtl", "summary.json"],
    )
    main, others, _ = page.arranged(["grid.mp4", "episodes.parquet", "episode-1.mp4", "filmstrip.png"])
    assert (main, others) == ("episodes.parquet", ["grid.mp4", "filmstrip.png"])
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "link.png").symlink_to("/etc/passwd")
    run = files.run_of(tmp_path)
    run.record["artifacts"] += [{"name": "../a.png"}, {"name": "/etc/passwd"}, {"name": "gone.png"}, {}]
    assert list(page.present(run, tmp_path)) == ["a.png"]


def test_names_are_never_markup() -> None:
    assert plain("![a](http://b.c) *d* $e$ :f: <g>") == r"\!\[a\]\(http\:\/\/b\.c\) \*d\* \$e\$ \:f\: \<g\>"
    assert [sized(n) for n in (1, 9_999, 10_000, 2_500_000, 3e9)] == [
        "1 byte",
        "9,999 bytes",
        "10.0 kB",
        "2.5 MB",
        "3.0 GB",
    ]


def test_the_bundle_holds_every_component_and_the_licence() -> None:
    for name in NAMES:
        assert len(list((ROOT / BUNDLE).glob(f"{name}-*.js"))) == 1
    assert "MIT" in (ROOT / BUNDLE / "three-LICENSE.txt").read_text()
    versions = json.loads((ROOT / "frontend" / "package-lock.json").read_text())["packages"]
    assert all("resolved" not in entry or "integrity" in entry for entry in versions.values())

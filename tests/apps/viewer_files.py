"""A run folder with one file of each kind, made from known numbers. Shared by the tests of the viewers."""

import io
import json
import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from scorekit.host.artifacts import media_type
from scorekit.host.record import SCHEMA, Run

RATE, TONE = 16_000, 1000.0  # Hz
SHIFT = (24, 8)  # pixels by which the target picture is moved


def glb(**changes: Any) -> bytes:
    """A coloured tetrahedron; `changes` replace entries of its JSON."""
    points = np.array([[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]], np.float32)
    colours = np.array([[1, 0.2, 0.2, 1], [0.2, 1, 0.2, 1], [0.2, 0.2, 1, 1], [1, 1, 0.2, 1]], np.float32)
    faces = np.array([0, 1, 2, 0, 3, 1, 0, 2, 3, 1, 3, 2], np.uint16)
    binary = points.tobytes() + colours.tobytes() + faces.tobytes()
    scene = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "COLOR_0": 1}, "indices": 2}]}],
        "buffers": [{"byteLength": len(binary)}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 48},
            {"buffer": 0, "byteOffset": 48, "byteLength": 64},
            {"buffer": 0, "byteOffset": 112, "byteLength": 24},
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3", "min": [-1, -1, -1], "max": [1, 1, 1]},
            {"bufferView": 1, "componentType": 5126, "count": 4, "type": "VEC4"},
            {"bufferView": 2, "componentType": 5123, "count": 12, "type": "SCALAR"},
        ],
    } | changes
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


OBJ = b"mtllib mesh.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl skin\n"
OBJ += b"f 1/1 2/2 3/3\nf 1/1 2/2 4/3\nf 2/1 3/2 4/3\n"
MTL = b"newmtl skin\nKd 1 1 1\nmap_Kd skin.png\n"
PLY = b"ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
PLY += b"end_header\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n"
SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">
<defs><linearGradient id="sky"><stop offset="0" stop-color="#38bdf8"/><stop offset="1" stop-color="#1d4ed8"/></linearGradient></defs>
<rect id="background" width="100" height="100" fill="url(#sky)"/>
<circle id="head" cx="50" cy="45" r="30" fill="#e11d48"/>
<path d="M40 70 h20 v25 h-20 z" style="fill:#fde68a;stroke:#78350f"/>
</svg>"""


def tone(seconds: float = 1.5) -> bytes:
    """WAV, 16 bit mono: a sine of 1 kHz at half of full scale."""
    samples = 0.5 * np.sin(2 * np.pi * TONE * np.arange(int(RATE * seconds)) / RATE)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return out.getvalue()


def picture(hue: int = 0, size: tuple[int, int] = (320, 240), alpha: bool = False) -> bytes:
    """PNG: a disc on a ground, with a transparent rim on request."""
    image = Image.new("RGBA" if alpha else "RGB", size, (0, 0, 0, 0) if alpha else (30 + hue, 90, 160))
    ImageDraw.Draw(image).ellipse(
        [size[0] * 0.2, size[1] * 0.1, size[0] * 0.8, size[1] * 0.9], fill=(240, 120 + hue, 60)
    )
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def film(path: Path, frames: int = 24, shade: int = 0) -> None:
    """H.264: a bar that moves to the right."""
    import imageio.v2 as imageio

    with imageio.get_writer(path, format="FFMPEG", fps=12, codec="libx264", macro_block_size=2) as writer:  # type: ignore[arg-type]
        for index in range(frames):
            frame = np.full((96, 128, 3), 40 + shade, np.uint8)
            frame[:, 5 * index : 5 * index + 12] = (240, 200, 60)
            writer.append_data(frame)  # type: ignore[attr-defined]


def matches(folder: Path) -> None:
    """Two pictures, the second moved by SHIFT, with features that know it and the matches of some places."""
    rng = np.random.default_rng(0)
    texture = Image.fromarray(rng.integers(60, 220, (10, 12, 3), np.uint8))
    whole = np.asarray(texture.resize((384, 320), Image.Resampling.BICUBIC))
    (dx, dy), (height, width) = SHIFT, (256, 320)
    left, right = whole[32 : 32 + height, 32 : 32 + width], whole[32 - dy : 32 - dy + height, 32 - dx : 32 - dx + width]
    for name, array in (("source", left), ("target", right)):
        Image.fromarray(array).save(folder / f"{name}.png")
    coarse = rng.standard_normal((48, 15, 20)).astype(np.float32)
    field = np.stack([np.asarray(Image.fromarray(one).resize((80, 60), Image.Resampling.BICUBIC)) for one in coarse])
    cells = {"source": field[:, 8:40, 8:48], "target": field[:, 8 - dy // 8 : 40 - dy // 8, 8 - dx // 8 : 48 - dx // 8]}
    np.savez(folder / "features.npz", layers=np.array(["up"]), **cells)  # type: ignore[arg-type]
    rows = [
        {"x": x, "y": y, "target_x": x + dx, "target_y": y + dy, "score": 0.9}
        for x in range(40, 280, 60)
        for y in range(40, 240, 60)
    ]
    (folder / "matches.json").write_text(json.dumps({"homography": None, "points": [], "mutual": rows}))


VERDICT = {
    "class": "mushroom",
    "classes": [
        {"class": name, "probability": p} for name, p in (("mushroom", 0.83), ("tree <b>", 0.12), ("car", 0.05))
    ],
    "stages": [
        {
            "levels": 4,
            "deficit": {"mushroom": 0.0, "tree <b>": 0.02, "car": 0.07},
            "half_width": {"tree <b>": 0.01, "car": 0.01},
        },
        {"levels": 16, "deficit": {"mushroom": 0.0, "tree <b>": 0.018}, "half_width": {"tree <b>": 0.004}},
    ],
}


def episodes(folder: Path) -> None:
    """Four episodes, two of them filmed."""
    import pyarrow
    import pyarrow.parquet

    rows = [
        {
            "seed": seed,
            "success": seed % 2 == 0,
            "score": 0.5 + seed / 10,
            "steps": 90 + seed,
            "plans": 12,
            "error": None,
        }
        for seed in range(4)
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "episodes.parquet")  # type: ignore[no-untyped-call]
    for seed in (1, 2):
        film(folder / f"episode-{seed}.mp4", 12, shade=40 * seed)


def run_of(folder: Path, application: str = "nothing-known", status: str = "done", **record: Any) -> Run:
    """The record of a run that saved all files of a folder."""
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != "run.json"
    )
    listed = [{"name": name, "bytes": (folder / name).stat().st_size, "media_type": media_type(name)} for name in names]
    return Run(
        folder,
        {"schema": SCHEMA, "application": application, "status": status, "artifacts": listed, "metrics": {}, **record},
    )


def fill(folder: Path) -> None:
    """One file of each kind, and damaged and hostile ones."""
    elsewhere = b"http://elsewhere.invalid/"
    files = {
        "mesh.glb": glb(),
        "mesh.obj": OBJ,
        "mesh.mtl": MTL,
        "skin.png": picture(),
        "cloud.ply": PLY,
        "icon.svg": SVG.encode(),
        "picture.png": picture(),
        "other.png": picture(90),
        "cut-out.png": picture(alpha=True),
        "tiny.png": picture(size=(32, 32)),
        "tone.wav": tone(),
        "verdict.json": json.dumps(VERDICT).encode(),
        "rows.json": json.dumps([{"a": 1, "b": "x"}, {"a": 2, "b": None}]).encode(),
        "table.csv": b"name,value\none,1\ntwo,2\n",
        "notes.md": b"# Notes\n![x](" + elsewhere + b"a.png)\n",
        "strange.xyz": bytes(2000),
        "half.png": picture()[:300],
        "half.glb": glb()[:-20],
        "half.mp4": b"\0\0\0\x18ftypmp42" + bytes(400),
        "false.mp4": b"\0\0\0\x10ftypmp42" + bytes(4) + b"\0\0\1\0moov" + bytes(248),
        "half.wav": tone()[:20],
        "empty.json": b"",
        "hostile.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("%s")</script><image href="%sa.png"/>'
        b'<rect width="9" height="9" onclick="alert(1)" fill="url(%sb)"/></svg>' % (elsewhere, elsewhere, elsewhere),
        "hostile.html": b'<body><p id="here">shown</p><script>fetch("%s")</script><img src="%si.png">'
        b'<meta http-equiv="refresh" content="0;url=%s">' % (elsewhere, elsewhere, elsewhere),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    film(folder / "film.mp4")
    matches(folder)
    episodes(folder)

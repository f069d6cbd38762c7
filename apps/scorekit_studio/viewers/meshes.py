"""Meshes and point clouds, looked through before a browser gets them.

A model never refers to anything outside: addresses in a GLB are refused, an OBJ's material library and textures come along
only from its own folder, and the component follows no address either.
"""

import io
import json
import re
import struct
from pathlib import Path
from typing import Any

from scorekit_studio.viewers.envelope import Part, pack
from scorekit_studio.viewers.trouble import Unshowable, read

MOST_BYTES = 64_000_000
MOST_HEADER = 8_000_000  # bytes of a GLB's JSON
MOST_NODES = 20_000
MOST_VERTICES = 6_000_000
MOST_TEXELS = 64_000_000
MOST_TEXTURES = 16
UNKNOWN = {"KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_texture_basisu"}
BYTES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}  # of glTF's component types
ITEMS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
DAMAGED = "The model is damaged, or was not written to its end."


def model(path: Path, alt: str, *, small: bool = False) -> bytes:
    """The message for the component `model`. Raises Unshowable for damaged, hostile and too large files."""
    content, kind = read(path, MOST_BYTES), path.suffix.lower().removeprefix(".")
    parts: dict[str, Part] = {"model": ("application/octet-stream", content)}
    try:
        if kind == "glb":
            check_glb(content)
        elif kind == "obj":
            parts |= _beside(path, check_obj(content))
        elif kind == "ply":
            check_ply(content)
        elif kind == "stl":
            check_stl(content)
        else:
            raise Unshowable(f"Models are shown as GLB, OBJ, PLY and STL, not as {path.suffix}.")
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, struct.error) as error:
        raise error if isinstance(error, Unshowable) else Unshowable(DAMAGED) from None
    return pack(parts, format=kind, alt=alt, small=small)


def check_glb(content: bytes) -> None:
    """glTF 2.0's binary container: header, a JSON chunk, at most one binary chunk; every view inside the binary chunk."""
    if content[:4] != b"glTF":
        raise Unshowable("The file is no GLB.")
    version, length = struct.unpack_from("<II", content, 4)
    if version != 2:
        raise Unshowable(f"The file is GLB version {version}; version 2 is shown here.")
    if length != len(content):
        raise Unshowable(DAMAGED)
    size, tag = struct.unpack_from("<I4s", content, 12)
    if tag != b"JSON" or size > MOST_HEADER or 20 + size > len(content):
        raise Unshowable(DAMAGED)
    scene = json.loads(content[20 : 20 + size])
    binary = b""
    if 20 + size < len(content):
        held, tag = struct.unpack_from("<I4s", content, 20 + size)
        binary = content[28 + size : 28 + size + held]
        if tag[:3] != b"BIN" or len(binary) != held:
            raise Unshowable(DAMAGED)
    _check_scene(scene, binary)


def _check_scene(scene: dict[str, Any], binary: bytes) -> None:
    for part in (*scene.get("buffers", []), *scene.get("images", [])):
        if "uri" in part:
            raise Unshowable("The model refers to files outside itself; only models that hold everything are shown.")
    missing = UNKNOWN & {*scene.get("extensionsRequired", []), *scene.get("extensionsUsed", [])}
    if missing:
        raise Unshowable(
            f"The model is packed by {', '.join(sorted(missing))}, which is not read here; it can be downloaded."
        )
    if len(scene.get("nodes", [])) > MOST_NODES:
        raise Unshowable(f"The model has {len(scene['nodes']):,} nodes; up to {MOST_NODES:,} are shown.")
    _check_tree(scene.get("nodes", []))
    views = scene.get("bufferViews", [])
    for view in views:
        begin, length = view.get("byteOffset", 0), view["byteLength"]
        if begin < 0 or length < 0 or begin + length > len(binary):
            raise Unshowable(DAMAGED)
    accessors = scene.get("accessors", [])
    for accessor in accessors:
        count, item = accessor["count"], BYTES[accessor["componentType"]] * ITEMS[accessor["type"]]
        if not 0 <= count <= 3 * MOST_VERTICES or "sparse" in accessor:
            raise Unshowable("The model is too large, or stored in a way that is not shown here.")
        if "bufferView" in accessor:
            view = views[accessor["bufferView"]]
            stride = view.get("byteStride", item)
            if count and accessor.get("byteOffset", 0) + stride * (count - 1) + item > view["byteLength"]:
                raise Unshowable(DAMAGED)
    used = [one["attributes"]["POSITION"] for mesh in scene.get("meshes", []) for one in mesh["primitives"]]
    if not used:
        raise Unshowable("The model holds nothing to draw.")
    if sum(accessors[index]["count"] for index in used) > MOST_VERTICES:
        raise Unshowable(f"The model has more than {MOST_VERTICES:,} vertices.")
    for image in scene.get("images", []):
        view = views[image["bufferView"]]
        begin = view.get("byteOffset", 0)
        _check_texture(binary[begin : begin + view["byteLength"]])


def _check_tree(nodes: list[dict[str, Any]]) -> None:
    """Each node has at most one parent, so that a walk through them ends (glTF 2.0, section 5.25)."""
    children = [child for node in nodes for child in node.get("children", [])]
    if len(set(children)) != len(children):
        raise Unshowable(DAMAGED)
    parent = {child: place for place, node in enumerate(nodes) for child in node.get("children", [])}
    height: dict[int, int] = {}
    for place in range(len(nodes)):
        way = []
        while place not in height and place in parent:
            way.append(place)
            if len(way) > len(nodes):
                raise Unshowable(DAMAGED)  # a ring
            place = parent[place]
        base = height.setdefault(place, 0)
        for up, node in enumerate(reversed(way), 1):
            height[node] = base + up
            if base + up > 500:
                raise Unshowable("The model's nodes are nested deeper than 500 levels.")


def _check_texture(content: bytes) -> None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP")) as image:
            width, height = image.size
    except Exception:  # a decoder raises what it likes
        raise Unshowable("A texture of the model is damaged.") from None
    if width * height > MOST_TEXELS:
        raise Unshowable(f"A texture of the model has {width * height / 1e6:.0f} megapixels.")


def check_obj(content: bytes) -> str | None:
    """Wavefront OBJ: counts its vertices; returns the name of its material library."""
    if b"\0" in content[:4096]:
        raise Unshowable("The file is no OBJ.")
    vertices = len(re.findall(rb"(?m)^\s*v\s", content))
    if not vertices:
        raise Unshowable("The model holds nothing to draw.")
    if vertices > MOST_VERTICES:
        raise Unshowable(f"The model has {vertices:,} vertices; up to {MOST_VERTICES:,} are shown.")
    named = re.search(rb"(?m)^\s*mtllib[ \t]+([^\r\n]+)", content)
    return named[1].decode(errors="replace").strip() if named else None


def _beside(path: Path, library: str | None) -> dict[str, Part]:
    """The material library and its textures, from the folder of the model only."""
    found: dict[str, Part] = {}
    file = None if library is None else _sibling(path, library)
    if file is None:
        return found
    content = read(file, 1_000_000)
    found["library"] = ("text/plain", content)
    for line in re.findall(r"(?m)^\s*map_\w+[ \t]+([^\r\n]+)", content.decode(errors="replace"))[:MOST_TEXTURES]:
        name = line.split()[-1]
        texture = _sibling(path, name)
        if texture is not None and texture.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
            data = read(texture, MOST_BYTES)
            _check_texture(data)
            found[name] = ("image/png" if data.startswith(b"\x89PNG") else "image/jpeg", data)
    return found


def _sibling(path: Path, name: str) -> Path | None:
    if not re.fullmatch(r"[\w][\w. -]*", name):
        return None
    file = path.parent / name
    return file if file.is_file() and not file.is_symlink() else None


def check_ply(content: bytes) -> None:
    """Stanford PLY: its header, and for binary ones without lists that the promised vertices are there."""
    head, end, _ = content[:65_536].partition(b"end_header")
    if not content.startswith(b"ply") or not end:
        raise Unshowable("The file is no PLY, or its header is damaged.")
    lines = head.decode("ascii", errors="replace").split("\n")
    counts = {words[1]: int(words[2]) for words in map(str.split, lines) if words[:1] == ["element"]}
    vertices = counts.get("vertex", 0)
    if not vertices:
        raise Unshowable("The model holds nothing to draw.")
    if any(not 0 <= count <= 3 * MOST_VERTICES for count in counts.values()):
        raise Unshowable(f"The model is larger than {MOST_VERTICES:,} vertices.")
    text = any(line.startswith("format ascii") for line in lines)
    sizes = {
        "char": 1,
        "uchar": 1,
        "int8": 1,
        "uint8": 1,
        "short": 2,
        "ushort": 2,
        "int16": 2,
        "uint16": 2,
        "double": 8,
        "float64": 8,
    }
    row, inside = 0, False
    for words in map(str.split, lines):
        inside = words[1] == "vertex" if words[:1] == ["element"] else inside
        if inside and words[:1] == ["property"] and words[1] != "list":
            row += sizes.get(words[1], 4)
    have = len(content) - len(head) - len(end)
    least = 2 * vertices if text else row * vertices
    if have < least:
        raise Unshowable(DAMAGED)


def check_stl(content: bytes) -> None:
    """STL, as text or binary: 84 bytes and 50 a triangle."""
    if content[:5] == b"solid" and b"facet" in content[:1024]:
        if b"endsolid" not in content[-200:]:
            raise Unshowable(DAMAGED)
        return
    (count,) = struct.unpack_from("<I", content, 80)
    if not count:
        raise Unshowable("The model holds nothing to draw.")
    if count > MOST_VERTICES or len(content) < 84 + 50 * count:
        raise Unshowable(DAMAGED)

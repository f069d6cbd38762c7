"""How `RunContext.save` turns what an application made into a file: by the name's extension and the content's type."""

import json
import mimetypes
import os
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from scorekit.host.errors import RunError
from scorekit.host.files import replacing, write_bytes

if TYPE_CHECKING:
    import PIL.Image

IMAGES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
MESHES = {".glb", ".obj", ".ply", ".stl"}
MEDIA_TYPES = {
    ".glb": "model/gltf-binary",
    ".obj": "model/obj",
    ".mtl": "model/mtl",
    ".ply": "model/ply",
    ".stl": "model/stl",
    ".safetensors": "application/octet-stream",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".webp": "image/webp",
    ".wav": "audio/wav",
    ".svg": "image/svg+xml",
    ".md": "text/markdown",
}
RECORDS = frozenset({"run.json", "progress.jsonl", "preview.jpg", "checkpoint.pt", "traceback.txt", "log.txt"})
OWN_FILES = RECORDS | {"cancel", "pause", ".lock"}


def media_type(name: str) -> str:
    """Internet media type by extension; application/octet-stream when unknown."""
    suffix = PurePosixPath(name).suffix.lower()
    return MEDIA_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def inside(folder: Path, name: str) -> Path:
    """The path of artifact `name` in `folder`.

    Raises ValueError for a name that would leave the folder (also through a link), that is hidden, or that is one
    of the host's own files.
    """
    relative = PurePosixPath(name)
    if not relative.parts or relative.is_absolute() or "\\" in name or any(p.startswith(".") for p in relative.parts):
        raise ValueError(f"an artifact has a relative name inside the run folder, with no hidden part; got {name!r}")
    if name in OWN_FILES:
        raise ValueError(f"{name} is a file of the host; save under another name")
    path = folder / relative
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"artifact {name!r} would be written outside the run folder")
    return path


def to_image(content: Any) -> "PIL.Image.Image":
    """A PIL image of a PIL image, an array or a tensor.

    Arrays are (H, W), (H, W, C) or (C, H, W) with C in 1, 3, 4; where both readings fit, a torch tensor is read
    channels first, an array channels last. uint8 is taken as it is, floats as [0, 1] (clipped).
    Raises TypeError or ValueError for anything else, RunError for values that are not finite.
    """
    import numpy as np
    import PIL.Image

    if isinstance(content, PIL.Image.Image):
        return content
    tensor = hasattr(content, "detach")
    array = content.detach().float().cpu().numpy() if tensor and content.is_floating_point() else None
    if array is None:
        array = np.asarray(content.detach().cpu() if tensor else content)
    channels_first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
    channels_last = array.ndim == 3 and array.shape[2] in (1, 3, 4)
    if channels_first and (tensor or not channels_last):
        array = array.transpose(1, 2, 0)
    elif array.ndim != 2 and not channels_last:
        raise ValueError(f"an image is (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels, not {array.shape}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            raise RunError("the image has values that are not finite")
        array = (array.clip(0, 1) * 255).round().astype(np.uint8)
    if array.dtype != np.uint8:
        raise TypeError(f"an image holds uint8 in [0, 255] or floats in [0, 1], not {array.dtype}")
    return PIL.Image.fromarray(np.ascontiguousarray(array))


def encode_jpeg(content: Any, quality: int = 85) -> bytes:
    """JPEG bytes of anything `to_image` takes; transparency is laid over white."""
    import PIL.Image

    image = to_image(content)
    if image.mode in ("RGBA", "LA", "PA"):
        image = image.convert("RGBA")
        image = PIL.Image.alpha_composite(PIL.Image.new("RGBA", image.size, "white"), image)
    buffer = BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def write(path: Path, content: Any) -> list[Path]:
    """Write one artifact atomically; returns the files written, `path` first (an OBJ may bring a texture).

    Accepts bytes; str; dict or list (.json); PIL image, array or tensor (.png .jpg .webp); a dict of tensors
    (.safetensors); a trimesh geometry (.glb .obj .ply .stl); a Path, which is moved; a function that writes to
    the path given to it. Raises TypeError when content and extension do not fit, RunError when it would be empty.
    """
    suffix = path.suffix.lower()
    if isinstance(content, bytes | bytearray | memoryview):
        write_bytes(path, bytes(content))
    elif isinstance(content, str):
        write_bytes(path, content.encode())
    elif isinstance(content, Path):
        _move(content, path)
    elif suffix == ".safetensors" and isinstance(content, dict):
        write_bytes(path, _safetensors(content))
    elif suffix == ".json" and isinstance(content, dict | list):
        write_bytes(path, _json(path.name, content))
    elif suffix in MESHES and type(content).__module__.partition(".")[0] == "trimesh":
        return _write_mesh(path, content)
    elif suffix in IMAGES and (hasattr(content, "save") or hasattr(content, "__array__")):
        _write_image(path, content)
    elif callable(content):
        _write_with(path, content)
    else:
        raise TypeError(
            f"cannot encode {type(content).__name__} as {path.name}; "
            "give bytes, text, a Path, or a function that writes to the path it is given"
        )
    return [path]


def _move(source: Path, path: Path) -> None:
    if not source.is_file():
        raise ValueError(f"cannot save {path.name}: {source} is not a file")
    with replacing(path) as temporary:
        shutil.move(source, temporary)


def _safetensors(tensors: dict[str, Any]) -> bytes:
    from safetensors.torch import save

    encoded: bytes = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    return encoded


def _json(name: str, content: Any) -> bytes:
    try:
        return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except ValueError as error:
        raise RunError(f"{name} has a value that is not finite") from error


def _write_image(path: Path, content: Any) -> None:
    file_format = IMAGES[path.suffix.lower()]
    if file_format == "JPEG":
        write_bytes(path, encode_jpeg(content, quality=92))
        return
    buffer = BytesIO()
    to_image(content).save(buffer, file_format)
    write_bytes(path, buffer.getvalue())


def _write_mesh(path: Path, mesh: Any) -> list[Path]:
    if mesh.is_empty:
        raise RunError(f"{path.name} would be an empty mesh")
    suffix = path.suffix.lower()
    if suffix != ".obj":
        write_bytes(path, mesh.export(file_type=suffix[1:]))
        return [path]
    from trimesh.exchange.obj import export_obj

    # The material library is named after the mesh: two OBJ files in one folder keep their own materials.
    text, materials = export_obj(mesh, return_texture=True, mtl_name=f"{path.stem}.mtl")
    beside = [path.with_name(name) for name in materials]
    for file, data in zip(beside, materials.values(), strict=True):
        write_bytes(file, data)
    write_bytes(path, text.encode())
    return [path, *beside]


def _write_with(path: Path, writer: Callable[[Path], object]) -> None:
    with replacing(path) as temporary:
        writer(temporary)
        if not temporary.is_file() or os.path.getsize(temporary) == 0:
            raise RunError(f"{path.name} was not written")

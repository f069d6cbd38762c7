"""Files that people bring. Each is kept under its owner and the digest of its bytes, so a run's input never changes.

Pictures are decoded under limits and written anew as PNG: what is stored holds pixels and nothing else.
"""

import hashlib
import io
import re
import warnings
from pathlib import Path, PurePosixPath

from scorekit.host.errors import ParameterError
from scorekit.host.files import write_bytes
from scorekit_studio.limits import LimitError, Limits
from scorekit_studio.store import Store

PICTURES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
OTHERS = {
    ".svg",
    ".glb",
    ".obj",
    ".ply",
    ".stl",
    ".wav",
    ".flac",
    ".ogg",
    ".mp3",
    ".mp4",
    ".webm",
    ".mov",
    ".json",
    ".jsonl",
    ".csv",
    ".txt",
    ".parquet",
    ".safetensors",
}


def place(store: Store, owner: str) -> Path:
    """The folder of a person's uploads."""
    return store.uploads / hashlib.sha256(owner.encode()).hexdigest()[:24]


def keep(store: Store, limits: Limits, owner: str, name: str, content: bytes) -> Path:
    """Store a file; returns its path, the same for the same bytes.

    Raises LimitError for too many bytes or pixels, ParameterError for a kind that is not taken and a picture that is none.
    """
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    shown = re.sub(r"[^\w. -]+", "_", PurePosixPath(name.replace("\\", "/")).name)[-80:]
    if suffix not in PICTURES and suffix not in OTHERS:
        raise ParameterError(f"{shown!r} must be a file of one of the kinds {', '.join(sorted({*PICTURES, *OTHERS}))}")
    if len(content) > limits.upload_bytes:
        raise LimitError(
            f"{shown!r} has {len(content) / 2**20:.1f} MB; a file may have at most {limits.upload_bytes / 2**20:.0f} MB"
        )
    digest = hashlib.sha256(content).hexdigest()[:32]
    if suffix in PICTURES:
        content, suffix = _decoded(shown, content, limits.upload_pixels), ".png"
    path = place(store, owner) / f"{digest}{suffix}"
    if not path.exists():
        write_bytes(path, content)
    return path


def _decoded(shown: str, content: bytes, most: int) -> bytes:
    """The first frame of a picture as PNG, without anything that came with it but its colours and transparency."""
    import PIL.Image
    import PIL.ImageOps

    try:
        with (
            warnings.catch_warnings(action="ignore"),
            PIL.Image.open(io.BytesIO(content), formats=list(set(PICTURES.values()))) as image,
        ):
            pixels = image.width * image.height  # from the header: nothing is decoded yet
            if pixels > most:
                raise LimitError(
                    f"{shown!r} has {image.width} x {image.height} pixels; a picture may have at most {most / 1e6:.0f} million"
                )
            image.load()
            turned = PIL.ImageOps.exif_transpose(image)
    except LimitError:
        raise
    except PIL.Image.DecompressionBombError:
        raise LimitError(
            f"{shown!r} has too many pixels; a picture may have at most {most / 1e6:.0f} million"
        ) from None
    except Exception as error:  # Pillow's decoders raise whatever they meet in a damaged file
        raise ParameterError(
            f"{shown!r} is not a picture that can be read ({type(error).__name__}); save it anew as PNG or JPEG"
        ) from None
    alpha = "A" in turned.getbands() or "transparency" in turned.info
    clean = turned.convert("RGBA" if alpha else "RGB")
    clean.info.clear()
    buffer = io.BytesIO()
    clean.save(buffer, "PNG")
    return buffer.getvalue()


def owned(store: Store, owner: str, path: str | Path) -> bool:
    """Whether a path is one of a person's uploads, after links are followed."""
    resolved = Path(path).resolve()
    return resolved.is_file() and resolved.is_relative_to(place(store, owner).resolve())

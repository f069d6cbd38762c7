"""Whether two runs of one seed made the same: byte for byte, or, where a format keeps more than its content, as near as stated."""

import json
import math
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from scorekit.host.artifacts import OWN_FILES
from scorekit.host.plugin import Application
from scorekit.host.record import Run

RELATIVE = 1e-5  # of numbers in JSON and arrays
VIDEO = 2.0  # mean difference of the frames, of 255


def artifacts_of(app: type[Application], folder: Path) -> dict[str, Path]:
    """What a run made, by name: what it saved, and files that it left in the folder otherwise and declares in `artifacts`."""
    found = Run.load(folder).artifacts
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in OWN_FILES and declared(app, name):
            found.setdefault(name, path)
    return found


def declared(app: type[Application], name: str) -> bool:
    """Whether a pattern of `artifacts` covers the name; that of an OBJ also covers its material."""
    path = PurePosixPath(name)
    return matches(app.artifacts, name) or (
        path.suffix == ".mtl" and matches(app.artifacts, str(path.with_suffix(".obj")))
    )


def matches(patterns: tuple[str, ...], name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def difference(app: type[Application], first: Path, second: Path) -> str:
    """The first artifact in which two runs differ, in a sentence; "" if there is none. Metrics are not compared: they may be times."""
    one, other = artifacts_of(app, first), artifacts_of(app, second)
    if missing := sorted(one.keys() ^ other.keys()):
        return f"{missing[0]} is made by one of them only"
    for name, path in one.items():
        if how := _differ(path, other[name]):
            return f"{name} {how}"
    return ""


def _differ(first: Path, second: Path) -> str:
    """How two files differ, as the end of a sentence; "" if they hold the same."""
    if first.read_bytes() == second.read_bytes():
        return ""
    suffix = first.suffix.lower()
    if suffix == ".json":
        one, other = json.loads(first.read_text()), json.loads(second.read_text())
        return _unequal(one, other)
    if suffix in (".npy", ".npz", ".safetensors"):
        return _arrays(first, second)
    if suffix in (".mp4", ".gif", ".webm"):
        return _frames(first, second)
    if suffix in (".png", ".jpg", ".jpeg", ".webp"):
        return _pixels(first, second)
    return "differs"


def _unequal(one: Any, other: Any, where: str = "") -> str:
    """Where two JSON values differ by more than RELATIVE."""
    place = f"differs at {where}" if where else "differs"
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return place
        pairs = [(f"{where}.{key}".lstrip("."), one[key], other[key]) for key in one]
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return place
        pairs = [(f"{where}[{i}]", a, b) for i, (a, b) in enumerate(zip(one, other, strict=True))]
    elif isinstance(one, float) and isinstance(other, float):
        same = math.isclose(one, other, rel_tol=RELATIVE, abs_tol=RELATIVE)
        return "" if same else f"{place}: {one:g} and {other:g}"
    else:
        return "" if one == other else f"{place}: {str(one)[:40]} and {str(other)[:40]}"
    return next((found for deeper, a, b in pairs if (found := _unequal(a, b, deeper))), "")


def _arrays(first: Path, second: Path) -> str:
    import numpy as np

    one, other = _read_arrays(first), _read_arrays(second)
    if one.keys() != other.keys():
        return "holds other arrays"
    for name, array in one.items():
        if array.shape != other[name].shape:
            return f"differs in the shape of {name}"
        numbers = np.issubdtype(array.dtype, np.floating)
        near = np.allclose(array, other[name], RELATIVE, RELATIVE) if numbers else np.array_equal(array, other[name])
        if not near:
            return f"differs in {name}"
    return ""


def _read_arrays(path: Path) -> dict[str, Any]:
    if path.suffix.lower() == ".safetensors":
        from safetensors.torch import load_file

        return {name: tensor.float().numpy() for name, tensor in load_file(path).items()}
    import numpy as np

    found = np.load(path, allow_pickle=False)
    return dict(found) if path.suffix.lower() == ".npz" else {"it": found}


def _pixels(first: Path, second: Path) -> str:
    import PIL.Image

    with PIL.Image.open(first) as one, PIL.Image.open(second) as other:
        same = one.size == other.size and one.convert("RGBA").tobytes() == other.convert("RGBA").tobytes()
    return "" if same else "shows another picture"


def _frames(first: Path, second: Path) -> str:
    import imageio.v3 as imageio
    import numpy as np

    one, other = (np.stack(list(imageio.imiter(path))).astype(np.float32) for path in (first, second))
    if one.shape != other.shape:
        return f"has frames {one.shape} in one and {other.shape} in the other"
    gap = float(np.abs(one - other).mean())
    return "" if gap <= VIDEO else f"differs by {gap:.1f} of 255 on the average"

"""`scorekit doctor`: what is here, what is missing, and what to type about it."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from scorekit.host.console import size
from scorekit.host.provenance import version_of
from scorekit.host.registry import discover

ROOM = 5e9  # bytes free below which a warning is due: one diffusion model of the usual kind
# Distribution, module, and how to get it.
OPTIONAL = (
    ("nerfstudio", "nerfstudio", 'pip install "scorekit[text-to-3d]"'),
    ("trimesh", "trimesh", 'pip install "scorekit[text-to-3d]"'),
    ("scikit-image", "skimage", 'pip install "scorekit[text-to-3d]"'),
    ("tinycudann", "tinycudann", "build it from github.com/NVlabs/tiny-cuda-nn (optional, faster hash fields on CUDA)"),
    ("gsplat", "gsplat", "pip install gsplat (optional, CUDA)"),
    ("pydiffvg", "pydiffvg", "build it from github.com/BachiLi/diffvg (optional, the built-in rasteriser serves)"),
    ("gymnasium", "gymnasium", 'pip install "scorekit[diffusion-policy]"'),
    ("torchaudio", "torchaudio", 'pip install "scorekit[text-to-audio]"'),
    ("streamlit", "streamlit", 'pip install "scorekit[studio]"'),
    ("ray", "ray", 'pip install "scorekit[ray]"'),
)
REQUIRED = ("numpy", "diffusers", "transformers", "safetensors", "accelerate", "pillow")


@dataclass(frozen=True)
class Finding:
    """One line: `status` ok, missing (optional), warning, or error (scorekit does not work); `advice` what to type."""

    check: str
    status: Literal["ok", "missing", "warning", "error"]
    detail: str
    advice: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def examine() -> Iterator[Finding]:
    """All findings, quick ones first. Imports torch; starts a process for MuJoCo's GL if MuJoCo is there."""
    python = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding("python", "ok" if sys.version_info >= (3, 11) else "error", python, "")
    yield from _torch()
    for name in REQUIRED:
        version = version_of(name)
        yield Finding(name, "ok" if version else "error", version or "absent", "" if version else f"pip install {name}")
    for name, module, advice in OPTIONAL:
        there = importlib.util.find_spec(module) is not None
        detail = (version_of(name) or "installed") if there else "absent"
        yield Finding(name, "ok" if there else "missing", detail, "" if there else advice)
    yield _ffmpeg()
    yield _mujoco()
    yield _disk("disk, here", Path.cwd())
    yield _disk("disk, model cache", Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface")))
    for row in discover(strict=False).rows:
        name = f"plugin {row.name}"
        yield Finding(name, "ok" if row.usable else "warning", row.reason or row.title)


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except Exception as error:
        yield Finding("torch", "error", f"{type(error).__name__}: {error}", "pip install torch")
        return
    yield Finding("torch", "ok", torch.__version__)
    yield Finding("device cpu", "ok", f"{torch.get_num_threads()} threads of {os.cpu_count()} cores")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        yield Finding(f"device cuda:{index}", "ok", f"{properties.name}, {size(free)} free of {size(total)}")
    if torch.backends.mps.is_available():
        yield Finding("device mps", "ok", "Apple GPU")
    if torch.version.cuda and not torch.cuda.is_available():
        yield Finding("cuda", "missing", f"torch is built for CUDA {torch.version.cuda}, but no GPU is seen", "")


def _ffmpeg() -> Finding:
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        return Finding("ffmpeg", "missing", "absent: no MP4 can be written", "pip install imageio-ffmpeg")
    import imageio_ffmpeg

    try:
        return Finding("ffmpeg", "ok", f"{imageio_ffmpeg.get_ffmpeg_version()} ({imageio_ffmpeg.get_ffmpeg_exe()})")
    except Exception as error:
        return Finding("ffmpeg", "warning", f"not usable: {error}", "pip install --force-reinstall imageio-ffmpeg")


def _mujoco() -> Finding:
    if importlib.util.find_spec("mujoco") is None:
        return Finding("mujoco", "missing", "absent", 'pip install "scorekit[diffusion-policy]"')
    wanted = os.environ.get("MUJOCO_GL")
    for backend in [wanted] if wanted else ["egl", "osmesa"]:
        # A process of its own: the backend is chosen once at import, and a bad driver can end the process.
        code = "import mujoco; mujoco.GLContext(8, 8).make_current()"
        command = [sys.executable, "-c", code]
        try:
            done = subprocess.run(
                command, env={**os.environ, "MUJOCO_GL": backend}, capture_output=True, timeout=60, check=False
            )
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            return Finding("mujoco", "ok", f"{version_of('mujoco')}, renders with MUJOCO_GL={backend}")
    advice = "apt-get install libegl1 or libosmesa6, then set MUJOCO_GL=egl or osmesa"
    return Finding("mujoco", "warning", f"{version_of('mujoco')}, but it cannot render without a display", advice)


def _disk(name: str, path: Path) -> Finding:
    there = next(p for p in (path, *path.parents) if p.exists())
    free = shutil.disk_usage(there).free
    return Finding(name, "ok" if free >= ROOM else "warning", f"{size(free)} free at {there}")

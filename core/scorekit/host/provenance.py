"""What a run was made with: versions, machine, plugin. Enough to repeat it, nothing about who ran it."""

import importlib.metadata
import os
import platform
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

ENTRY_POINTS = "scorekit.plugins"  # the group in which plugins register
LIBRARIES = ("scorekit", "torch", "numpy", "diffusers", "transformers", "safetensors", "accelerate", "nerfstudio")


def version_of(distribution: str) -> str | None:
    """Installed version of a distribution, None if absent. Imports nothing of it."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def origin(module: str) -> dict[str, str | None]:
    """{"distribution", "version"} of the plugin that brings `module`, found by its entry points; None if not installed."""
    package = module.partition(".")[0]
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if entry.dist is not None and entry.module.partition(".")[0] == package:
            return {"distribution": entry.dist.name, "version": entry.dist.version}
    return {"distribution": None, "version": None}


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide a run's result."""
    found = {"python": platform.python_version()}
    found |= {name: version for name in LIBRARIES if (version := version_of(name))}
    return found


def describe_device(device: "torch.device") -> dict[str, Any]:
    """The device by name, with memory in bytes for a GPU and thread count for a CPU."""
    import torch

    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return {"device": str(device), "name": properties.name, "bytes": properties.total_memory}
    name = platform.processor() or platform.machine()
    return {"device": str(device), "name": name, "threads": torch.get_num_threads(), "platform": platform.platform()}


def process_identity() -> dict[str, Any]:
    """Who executes a run: process id with its start time (ids are reused) on a host."""
    import psutil

    return {"pid": os.getpid(), "started": psutil.Process().create_time(), "host": platform.node()}


def is_alive(process: dict[str, Any]) -> bool:
    """Whether that very process still runs. A process of another host cannot be seen from here and counts as alive."""
    import psutil

    if process.get("host") != platform.node():
        return True
    try:
        found = psutil.Process(process["pid"])
        # A zombie has died and only waits for its parent to take note.
        return bool(abs(found.create_time() - process["started"]) < 1 and found.status() != psutil.STATUS_ZOMBIE)
    except (psutil.Error, KeyError, ValueError):
        return False

"""What a run was made with: versions, machine, plugin. Enough to repeat it, nothing about who ran it."""

import importlib.metadata
import platform
from pathlib import Path
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
    """Who executes a run: process id on a host, with what tells it from a later process of the same id.

    started  seconds since 1970, which a change of the clock shifts for all processes;  birth  what it does not shift
    """
    import psutil

    process = psutil.Process()
    return {"pid": process.pid, "started": process.create_time(), "birth": _birth(process.pid), "host": platform.node()}


def is_alive(process: dict[str, Any]) -> bool:
    """Whether that very process still runs. A process of another host cannot be seen from here and counts as alive."""
    import psutil

    if process.get("host") != platform.node():
        return True
    try:
        found = psutil.Process(process["pid"])
        birth = _birth(found.pid)
        if birth is not None and process.get("birth") is not None:
            same = birth == process["birth"]
        else:
            same = abs(found.create_time() - process["started"]) < 1
        # A zombie has died and only waits for its parent to take note.
        return bool(same and found.status() != psutil.STATUS_ZOMBIE)
    except (psutil.Error, KeyError, ValueError):
        return False


def _birth(pid: int) -> str | None:
    """The boot of the machine and the clock ticks from it to the start of a process; None where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The second field, the name in brackets, may hold blanks and brackets itself; the 22nd is the start.
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
    return f"{boot}:{ticks}"

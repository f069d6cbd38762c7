"""Memory: how much there is, and how much a job took at its highest."""

import gc
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import torch


def total_ram() -> int:
    """Bytes of memory that processes here may use: the machine's, or less in a container."""
    total = int(psutil.virtual_memory().total)
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            total = min(total, int(Path(path).read_text()))
    return total


def total_vram(device: "torch.device") -> int | None:
    """Bytes of a GPU's own memory; None for devices without."""
    if device.type != "cuda":
        return None
    import torch

    return int(torch.cuda.get_device_properties(device).total_memory)


def free_bytes(device: "torch.device") -> int:
    """Bytes that a job on this device may still take, of the GPU's memory or the machine's."""
    if device.type == "cuda":
        import torch

        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + kept)
    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError, KeyError):  # in a container
        group = Path("/sys/fs/cgroup")
        rows = dict(row.split() for row in (group / "memory.stat").read_text().splitlines())
        used = int((group / "memory.current").read_text()) - int(rows["file"])  # cached files make room when asked
        free = min(free, int((group / "memory.max").read_text()) - used)
    return max(free, 0)


def own_bytes(device: "torch.device") -> int:
    """Bytes of that memory which this process holds already."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.memory_allocated(device))
    return int(psutil.Process().memory_info().rss)


def release(device: "torch.device") -> None:
    """Give memory that nothing refers to back to the device."""
    gc.collect()
    if device.type == "cuda":
        import torch

        torch.cuda.empty_cache()


class Peak:
    """The highest use of memory from its making on: of this process, and of its part of a GPU.

    Linux forgets its high-water mark when asked; elsewhere the mark is the process's whole life.
    """

    def __init__(self, device: "torch.device") -> None:
        self._device = device
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        if device.type == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats(device)

    def ram(self) -> int | None:
        """Bytes."""
        with suppress(OSError, IndexError, ValueError):
            for row in Path("/proc/self/status").read_text().splitlines():
                if row.startswith("VmHWM:"):
                    return int(row.split()[1]) * 1024
        with suppress(ImportError):
            import resource

            kilobyte = 1 if os.uname().sysname == "Darwin" else 1024
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobyte
        return None

    def vram(self) -> int | None:
        """Bytes; None without a GPU."""
        if self._device.type != "cuda":
            return None
        import torch

        return int(torch.cuda.max_memory_reserved(self._device))

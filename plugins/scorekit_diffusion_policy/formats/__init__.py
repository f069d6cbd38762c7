"""Demonstrations on disk: `load` tells Minari, LeRobot and diffusion_policy folders apart."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from scorekit_diffusion_policy.episodes import Demonstrations
from scorekit_diffusion_policy.formats import lerobot, minari, zarr_buffer
from scorekit_diffusion_policy.formats.errors import DatasetError

__all__ = ["DatasetError", "load"]

READERS: tuple[tuple[Callable[[Path], bool], Callable[[Path], Demonstrations]], ...] = (
    (minari.is_minari, minari.read),
    (lerobot.is_lerobot, lerobot.read),
    (zarr_buffer.is_zarr_buffer, zarr_buffer.read),
)


def load(path: Path | str, task: str | None = None) -> Demonstrations:
    """Read the demonstrations in `path`, whichever of the three formats they are in, all into memory.

    path  a folder with `data/metadata.json` (Minari), `meta/info.json` (LeRobot v3) or `data/` and `meta/episode_ends`
          (diffusion_policy's zarr); also one that holds exactly one of these somewhere below, as a run folder does
    task  of the demonstrations, for formats that do not say: LeRobot's and zarr. Bounds of actions are then the
          task's, and those of the data otherwise.
    Raises DatasetError, a ValueError, when there is none, it cannot be read, or its actions are not the task's.
    """
    path = Path(path)
    if not path.exists():
        raise DatasetError(f"data {path} does not exist")
    found = _datasets(path)
    if not found:
        raise DatasetError(
            f"data {path} holds no demonstrations: neither a Minari dataset (data/metadata.json), nor a LeRobot v3 one "
            "(meta/info.json), nor a zarr replay buffer (data/action and meta/episode_ends)"
        )
    if len(found) > 1:
        names = ", ".join(str(folder) for folder, _ in found[:5])
        raise DatasetError(f"data {path} holds {len(found)} datasets; name one of them: {names}")
    folder, read = found[0]
    demonstrations = read(folder)
    return demonstrations if task is None else _of_task(demonstrations, task, path)


def _datasets(path: Path) -> list[tuple[Path, Callable[[Path], Demonstrations]]]:
    for folders in ([path], [path / "data"], sorted(folder for folder in path.rglob("*") if folder.is_dir())):
        found = [(folder, read) for folder in folders for is_one, read in READERS if is_one(folder)]
        if found:
            return found
    return []


def _of_task(demonstrations: Demonstrations, task: str, path: Path) -> Demonstrations:
    from scorekit_diffusion_policy.environments import make

    world = make(task)
    low, high = world.action_space.low, world.action_space.high
    world.close()
    if low.shape != demonstrations.action_low.shape:
        raise DatasetError(
            f"data {path} has actions of {demonstrations.action_low.size} numbers, but {task} takes {low.size}"
        )
    return replace(demonstrations, task=task, action_low=low, action_high=high)

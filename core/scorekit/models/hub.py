"""Fetching a model from the hub: only the files that will be read; one clear sentence where that fails. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from scorekit.models.sources import INDEX

_DESCRIPTIONS = ("*.json", "*.txt", "*.model")  # configurations and tokenizers; small


def download(
    hub_id: str,
    components_of: Callable[[Path], Sequence[str]],
    weights_of: Callable[[Sequence[str], str], Sequence[str]],
) -> Path:
    """The local folder of a hub model, fetched into the hub's cache where it is not there yet.

    components_of  from a folder with the model's index: the subfolders to fetch; its ValueError ends the download
    weights_of     from all file names and a subfolder: which of its weight files to fetch; its ValueError too

    Offline, a model that was fetched before is read from the cache.
    Raises ValueError where the model does not exist, is gated, is no diffusers model, or the hub cannot be reached.
    """
    folder = _snapshot(hub_id, [INDEX, "scorekit.json"])
    if not (folder / INDEX).is_file():
        raise ValueError(f"--model {hub_id!r} has no {INDEX} on the hub: it must be a model in the diffusers format.")
    components = components_of(folder)
    files = _listing(hub_id, folder)
    wanted = [INDEX, "scorekit.json"]
    for component in components:
        wanted += [f"{component}/{pattern}" for pattern in _DESCRIPTIONS]
        if f"{component}/config.json" in files:  # tokenizers and schedulers have no weights
            wanted += weights_of(files, component)
    return _snapshot(hub_id, wanted)


def cached(hub_id: str) -> Path | None:
    """The folder of a model in the hub's cache, without asking the hub; None where it is not there."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, allow_patterns=[INDEX], local_files_only=True))
    except (OSError, ValueError):
        return None


def _snapshot(hub_id: str, patterns: list[str]) -> Path:
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(hub_id, allow_patterns=patterns))
    except errors.GatedRepoError:
        problem = "is gated: accept its licence on the hub and log in with `hf auth login`"
    except errors.RepositoryNotFoundError:
        problem = "is not on the hub, or is private: check owner and name, or log in with `hf auth login`"
    except errors.LocalEntryNotFoundError:
        problem = "is not in the local cache and the hub cannot be reached: connect, or give a local model's folder"
    except Exception as error:  # network libraries have classes of their own for it, other ones in every version
        problem = f"could not be fetched from the hub: {_first_line(error)}"
    raise ValueError(f"--model {hub_id!r} {problem}.")


def _listing(hub_id: str, folder: Path) -> list[str]:
    """All files of the model; where the hub does not answer, those that are here."""
    from huggingface_hub import HfApi

    try:
        return [file.rfilename for file in HfApi().model_info(hub_id, revision=folder.name).siblings or ()]
    except Exception:  # offline, unreachable, no longer allowed: what is here was complete when it was fetched
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")

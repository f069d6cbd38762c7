"""Fetching a model from the hub: only the files that will be read; one clear sentence where that fails. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from scorekit.models.sources import INDEX, hub_id

_DESCRIPTIONS = ("*.json", "*.txt", "*.model")  # configurations and tokenizers; small


def download(
    name: str,
    components_of: Callable[[Path], Sequence[str]],
    weights_of: Callable[[Sequence[str], str], Sequence[str]],
) -> Path:
    """The local folder of a hub model, fetched into the hub's cache where it is not there yet.

    name           owner/name, or owner/name@revision with a branch, a tag or a commit
    components_of  from a folder with the model's index: the subfolders to fetch; its ValueError ends the download
    weights_of     from all file names and a subfolder: which of its weight files to fetch; its ValueError too

    Offline, a model that was fetched before is read from the cache.
    Raises ValueError where the model does not exist, is gated, is no diffusers model, or the hub cannot be reached.
    """
    folder = _snapshot(name, [INDEX, "scorekit.json"])
    if not (folder / INDEX).is_file():
        raise ValueError(f"--model {name!r} has no {INDEX} on the hub: it must be a model in the diffusers format.")
    components = components_of(folder)
    files = _listing(name, folder)
    wanted = [INDEX, "scorekit.json"]
    for component in components:
        wanted += [f"{component}/{pattern}" for pattern in _DESCRIPTIONS]
        if f"{component}/config.json" in files:  # tokenizers and schedulers have no weights
            wanted += weights_of(files, component)
    return _snapshot(name, wanted)


def download_component(name: str, weights_of: Callable[[Sequence[str]], Sequence[str]]) -> Path:
    """The local folder of a hub id that holds one component instead of a model (a ControlNet).

    weights_of  from all file names, each beginning with "./": which weight files to fetch; its ValueError ends the download

    Raises ValueError as `download` does.
    """
    folder = _snapshot(name, ["config.json"], "controlnet")
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"controlnet {name!r} has no config.json on the hub: it must be one component in the diffusers format."
        )
    files = [f"./{file}" for file in _listing(name, folder)]
    wanted = ["config.json", *(file.removeprefix("./") for file in weights_of(files))]
    return _snapshot(name, wanted, "controlnet")


def download_lora(name: str) -> Path:
    """The local LoRA file of a hub id: pytorch_lora_weights.safetensors, or its only .safetensors file.

    Raises ValueError where there is no such file or several, and as `download` does.
    """
    usual = "pytorch_lora_weights.safetensors"
    folder = _snapshot(name, [usual], "lora")
    if (folder / usual).is_file():
        return folder / usual
    files = [file for file in _listing(name, folder) if file.endswith(".safetensors")]
    if len(files) != 1:
        held = ", ".join(files) or "none"
        raise ValueError(
            f"lora: {name!r} must have one .safetensors file on the hub (it has {held}); fetch one and name it."
        )
    return _snapshot(name, files, "lora") / files[0]


def cached(name: str) -> Path | None:
    """The folder of a model in the hub's cache, without asking the hub; None where it is not there."""
    from huggingface_hub import snapshot_download

    try:
        repository, revision = _split(name)
        found = snapshot_download(repository, revision=revision, allow_patterns=[INDEX], local_files_only=True)
        return Path(found)
    except (OSError, ValueError):
        return None


def _split(name: str) -> tuple[str, str | None]:
    return hub_id(name) or (name, None)


def _snapshot(name: str, patterns: list[str], option: str = "--model") -> Path:
    from huggingface_hub import errors, snapshot_download

    repository, revision = _split(name)
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=patterns))
    except errors.GatedRepoError:
        problem = "is gated: accept its licence on the hub and log in with `hf auth login`"
    except errors.RevisionNotFoundError:
        problem = f"has no revision {revision!r} on the hub: give a branch, a tag or a commit"
    except errors.RepositoryNotFoundError:
        problem = "is not on the hub, or is private: check owner and name, or log in with `hf auth login`"
    except errors.LocalEntryNotFoundError:
        problem = "is not in the local cache and the hub cannot be reached: connect, or give a local model's folder"
    except Exception as error:  # network libraries have classes of their own for it, other ones in every version
        problem = f"could not be fetched from the hub: {_first_line(error)}"
    raise ValueError(f"{option} {name!r} {problem}.")


def _listing(name: str, folder: Path) -> list[str]:
    """All files of the model; where the hub does not answer, those that are here."""
    from huggingface_hub import HfApi

    try:
        return [file.rfilename for file in HfApi().model_info(_split(name)[0], revision=folder.name).siblings or ()]
    except Exception:  # offline, unreachable, no longer allowed: what is here was complete when it was fetched
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")

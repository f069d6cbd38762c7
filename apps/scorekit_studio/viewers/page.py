"""Artifacts and whole runs on the page: which comes first, what belongs together, and a sentence for what cannot be shown."""

import fnmatch
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from scorekit.host import artifacts
from scorekit.host.plugin import Artifact
from scorekit.host.record import Run
from scorekit_studio.viewers import components, correspondences, draw, own, pictures, rollouts
from scorekit_studio.viewers.kept import messages
from scorekit_studio.viewers.kinds import VISIBLE, kind_of
from scorekit_studio.viewers.trouble import Unshowable, plain

MOST_AT_ONCE = 12  # artifacts drawn at once; more are chosen from a list

log = logging.getLogger(__name__)


def show(artifact: Artifact, path: Path, *, key: str, small: bool = False, hooks: Any = None) -> None:
    """Draw one artifact: by its plugin's own view if there is one, else by its kind. Never raises for what a file holds.

    path   where the artifact is, already checked to be this person's
    key    unique on the page
    small  for galleries: a picture of it, without tools
    hooks  the registry's hooks; default: those of what is installed
    """
    found = None if small else own.view(artifact, _installed().hooks if hooks is None else hooks)
    if found is not None:
        view = found
        guarded(
            lambda: components.mount("frame", own.message(view, f"View of {artifact.name}"), key=f"{key}-own"),
            path,
            artifact.name,
            key,
        )
        return
    together = None if small else _together(artifact, path, key)
    guarded(
        together or (lambda: draw.file(path, artifact.name, artifact.media_type, key=key, small=small)),
        path,
        artifact.name,
        key,
    )


def show_run(run: Run, folder: Path, *, key: str, registry: Any = None) -> None:
    """All artifacts of a run: the one that its application declares first large, then what can be seen, the rest folded."""
    import streamlit as st

    registry = _installed() if registry is None else registry
    files = present(run, folder)
    if not files:
        st.info(
            "This run saved nothing."
            if run.status == "done"
            else "Nothing is saved yet. Results appear here when the run saves them."
        )
        return
    names = ordered(list(files), _declared(run, registry))
    main, others, rest = arranged(names, _pickable(run, files))
    types = {row["name"]: str(row.get("media_type", "")) for row in run.record["artifacts"]}

    def one(name: str, title: bool) -> None:
        if title:
            st.caption(plain(name))
        show(Artifact(run, name, types.get(name, "")), files[name], key=f"{key}-{name}", hooks=registry.hooks)

    one(main, False)
    if len(others) > MOST_AT_ONCE:
        chosen = st.selectbox("More results", others, key=f"{key}-more")
        one(chosen, False)
    else:
        for place in range(0, len(others), 2):
            for column, name in zip(st.columns(2), others[place : place + 2], strict=False):
                with column:
                    one(name, True)
    if rest:
        with st.expander(f"Data and other files ({len(rest)})"):
            chosen = st.selectbox("File", rest, key=f"{key}-rest") if len(rest) > 1 else rest[0]
            one(chosen, len(rest) == 1)


def compare(left: Path, right: Path, key: str, names: tuple[str, str] = ("A", "B")) -> None:
    """Two files: a slider for two pictures or drawings, side by side for all else."""
    import streamlit as st

    if all(kind_of(path.name) in ("picture", "vector") for path in (left, right)):

        def slide() -> None:
            message = messages.get((left, right), ("compare", names), lambda: pictures.compared(left, right, names))
            components.mount("compare", message, key=key)

        guarded(slide, left, left.name, key)
        return
    for column, path, name, side in zip(st.columns(2), (left, right), names, ("left", "right"), strict=True):
        with column:
            st.caption(plain(name))
            place = f"{key}-{side}"
            guarded(partial(draw.file, path, path.name, key=place), path, path.name, place)


def guarded(work: Callable[[], None], path: Path, name: str, key: str) -> None:
    """Do it; a file that cannot be drawn becomes a sentence and a download, never a broken page."""
    import streamlit as st

    try:
        work()
        return
    except Unshowable as reason:
        sentence = str(reason)
    except (
        OSError,
        MemoryError,
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        RuntimeError,
        AttributeError,
        ImportError,
    ):
        log.exception("cannot draw %s", name)
        sentence = "This file cannot be drawn; the server's log says why."
    st.warning(plain(sentence))
    if path.is_file():
        draw.other(path, name, f"{key}-instead")


def present(run: Run, folder: Path) -> dict[str, Path]:
    """The artifacts of a run that are there, by name: regular files inside its folder."""
    found = {}
    for row in run.record["artifacts"]:
        try:
            path = artifacts.inside(folder, str(row["name"]))
        except (ValueError, KeyError, TypeError):
            continue
        if path.is_file():
            found[str(row["name"])] = path
    return found


def ordered(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """By the first declared pattern that a name fits, then as they were saved; what nobody declared comes last."""

    def place(name: str) -> int:
        fitting = (index for index, pattern in enumerate(patterns) if fnmatch.fnmatchcase(name, pattern))
        return next(fitting, len(patterns))

    return sorted(names, key=place)


def arranged(names: Sequence[str], pickable: bool = False) -> tuple[str, list[str], list[str]]:
    """(main, others to be seen, the rest): the same model in another format, single episodes and data files are the rest.

    pickable  whether matches.json can be looked at place by place
    """
    together = (rollouts.TABLE, correspondences.TABLE) if pickable else (rollouts.TABLE,)
    main = next((name for name in names if PurePosixPath(name).name in together), names[0])
    others, rest, models = [], [], {PurePosixPath(main).stem}
    for name in names:
        if name == main:
            continue
        kind, stem = kind_of(name), PurePosixPath(name).stem
        single = PurePosixPath(main).name == rollouts.TABLE and rollouts.FILM.fullmatch(PurePosixPath(name).name)
        paired = PurePosixPath(main).name == correspondences.TABLE and stem in ("source", "target")
        again = kind == "model" and stem in models
        charted = kind == "json" and PurePosixPath(name).name == "verdict.json"
        if (kind in VISIBLE or charted) and not (single or paired or again):
            others.append(name)
        else:
            rest.append(name)
        if kind == "model":
            models.add(stem)
    return main, others, rest


def _together(artifact: Artifact, path: Path, key: str) -> Callable[[], None] | None:
    """How an artifact is drawn that is more together with others of its run; None for all others."""
    import streamlit as st

    name = PurePosixPath(artifact.name).name
    if name == rollouts.TABLE:
        return lambda: rollouts.show(path, _beside(artifact, path), key=key)
    if name != correspondences.TABLE:
        return None

    def picker() -> None:
        beside = _beside(artifact, path)
        used = tuple(beside[one] for one in sorted(beside) if one.startswith(("features.", "source.", "target.")))
        try:
            message = messages.get(
                (path, *used), "matches", lambda: correspondences.message(path, artifact.run, beside)
            )
            components.mount("matches", message, key=key)
        except Unshowable as reason:
            st.info(plain(str(reason)))
            draw.file(path, artifact.name, key=key)

    return picker


def _beside(artifact: Artifact, path: Path) -> Mapping[str, Path]:
    return {
        PurePosixPath(name).name: file
        for name, file in present(artifact.run, artifact.run.folder).items()
        if file.parent == path.parent
    }


def _pickable(run: Run, files: Mapping[str, Path]) -> bool:
    return correspondences.TABLE in files and correspondences.pictures(run, files) is not None


def _declared(run: Run, registry: Any) -> Sequence[str]:
    app = next((row.app for row in registry.rows if row.app is not None and row.name == run.application), None)
    patterns = getattr(app, "artifacts", ())
    return patterns if isinstance(patterns, tuple | list) else ()


def _installed() -> Any:
    """What is installed, looked up again after a minute."""
    import streamlit as st

    from scorekit.host.registry import discover

    return st.cache_resource(ttl=60, show_spinner=False)(discover)()

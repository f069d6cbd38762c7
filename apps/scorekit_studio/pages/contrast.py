"""Two runs side by side: what came out, and in what they differ. `?a=ID&b=ID`."""

from pathlib import PurePosixPath
from typing import Any

import streamlit as st

from scorekit.host.artifacts import media_type
from scorekit.host.plugin import Artifact
from scorekit.host.record import Run
from scorekit_studio import viewers
from scorekit_studio.desk import Desk
from scorekit_studio.pages import look, session, words


@session.guarded
def draw() -> None:
    look.heading("Compare")
    desk = session.desk()
    ids = st.query_params.get("a"), st.query_params.get("b")
    if not ids[0] or not ids[1]:
        look.empty(
            "Choose two runs",
            "Mark two finished runs in the gallery by their compare button.",
            "gallery",
            "To the gallery",
        )
        return
    jobs = [desk.job(ids[0]), desk.job(ids[1])]
    runs = [desk.run(job.id) for job in jobs]
    for column, job in zip(st.columns(2), jobs, strict=True):
        with column, st.container(horizontal=True, vertical_alignment="center"):
            look.badge(job)
            st.page_link(session.page_of(job), label=words.plain(words.title(job)), query_params={"run": job.id})
    _pictures(desk, runs)
    _differences(desk, ids[0], ids[1])


def _pictures(desk: Desk, runs: list[Run]) -> None:
    first, second = (main(desk, run) for run in runs)
    if first is None or second is None:
        st.info("One of the two has written no file.", icon=":material/hide_image:")
        return
    names = common(desk, runs)
    if len(names) > 1:
        chosen = st.selectbox("File", names, key="compare-file", width=320)
        first = second = chosen
    kinds = {PurePosixPath(name).suffix.lower() for name in (first, second)}
    paths = [desk.artifact(run.folder.name, name) for run, name in zip(runs, (first, second), strict=True)]
    if kinds <= {".png", ".jpg", ".jpeg", ".webp"}:
        viewers.compare(paths[0], paths[1], key=f"slider-{first}")
        return
    for column, run, name, path in zip(st.columns(2), runs, (first, second), paths, strict=True):
        with column:
            viewers.show(Artifact(run, name, media_type(name)), path, key=f"side-{run.folder.name}-{name}")


def main(desk: Desk, run: Run) -> str | None:
    """The artifact that stands for a run: the first one that its application declares, else the first one saved."""
    app = desk.studio.registry().applications(run.record["kind"]).get(run.application)
    for pattern in app.artifacts if app else ():
        for name in run.artifacts:
            if PurePosixPath(name).match(pattern):
                return name
    return next(iter(run.artifacts), None)


def common(desk: Desk, runs: list[Run]) -> list[str]:
    """Files that both runs have, the main one first."""
    shared = [name for name in runs[0].artifacts if name in runs[1].artifacts]
    first = main(desk, runs[0])
    return sorted(shared, key=lambda name: name != first)


def _differences(desk: Desk, a: str, b: str) -> None:
    found = desk.compare(a, b)
    st.subheader("In what they differ", anchor=False)
    tables: dict[str, dict[str, tuple[Any, Any]]] = {
        "Parameters": found.parameters, "Settings": found.settings, "Metrics": found.metrics, "Versions": found.versions,
    }  # fmt: skip
    shown = False
    for name, rows in tables.items():
        if rows:
            shown = True
            spell = words.number if name == "Metrics" else words.exact
            st.markdown(f"**{name}**")
            st.table(
                {
                    " ": [words.plain(key) for key in rows],
                    "left": [words.plain(spell(first)) for first, _ in rows.values()],
                    "right": [words.plain(spell(second)) for _, second in rows.values()],
                },
                border="horizontal",
            )
    if not shown:
        st.write("In nothing: same parameters, same seed, same versions.")

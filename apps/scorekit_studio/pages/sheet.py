"""The contact sheet of a sweep: one picture for each combination, in rows and columns of what was varied. `?sweep=ID`."""

from typing import Any

import streamlit as st

from scorekit_studio.desk import Desk
from scorekit_studio.job import Job
from scorekit_studio.pages import look, session, words

EVERY_SECONDS = 2.0
COLUMNS = 6
LEAST_COLUMNS = 4  # few pictures are not made huge


@session.guarded
def draw() -> None:
    look.heading("Sweep")
    session.show_complaint()
    _sheet(st.query_params.get("sweep", ""))


def _sheet(sweep: str) -> None:
    jobs = session.desk().search(sweep=sweep, limit=200)[0] if sweep else []
    if not jobs:
        look.empty("No such sweep", "Start one from the form of an application: Sweep, try several values.")
        return
    going = any(not job.ended_for_good for job in jobs)
    st.fragment(_draw, run_every=EVERY_SECONDS if going else None)(sweep, going)


def _draw(sweep: str, going: bool) -> None:
    desk = session.desk()
    jobs, total = desk.search(sweep=sweep, limit=200)
    jobs.sort(key=lambda job: job.seq)
    if going and all(job.ended_for_good for job in jobs):
        st.rerun()
    done = sum(job.state == "done" for job in jobs)
    ended = sum(job.ended_for_good for job in jobs)
    text = f"{words.plain(jobs[0].title)}: {done} of {words.counted(total, 'run')} done"
    st.progress(ended / max(1, len(jobs)), text)
    if ended < len(jobs) and st.button("Cancel what is left", icon=":material/stop:", key="cancel-sweep"):
        for job in jobs:
            if not job.ended_for_good:
                session.attempt(lambda job=job: desk.cancel(job.id))  # type: ignore[misc]
        st.rerun(scope="fragment")
    axes = varied(jobs)
    rows, columns = layout(axes)
    for row in rows:
        if row is not None:
            st.markdown(f"**{words.plain(_name(next(iter(axes))))}: {words.plain(words.number(row))}**")
        chosen = [job for job in jobs if row is None or value(job, next(iter(axes))) == row]
        width = min(COLUMNS, max(LEAST_COLUMNS, columns))
        for begin in range(0, len(chosen), width):
            for column, job in zip(st.columns(width), chosen[begin : begin + width], strict=False):
                with column:
                    _cell(desk, job, list(axes)[1 if rows != [None] else 0 :])


def _cell(desk: Desk, job: Job, names: list[str]) -> None:
    with st.container(key=f"cell-{job.id}", gap="xsmall"):
        look.thumbnail(job, desk.folder(job.id))
        label = ", ".join(f"{_name(name)} {words.number(value(job, name))}" for name in names) or words.title(job, 40)
        st.page_link(session.page_of(job), label=words.plain(label), query_params={"run": job.id})
        if job.state != "done":
            look.badge(job)


def value(job: Job, name: str) -> Any:
    return job.seed if name == "seed" else job.parameters.get(name)


def varied(jobs: list[Job]) -> dict[str, list[Any]]:
    """What differs among the jobs of a sweep, and its values in the order of submission."""
    names = [*jobs[0].parameters, "seed"]
    found: dict[str, list[Any]] = {}
    for name in names:
        values: list[Any] = []
        for job in jobs:
            if value(job, name) not in values:
                values.append(value(job, name))
        if len(values) > 1:
            found[name] = values
    return found


def layout(axes: dict[str, list[Any]]) -> tuple[list[Any], int]:
    """Values of the rows ([None]: rows mean nothing) and how many columns: two axes make a table."""
    if len(axes) == 2:
        first, second = axes.values()
        return first, len(second)
    return [None], COLUMNS


def _name(field: str) -> str:
    return field.replace("_", " ")

"""A run that ended: what came out, what it was made with, and what can be done with it."""

from functools import partial
from typing import Any

import streamlit as st

from scorekit.host.artifacts import media_type
from scorekit.host.errors import ParameterError
from scorekit.host.record import Run
from scorekit_studio import archive, live, viewers
from scorekit_studio.desk import Desk
from scorekit_studio.job import Job
from scorekit_studio.pages import look, session, words

MOST_FILES = 24  # offered one by one; all of them are in the zip


def draw(job_id: str) -> None:
    with st.container(key=f"result-{job_id}"):
        _draw(job_id)


def _draw(job_id: str) -> None:
    desk = session.desk()
    job = desk.job(job_id)
    try:
        run = desk.run(job_id)
    except ParameterError as error:  # cancelled before there was a folder, or removed from the disk
        _head(job)
        session.complain(error)
        return
    _head(job)
    session.show_complaint()
    _ending(desk, job)
    if run.artifacts:
        viewers.show_run(run, desk.folder(job_id), key=f"run-{job_id}")
    elif found := live.preview(desk.folder(job_id)):
        look.picture(found.jpeg, "image/jpeg", f"Last preview of {words.title(job)}")
    _metrics(run)
    _actions(desk, job, run)
    _folds(desk, job, run)


def _head(job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        look.badge(job)
        st.markdown(f"**{words.plain(words.title(job, 160))}**")
    facts = [words.when(job.created)]
    if job.seconds:
        facts.append(f"took {words.duration(job.seconds)}")
    facts.append(f"seed {job.seed}")
    st.caption(words.plain(" · ".join(facts)))


def _ending(desk: Desk, job: Job) -> None:
    """Why it did not end well, and the way on."""
    if job.state == "done":
        return
    if job.error:
        session.complain(job.error)
    if job.note:
        st.caption(words.plain(job.note))
    text = "It was cancelled." if job.state == "cancelled" else "It failed."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(text + " What it had reached is kept.")
        st.button(
            "Take it up again", key="take-up", icon=":material/restart_alt:",
            on_click=_take_up,
            args=(desk, job.id),
            help="From its last checkpoint, or from the start if it has none.",
        )  # fmt: skip
    trace = desk.folder(job.id) / "traceback.txt"
    if desk.user.admin and trace.is_file():
        with st.expander("Report for the plugin's author", icon=":material/bug_report:"):
            st.code(trace.read_text(errors="replace")[-20_000:], language="text", wrap_lines=True)


def _take_up(desk: Desk, job_id: str) -> None:
    session.attempt(lambda: desk.go_on(job_id))


def _metrics(run: Run) -> None:
    if run.metrics:
        with st.container(horizontal=True):
            for name, value in list(run.metrics.items())[:8]:
                st.metric(words.plain(name.replace("_", " ")), words.number(float(value)), width="content")


def _actions(desk: Desk, job: Job, run: Run) -> None:
    with st.container(horizontal=True):
        st.download_button(
            "Download all", partial(_zipped, desk, job.id), archive.download_name(run), "application/zip",
            key="download-all", icon=":material/folder_zip:", on_click="ignore",
            help="The whole run as a zip: results, parameters, progress.",
        )  # fmt: skip
        with st.popover("Share", icon=":material/link:"):
            st.write("Whoever may see your runs can open this one by its address:")
            st.code(session.link(job), language="text")
        if st.button("Compare", key="compare", help="With another run", icon=":material/compare:"):
            st.session_state["to compare"] = [job.id]
            session.go("gallery")
        if job.binned is None:
            if st.button("Delete", key="delete", icon=":material/delete:"):
                delete(desk, job)
        elif st.button("Restore", key="restore", icon=":material/restore_from_trash:"):
            desk.restore(job.id)
            st.rerun()


def delete(desk: Desk, job: Job) -> None:
    """Into the bin, and to the gallery, which offers to take it back."""

    def bin_it() -> None:
        desk.delete(job.id)
        st.session_state["undo"] = job.id

    if session.attempt(bin_it):
        session.go("gallery")
    st.rerun()


def _zipped(desk: Desk, job_id: str) -> bytes:
    _, file = desk.zip(job_id)
    return file.read()


def _bytes(desk: Desk, job_id: str, name: str) -> bytes:
    return desk.artifact(job_id, name).read_bytes()


def _folds(desk: Desk, job: Job, run: Run) -> None:
    sizes = {a["name"]: a["bytes"] for a in run.record["artifacts"]}
    if run.artifacts:
        with st.expander(f"Files ({len(run.artifacts)})", icon=":material/download:", key="files"):
            for name in list(run.artifacts)[:MOST_FILES]:
                st.download_button(
                    f"{words.plain(name)} · {words.size(sizes.get(name))}", partial(_bytes, desk, job.id, name),
                    archive.download_name(run, name), media_type(name), key=f"file-{name}", icon=":material/download:",
                    on_click="ignore", type="tertiary",
                )  # fmt: skip
            if len(run.artifacts) > MOST_FILES:
                st.caption(f"And {len(run.artifacts) - MOST_FILES} more, in the zip.")
    curves = live.Curves(desk.folder(job.id))
    if curves.update() and len(curves.steps) > 1 and curves.metrics:
        with st.expander("Curves", icon=":material/show_chart:", key="curves-of-run"):
            st.plotly_chart(viewers.charts.metrics(curves), key=f"curves-{job.id}", config={"displayModeBar": False})
    with st.expander("How it was made", icon=":material/fact_check:", key="provenance"):
        provenance(run)
    if lines := live.log_lines(desk.folder(job.id), 200):
        with st.expander("Log", icon=":material/notes:", key="log-of-run"):
            st.code("\n".join(lines), language="text", wrap_lines=True)


def provenance(run: Run) -> None:
    """Everything that is needed to make it again."""
    for name, table in facts(run).items():
        if table:
            st.markdown(f"**{name}**")
            st.table({words.plain(key): words.plain(value) for key, value in table.items()}, border="horizontal")
    st.markdown("**The same by the command line**")
    st.code(run.record["command"], language="sh", wrap_lines=True)


def facts(run: Run) -> dict[str, dict[str, str]]:
    """Of a run: {group: {name: value in words}}."""
    r: dict[str, Any] = run.record
    machine, plugin = r.get("machine") or {}, r.get("plugin") or {}
    origin = " ".join(filter(None, (plugin.get("distribution"), plugin.get("version"))))
    made = {
        "application": f"{r['application']} ({origin})" if origin else r["application"],
        "seed": str(r["seed"]),
        "device": " ".join(filter(None, (machine.get("name") or r["device"], machine.get("dtype")))),
        "started": str(r["time"].get("started") or ""),
        "seconds of work": words.number(r["time"]["seconds"]),
        "attempts": str(r["attempts"]),
    }
    models = {name: str(m.get("sha256") or m.get("kind") or "") for name, m in r["models"].items()}
    inputs = {
        f"{name} {i + 1}" if len(files) > 1 else name: f"{file['bytes']} bytes, sha256 {file['sha256']}"
        for name, files in r["inputs"].items()
        for i, file in enumerate(files)
        if "sha256" in file
    }
    return {
        "Run": {k: v for k, v in made.items() if v},
        "Parameters": {k: words.exact(v) for k, v in r["parameters"].items()},
        "Models (sha256 of their weights)": models,
        "Input files": inputs,
        "Versions": {k: str(v) for k, v in r["versions"].items()},
    }

"""Who is at work, who is next, and what is stored."""

import streamlit as st

from scorekit_studio.desk import Desk
from scorekit_studio.job import Job
from scorekit_studio.line import Place
from scorekit_studio.pages import look, session, words

EVERY_SECONDS = 1.0
DEVICES = {"idle": "free", "busy": "at work", "starting": "getting ready", "blocked": "in use by another program"}


@session.guarded
def draw() -> None:
    look.heading("Queue and storage", "What runs, what comes next, and when. What others asked for is theirs alone.")
    session.show_complaint()
    left, right = st.columns([2, 1], gap="large")
    with left:
        st.fragment(_line, run_every=EVERY_SECONDS)()
    with right:
        st.fragment(_devices, run_every=EVERY_SECONDS)()
        _storage(session.desk())


@session.guarded
def _line() -> None:
    desk = session.desk()
    st.subheader("Queue", anchor=False)
    rows = desk.line()
    if not rows:
        look.empty("Nobody waits", "Every device is free: what you start now begins at once.")
    for job, place in rows:
        _row(desk, job, place)


def _row(desk: Desk, job: Job, place: Place | None) -> None:
    mine = bool(job.owner) and job.owner == desk.user.id
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"line-{job.id}"):
        look.badge(job)
        if job.owner:
            st.page_link(session.page_of(job), label=words.plain(words.title(job, 60)), query_params={"run": job.id})
        else:
            st.markdown("Somebody else's run")
        st.caption(words.plain(_standing(desk, job, place)), width="content")
        if not job.owner:
            return
        if st.button(
            "Cancel", key=f"line-cancel-{job.id}", icon=":material/stop:", type="tertiary", disabled=job.ask == "cancel"
        ):
            session.attempt(lambda: desk.cancel(job.id))
            st.rerun(scope="fragment")
        if not mine:
            st.caption("of somebody else", width="content")


def _standing(desk: Desk, job: Job, place: Place | None) -> str:
    if job.active:
        left = desk.left(job.id) if job.owner else None
        return f"{job.title} on {job.worker}" + (f", {words.duration(left)} left" if left is not None else "")
    if place is None:
        return f"{job.title}, waits for {job.device}"
    soon = f"in about {words.duration(place.starts_in)}" if place.starts_in >= 1 else "now"
    return f"{job.title}, number {place.position}, starts {soon}"


def _devices() -> None:
    st.subheader("Devices", anchor=False)
    for worker in session.desk().workers():
        name = worker["name"] or worker["device"]
        state = DEVICES.get(worker["state"], worker["state"])
        memory = words.size(worker["vram"] or worker["ram"])
        st.markdown(words.plain(f"{name}: {state}") + (f", {memory} of memory" if memory else ""))
        if worker["note"]:
            st.caption(words.plain(worker["note"]))


def _storage(desk: Desk) -> None:
    st.subheader("Storage", anchor=False)
    used, most = desk.stored_bytes(), desk.studio.limits.stored_bytes
    st.progress(min(1.0, used / max(1, most)), f"{words.size(used)} of {words.size(most)}")
    st.caption(
        f"{words.size(desk.studio.store.free_bytes())} are free on the studio's disk. Deleted runs count until the bin is emptied."
    )
    if gallery := session.page("gallery"):
        st.page_link(gallery, label="Tidy up in the gallery", icon=":material/photo_library:")

"""A run while it waits or goes on, drawn anew twice a second from its folder."""

from contextlib import suppress

import streamlit as st

from scorekit_studio import live, viewers
from scorekit_studio.desk import TROUBLE, Desk
from scorekit_studio.job import Job
from scorekit_studio.pages import look, session, words

FAST_SECONDS = 0.5
SLOW_SECONDS = 1.0  # of the curves, which cost the browser more


def draw(job_id: str) -> None:
    with st.container(border=True, key="live"):
        st.fragment(_now, run_every=FAST_SECONDS)(job_id)
        st.fragment(_curves, run_every=SLOW_SECONDS)(job_id)
        with st.expander("Log", icon=":material/notes:", key="log"):
            st.fragment(_log, run_every=SLOW_SECONDS)(job_id)


def _now(job_id: str) -> None:
    desk = session.desk()
    try:
        job = desk.job(job_id)
    except TROUBLE as error:  # a locked store: the next time it is there again
        session.complain(error)
        return
    if job.ended_for_good:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        look.badge(job)
        st.markdown(f"**{words.plain(words.title(job))}**")
    _progress(desk, job)
    if found := live.preview(desk.folder(job_id)):
        look.picture(found.jpeg, "image/jpeg", f"Preview of {words.title(job)}")
    else:
        look.blank(
            "The first preview comes with the first steps." if job.state == "running" else "Nothing to see yet.",
            "picture",
        )
    _actions(desk, job)


def _progress(desk: Desk, job: Job) -> None:
    step, _ = desk.live(job.id)
    if job.waiting:
        place = desk.place(job.id)
        if job.note:
            st.caption(words.plain(job.note))
        if place is None:
            st.progress(0.0, "Waiting for a device that can take it.")
        else:
            soon = f"starts in about {words.duration(place.starts_in)}" if place.starts_in >= 1 else "starts now"
            st.progress(0.0, f"Number {place.position} in the line, {soon}, on {words.plain(place.device)}")
        return
    if job.state == "paused":
        st.progress(step.share if step else 0.0, "Paused. It goes on from here when you say so.")
        return
    if step is None:
        st.progress(0.0, "Getting ready: loading the model.")
        return
    text = f"Step {step.step} of {step.total}"
    left = desk.left(job.id)
    if left is not None and not job.ask:
        text += f", {words.duration(left)} left" if left >= 1 else ", nearly done"
    st.progress(min(1.0, max(0.0, step.share)), text)
    if step.metrics:
        st.caption(words.plain(", ".join(f"{name} {value:.4g}" for name, value in list(step.metrics.items())[:6])))


def _actions(desk: Desk, job: Job) -> None:
    with st.container(horizontal=True):
        if job.state == "paused":
            st.button(
                "Go on",
                key="go-on",
                type="primary",
                icon=":material/play_arrow:",
                on_click=_do,
                args=(desk.go_on, job.id),
            )
        else:
            st.button(
                "Pause", key="pause", icon=":material/pause:", disabled=job.ask is not None, on_click=_do,
                args=(desk.pause, job.id), help="It keeps its place and its work; others may use the device meanwhile.",
            )  # fmt: skip
        st.button(
            "Cancel",
            key="cancel",
            icon=":material/stop:",
            disabled=job.ask == "cancel",
            on_click=_do,
            args=(desk.cancel, job.id),
        )
    session.show_complaint()


def _do(action: object, job_id: str) -> None:
    session.attempt(lambda: action(job_id))  # type: ignore[operator]


def _curves(job_id: str) -> None:
    desk = session.desk()
    with suppress(*TROUBLE):
        kept = st.session_state.get("curves")
        folder = desk.folder(job_id)
        if kept is None or kept.folder != folder:
            kept = st.session_state["curves"] = live.Curves(folder)
        kept.update()
        if len(kept.steps) > 1 and kept.metrics:
            st.plotly_chart(viewers.charts.metrics(kept), key="live-curves", config={"displayModeBar": False})


def _log(job_id: str) -> None:
    with suppress(*TROUBLE):
        _, lines = session.desk().live(job_id)
        st.code("\n".join(lines) or "Nothing was logged yet.", language="text", wrap_lines=True)

"""All runs of a person: search, filters, the bin, and the choice of two to compare."""

import time

import streamlit as st

from scorekit_studio.desk import Desk
from scorekit_studio.job import ENDED, Job
from scorekit_studio.pages import look, result, session, words

PER_PAGE = 24
COLUMNS = 4
SINCE = {"any time": None, "today": 86_400.0, "this week": 7 * 86_400.0, "this month": 31 * 86_400.0}
STATES = {
    "all": (), "done": ("done",), "going on": ("queued", "running", "paused", "interrupted"), "failed": ("failed",),
    "cancelled": ("cancelled",),
}  # fmt: skip


@session.guarded
def draw() -> None:
    desk = session.desk()
    look.heading("Gallery", "Everything you made, newest first.")
    session.show_complaint()
    desk.adopt()
    _undo(desk)
    _chosen_two(desk)
    jobs, total, filtered, binned = _found(desk)
    if not jobs:
        _nothing(filtered, binned)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(words.counted(total, "run"))
        if binned:
            _empty_bin(desk)
    for begin in range(0, len(jobs), COLUMNS):
        for column, job in zip(st.columns(COLUMNS), jobs[begin : begin + COLUMNS], strict=False):
            with column:
                _card(desk, job)
    _turn(total)


def _found(desk: Desk) -> tuple[list[Job], int, bool, bool]:
    """The jobs that the filters ask for, how many there are, whether anything is filtered, and whether it is the bin."""
    apps = {row.name: row.title for row in session.registry().rows if row.usable and row.app}
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        text = st.text_input("Search", key="gallery-text", placeholder="words of a prompt, a model, an id", width=270)
        app = st.selectbox(
            "Application", ["", *apps], format_func=lambda a: apps.get(a, "all"), key="gallery-app", width=190
        )
        state = st.selectbox("State", list(STATES), key="gallery-state", width=120)
        since = st.selectbox("When", list(SINCE), key="gallery-since", width=120)
        everybody = desk.user.admin and not desk.user.local and st.toggle("Everybody's", key="gallery-everybody")
        binned = st.toggle("Bin", key="gallery-bin", help="Deleted runs; they are removed for good after a week.")
    first = None if (span := SINCE[since]) is None else time.time() - span
    asked = (text, app, state, since, everybody, binned)
    if st.session_state.get("gallery-asked") != asked:  # another question begins at its first page
        st.session_state["gallery-asked"], st.session_state["gallery-page"] = asked, 0
    jobs, total = desk.search(
        text, application=app or None, states=STATES[state], since=first, binned=bool(binned), everybody=bool(everybody),  # type: ignore[arg-type]
        limit=PER_PAGE, offset=PER_PAGE * st.session_state["gallery-page"],
    )  # fmt: skip
    return jobs, total, bool(text or app or state != "all" or first), bool(binned)


def _nothing(filtered: bool, binned: bool) -> None:
    if binned:
        look.empty("The bin is empty", "Deleted runs lie here for a week, and can be taken back.", "gallery", "Gallery")
    elif filtered:
        st.info("No run fits. Search for fewer words, or set the filters to all.", icon=":material/search_off:")
    else:
        look.empty(
            "Nothing made yet",
            "Your runs will be here, with their pictures. Begin with an example: it takes seconds.",
        )


def _card(desk: Desk, job: Job) -> None:
    with st.container(border=True, key=f"run-{job.id}", gap="xsmall"):
        look.thumbnail(job, desk.folder(job.id))
        told = words.prompt(job, 60)
        label, query = words.plain(told or job.title), {"run": job.id}
        st.page_link(session.page_of(job), label=label, query_params=query, width="stretch")
        st.caption(words.plain(f"{job.title if told else f'Seed {job.seed}'} · {words.when(job.created)}"))
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            look.badge(job)
            if job.binned is not None:
                if st.button("Restore", key=f"restore-{job.id}", icon=":material/restore_from_trash:", type="tertiary"):
                    session.attempt(lambda: desk.restore(job.id))
                    st.rerun()
                return
            if job.state == "done":
                st.button(
                    "Choose for a comparison", key=f"compare-{job.id}-icon-only", icon=":material/compare:", type="tertiary",
                    on_click=_choose, args=(job.id,),
                    help="Choose it for a comparison", disabled=job.id in st.session_state.get("to compare", []),
                )  # fmt: skip
            if job.state in ENDED and st.button(
                "Delete", key=f"delete-{job.id}-icon-only", icon=":material/delete:", type="tertiary", help="Delete"
            ):
                result.delete(desk, job)
            if job.sweep:
                sweep = session.page("sweep")
                if sweep:
                    st.page_link(sweep, label="sweep", icon=":material/grid_view:", query_params={"sweep": job.sweep})


def _choose(job_id: str) -> None:
    chosen = [*st.session_state.get("to compare", []), job_id]
    st.session_state["to compare"] = list(dict.fromkeys(chosen))[-2:]


def _chosen_two(desk: Desk) -> None:
    """What was chosen for a comparison so far."""
    chosen: list[str] = st.session_state.get("to compare", [])
    if not chosen:
        return
    try:
        names = [words.title(desk.job(job_id), 50) for job_id in chosen]
    except PermissionError:
        st.session_state.pop("to compare")
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="chosen"):
        st.markdown(" and ".join(f"**{words.plain(name)}**" for name in names))
        if len(chosen) == 2:
            if st.button("Compare", type="primary", icon=":material/compare:", key="compare-go"):
                st.session_state.pop("to compare")
                session.go("compare", a=chosen[0], b=chosen[1])
        else:
            st.caption("Choose another one below.")
        if st.button("Clear", key="compare-clear", type="tertiary", icon=":material/close:"):
            st.session_state.pop("to compare")
            st.rerun()


def _undo(desk: Desk) -> None:
    """What was deleted last, and the way back."""
    job_id = st.session_state.get("undo")
    if job_id is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="undone"):
        st.markdown("The run is in the bin.")
        if st.button("Undo", key="undo-delete", icon=":material/undo:"):
            st.session_state.pop("undo")
            session.attempt(lambda: desk.restore(job_id))
            st.rerun()
        if st.button(
            "Leave it there", key="undo-icon-only", icon=":material/close:", type="tertiary", help="Leave it there"
        ):
            st.session_state.pop("undo")
            st.rerun()


def _empty_bin(desk: Desk) -> None:
    with st.popover("Empty the bin", icon=":material/delete_forever:"):
        st.write("What is in the bin is removed for good.")
        if st.button("Remove", type="primary", key="empty-bin"):
            session.attempt(desk.empty_bin)
            st.session_state.pop("undo", None)
            st.rerun()


def _turn(total: int) -> None:
    """Pages of the gallery."""
    last = (total - 1) // PER_PAGE
    if last < 1:
        return
    here = st.session_state["gallery-page"]

    def turn(by: int) -> None:
        st.session_state["gallery-page"] = min(max(here + by, 0), last)

    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="center"):
        st.button("Newer", key="newer", icon=":material/chevron_left:", disabled=here == 0, on_click=turn, args=(-1,))
        st.caption(f"{here + 1} of {last + 1}")
        st.button(
            "Older", key="older", icon=":material/chevron_right:", disabled=here == last, on_click=turn, args=(1,)
        )

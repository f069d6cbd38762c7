"""What each application does, and one click to a working example of it."""

import streamlit as st

from scorekit.host.plugin import Application
from scorekit_studio.pages import look, session, words

COLUMNS = 3


@session.guarded
def draw() -> None:
    look.heading(
        "What will you make?",
        "Pick an application and watch it work: Try it runs a small example, which takes seconds.",
    )
    session.show_complaint()
    registry = session.registry()
    apps = [row.app for row in registry.rows if row.usable and row.app]
    apps.sort(key=lambda app: (not look.has_example(app), app.title))
    made = [app for app in apps if app.kind == "application"]
    taught = [app for app in apps if app.kind == "training"]
    if not made:
        st.info(
            "No application is installed: pip install one that brings a scorekit plugin, then look again.",
            icon=":material/extension:",
        )
    _cards(made)
    if taught:
        st.subheader("Training", anchor=False)
        st.caption("Recipes that teach a model of your own. They take longer: hours, not minutes.")
        _cards(taught)
    _below()


def _cards(apps: list[type[Application]]) -> None:
    for begin in range(0, len(apps), COLUMNS):
        for column, app in zip(st.columns(COLUMNS), apps[begin : begin + COLUMNS], strict=False):
            with column, st.container(border=True, key=f"card-{app.kind}-{app.name}"):
                _picture(app)
                st.subheader(words.plain(app.title), anchor=False)
                st.html(f'<div class="sk-summary">{_escaped(app.summary)}</div>')
                with st.container(horizontal=True):
                    if app.kind == "application" and app.demo is not None:
                        st.button(
                            "Try it", key=f"try-{app.name}", type="primary", icon=":material/play_arrow:",
                            on_click=_try, args=(app,), help=f"Run a small example of {words.plain(app.title)}",
                        )  # fmt: skip
                    page = session.page(f"{app.kind}:{app.name}")
                    if page and st.button("Open", key=f"open-{app.kind}-{app.name}", icon=":material/tune:"):
                        st.switch_page(page)
    if job_id := st.session_state.pop("tried", None):
        session.open_run(session.desk().job(job_id))


def _picture(app: type[Application]) -> None:
    """Made by it: what came with the studio, else this person's newest."""
    if not look.has_example(app):
        desk = session.desk()
        for job in desk.search(application=app.name, states=("done",), limit=1)[0]:
            if job.kind == app.kind:
                look.thumbnail(job, desk.folder(job.id), "card")
                return
    look.example(app)


def _escaped(text: str) -> str:
    import html

    return html.escape(text)


def _try(app: type[Application]) -> None:
    """Submit the example, and go to its run when the script comes to it: a callback cannot change the page."""

    def submit() -> None:
        st.session_state["tried"] = session.desk().submit(app, app.demo)

    session.attempt(submit)


def _below() -> None:
    st.divider()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Installed another plugin just now?")
        if st.button("Look for plugins", icon=":material/refresh:", type="tertiary"):
            session.look_again()
            st.rerun()

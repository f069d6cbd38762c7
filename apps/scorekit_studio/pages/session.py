"""What a page has to know: the studio of this server, the person at this browser, and where the other pages are."""

import importlib
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NoReturn, ParamSpec

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from scorekit.host.registry import Registry
from scorekit_studio.desk import TROUBLE, Desk, Studio
from scorekit_studio.job import Job
from scorekit_studio.pages import words
from scorekit_studio.people import User

P = ParamSpec("P")
_served: list[Studio] = []  # one a process


def use(studio: Studio) -> None:
    """Let the pages of this process serve `studio`."""
    _served[:] = [studio]


def studio() -> Studio:
    return _served[0]


def person() -> User | None:
    """Who is at this browser, as the studio's settings have it; asked anew in every run of a script."""
    identity = studio().identity
    claims: Mapping[str, Any] = {}
    if identity.mode == "oidc":
        claims = dict(st.user)
    return identity.user(dict(st.context.headers.items()), st.context.ip_address, claims)


def desk() -> Desk:
    """Everything that this person may do. Ends the page for somebody who is nobody any more."""
    user = person()
    if user is None:
        st.rerun()
    return studio().desk(user)


def registry() -> Registry:
    """What is installed; looked for anew once for each browser session, so that what pip brought appears on a reload."""
    looked = "looked for plugins"
    if looked not in st.session_state:
        st.session_state[looked] = True
        look_again()
    return studio().registry()


def look_again() -> None:
    """Look for plugins, also in packages that were installed since the server started."""
    importlib.invalidate_caches()
    studio().registry(refresh=True)


def keep_pages(pages: Mapping[str, StreamlitPage]) -> None:
    """Remember the pages of this run of the script, by key: "home", "gallery", ..., "application:NAME", "training:NAME"."""
    st.session_state["pages"] = dict(pages)


def page(key: str) -> StreamlitPage | None:
    found: StreamlitPage | None = st.session_state["pages"].get(key)
    return found


def page_of(job: Job) -> StreamlitPage:
    """Where a run is shown: on its application's page, or, if that is not installed, on one of its own."""
    found = page(f"{job.kind}:{job.application}") or page("run")
    assert found is not None
    return found


def go(key: str, **query: str) -> NoReturn:
    """Show another page."""
    target = page(key) or page("home")
    assert target is not None
    st.switch_page(target, query_params=query)


def open_run(job: Job) -> NoReturn:
    st.switch_page(page_of(job), query_params={"run": job.id})


def link(job: Job) -> str:
    """The address of a run, to be passed on."""
    base = (st.context.url or "").split("?")[0].rstrip("/")
    current = st.session_state.get("url path", "")
    root = base.removesuffix(f"/{current}") if current else base
    return f"{root}/?run={job.id}"


def guarded(draw: Callable[P, None]) -> Callable[P, None]:
    """A page whose troubles (not allowed, not there, too much, store locked) become one sentence."""

    @wraps(draw)
    def page(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            draw(*args, **kwargs)
        except TROUBLE as error:
            complain(error)

    return page


def complain(error: Exception | str) -> None:
    text = str(error)
    st.error(
        words.plain(text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")),
        icon=":material/error:",
    )


def attempt(action: Callable[[], object]) -> bool:
    """Do it; what goes wrong is said in a sentence that stays until the next run of the page. True if all went well."""
    try:
        action()
    except TROUBLE as error:
        st.session_state["complaint"] = str(error)
        return False
    return True


def show_complaint() -> None:
    """The sentence of an action that went wrong, once."""
    if text := st.session_state.pop("complaint", None):
        complain(text)

"""What Streamlit runs for every page: who is there, which pages there are, and the one that is asked for."""

from functools import partial

import streamlit as st

from scorekit.host.registry import Row
from scorekit_studio import theme
from scorekit_studio.desk import TROUBLE
from scorekit_studio.pages import bench, broken, contrast, gallery, home, line, look, session, sheet, signin, words

GROUPS = {"application": "Applications", "training": "Training", None: "Not usable"}


def pages() -> dict[str, list[st.Page]]:  # type: ignore[valid-type]
    """The pages by group. Remembers them by key, see `session.page`."""
    studio = [
        ("home", st.Page(home.draw, title="Home", icon=":material/home:", default=True)),
        ("gallery", st.Page(gallery.draw, title="Gallery", icon=":material/photo_library:", url_path="gallery")),
        ("line", st.Page(line.draw, title="Queue and storage", icon=":material/list_alt:", url_path="queue")),
        ("compare", st.Page(contrast.draw, title="Compare", url_path="compare", visibility="hidden")),
        ("sweep", st.Page(sheet.draw, title="Sweep", url_path="sweep", visibility="hidden")),
        ("run", st.Page(bench.alone, title="Run", url_path="run", visibility="hidden")),
    ]
    grouped = {"Studio": [page for _, page in studio]}
    known, addresses = dict(studio), {page.url_path for _, page in studio}
    for row in _in_order(session.registry().rows):
        key = f"{row.kind}:{row.name}" if row.usable else f"broken:{row.distribution}:{row.plugin}:{row.name}"
        name = f"train-{row.name}" if row.kind == "training" else row.name
        path, number = name, 2
        while path in addresses:
            path, number = f"{name}-{number}", number + 1
        addresses.add(path)
        group = GROUPS[row.kind if row.usable else None]
        draw = partial(bench.draw if row.usable else broken.draw, row)
        draw.__name__ = path  # type: ignore[attr-defined]
        page = st.Page(
            draw, title=row.title or row.name, url_path=path, icon=look.icon(row.app if row.usable else None)
        )
        known[key] = page
        grouped.setdefault(group, []).append(page)
    session.keep_pages(known)
    return grouped


def _in_order(rows: tuple[Row, ...]) -> list[Row]:
    """Applications, training, then what cannot be used; each by title."""
    kinds = [*GROUPS]
    named = [row for row in rows if row.usable and row.app]
    return sorted(named, key=lambda r: (kinds.index(r.kind), r.title)) + [r for r in rows if not r.usable]


def main() -> None:
    st.set_page_config(page_title="scorekit studio", page_icon=str(look.STATIC / "icon.png"), layout="wide")
    st.html(theme.style_sheet())
    user = session.person()
    if user is None:
        st.navigation([st.Page(signin.draw, title="Sign in")], position="hidden").run()
        return
    page = st.navigation(pages(), expanded=True)
    st.session_state["url path"] = page.url_path
    st.logo(str(look.STATIC / "logo.png"), size="large", icon_image=str(look.STATIC / "icon.png"))
    with st.sidebar:
        _foot()
    if page.url_path == "" and (shared := st.query_params.get("run")):
        try:
            session.open_run(session.desk().job(shared))  # a share link
        except TROUBLE:
            session.go("run", run=shared)  # it says what is wrong
    page.run()


def _foot() -> None:
    """Who is here, and the way out."""
    user, identity = session.person(), session.studio().identity
    if user is None or not identity.authenticates:
        return
    st.caption(f"Signed in as {words.plain(user.name)}" + (" (administrator)" if user.admin else ""))
    if identity.mode == "oidc":
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)


main()

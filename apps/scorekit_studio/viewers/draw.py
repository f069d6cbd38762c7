"""One file on the page, by its kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from scorekit_studio.viewers import charts, components, meshes, own, pictures, sounds, tables, tensors
from scorekit_studio.viewers.envelope import pack
from scorekit_studio.viewers.kept import messages
from scorekit_studio.viewers.kinds import Kind, kind_of
from scorekit_studio.viewers.trouble import Unshowable, plain, read, sized

MOST_TEXT = 200_000  # characters
FEW = 5  # rows of a table that is shown small


def file(path: Path, name: str, media_type: str = "", *, key: str, small: bool = False) -> None:
    """Draw a file. Raises Unshowable with a sentence where that does not go."""
    kind = kind_of(name, media_type)
    if not path.is_file():
        raise Unshowable("The file is not there any more.")
    if kind in MESSAGES:
        component, make = MESSAGES[kind]
        alt = ALTS.get(kind, "File") + f" {name}"
        message = messages.get((path,), (kind, alt, small), lambda: make(path, alt, small=small))
        components.mount(component, message, key=key)
    elif kind in ("table", "json", "tensors", "text"):
        PLAIN[kind](path, key, small)
    else:
        other(path, name, key)


def other(path: Path, name: str, key: str) -> None:
    """A file that no viewer knows: its name, its size, and a way to take it home."""
    import streamlit as st

    words, button = st.columns([3, 1], vertical_alignment="center")
    words.markdown(f"**{plain(name)}** · {plain(sized(path.stat().st_size))}")
    button.download_button(
        "Download", path.read_bytes, Path(name).name, on_click="ignore", key=f"{key}-download", width="stretch"
    )


def _vector(path: Path, alt: str, *, small: bool = False) -> bytes:
    from scorekit_studio.viewers.svg_clean import MOST_BYTES, clean, names

    drawing = clean(read(path, MOST_BYTES))
    count = f"{len(drawing.layers)} shape{'s' * (len(drawing.layers) != 1)}"
    lost = f", {drawing.left_out} unsafe or unknown parts left out" if drawing.left_out else ""
    return pack(
        {"svg": ("image/svg+xml", drawing.text.encode())},
        alt=alt,
        small=small,
        width=drawing.width,
        height=drawing.height,
        layers=names(drawing.layers),
        note=count + lost,
    )


def _table(path: Path, key: str, small: bool) -> None:
    frame, total = tables.table(path)
    _frame(frame, total, key, small)


def _frame(frame: Any, total: int | None, key: str, small: bool) -> None:
    import streamlit as st

    shown = frame.head(FEW) if small else frame
    st.dataframe(
        shown, hide_index=True, width="stretch", height=min(420, 40 + 35 * max(1, len(shown))), key=f"{key}-table"
    )
    count = len(frame) if total is None else total
    st.caption(
        f"{'The first ' if total is None or len(shown) < count else ''}{len(shown):,} of {count:,} rows"
        if len(shown) < count
        else f"{count:,} rows"
    )


def _json(path: Path, key: str, small: bool) -> None:
    import streamlit as st

    document = tables.json_document(path)
    known = charts.recognised(document)
    for place, (heading, figure) in enumerate(known[: 1 if small else None]):
        if heading and len(known) > 1:
            st.markdown(f"**{heading}**")
        charts.draw(figure, key=f"{key}-{place}")
    rows = tables.rows_of(document)
    if rows is not None:
        _frame(rows, None if len(rows) < len(document) else len(document), key, small)
    elif known and not small:
        with st.expander("The whole document"):
            st.json(document, expanded=1)
    elif not known:
        st.json(document, expanded=False if small else 2)


def _tensors(path: Path, key: str, small: bool) -> None:
    import pandas
    import streamlit as st

    found = tensors.listed(path)
    rows = [
        {"array": one.name, "shape": " × ".join(map(str, one.shape)) or "one number", "kind": one.kind} for one in found
    ]
    if not rows:
        raise Unshowable("The file holds no arrays.")
    _frame(pandas.DataFrame(rows[: tables.MOST_ROWS]), len(rows), key, small)
    st.caption(f"{sum(one.count for one in found):,} numbers, {plain(sized(path.stat().st_size))}")


def _text(path: Path, _key: str, small: bool) -> None:
    import streamlit as st

    text = read(path, 32_000_000).decode(errors="replace")
    shown = text[: 1000 if small else MOST_TEXT]
    st.code(shown, language=None, wrap_lines=True, height=160 if small else "content" if len(shown) < 3000 else 420)
    if len(shown) < len(text):
        st.caption(f"The first {len(shown):,} of {len(text):,} characters.")


MESSAGES: dict[Kind, tuple[str, Callable[..., bytes]]] = {
    "model": ("model", meshes.model),
    "vector": ("vector", _vector),
    "picture": ("picture", pictures.picture),
    "film": ("film", pictures.film),
    "sound": ("sound", sounds.sound),
    "page": ("frame", own.page),
}
ALTS: dict[Kind, str] = {
    "model": "Model",
    "vector": "Drawing",
    "picture": "Picture",
    "film": "Film",
    "sound": "Sound",
    "page": "Page",
}
PLAIN: dict[Kind, Callable[[Path, str, bool], None]] = {
    "table": _table,
    "json": _json,
    "tensors": _tensors,
    "text": _text,
}

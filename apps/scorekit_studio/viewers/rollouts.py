"""Episodes of a simulation: a table with a row for each, and the films of some of them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from scorekit_studio.viewers import components, pictures
from scorekit_studio.viewers.kept import messages
from scorekit_studio.viewers.tables import table
from scorekit_studio.viewers.trouble import Unshowable, plain

TABLE = "episodes.parquet"
FILM = re.compile(r"episode-(.+)\.(mp4|webm)")
NAMES = ("seed", "episode", "id", "index")  # columns that may say which episode a row is
NOT_SHOWN = 200  # episodes in the list at most


@dataclass(frozen=True)
class Episode:
    """name: its seed or number as text; row: its row of the table; film: the name of its film. One of the two may be missing."""

    name: str
    row: Mapping[str, Any] | None
    film: str | None

    @property
    def label(self) -> str:
        """For a list: seed 3 · success · score 0.97."""
        words = [f"seed {self.name}" if self.row is None or "seed" in self.row else f"episode {self.name}"]
        row = self.row or {}
        if isinstance(row.get("success"), bool):
            words.append("success" if row["success"] else "no success")
        if isinstance(row.get("score"), float):
            words.append(f"score {row['score']:.2f}")
        if row.get("error"):
            words.append("broke off")
        return " · ".join(words) + ("" if self.film else " · not filmed")


def pair(rows: Sequence[Mapping[str, Any]], files: Iterable[str]) -> list[Episode]:
    """Each row with the film episode-NAME.mp4 that bears its seed (or number); filmed ones first, then those without a film, then films
    without a row."""
    films = {found[1]: file for file in files if (found := FILM.fullmatch(PurePosixPath(file).name))}
    column = next((name for name in NAMES if rows and name in rows[0]), None)
    episodes = []
    for place, row in enumerate(rows):
        name = str(place if column is None or row[column] is None else row[column])
        episodes.append(Episode(name, row, films.pop(name, None)))
    filmed = [episode for episode in episodes if episode.film]
    return (
        filmed + [episode for episode in episodes if not episode.film] + [Episode(n, None, f) for n, f in films.items()]
    )


def show(path: Path, beside: Mapping[str, Path], *, key: str) -> None:
    """A chooser, the film and the row of the episode that is chosen, and the table. `beside`: the run's artifacts by name."""
    import streamlit as st

    frame, total = table(path)
    episodes = pair(frame.to_dict("records"), beside)
    if not episodes:
        raise Unshowable("The table has no episodes.")

    @st.fragment
    def browse() -> None:
        chosen = _choose(episodes, key)
        if chosen is None:
            st.caption("No episode went so.")
            return
        film, facts = st.columns([3, 2])
        with film:
            if chosen.film is None:
                st.info("This episode was not filmed; its row says how it went.")
            else:
                _film(beside[chosen.film], f"Film of the episode {chosen.name}", key)
        with facts:
            _facts(chosen.row or {})

    browse()
    if len(frame):
        st.dataframe(
            frame, hide_index=True, width="stretch", height=min(320, 40 + 35 * len(frame)), key=f"{key}-episodes"
        )
        if total is not None and total > len(frame):
            st.caption(f"The first {len(frame):,} of {total:,} episodes.")


def _choose(episodes: list[Episode], key: str) -> Episode | None:
    import streamlit as st

    asked = "All"
    if any(isinstance((episode.row or {}).get("success"), bool) for episode in episodes):
        asked = (
            st.segmented_control(
                "Show", ["All", "Succeeded", "Failed"], default="All", key=f"{key}-which", label_visibility="collapsed"
            )
            or "All"
        )
    wanted = {"All": None, "Succeeded": True, "Failed": False}[asked]
    left = [one for one in episodes if wanted is None or (one.row or {}).get("success") is wanted]
    if not left:
        return None
    return st.selectbox("Episode", left[:NOT_SHOWN], format_func=lambda one: one.label, key=f"{key}-episode-{asked}")


def _film(path: Path, alt: str, key: str) -> None:
    import streamlit as st

    try:
        components.mount(
            "film", messages.get((path,), ("film", alt), lambda: pictures.film(path, alt)), key=f"{key}-episode"
        )
    except Unshowable as reason:
        st.warning(plain(str(reason)))


def _facts(row: Mapping[str, Any]) -> None:
    import streamlit as st

    lines = []
    for name, value in row.items():
        if value is None or value != value:
            continue
        text = (
            {True: "yes", False: "no"}[value]
            if isinstance(value, bool)
            else f"{value:.4g}"
            if isinstance(value, float)
            else str(value)
        )
        lines.append(f"| {plain(str(name).replace('_', ' '))} | {plain(text[:300])} |")
    if lines:
        st.markdown("\n".join(["| | |", "| --- | --- |", *lines]))

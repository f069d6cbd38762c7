"""Parts that several pages share: pictures with a text for those who do not see them, badges, empty states."""

import base64
import html
from pathlib import Path

import streamlit as st

from scorekit.host.plugin import Application
from scorekit_studio import live
from scorekit_studio.job import Job
from scorekit_studio.pages import session, words

STATIC = Path(__file__).parents[1] / "static"
ICONS = {  # of an application, by the first kind of file it writes
    "glb": ":material/view_in_ar:", "obj": ":material/view_in_ar:", "ply": ":material/view_in_ar:",
    "svg": ":material/draw:", "png": ":material/image:", "jpg": ":material/image:", "webp": ":material/image:",
    "mp4": ":material/movie:", "wav": ":material/graphic_eq:", "flac": ":material/graphic_eq:",
    "parquet": ":material/table_chart:", "csv": ":material/table_chart:", "json": ":material/query_stats:",
    "safetensors": ":material/model_training:",
}  # fmt: skip
MEDIA = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


def icon(app: type[Application] | None) -> str:
    """A Material icon that Streamlit carries itself."""
    if app is None:
        return ":material/warning:"
    if app.kind == "training":
        return ":material/model_training:"
    suffix = app.artifacts[0].rpartition(".")[2].lower() if app.artifacts else ""
    return ICONS.get(suffix, ":material/apps:")


def picture(content: bytes, media: str, alt: str, kind: str = "picture") -> None:
    """A picture in the page itself: it cannot be late, and no address of it is left behind."""
    data = base64.b64encode(content).decode()
    st.html(f'<img class="sk-{kind}" alt="{html.escape(alt, quote=True)}" src="data:{media};base64,{data}">')


def blank(text: str, kind: str = "thumb") -> None:
    """Where a picture will be, or never is."""
    st.html(
        f'<div class="sk-{kind} sk-blank" role="img" aria-label="{html.escape(text, quote=True)}">{html.escape(text)}</div>'
    )


def _shipped(app: type[Application]) -> Path:
    return STATIC / "pictures" / f"{app.kind}-{app.name}.webp"


def has_example(app: type[Application]) -> bool:
    """Whether a picture made by it came with the studio."""
    return _shipped(app).is_file()


def example(app: type[Application], kind: str = "card") -> None:
    """A picture made by an application: one that came with the studio, or a neutral one."""
    if has_example(app):
        picture(_shipped(app).read_bytes(), "image/webp", f"Made by {app.title}", kind)
    else:
        picture((STATIC / "neutral.webp").read_bytes(), "image/webp", "", kind)


def thumbnail(job: Job, folder: Path, kind: str = "thumb") -> None:
    """The newest picture of a run, as small as a card."""
    alt = f"{job.title}: {words.title(job)}"
    if found := live.preview(folder):
        picture(found.jpeg, "image/jpeg", alt, kind)
        return
    for path in _pictures(folder):
        picture(path.read_bytes(), MEDIA[path.suffix], alt, kind)
        return
    blank(f"{words.state(job)}" if not job.ended_for_good else "no picture", kind)


def _pictures(folder: Path) -> list[Path]:
    """Small picture files of a run folder."""
    found = (p for p in sorted(folder.glob("*.*")) if p.suffix in MEDIA and not p.is_symlink())
    return [p for p in found if 0 < p.stat().st_size < 1_000_000][:1]


def badge(job: Job) -> None:
    _, sign, colour = words.STATES[job.state]
    st.badge(words.state(job), icon=sign, color=colour)  # type: ignore[arg-type]


def empty(title: str, advice: str, key: str = "home", button: str = "See what there is") -> None:
    """Nothing here yet: what would be, and how to begin."""
    with st.container(border=True, key=f"empty-{key}"):
        st.subheader(title)
        st.write(advice)
        if target := session.page(key):
            st.page_link(target, label=button, icon=":material/arrow_forward:")


def heading(title: str, summary: str = "") -> None:
    """The title of a page and one sentence."""
    st.title(words.plain(title), anchor=False)
    if summary:
        st.markdown(words.plain(summary))

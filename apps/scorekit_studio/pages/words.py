"""Times, sizes and states in words, and texts of people made harmless."""

import re
import time
from typing import Any

from scorekit_studio.estimate import gib
from scorekit_studio.job import Job

STATES = {  # state: word, icon, colour of the badge
    "queued": ("waiting", ":material/hourglass_empty:", "gray"),
    "running": ("running", ":material/play_circle:", "blue"),
    "paused": ("paused", ":material/pause_circle:", "orange"),
    "done": ("done", ":material/check_circle:", "green"),
    "failed": ("failed", ":material/error:", "red"),
    "cancelled": ("cancelled", ":material/cancel:", "gray"),
    "interrupted": ("interrupted", ":material/restart_alt:", "orange"),
}
ASKED = {"cancel": "stopping", "pause": "pausing", "yield": "letting others go first"}
LONG = ("prompt", "text", "caption", "query")


def plain(text: str) -> str:
    """Text as Markdown that shows it as it is: no emphasis, links, pictures, formulas, icons or line breaks."""
    joined = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~:$&])", r"\\\1", joined)


def prompt(job: Job, most: int = 80) -> str:
    """What a run was told, "" if it was told nothing. Not escaped."""
    texts = {k: v for k, v in job.parameters.items() if isinstance(v, str) and v.strip()}
    words = " ".join(next((texts[name] for name in LONG if name in texts), "").split())
    return words if len(words) <= most else words[: most - 1] + "…"


def title(job: Job, most: int = 80) -> str:
    """What a run is called: its prompt, else its application and the time. Not escaped."""
    return prompt(job, most) or f"{job.title}, {when(job.created)}"


def duration(seconds: float | None) -> str:
    """ "8 s", "2 min 5 s", "1 h 20 min"; "" for None."""
    if seconds is None:
        return ""
    whole = round(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 and rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def when(seconds: float) -> str:
    """ "14:05" today, "3 May 14:05" this year, else with the year; in the server's time."""
    then, today = time.localtime(seconds), time.localtime()
    clock = time.strftime("%H:%M", then)
    if then[:3] == today[:3]:
        return clock
    day = f"{then.tm_mday} {time.strftime('%b', then)}"
    return f"{day} {clock}" if then.tm_year == today.tm_year else f"{day} {then.tm_year}"


def size(count: int | None) -> str:
    """ "12 MB", "340 kB", "1.2 GB"; "" for None."""
    if count is None:
        return ""
    return gib(count) if count >= 2**20 else f"{count / 1024:.0f} kB" if count >= 1024 else f"{count} bytes"


def exact(value: Any) -> str:
    """A parameter, with every digit that counts."""
    return f"{value:.12g}" if isinstance(value, float) else number(value)


def number(value: Any) -> str:
    """A metric, short."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"
    text = str(value)
    return text if len(text) <= 200 else text[:199] + "…"


def state(job: Job) -> str:
    """How it stands, in a word or two."""
    return ASKED[job.ask] if job.ask else STATES[job.state][0]


def counted(count: int, noun: str) -> str:
    """ "1 run", "3 runs"."""
    return f"{count} {noun}{'s' * (count != 1)}"

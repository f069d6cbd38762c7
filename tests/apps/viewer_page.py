"""A page that shows each viewer once: streamlit run viewer_page.py, with the folder of viewer_files.fill in VIEWER_FOLDER."""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st
from viewer_files import run_of

from scorekit.host.plugin import Artifact, View
from scorekit.host.registry import Registry
from scorekit_studio import viewers

FOLDER = Path(os.environ["VIEWER_FOLDER"])
OWN_VIEW = "<h3>A view of the plugin's own</h3><p>{}</p><script>document.body.append('script ran')</script>"
HOSTILE_VIEW = """<h3 id="own">A view of the plugin's own</h3><canvas id="c" width="60" height="40"></canvas><p id="log"></p><script>
const pen = document.getElementById("c").getContext("2d"); pen.fillStyle = "#0a0"; pen.fillRect(0, 0, 60, 40);
const tries = {
  fetch: () => fetch("http://elsewhere.invalid/"), parent: () => parent.document.body, top: () => (top.location = "http://elsewhere.invalid/"),
  storage: () => localStorage.length, leave: () => (location.href = "http://elsewhere.invalid/leave"),
};
for (const [name, act] of Object.entries(tries))
  Promise.resolve().then(act).then(() => "done", () => "refused")
    .then((how) => (document.getElementById("log").textContent += name + " " + how + "; "));
</script><img src="http://elsewhere.invalid/own.png">"""


class Hooks:
    """A plugin that has views of two files, one of them hostile."""

    def scorekit_view(self, artifact: Artifact) -> View | None:
        views = {"strange.xyz": View(HOSTILE_VIEW, 150), "rows.json": View(OWN_VIEW.format(artifact.name), 120)}
        return views.get(artifact.name) if st.query_params.get("own") else None


@dataclass
class Curves:
    steps: list[int] = field(default_factory=lambda: list(range(0, 500, 5)))
    metrics: dict[str, list[float | None]] = field(default_factory=dict)


st.set_page_config(page_title="viewers", layout="wide" if st.query_params.get("wide") else "centered")
run = run_of(FOLDER)
registry = Registry((), {}, Hooks())
if what := st.query_params.get("run"):
    part = FOLDER / what
    viewers.show_run(run_of(part), part, key="whole", registry=registry)
elif names := st.query_params.get_all("name"):
    for name in names:
        st.subheader(name)
        artifact = next(row for row in run.record["artifacts"] if row["name"] == name)
        small = bool(st.query_params.get("small"))
        viewers.show(
            Artifact(run, name, artifact["media_type"]), FOLDER / name, key=name, small=small, hooks=registry.hooks
        )
elif st.query_params.get("compare"):
    viewers.compare(FOLDER / "picture.png", FOLDER / "other.png", "pair", ("first", "second"))
    viewers.compare(FOLDER / "mesh.glb", FOLDER / "mesh.obj", "pair-of-models")
elif st.query_params.get("curves"):
    loss = [math.exp(-step / 80) for step in range(0, 500, 5)]
    metrics: dict[str, list[float | None]] = {
        "loss": [*loss],
        "accuracy": [1 - x for x in loss],
        "grad_norm": [10_000 * x for x in loss],
    }
    viewers.charts.draw(viewers.charts.metrics(Curves(metrics=metrics)), key="curves")
st.button("Again", key="again")
st.session_state["drawn"] = st.session_state.get("drawn", 0) + 1
st.caption(f"drawn {st.session_state['drawn']} times")

"""Viewers: what an application made, drawn on a page of the studio.

    viewers.show(Artifact(run, "mesh.glb", "model/gltf-binary"), path, key="mesh")
    viewers.show_run(run, folder, key="run")
    viewers.compare(one, other, key="compare", names=("seed 1", "seed 2"))
    figure = viewers.charts.metrics(curves)

Files are checked here, on the server, and drawn by components of our own (`frontend/`, bundled into `bundle/`), Plotly or
Streamlit's tables. Each component says on its root how it went: data-loaded (milliseconds) or data-error. No viewer makes a
request to another host.
"""

from scorekit_studio.viewers import charts
from scorekit_studio.viewers.page import compare, show, show_run
from scorekit_studio.viewers.trouble import Unshowable

__all__ = ["Unshowable", "charts", "compare", "show", "show_run"]

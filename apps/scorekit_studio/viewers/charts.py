"""Plotly figures: metrics of a run, probabilities, races, confusion, and figures that an application saved itself.

They take the colours of the page, so nothing here says which; names from files are shown as they are, never as markup.
"""

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from scorekit_studio.viewers.trouble import Unshowable

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = ("#3b82f6", "#f97316", "#10b981", "#a855f7", "#ef4444", "#0ea5b7", "#d4a017", "#ec4899")
MOST_CURVES = 12
MOST_CLASSES = 40
TRACES = {
    "scatter",
    "scattergl",
    "bar",
    "heatmap",
    "histogram",
    "histogram2d",
    "box",
    "violin",
    "pie",
    "scatter3d",
    "surface",
    "mesh3d",
    "contour",
}
CONFIG = {"displayModeBar": False, "displaylogo": False, "scrollZoom": False, "showTips": False}


class Curves(Protocol):
    """`live.Curves`: the steps, and for each name its values at those steps."""

    steps: list[int]
    metrics: dict[str, list[float | None]]


def metrics(curves: Curves, columns: int = 2) -> "Figure":
    """A small chart for each metric over the steps; the first twelve. Log scale where a positive metric spans three decades."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    names = list(curves.metrics)[:MOST_CURVES]
    columns = max(1, min(columns, len(names)))
    rows = max(1, -(-len(names) // columns))
    gap = 0.11 if columns > 1 else 0.0
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=[_text(name) for name in names],
        horizontal_spacing=gap,
        vertical_spacing=min(0.44 / rows, 0.22),
    )
    for place, name in enumerate(names):
        row, column = divmod(place, columns)
        values = curves.metrics[name]
        line = {"color": COLOURS[place % len(COLOURS)], "width": 2}
        known = [value for value in values if value is not None]
        mode = "lines" if len(known) > 1 else "markers"
        shown = Scatter(
            x=curves.steps,
            y=values,
            mode=mode,
            line=line,
            connectgaps=True,
            name=_text(name),
            hovertemplate="%{x}: %{y:.4g}<extra></extra>",
        )
        figure.add_trace(shown, row + 1, column + 1)
        if known and min(known) > 0 and max(known) / min(known) > 1000:
            figure.update_yaxes(type="log", row=row + 1, col=column + 1)
    figure.update_annotations(font_size=13)
    figure.update_layout(
        showlegend=False, height=60 + 170 * rows, margin={"l": 44, "r": 12, "t": 34, "b": 30}, uirevision="metrics"
    )
    return figure


def probabilities(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Bars for rows of {class, probability}, the likeliest on top; the first forty."""
    from plotly.graph_objects import Bar, Figure

    known = [(str(row["class"]), float(row["probability"])) for row in rows]
    ordered = sorted(known, key=lambda row: -row[1])[:MOST_CLASSES]
    share = [value for _, value in ordered]
    bars = Bar(
        x=share, y=list(range(len(share))), orientation="h", marker_color=[COLOURS[0]] + ["#94a3b8"] * (len(share) - 1),
        text=[f"{value:.1%}" for value in share], textposition="outside", cliponaxis=False, hoverinfo="skip",
    )  # fmt: skip
    figure = Figure(bars)
    figure.update_yaxes(
        autorange="reversed",
        tickvals=list(range(len(share))),
        ticktext=[_text(name) for name, _ in ordered],
        automargin=True,
    )
    figure.update_xaxes(range=[0, min(1.12, 1.2 * max(share, default=1) + 0.02)], tickformat=".0%")
    figure.update_layout(height=70 + 34 * len(share), margin={"l": 8, "r": 30, "t": 8, "b": 30}, bargap=0.35)
    return figure


def race(stages: Sequence[Mapping[str, Any]]) -> "Figure":
    """Each class's deficit (how much more denoising error than the best one) over the levels spent, with its interval.

    stages  {levels, deficit: {class: value}, half_width: {class: value}}; a class that is out has no values any more
    """
    from plotly.graph_objects import Figure, Scatter

    names = list(dict.fromkeys(name for stage in stages for name in stage["deficit"]))
    last = stages[-1]["deficit"] if stages else {}
    names.sort(key=lambda name: (name not in last, last.get(name, 0.0)))
    figure = Figure()
    for place, name in enumerate(names[:MOST_CURVES]):
        points = [
            (stage["levels"], stage["deficit"][name], stage.get("half_width", {}).get(name))
            for stage in stages
            if name in stage["deficit"]
        ]
        colour = COLOURS[place % len(COLOURS)]
        figure.add_trace(
            Scatter(
                x=[levels for levels, _, _ in points],
                y=[value for _, value, _ in points],
                name=_text(name),
                mode="lines+markers",
                line={"color": colour, "width": 2},
                error_y={"type": "data", "array": [half or 0 for _, _, half in points], "thickness": 1, "width": 3},
            )
        )
    figure.update_xaxes(title_text="noise levels seen")
    figure.update_yaxes(title_text="error above the best")
    figure.update_layout(
        height=360,
        margin={"l": 50, "r": 12, "t": 12, "b": 46},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    return figure


def confusion(counts: Sequence[Sequence[float]], names: Sequence[str]) -> "Figure":
    """A matrix of counts: rows are what pictures are, columns what was said; coloured by the share of the row."""
    from plotly.graph_objects import Figure, Heatmap

    size = min(len(names), MOST_CLASSES)
    table = [[float(value) for value in row[:size]] for row in counts[:size]]
    shares = [[value / max(sum(row), 1) for value in row] for row in table]
    ticks = {"tickvals": list(range(size)), "ticktext": [_text(name) for name in names[:size]]}
    figure = Figure(
        Heatmap(
            z=shares,
            text=table if size <= 20 else None,
            texttemplate="%{text:.0f}" if size <= 20 else None,
            colorscale="Blues",
            zmin=0,
            zmax=1,
            showscale=False,
        )
    )
    figure.update_yaxes(autorange="reversed", title_text="is", automargin=True, **ticks)
    figure.update_xaxes(title_text="was said to be", automargin=True, **ticks)
    figure.update_layout(height=min(720, 160 + 34 * size), margin={"l": 8, "r": 8, "t": 8, "b": 8})
    return figure


def figure(content: Mapping[str, Any]) -> "Figure":
    """A figure that an application saved as Plotly's JSON. Raises Unshowable for other traces than `TRACES`, and for any address in it."""
    import plotly.graph_objects as go

    traces = content.get("data")
    if not isinstance(traces, list) or not all(
        isinstance(trace, Mapping) and trace.get("type", "scatter") in TRACES for trace in traces
    ):
        raise Unshowable("The figure has a kind of chart that is not shown here.")
    layout = content.get("layout") or {}
    if (
        not isinstance(layout, Mapping)
        or {"images", "mapbox", "map", "geo"} & set(layout)
        or _address({"data": traces, "layout": layout})
    ):
        raise Unshowable("The figure refers to something outside itself, and is not shown.")
    kept = {key: value for key, value in layout.items() if key not in ("template", "width")}
    try:
        return go.Figure(data=traces, layout=kept)
    except (ValueError, TypeError) as error:
        raise Unshowable("The figure is none that Plotly draws.") from error


def _address(value: Any) -> bool:
    if isinstance(value, str):
        lowered = value.lower()
        return "://" in lowered or lowered.lstrip().startswith("//") or "href" in lowered or "javascript:" in lowered
    if isinstance(value, Mapping):
        return any(_address(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_address(part) for part in value)


def recognised(document: Any) -> "list[tuple[str, Figure]]":
    """(heading, figure) for what a JSON document is known to hold: classes with probabilities, a race, a confusion matrix, a figure."""
    if not isinstance(document, Mapping):
        return []
    if isinstance(document.get("data"), list) and "layout" in document:
        return [("", figure(document))]
    found = []
    try:
        rows: Any = document.get("classes")
        stages: Any = document.get("stages")
        counts: Any = document.get("confusion")
        if _all(rows, "class", "probability"):
            found.append(("Probabilities", probabilities(rows)))
        if _all(stages, "levels", "deficit") and len(stages) > 1:
            found.append(("Race", race(stages)))
        if isinstance(counts, list) and counts and isinstance(rows, list) and len(counts) == len(rows):
            found.append(("Confusion", confusion(counts, [str(name) for name in rows])))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return []  # it looks like one and is none: the document is still shown
    return found


def _all(rows: Any, *keys: str) -> bool:
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(isinstance(row, Mapping) and all(key in row for key in keys) for row in rows)
    )


def _text(name: str) -> str:
    """A name as Plotly shows it literally, at most 40 characters of it."""
    short = name if len(name) <= 40 else name[:39] + "…"
    return html.escape(short.replace("_", " "), quote=False)


def draw(shown: "Figure", *, key: str, alt: str = "") -> None:
    """On the page, in its colours."""
    import streamlit as st

    st.plotly_chart(shown, width="stretch", theme="streamlit", key=f"{key}-chart", config=CONFIG)
    if alt:
        st.caption(alt)

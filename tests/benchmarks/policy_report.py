"""Tables and plots of policy_quality.py, for the docs."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

START, END = "<!-- tables of policy_quality.py -->", "<!-- end of the tables -->"
Rows = list[dict[str, Any]]
COLOURS = ("#c800a0", "#1f77b4", "#888888")


def report(rows: Rows, folder: Path) -> None:
    """Write diffusion-policy.json, the plots, and the tables between the two marks of diffusion-policy.md, if it is there.

    A table of which no row has been measured is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "diffusion-policy.json").write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    plots = [name for name in (steps_plot(rows, folder), action_steps_plot(rows, folder)) if name]
    page = folder / "diffusion-policy.md"
    if page.exists():
        text = page.read_text()
        before, rest = text.split(START, 1)
        after = rest.split(END, 1)[1]
        made = [*tables(rows, plots), *latency(folder / "diffusion-policy-latency.json")]
        page.write_text(before + START + "\n\n" + "\n".join(made) + "\n" + END + after)


def tables(rows: Rows, plots: list[str]) -> Iterable[str]:
    """The tables as lines of Markdown."""
    found = {
        section: [row for row in rows if row["section"] == section]
        for section in {row["section"]: None for row in rows}
    }
    if some := found.get("pusht"):
        yield from ("### PushT", "")
        yield "| policy | sampler | episodes | success | mean maximal coverage | steps | ms a plan |"
        yield "| --- | --- | --- | --- | --- | --- | --- |"
        for row in some:
            yield cells(
                row["label"],
                sampler(row),
                row["success"]["total"],
                rate(row),
                mean(row["score"]),
                f"{row['steps']['mean']:.0f}",
                ms(row),
            )
        yield ""
    if some := found.get("metaworld"):
        yield from (
            "### Meta-World",
            "",
            "| task | policy | expert | steps, policy | steps, expert |",
            "| --- | --- | --- | --- | --- |",
        )
        experts = {row["label"].removesuffix(", expert"): row for row in some if row["policy"].startswith("expert:")}
        policies = [row for row in some if not row["policy"].startswith("expert:")]
        for row in policies:
            other = experts.get(row["label"])
            yield cells(
                row["label"],
                rate(row),
                rate(other) if other else "",
                f"{row['steps']['mean']:.0f}",
                f"{other['steps']['mean']:.0f}" if other else "",
            )
        if policies:
            yield cells(
                "**mean**", f"{100 * sum(row['success']['rate'] for row in policies) / len(policies):.1f} %", "", "", ""
            )
        elif experts:
            for label, row in experts.items():
                yield cells(label, "", rate(row), "", f"{row['steps']['mean']:.0f}")
        yield ""
    if some := found.get("reacher"):
        yield from ("### Reacher-v5", "", "| | episodes | success | steps |", "| --- | --- | --- | --- |")
        for row in some:
            yield cells(row["label"], row["success"]["total"], rate(row), f"{row['steps']['mean']:.0f}")
        yield ""
    titles = {
        "sampling": ("Sampler", "8 actions a plan"),
        "action steps": ("Actions executed of a plan", "DDIM-10"),
        "demonstrations": ("Demonstrations", "DDIM-10"),
        "network": ("Network", "DDIM-10"),
    }
    if any(section in found for section in titles):
        yield from ("### Ablations (PushT, state)", "")
        yield "| | | success | mean maximal coverage | ms a plan | jump at seams / inside | parameters |"
        yield "| --- | --- | --- | --- | --- | --- | --- |"
        for section, (title, of) in titles.items():
            for index, row in enumerate(found.get(section, [])):
                first = f"{title} ({of})" if index == 0 else ""
                seam = f"{row['seam']:.2f}" if row["seam"] is not None else ""
                size = f"{row['parameters'] / 1e6:.1f}M"
                yield cells(first, row["label"], rate(row), mean(row["score"]), ms(row), seam, size)
        yield ""
    for name in plots:
        words = "sampling steps" if "sampler" in name else "action steps"
        yield from (f"![Success against {words}]({name})", "")


def sampler(row: dict[str, Any]) -> str:
    """Solver and steps; nothing for an expert, and for regression, which has none."""
    if "used" not in row or "regression" in row["policy"]:
        return ""
    return f"{row['used']['solver'].upper()}-{row['used']['steps']}"


def latency(path: Path) -> Iterable[str]:
    """The table of policy.py, if it has been run."""
    if not path.exists():
        return
    rows = json.loads(path.read_text())["rows"]
    yield from ("### Time of a plan", "")
    yield "| device | network | sampler | batch | ours, ms | the loop of diffusers, ms | ratio | against its DDPM-100 |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in rows:
        theirs = f"{row['theirs_ms']:.2f}" if "theirs_ms" in row else ""
        ratio = f"{row['speedup']:.2f}x" if "speedup" in row else ""
        whole = f"{row['of_ddpm100']:.1f}x" if "of_ddpm100" in row else ""
        yield cells(
            row["device"], row["network"], row["row"], row["batch"], f"{row['ours_ms']:.2f}", theirs, ratio, whole
        )
    yield ""


def cells(*values: object) -> str:
    return "| " + " | ".join(str(value) for value in values) + " |"


def rate(row: dict[str, Any]) -> str:
    share = row["success"]
    return f"{100 * share['rate']:.1f} % ({100 * share['low']:.1f} to {100 * share['high']:.1f})"


def mean(value: dict[str, Any]) -> str:
    return f"{value['mean']:.3f} ({value['low']:.3f} to {value['high']:.3f})"


def ms(row: dict[str, Any]) -> str:
    return f"{row['ms']:.1f}" if "ms" in row else ""


def steps_plot(rows: Rows, folder: Path) -> str | None:
    """Success and time of a plan against the steps of the sampler; None where nothing was measured."""
    some = [row for row in rows if row["section"] == "sampling" and row["used"]["action_steps"] == 8]
    families = {
        "DDIM": [row for row in some if row["used"]["solver"] == "ddim"],
        "distilled": [row for row in some if row["used"]["solver"] == "consistency"],
        "DDPM, DPM++": [row for row in some if row["used"]["solver"] in ("ddpm", "dpm++2m")],
    }
    if len(some) < 2:
        return None
    name = "diffusion-policy-sampler.png"
    draw(
        folder / name,
        {key: [(row["used"]["steps"], row) for row in value] for key, value in families.items()},
        "network evaluations a plan",
    )
    return name


def action_steps_plot(rows: Rows, folder: Path) -> str | None:
    """Success against the number of actions executed of each plan."""
    some = [row for row in rows if row["section"] == "action steps"]
    if len(some) < 2:
        return None
    plain = [(row["used"]["action_steps"], row) for row in some if row["used"]["chunking"] == "none"]
    joined = [(row["used"]["action_steps"], row) for row in some if row["used"]["chunking"] != "none"]
    name = "diffusion-policy-action-steps.png"
    draw(
        folder / name,
        {"each plan anew": plain, "real-time chunking": joined},
        "actions executed of a plan of 16",
    )
    return name


def draw(path: Path, series: dict[str, list[tuple[float, dict[str, Any]]]], xlabel: str) -> None:
    """Success in per cent with its interval."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for colour, (label, points) in zip(COLOURS, series.items(), strict=False):
        if not points:
            continue
        points = sorted(points, key=lambda one: one[0])
        x = [one for one, _ in points]
        y = [100 * row["success"]["rate"] for _, row in points]
        low = [100 * max(0.0, row["success"]["rate"] - row["success"]["low"]) for _, row in points]
        high = [100 * max(0.0, row["success"]["high"] - row["success"]["rate"]) for _, row in points]
        style = "-o" if label not in ("DDPM, DPM++", "real-time chunking") else "s"
        axes.errorbar(x, y, [low, high], fmt=style, color=colour, capsize=3, label=label, markersize=5)
        if style == "s" and label.startswith("DDPM"):
            for one, value, (_, row) in zip(x, y, points, strict=True):
                axes.annotate(
                    row["label"], (one, value), textcoords="offset points", xytext=(6, -12), fontsize=8, color=colour
                )
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(sorted({one for points in series.values() for one, _ in points}))
    axes.set_xlabel(xlabel)
    axes.set_ylabel("success, % (95 % interval)")
    axes.set_ylim(top=101)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    figure.savefig(path, dpi=110)

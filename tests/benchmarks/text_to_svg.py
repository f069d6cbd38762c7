"""How good are the icons? Four prompts for each kind of object, made from both starts by the loop of text to SVG, and named by the judge.

    python tests/benchmarks/text_to_svg.py --out DIR [--jobs 2] [--prompts 64] [--model pico-image] [--report docs]

R-Precision: the share of icons in which the judge (a classifier trained on true renders, no part of any model; 99.1 % right on fresh ones,
see core/scorekit/zoo/judge) names the prompt's kind and colour, among 160, with 95 % Wilson intervals. Beside both starts stands the model
itself: one sample of each prompt, not chosen, and the one that the LIVE start chose, which are the ceiling of what an icon can be.

Every icon is judged as its file shows it, on white. Results stay in DIR: a second call makes only what is missing.
"""

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

STARTS = ("live", "scratch")
SIZE = 64  # px at which the judge looks
SHEET = 24  # prompts on the contact sheet


def pairs(count: int) -> list[tuple[str, str]]:
    """(colour, kind): all kinds in turn, with colours that change from round to round."""
    from scorekit.zoo.objects import COLORS, KINDS

    colors = list(COLORS)
    return [
        (colors[(3 * (i // len(KINDS)) + 7 * (i % len(KINDS))) % len(colors)], KINDS[i % len(KINDS)])
        for i in range(count)
    ]


def measure(task: tuple[Path, str, str, dict[str, Any]]) -> dict[str, Any]:
    """Both icons and both samples of one prompt, in a process of its own."""
    out, color, kind, options = task
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    from scorekit.models import load
    from scorekit.zoo.captions import HELD_OUT, caption
    from scorekit_text_to_svg.guidance import Guidance

    folder = out / f"{color}-{kind}".replace(" ", "-")
    results = folder / "results.json"
    if results.exists():
        return dict(json.loads(results.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    model, prompt = load(options["model"]), caption(kind, color)
    row: dict[str, Any] = {"prompt": prompt, "color": color, "kind": kind, "held_out": (color, kind) in HELD_OUT}
    guidance = Guidance(model, prompt, "flat", 4.0, view="auto")
    sample = guidance.samples(1, torch.Generator().manual_seed(options["seed"] + 1000))[0]
    row["sample"] = verdict(sample, color, kind, folder / "sample.png")
    for start in STARTS:
        row[start], chosen = icon(model, prompt, color, kind, start, options, folder)
        if chosen is not None:
            row["chosen"] = verdict(chosen, color, kind, folder / "chosen.png")
    results.write_text(json.dumps(row, indent=1))
    return row


def icon(
    model: Any, prompt: str, color: str, kind: str, start: str, options: dict[str, Any], folder: Path
) -> tuple[dict[str, Any], Any]:
    """The application's own loop, in memory: what is said of the icon, and the sample that it started from."""
    import torch

    from scorekit_text_to_svg.finish import finish
    from scorekit_text_to_svg.optimise import Painter
    from scorekit_text_to_svg.parameters import TextToSVGParams

    began, wall = time.process_time(), time.monotonic()
    params = TextToSVGParams.model_validate({"prompt": prompt, "start": start})
    painter = Painter(model, params, options["seed"], torch.Generator().manual_seed(options["seed"]))
    painter.begin()
    for step in range(painter.total):
        painter.step(step)
    results = finish(painter)
    spent = {
        "cpu_seconds": round(time.process_time() - began, 1),
        "seconds": round(time.monotonic() - wall, 1),
    }
    chosen = None if painter.targets is None else painter.targets[0]
    if not results:
        return {"named": "nothing", "right": False, "paths": 0, "bytes": 0, **spent}, chosen
    best = results[0]
    (folder / f"{start}.svg").write_text(best.text)
    row = verdict(best.picture(SIZE), color, kind, None)
    save(best.picture(192), folder / f"{start}.png")
    return {**row, "paths": best.paths, "bytes": len(best.text.encode()), **spent}, chosen


def verdict(picture: Any, color: str, kind: str, path: Path | None) -> dict[str, Any]:
    """What the judge calls a picture (3, H, W) on white."""
    from scorekit.zoo.judge import Judge
    from scorekit.zoo.objects import COLORS, KINDS

    kinds, colors = Judge.load()(picture[None].cpu())
    named_kind, named_color = KINDS[int(kinds.argmax())], list(COLORS)[int(colors.argmax())]
    if path is not None:
        save(picture, path)
    return {
        "named": f"{named_color} {named_kind}",
        "kind_right": named_kind == kind,
        "color_right": named_color == color,
        "right": (named_kind, named_color) == (kind, color),
    }


def save(picture: Any, path: Path) -> None:
    from PIL import Image

    array = (picture.detach().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    Image.fromarray(array).save(path)


def report(rows: list[dict[str, Any]], options: dict[str, Any], out: Path, folder: Path) -> None:
    """The summary on screen, text-to-svg.json and the contact sheet."""
    from scorekit.zoo.proportion import Proportion

    summary: dict[str, Any] = {"prompts": len(rows), "options": options}
    for name in (*STARTS, "chosen", "sample"):
        made = [row[name] for row in rows]
        summary[name] = {
            "right": str(Proportion(sum(one["right"] for one in made), len(made))),
            "kind_right": str(Proportion(sum(one.get("kind_right", False) for one in made), len(made))),
            "held_out_right": str(
                Proportion(
                    sum(row[name]["right"] for row in rows if row["held_out"]), sum(row["held_out"] for row in rows)
                )
            ),
        }
        if name in STARTS:
            for key in ("paths", "bytes", "cpu_seconds", "seconds"):
                values = sorted(one[key] for one in made)
                summary[name][key] = {"median": values[len(values) // 2], "most": values[-1]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "text-to-svg.json").write_text(json.dumps({"summary": summary, "prompts": rows}, indent=1) + "\n")
    sheet(rows[:SHEET], out, folder / "text-to-svg.png")
    print(json.dumps(summary, indent=1))


def sheet(rows: list[dict[str, Any]], out: Path, path: Path) -> None:
    """Four prompts a row: the LIVE icon and the one from scratch."""
    from PIL import Image, ImageDraw, ImageFont

    side, text, columns, gap = 128, 18, 4, 10
    width, height = 2 * side + gap, side + text + gap
    page = Image.new("RGB", (columns * width, -(-len(rows) // columns) * height), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for i, row in enumerate(rows):
        x, y = i % columns * width, i // columns * height
        folder = out / f"{row['color']}-{row['kind']}".replace(" ", "-")
        for place, start in enumerate(STARTS):
            if (folder / f"{start}.png").exists():
                with Image.open(folder / f"{start}.png") as picture:
                    page.paste(picture.resize((side, side), Image.Resampling.LANCZOS), (x + place * side, y))
        wrong = [start for start in STARTS if not row[start]["right"]]
        label = row["prompt"] + (f" ({', '.join(wrong)} misread)" if wrong else "")
        pen.text((x + side, y + side + text / 2), label, "firebrick" if wrong else "black", font, anchor="mm")
    page.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-text-to-svg"))
    parser.add_argument("--jobs", type=int, default=2, help="prompts made at the same time, one thread each")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--model", default="pico-image")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, help="folder for text-to-svg.json and the contact sheet")
    args = parser.parse_args()
    if not 1 <= args.prompts <= 160:
        parser.error(f"--prompts must lie in 1 to 160, not {args.prompts}")
    args.out.mkdir(parents=True, exist_ok=True)
    options = {"model": args.model, "seed": args.seed}
    tasks = [(args.out, color, kind, options) for color, kind in pairs(args.prompts)]
    rows = []
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
        for row in pool.map(measure, tasks):
            rows.append(row)
            shown = ", ".join(f"{name}: {row[name]['named']}" for name in (*STARTS, "chosen", "sample"))
            print(f"{row['prompt']:28s} {shown}", flush=True)
    report(rows, options, args.out, args.report or args.out)


if __name__ == "__main__":
    main()

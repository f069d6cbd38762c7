"""How good are the meshes? Sixteen prompts, one per kind, made by the loop of text to 3D and measured against the true objects.

    python tests/benchmarks/text_to_3d.py --out DIR [--jobs 2] [--score model|exact] [--model pico-image] [--report docs]

For every prompt
    kind, colour   named by the judge (a classifier trained on true renders, see scorekit/zoo/judge) from 8 views of the mesh
    silhouette     intersection over union of the mesh's outline with those of 12 true objects of that kind, mean over 9 views
    volume         the same of the solids, on a 64^3 lattice

`--score exact` puts the exact score of rendered pictures of the very object in the model's place: what is lacking then is the
method's, not the model's. Results stay in DIR (a folder per prompt with results.json): a second call measures only what is missing.
"""

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

PROMPTS = (
    ("red", "ball"), ("blue", "cube"), ("orange", "cone"), ("green", "cylinder"), ("pink", "donut"), ("red", "mushroom"),
    ("yellow", "snowman"), ("brown", "table"), ("red", "chair"), ("yellow", "rocket"), ("green", "tree"), ("cyan", "mug"),
    ("purple", "ice cream cone"), ("blue", "dumbbell"), ("green", "house"), ("orange", "car"),
)  # fmt: skip
INSTANCES, VIEWS, SIZE = 12, 9, 64
EXACT = 1500  # pictures of the object in the exact score, on each background


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-text-to-3d"))
    parser.add_argument("--jobs", type=int, default=2, help="prompts made at the same time, one thread each")
    parser.add_argument("--score", choices=["model", "exact"], default="model")
    parser.add_argument("--model", default="pico-image")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="optimisation steps; default: the application's own")
    parser.add_argument("--report", type=Path, help="folder for text-to-3d-SCORE.json and the picture")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    options = {"score": args.score, "model": args.model, "seed": args.seed, "steps": args.steps}
    tasks = [(args.out, color, kind, options) for color, kind in PROMPTS]
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
        rows = []
        for row in pool.map(measure, tasks):
            rows.append(row)
            print(line(row), flush=True)
    report(rows, options, args.out, args.report or args.out)


def measure(task: tuple[Path, str, str, dict[str, Any]]) -> dict[str, Any]:
    """Make one object, in a process of its own, and compare it with the truth."""
    out, color, kind, options = task
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    from scorekit.zoo.captions import HELD_OUT, caption

    folder = out / f"{color}-{kind}".replace(" ", "-")
    results = folder / "results.json"
    if results.exists():
        return dict(json.loads(results.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    prompt, began = caption(kind, color), time.process_time()
    field, error = sculpt(prompt, kind, color, options)
    row: dict[str, Any] = {"prompt": prompt, "color": color, "kind": kind, "held_out": (color, kind) in HELD_OUT}
    row["cpu_seconds"] = round(time.process_time() - began, 1)
    row |= compare(field, kind, color, folder) if error is None else {"error": error}
    results.write_text(json.dumps(row, indent=1))
    return row


def sculpt(prompt: str, kind: str, color: str, options: dict[str, Any]) -> tuple[Any, str | None]:
    """The application's own loop, in memory."""
    import torch

    from scorekit.models import load
    from scorekit_text_to_3d.optimise import Sculptor
    from scorekit_text_to_3d.parameters import TextTo3DParams

    model = exact_score(kind, color) if options["score"] == "exact" else load(options["model"])
    params = TextTo3DParams(prompt=prompt, **({"steps": options["steps"]} if options["steps"] else {}))
    generator = torch.Generator().manual_seed(options["seed"])
    sculptor = Sculptor(model, params, options["seed"], generator)
    for step in range(params.steps):
        if not torch.isfinite(torch.tensor(sculptor.step(step)["loss"])):
            return None, f"loss is not finite at step {step}"
    return sculptor.field, None


def exact_score(kind: str, color: str) -> Any:
    """The exact score of pictures of one kind and colour on both backgrounds, among pictures of everything."""
    import torch

    from scorekit.analytic import EmpiricalDenoiser
    from scorekit.models.codecs import PixelCodec
    from scorekit.schedule import VP
    from scorekit.zoo.captions import BACKGROUNDS, POSES, caption, pose_of
    from scorekit.zoo.dataset import make_shard
    from scorekit.zoo.objects import sample_object
    from scorekit.zoo.render import render_rgba, sample_camera

    generator = torch.Generator().manual_seed(1000)
    camera = sample_camera(EXACT, generator)
    with torch.no_grad():
        rgb, alpha = render_rgba(sample_object(kind, [color] * EXACT, generator, EXACT), camera, 32, 3)
    angles = zip(camera.azimuth.tolist(), camera.elevation.tolist(), strict=True)
    captions = [caption(kind, color, pose_of(*angle)) for angle in angles]
    others = torch.from_numpy(make_shard(0, 1024, seed=5)["rgba"]).permute(0, 3, 1, 2).float() / 255
    on_white, cover = torch.cat([rgb + 1 - alpha, others[:, :3]]), torch.cat([alpha, others[:, 3:]])
    captions += ["something else"] * len(others)
    data = torch.cat([on_white, on_white - (1 - cover)]) * 2 - 1
    return EmpiricalDenoiser(
        data,
        VP.cosine().zero_terminal_snr(),
        captions=[f"{text}, on {background}" for background in BACKGROUNDS for text in captions],
        codec=PixelCodec((32, 32)),
        backgrounds=BACKGROUNDS,
        views=POSES,
        name="exact",
    )


def compare(field: Any, kind: str, color: str, folder: Path) -> dict[str, Any]:
    """Judge's verdict, silhouettes and volume; pictures for the contact sheet are left in the folder."""
    import numpy as np
    import torch
    from PIL import Image

    from scorekit.zoo.judge import Judge
    from scorekit.zoo.objects import sample_object
    from scorekit.zoo.render import render_rgba
    from scorekit_text_to_3d.cameras import orbit
    from scorekit_text_to_3d.mesh import MeshError, choose_level, extract, keep_solid
    from scorekit_text_to_3d.raster import rasterise

    try:
        mesh, level = extract(field, 96), choose_level(field)
    except MeshError as error:
        return {"error": str(error)}
    named_kind, named_color = Judge.load().decide(rasterise(mesh, orbit(8), SIZE)[0])

    generator = torch.Generator().manual_seed(77)
    truth = sample_object(kind, [color] * INSTANCES, generator, INSTANCES)
    camera = orbit(VIEWS, start=10.0)
    mine = rasterise(mesh, camera, SIZE, 1)[1] > 0.5
    overlaps, volumes = [], []
    axis = torch.linspace(-field.radius, field.radius, 64)
    lattice = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
    with torch.no_grad():
        solid = torch.from_numpy(keep_solid((field.density(lattice) > level).numpy()))
        for i in range(INSTANCES):
            one = truth[torch.full((VIEWS,), i)]
            true = render_rgba(one, camera, SIZE, 1)[1] > 0.5
            overlaps.append(iou(mine, true))
            volumes.append(
                iou(solid, truth[torch.tensor([i])].occupancy(lattice.reshape(1, -1, 3)).reshape(solid.shape))
            )
    shown = rasterise(mesh, orbit(4, elevation=20.0, start=25.0), 144, light=0.25)[0]
    strip = (torch.cat(list(shown), 2).clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(strip).save(folder / "views.png")
    return {
        "named": f"{named_color} {named_kind}",
        "kind_right": named_kind == kind,
        "color_right": named_color == color,
        "silhouette": round(float(np.mean(overlaps)), 4),
        "silhouette_sd": round(float(np.std(overlaps)), 4),
        "volume": round(float(np.mean(volumes)), 4),
        "faces": len(mesh.faces),
    }


def iou(a: Any, b: Any) -> float:
    return float((a & b).sum() / (a | b).sum().clamp(min=1))


def line(row: dict[str, Any]) -> str:
    held = "*" if row["held_out"] else " "
    if "error" in row:
        return f"{held} {row['prompt']:28s} {row['cpu_seconds']:6.0f} CPU-s  {row['error']}"
    right = "right" if row["kind_right"] and row["color_right"] else f"named {row['named']}"
    return (
        f"{held} {row['prompt']:28s} {row['cpu_seconds']:6.0f} CPU-s  silhouette {row['silhouette']:.3f}"
        f"  volume {row['volume']:.3f}  {right}"
    )


def report(rows: list[dict[str, Any]], options: dict[str, Any], out: Path, folder: Path) -> None:
    """The summary on screen, text-to-3d-SCORE.json and the contact sheet of all prompts."""
    import numpy as np

    from scorekit.zoo.proportion import Proportion

    good = [row for row in rows if "error" not in row]
    both = Proportion(sum(row["kind_right"] and row["color_right"] for row in good), len(rows))
    held = [row for row in rows if row["held_out"]]
    held_both = Proportion(
        sum(row.get("kind_right", False) and row.get("color_right", False) for row in held), len(held)
    )
    # A prompt without a mesh overlaps with nothing.
    outline = [row.get("silhouette", 0.0) for row in rows]
    rng = np.random.default_rng(0)
    means = rng.choice(outline, (10_000, len(outline))).mean(1)
    summary = {
        "score": options["score"],
        "prompts": len(rows),
        "kind_and_color_right": str(both),
        "held_out_right": str(held_both),
        "silhouette_mean": round(float(np.mean(outline)), 4),
        "silhouette_95": [round(float(v), 4) for v in np.quantile(means, [0.025, 0.975])],
        "volume_mean": round(float(np.mean([row.get("volume", 0.0) for row in rows])), 4),
        "cpu_seconds_mean": round(float(np.mean([row["cpu_seconds"] for row in rows])), 1),
        "options": options,
    }
    folder.mkdir(parents=True, exist_ok=True)
    name = f"text-to-3d-{options['score']}"
    (folder / f"{name}.json").write_text(json.dumps({"summary": summary, "prompts": rows}, indent=1) + "\n")
    sheet(rows, out, folder / f"{name}.png")
    print(json.dumps(summary, indent=1))


def sheet(rows: list[dict[str, Any]], out: Path, path: Path) -> None:
    """Four columns of prompts, two views of each."""
    from PIL import Image, ImageDraw, ImageFont

    side, text, columns = 144, 18, 4
    height = side + text + 6
    page = Image.new("RGB", (columns * (2 * side + 12), -(-len(rows) // columns) * height), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for i, row in enumerate(rows):
        x, y = i % columns * (2 * side + 12), i // columns * height
        strip = out / f"{row['color']}-{row['kind']}".replace(" ", "-") / "views.png"
        if strip.exists():
            with Image.open(strip) as views:
                page.paste(views.crop((0, 0, side, side)), (x, y))
                page.paste(views.crop((2 * side, 0, 3 * side, side)), (x + side, y))
        label = row["prompt"] + (" (pair never trained)" if row["held_out"] else "")
        pen.text((x + side, y + side + text / 2), label, "black", font, anchor="mm")
    page.save(path)


if __name__ == "__main__":
    main()

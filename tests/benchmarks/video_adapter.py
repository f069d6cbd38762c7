"""Does a large prior help small video models? The table of Yang et al. (2023) on our two domains.

    python tests/benchmarks/video_adapter.py [--out DIR] [--clips 512] [--steps 12] [--domains sketch robot] [--models DIR] [--report docs]

For each domain: true clips, the small models alone, the small models with the prior, and the prior alone. All rows are asked the same
captions from the same noise: of the sketches, pairs of kind and motion that the small models never saw; of the robot, tasks that they saw,
from other starts. gamma is fitted on validation clips (`scorekit_video_adapter.fit`), of neither training nor test.

Columns: the Frechet distance of clips and of single frames to true clips, in the features of the judge, a small video classifier trained on
true clips (scorekit_video_adapter.judge): not FVD, whose features are I3D's, and comparable within this table only. Named right: of what
the captions name (kind, colour and motion; or the task), by the judge; and all of a caption. Intervals are 95 %, by bootstrap over the
clips. A Frechet distance of few clips is too large, alike in all rows; the row of true clips shows by how much.

DIR (default: runs/video-adapter-quality) keeps every 16 clips: a second call makes only what is missing, and --clips may grow. Models are
folders in --models (default: the package). With --report also video-adapter.json and filmstrips there, and the table between the marks of
video-adapter.md.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from marked import fill
from PIL import Image
from torch import Tensor

import scorekit_video_adapter
from scorekit.denoiser import Denoiser
from scorekit.score import Score
from scorekit.zoo.dataset import build as build_pictures
from scorekit_video_adapter import domains, robots, strips
from scorekit_video_adapter.clip_sets import ClipSet
from scorekit_video_adapter.composition import Prior, compose
from scorekit_video_adapter.fit import fit
from scorekit_video_adapter.gamma import Curve
from scorekit_video_adapter.generate import Settings, generate
from scorekit_video_adapter.judge import Judge, frechet, right
from scorekit_video_adapter.models import parameters_of
from scorekit_video_adapter.pico_video import WEIGHTS, load
from scorekit_video_adapter.scenes import Stage

PRIOR = "pico-video"
SMALL = {
    "sketch": ("pico-video-sketch", "pico-video-sketch-tiny"),
    "robot": ("pico-video-robot", "pico-video-robot-tiny"),
}
CHUNK = 16
VALIDATION = 24  # clips on which gamma is fitted
RESAMPLES = 300
SHOWN = 6  # captions in a filmstrip
PICTURES, STRIPS = 2048, 640  # of objects that no model was trained on
SEEDS = {"pictures": 1, "strips": 1, "test": 30000, "validation": 40000}

Clips = npt.NDArray[np.uint8]


def true_clips(domain: str, split: str, n: int, data: Path) -> ClipSet:
    """n clips of a domain that no model was trained on, of "test" or "validation"."""
    if domain == "robot":
        episodes = -(-n // 8) if split == "validation" else 64
        found = domains.robot_set(robots.build(data / f"robot-{split}-{episodes}", episodes, SEEDS[split], "narrow"))
        # The tasks in turn, as in the captions.
        order = [int(i) for i in np.arange(len(found)).reshape(8, -1).T.flatten()][:n]
        return ClipSet(found.clips[order], [found.captions[i] for i in order])
    build_pictures(data / "pictures", PICTURES, seed=SEEDS["pictures"])
    strips.build(data / "strips", STRIPS, SEEDS["strips"])
    return domains.sketch_set(Stage.load(data / "pictures", data / "strips"), n, SEEDS[split], split)


def captions_of(domain: str, n: int) -> list[str]:
    return domains.sketch_captions(n, "test") if domain == "sketch" else domains.robot_captions(n)


def fitted(small: Denoiser, prior: Denoiser, known: ClipSet, path: Path) -> Curve:
    """gamma of a pair of models, kept in a file."""
    if not path.exists():
        clips = torch.from_numpy(known.clips).float() / 255
        generator = torch.Generator().manual_seed(0)
        (curve,) = fit(small, [Prior(prior)], clips, known.captions, draws=1, generator=generator)
        path.write_text(json.dumps({"log_snr": curve.log_snr, "gamma": curve.value}))
    found = json.loads(path.read_text())
    return Curve(tuple(found["log_snr"]), tuple(found["gamma"]))


def sampled(score: Any, captions: Sequence[str], n: int, settings: Settings, folder: Path) -> tuple[Clips, float]:
    """n clips (n, 3, T, H, W) of score(captions), made or read in chunks, and the CPU-seconds that one takes."""
    folder.mkdir(parents=True, exist_ok=True)
    parts, seconds = [], []
    for start in range(0, n, CHUNK):
        path = folder / f"{start:05d}.npz"
        if not path.exists():
            texts = list(captions[start : start + CHUNK])
            began = time.process_time()
            terms: Score = score(texts)
            x = generate(terms, len(texts), settings, generator=torch.Generator().manual_seed(start))
            clips = (terms.denoiser.decode(x) * 255).round().byte().numpy()
            np.savez_compressed(path, clips=clips, seconds=(time.process_time() - began) / len(texts))
            print(f"{folder.name} {start + len(texts)}/{n}", flush=True)
        with np.load(path) as found:
            parts.append(found["clips"])
            seconds.append(float(found["seconds"]))
    return np.concatenate(parts)[:n], float(np.median(seconds))


def interval(value: float, again: Sequence[float]) -> list[float]:
    """Around the value: clips that are drawn twice add to a Frechet distance, and the median of the resamples lies above it."""
    low, middle, high = np.percentile(again, [2.5, 50, 97.5])
    return [float(value + low - middle), float(value + high - middle)]


def measured(judge: Judge, clips: Clips, captions: list[str], truth: tuple[Tensor, Tensor]) -> dict[str, Any]:
    """The columns of a row; truth: features of true clips, and of their frames (M, T, D)."""
    named, of_clips, of_frames = judge.verdicts(clips)
    hits = right(named, captions)
    draw = np.random.default_rng(0)
    columns: dict[str, list[float]] = {"clip": [], "frame": [], "named": [], "all": []}
    for round_ in range(RESAMPLES + 1):
        chosen = torch.arange(len(clips)) if round_ == 0 else torch.from_numpy(draw.integers(0, len(clips), len(clips)))
        columns["clip"].append(frechet(of_clips[chosen], truth[0]))
        columns["frame"].append(frechet(of_frames[chosen].flatten(0, 1), truth[1].flatten(0, 1)))
        columns["named"].append(float(hits[chosen].mean()))
        columns["all"].append(float((hits[chosen] == 1).float().mean()))
    return {name: {"value": values[0], "interval": interval(values[0], values[1:])} for name, values in columns.items()}


def fingerprint(*folders: Path) -> str:
    return hashlib.sha256(b"".join((folder / WEIGHTS).read_bytes() for folder in folders)).hexdigest()[:8]


def rows_of(domain: str, args: argparse.Namespace, judge: Judge) -> list[dict[str, Any]]:
    data, settings = args.out / "data", Settings(steps=args.steps, solver="dpm++2m", product=False)
    captions = captions_of(domain, args.clips)
    # Twice the clips: one half is the truth, the other the row of true clips.
    true = true_clips(domain, "test", 2 * args.clips if domain == "sketch" else 512, data)
    half = len(true) // 2
    _, of_clips, of_frames = judge.verdicts(true.clips[:half])
    truth = of_clips, of_frames
    other = slice(half, half + args.clips)
    rows = [
        {"row": "true clips", "n": len(true.clips[other])}
        | measured(judge, true.clips[other], true.captions[other], truth)
    ]
    prior_folder = args.models / PRIOR
    prior = load(prior_folder)

    def add(row: str, score: Any, key: str, models: Sequence[Denoiser], **more: Any) -> None:
        folder = args.out / f"{domain}-{key}-{args.steps}"
        clips, seconds = sampled(score, captions, args.clips, settings, folder)
        rows.append(
            {
                "row": row,
                "n": len(clips),
                "parameters": sum(map(parameters_of, models)) / 1e6,
                "seconds": seconds,
                "folder": folder.name,
            }
            | more
            | measured(judge, clips, captions, truth)
        )

    add("prior alone", prior.given, f"prior-{fingerprint(prior_folder)}", [prior])
    for name in SMALL[domain]:
        folder = args.models / name
        if not (folder / WEIGHTS).exists():
            print(f"{name} is not there: its rows are left out", flush=True)
            continue
        small = load(folder)
        add(name, small.given, f"{name}-{fingerprint(folder)}", [small])
        both = f"{name}-with-prior-{fingerprint(folder, prior_folder)}"
        gamma = fitted(
            small, prior, true_clips(domain, "validation", VALIDATION, data), args.out / f"gamma-{both}.json"
        )
        together = lambda texts, small=small, gamma=gamma: compose(small, texts, [Prior(prior, gamma)], form="mean")  # noqa: E731
        add(f"{name} + prior", together, both, [small, prior], gamma={"log_snr": gamma.log_snr, "value": gamma.value})
    return rows


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    lines = [
        "| domain | model | parameters | Frechet, clips | Frechet, frames, x 100 | named right | all of a caption | clips |",
        "| --- " * 8 + "|",
    ]
    for domain, rows in results.items():
        for row in rows:
            cells = [
                "{:.1f} ({:.1f} to {:.1f})".format(
                    row[key]["value"] * scale, *(v * scale for v in row[key]["interval"])
                )
                for key, scale in (("clip", 1), ("frame", 100), ("named", 100), ("all", 100))
            ]
            size = f"{row['parameters']:.1f} M" if "parameters" in row else ""
            cells[2:] = [f"{cell} %" for cell in cells[2:]]
            lines.append(f"| {domain} | {row['row']} | {size} | {' | '.join(cells)} | {row['n']} |")
    return "\n".join(lines)


def filmstrips(rows: list[dict[str, Any]], out: Path, target: Path) -> None:
    """The first captions of the test: a row for each, and beside one another prior, first small model, and both."""
    columns = []
    for row in (row for row in rows if "folder" in row):
        with np.load(out / row["folder"] / "00000.npz") as found:
            columns.append(found["clips"][:SHOWN].transpose(0, 3, 2, 4, 1).reshape(SHOWN * 32, -1, 3))
    gap = np.full((SHOWN * 32, 8, 3), 255, np.uint8)
    sheet = np.concatenate([part for column in columns[:3] for part in (column, gap)][:-1], 1)
    picture = Image.fromarray(sheet)
    picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.NEAREST).save(target, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/video-adapter-quality"))
    parser.add_argument("--clips", type=int, default=512, help="of every row")
    parser.add_argument("--steps", type=int, default=12, help="of the sampler, DPM-Solver++ 2M")
    parser.add_argument("--domains", nargs="+", choices=SMALL, default=list(SMALL))
    parser.add_argument("--models", type=Path, default=Path(next(iter(scorekit_video_adapter.__path__))))
    parser.add_argument("--judge", type=Path, help="folder of the judge's weights; default: the package's")
    parser.add_argument("--report", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    judge = Judge.load(args.judge)
    results = {domain: rows_of(domain, args, judge) for domain in args.domains}
    text = table(results)
    print(text)
    settings = {"clips": args.clips, "steps": args.steps, "solver": "dpm++2m", "form": "mean", "alpha": 1, "seed": 0}
    (args.out / "results.json").write_text(json.dumps({"settings": settings, "rows": results}, indent=1))
    if args.report:
        (args.report / "video-adapter.json").write_text((args.out / "results.json").read_text())
        for domain in args.domains:
            filmstrips(results[domain], args.out, args.report / f"video-adapter-{domain}.png")
        fill(args.report / "video-adapter.md", "quality", text)


if __name__ == "__main__":
    main()

"""How good is the diffusion classifier, and what does its race save?

    python tests/benchmarks/classifier.py --out DIR [--parts calibrate accuracy race baselines attributes] [--images 2000] [--report docs]

calibrate   weights of levels and temperature, learned from pictures kept back from training (pico-fashion) and from renders (pico-image)
accuracy    on the first --images pictures of Fashion-MNIST's official test part, which nothing was tuned on
baselines   logistic regression (scikit-learn) and a small CNN on the same 55,000 training pictures, on the same test pictures
race        accuracy against evaluations per picture, on the first --race-images: the adaptive scheme of Li et al. (2023, section 4 and
            appendix) re-expressed from the paper, and ours, with the same network in one run. The published settings are 50 and 500 levels
            with 5 and 1 kept; cheaper versions of it keep those proportions.
attributes  zero-shot on renders whose pairs of colour and kind were held out of the training of pico-image: kind among 16, colour among 10,
            and both among 160

With --report DIR also DIR/diffusion-classifier.json, DIR/diffusion-classifier.png, and the tables between the marks of
DIR/diffusion-classifier.md. 95 % intervals are Wilson's. Everything is measured on one thread; DIR keeps every chunk, and a second call
measures only what is missing.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from classifier_baselines import cnn, logistic
from classifier_report import chart, summarise, tables
from marked import fill
from torch import Tensor

from scorekit.models import load
from scorekit.zoo.captions import caption
from scorekit.zoo.dataset import build
from scorekit.zoo.dataset import load as load_renders
from scorekit.zoo.objects import COLORS, KINDS
from scorekit_diffusion_classifier import pico_fashion
from scorekit_diffusion_classifier.calibration import Calibration
from scorekit_diffusion_classifier.candidates import Candidates, Errors, noises
from scorekit_diffusion_classifier.classify import SHIPPED, Classifier, Verdict, calibrated
from scorekit_diffusion_classifier.fashion_mnist import CLASSES, Labelled, load_part
from scorekit_diffusion_classifier.levels import levels
from scorekit_diffusion_classifier.race import Rules, race

PARTS = ("calibrate", "accuracy", "baselines", "race", "attributes")
CHUNK = 50  # pictures in a file of results
OFFICIAL = ((5, 50), (10, 100), (25, 250), (50, 500))  # levels of both stages; 5 candidates are kept in between
GRID = 500
OURS = ((4, 0.7), (64, 0.7), (64, 0.8), (64, 0.9), (64, 0.95), (64, 1.0))  # levels at most, confidence
MOST = 64
KINDS_FOR_CALIBRATION = ("mushroom", "car", "donut", "tree")
COLORS_FOR_CALIBRATION = ("red", "yellow", "blue")


class Kept:
    """`Errors` that remembers what it was asked, so that several schemes can be played on one network's answers."""

    def __init__(self, errors: Errors, images: int, candidates: int, count: int) -> None:
        self.errors, self.table = errors, torch.full((images, candidates, count), torch.nan, dtype=torch.float64)

    def __call__(self, image: Tensor, candidate: Tensor, first: int, last: int) -> Tensor:
        for level in range(first, last):
            missing = self.table[image, candidate, level].isnan()
            if missing.any():
                found = self.errors(image[missing], candidate[missing], level, level + 1)
                self.table[image[missing], candidate[missing], level] = found[:, 0]
        return self.table[image, candidate, first:last]


def official(errors: Errors, images: int, candidates: int, stages: tuple[int, int]) -> tuple[list[int], list[int]]:
    """Two stages of evenly spaced levels, all candidates and then the best five: what is said of each image, and its evaluations.

    A level that the first stage has seen is not paid again; the decision is by the mean over all levels seen.
    """
    alive = torch.arange(candidates).expand(images, -1)
    sums = torch.zeros(images, candidates, dtype=torch.float64)
    seen: list[int] = []
    evaluations = 0
    for stage, keep in zip(stages, (5, 1), strict=True):
        stride = GRID // stage
        for level in range(stride // 2, GRID, stride):
            if level not in seen:
                image = torch.arange(images).repeat_interleave(alive.shape[1])
                candidate = alive.flatten()
                sums[image, candidate] += errors(image, candidate, level, level + 1)[:, 0]
                seen.append(level)
                evaluations += alive.shape[1]
        order = sums.gather(1, alive).argsort(1)
        alive = alive.gather(1, order[:, : min(keep, alive.shape[1])])
    return alive[:, 0].tolist(), [evaluations] * images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--model", type=Path, default=pico_fashion.SHIPPED, help="a file of scorekit train fashion-mnist"
    )
    parser.add_argument("--fashion", type=Path, default=None, help="folder of the idx files")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--race-images", type=int, default=500)
    parser.add_argument("--calibration-images", type=int, default=800)
    parser.add_argument("--renders", type=int, default=96)
    parser.add_argument("--report", type=Path, default=None, help="folder of the report, such as docs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        if part in args.parts:
            print(f"== {part}", flush=True)
            PART[part](args)
    summary = summarise(args.out, args.images)
    (args.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    if args.report:
        args.report.mkdir(parents=True, exist_ok=True)
        (args.report / "diffusion-classifier.json").write_text(json.dumps(summary, indent=1) + "\n")
        if "race" in summary:
            chart(summary["race"], args.report / "diffusion-classifier.png")
        for name, text in tables(summary).items():
            fill(args.report / "diffusion-classifier.md", name, text)
    print(json.dumps(summary, indent=1))


def chunks(folder: Path, count: int, work: Callable[[range], dict[str, Any]]) -> list[dict[str, Any]]:
    """work(range) of every CHUNK indices below count, from disk where it is there; CPU seconds are added."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for start in range(0, count, CHUNK):
        path = folder / f"{start:05d}.json"
        if not path.exists():
            began = time.process_time()
            result = work(range(start, min(start + CHUNK, count)))
            result["cpu_seconds"] = round(time.process_time() - began, 2)
            temporary = path.with_suffix(".tmp")
            temporary.write_text(json.dumps(result))
            temporary.replace(path)
            print(folder.name, start, flush=True)
        found.append(json.loads(path.read_text()))
    return found


def rows(verdicts: Sequence[Verdict], truth: Sequence[int]) -> dict[str, Any]:
    """What is kept of a chunk."""
    return {
        "truth": list(truth),
        "said": [verdict.said for verdict in verdicts],
        "confidence": [float(verdict.probability[verdict.said]) for verdict in verdicts],
        "evaluations": [verdict.outcome.evaluations for verdict in verdicts],
    }


def fashion(args: argparse.Namespace, **rules: Any) -> Classifier:
    model = pico_fashion.load(args.model)
    return Classifier(model, CLASSES, Rules(**rules), calibration=calibration_of(args, "pico-fashion"), batch=128)


def calibration_of(args: argparse.Namespace, name: str) -> Calibration:
    here = args.out / f"{name}.json"
    return Calibration.read(here if here.exists() else SHIPPED / f"{name}.json")


def shown(data: Labelled, chosen: Sequence[int]) -> Tensor:
    return data.pictures(torch.tensor(list(chosen))).expand(-1, 3, -1, -1)


def calibrate(args: argparse.Namespace) -> None:
    data = load_part("calibration", args.fashion)
    labels = data.labels[: args.calibration_images]
    model = pico_fashion.load(args.model)
    _learn(args, "pico-fashion", Classifier(model, CLASSES, Rules(), batch=128), lambda i: shown(data, i), labels)
    renders = load_renders(build(args.out / "renders-calibration", 4096, seed=101))
    texts = [caption(kind, color) for kind in KINDS_FOR_CALIBRATION for color in COLORS_FOR_CALIBRATION]
    named = [caption(*renders.names(i)) for i in range(len(renders))]
    chosen = [i for i, text in enumerate(named) if text in texts][:80]
    truth = torch.tensor([texts.index(named[i]) for i in chosen])
    pictures = torch.from_numpy(renders.images[chosen]).float() / 255
    _learn(args, "pico-image", Classifier(load("pico-image"), texts, Rules()), lambda i: pictures[list(i)], truth)


def _learn(
    args: argparse.Namespace, name: str, classifier: Classifier, pictures: Callable[..., Tensor], truth: Tensor
) -> None:
    path, state_path = args.out / f"{name}.json", args.out / f"{name}.pt"
    if path.exists():
        return

    def keep(done: int, total: int, state: dict[str, Any]) -> None:
        torch.save(state, state_path)
        print(name, done, total, flush=True)

    state = torch.load(state_path, weights_only=True) if state_path.exists() else None
    learned = calibrated(classifier, pictures, truth, 20, keep, state)
    path.write_text(json.dumps(learned.record(), indent=1) + "\n")


def accuracy(args: argparse.Namespace) -> None:
    data, classifier = load_part("test", args.fashion), fashion(args)

    def work(chosen: range) -> dict[str, Any]:
        return rows(classifier(shown(data, chosen)), data.labels[list(chosen)].tolist())

    chunks(args.out / "accuracy", args.images, work)


def run_race(args: argparse.Namespace) -> None:
    data, learned = load_part("test", args.fashion), calibration_of(args, "pico-fashion")
    model = pico_fashion.load(args.model)
    candidates = Candidates(model, CLASSES)
    even = levels(model.schedule, GRID, GRID)
    plain = levels(model.schedule, MOST, 4)
    fitted = levels(model.schedule, MOST, 4, learned.profile)

    def work(chosen: range) -> dict[str, Any]:
        x0, truth, found = model.encode(shown(data, chosen)), data.labels[list(chosen)].tolist(), {}
        began = time.process_time()
        asked = candidates.errors(x0, even.t, noises(GRID, model.shape, 2), kind="eps", batch=128)
        kept = Kept(asked, len(x0), len(CLASSES), GRID)
        for stages in OFFICIAL:
            found[f"official {stages[0]}/{stages[1]}"] = official(kept, len(x0), len(CLASSES), stages)
        # The largest run holds all others; its time is what one of them takes in proportion to its evaluations.
        spent = {"official": [time.process_time() - began, asked.evaluations]}
        for name, grid in (("even", plain), ("fitted", fitted)):
            began = time.process_time()
            asked = candidates.errors(x0, grid.t, noises(MOST, model.shape, 0), batch=128)
            kept = Kept(asked, len(x0), len(CLASSES), MOST)
            for most, confidence in OURS:
                outcomes = race(kept, len(x0), len(CLASSES), grid, Rules(levels=most, confidence=confidence))
                found[f"race {name} {most} at {confidence}"] = [
                    [outcome.winner for outcome in outcomes],
                    [outcome.evaluations for outcome in outcomes],
                ]
            spent[name] = [time.process_time() - began, asked.evaluations]
        return {"truth": truth, "schemes": found, "spent": spent}

    chunks(args.out / "race", args.race_images, work)


def attributes(args: argparse.Namespace) -> None:
    renders = load_renders(build(args.out / "renders-held-out", args.renders, seed=202, held_out=True))
    model, learned = load("pico-image"), calibration_of(args, "pico-image")
    colors = list(COLORS)

    def task(name: str) -> Callable[[range], dict[str, Any]]:
        def work(chosen: range) -> dict[str, Any]:
            verdicts, truth = [], []
            for i in chosen:
                kind, color = renders.names(i)
                if name == "kind":
                    texts, right = [caption(k, color) for k in KINDS], KINDS.index(kind)
                elif name == "color":
                    texts, right = [caption(kind, c) for c in colors], colors.index(color)
                else:
                    texts = [caption(k, c) for k in KINDS for c in colors]
                    right = KINDS.index(kind) * len(colors) + colors.index(color)
                picture = torch.from_numpy(renders.images[i : i + 1]).float() / 255
                verdicts += Classifier(model, texts, Rules(), calibration=learned)(picture)
                truth.append(right)
            return rows(verdicts, truth)

        return work

    for name, count in (("kind", args.renders), ("color", args.renders), ("both", args.renders // 2)):
        chunks(args.out / f"attributes-{name}", count, task(name))


def baselines(args: argparse.Namespace) -> None:
    path = args.out / "baselines.json"
    if path.exists():
        return
    train, test = load_part("train", args.fashion), load_part("test", args.fashion)
    found = {}
    for name, fit in (("logistic regression", logistic), ("small CNN", cnn)):
        began = time.process_time()
        said = fit(train, test)
        right = (said == test.labels).tolist()
        found[name] = {"cpu_seconds": round(time.process_time() - began, 1), "right": [int(r) for r in right]}
        print(name, sum(right), flush=True)
    path.write_text(json.dumps(found))


PART = {
    "calibrate": calibrate,
    "accuracy": accuracy,
    "baselines": baselines,
    "race": run_race,
    "attributes": attributes,
}

if __name__ == "__main__":
    main()

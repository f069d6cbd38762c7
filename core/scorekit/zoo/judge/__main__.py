"""Train the judge and test it on fresh renders: python -m scorekit.zoo.judge --out DIR"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path

import torch

from scorekit.zoo.judge.augment import augment
from scorekit.zoo.judge.network import Judge
from scorekit.zoo.judge.recipe import Recipe, accuracy, pictures, train_judge


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scorekit.zoo.judge", description="Train the judge and test it.")
    parser.add_argument(
        "--out", required=True, type=Path, help="folder for the checkpoint, the weights and metrics.json"
    )
    parser.add_argument("--data", type=Path, help="folder for the rendered pictures (default: OUT/data)")
    parser.add_argument("--workers", type=int, default=1, help="processes that render")
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto")
    for field in fields(Recipe):
        option = "--" + field.name.replace("_", "-")
        parser.add_argument(option, type=type(field.default), default=field.default)
    args = parser.parse_args()
    data = args.data or args.out / "data"

    def report(step: int, total: int, metrics: dict[str, float]) -> None:
        if step % 50 == 0:
            print(step, total, " ".join(f"{name} {value:.4f}" for name, value in metrics.items()), flush=True)

    try:
        recipe = Recipe(**{field.name: getattr(args, field.name) for field in fields(Recipe)})
        args.out.mkdir(parents=True, exist_ok=True)
        train_set = pictures(data / "train", recipe.pictures, recipe.data_seed, args.workers)
        test_set = pictures(data / "test", recipe.test, recipe.test_seed, args.workers)
        start, cpu_start = time.monotonic(), time.process_time()
        trained = train_judge(recipe, train_set, args.out, report, cpu=args.device == "cpu")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    seconds = {"wall": round(time.monotonic() - start), "cpu": round(time.process_time() - cpu_start)}
    trained.save(args.out)
    judge = Judge.load(args.out)  # what is tested is what is shipped: the float16 weights
    disturb = partial(augment, generator=torch.Generator().manual_seed(recipe.test_seed))
    results = {"clean": accuracy(judge, test_set), "disturbed": accuracy(judge, test_set, disturb)}
    for name, scores in results.items():
        print(name, "; ".join(f"{what} {share}" for what, share in scores.items()))
    record = {
        "recipe": asdict(recipe),
        "seconds": seconds,
        "test": {name: {what: share.record() for what, share in scores.items()} for name, scores in results.items()},
    }
    (args.out / "metrics.json").write_text(json.dumps(record, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main())

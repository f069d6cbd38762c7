"""Counts the samples that can be crystals, beside chance, and what is made of compositions that were held out.

python tests/measure.py [--count 500] [--each 8] [--weights FILE] [--picture crystals.png] > measured.json
"""

import argparse
import json
import random
from pathlib import Path

import torch
from scorekit_crystals.drawing import as_data, picture
from scorekit_crystals.model import HELD_OUT, KNOWN, load, sketch
from scorekit_crystals.prototypes import CELL, SLOTS, Crystal, apart, fault


def chance(count: int, composed: bool) -> list[Crystal]:
    """Atoms at random places; `composed`: as many of each element as in a known crystal, in its cell."""
    rng, made = random.Random(0), []
    for _ in range(count):
        like = rng.choice(KNOWN)
        numbers = {name: len(points) for name, points in like.sites.items()}
        if not composed:
            numbers = {name: rng.randint(1, SLOTS) for name in rng.sample(sorted(CELL), rng.randint(1, 3))}
        places = {n: tuple((rng.random(), rng.random(), rng.random()) for _ in range(k)) for n, k in numbers.items()}
        made.append(Crystal("", like.a, places))
    return made


def alike(crystal: Crystal, truth: Crystal) -> bool:
    """Whether the elements and their numbers agree, and each site of `truth` has an atom of its element within 0.08 sides of the cell."""
    if {name: len(points) for name, points in crystal.sites.items()} != {n: len(p) for n, p in truth.sites.items()}:
        return False
    return all(
        min(apart(site, p) for p in crystal.sites[name]) < 0.08 for name in truth.sites for site in truth.sites[name]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--each", type=int, default=8)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--picture", type=Path, help="draw the first sample of sixteen held-out compositions here")
    given = parser.parse_args()
    model, generator = load(given.weights), torch.Generator().manual_seed(0)
    sampled = sketch(model, given.count, generator)
    groups = {
        "sampled": sampled,
        "chance": chance(given.count, composed=False),
        "chance, composed": chance(given.count, composed=True),
    }
    found: dict[str, object] = {
        name: {"valid": sum(not fault(crystal) for crystal in made), "of": len(made)} for name, made in groups.items()
    }
    valid = [crystal for crystal in sampled if not fault(crystal)]
    found["sampled as predicted"] = {
        "known": sum(any(alike(crystal, truth) for truth in KNOWN) for crystal in valid),
        "held out": sum(any(alike(crystal, truth) for truth in HELD_OUT) for crystal in valid),
    }
    asked = [
        (truth, crystal)
        for truth in HELD_OUT
        for crystal in sketch(model, given.each, generator, " ".join(truth.sites))
    ]
    if given.picture:
        first = [crystal for _, crystal in asked[:: given.each]][:16]
        picture([as_data(crystal, fault(crystal)) for crystal in first]).save(given.picture)
    right = [(truth, crystal) for truth, crystal in asked if alike(crystal, truth)]
    errors = sorted(abs(crystal.a / truth.a - 1) for truth, crystal in right)
    found["asked for what was held out"] = {
        "compositions": len(HELD_OUT),
        "of": len(asked),
        "valid": sum(not fault(crystal) for _, crystal in asked),
        "as predicted": len(right),
        "compositions as predicted at least once": len({truth.formula for truth, _ in right}),
        "median error of the cell": round(errors[len(errors) // 2], 4) if errors else None,
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

"""What is known of crystals, the model's samples, the files, and the promises of the host."""

import json
import re
from pathlib import Path

import pytest
import torch
from scorekit_crystals import Crystals, drawing, model, prototypes

from scorekit.host import discover, execute
from scorekit.host.plugin import Artifact
from scorekit.host.testing import conformance

test_conformance = conformance("scorekit_crystals")
CELLS = {"Na4Cl4": 5.64, "Mg4O4": 4.21, "Cs1Cl1": 4.12, "Ca4F8": 5.46, "Sr1Ti1O3": 3.905}  # measured, angstrom


def test_ions_that_touch_make_cells_of_about_the_measured_size() -> None:
    known = {crystal.formula: crystal for crystal in prototypes.catalogue()}
    for formula, side in CELLS.items():
        assert known[formula].a == pytest.approx(side, rel=0.03)


def test_a_grid_holds_a_crystal() -> None:
    for crystal in prototypes.catalogue():
        read = model.from_grid(model.to_grid(crystal))
        assert read.sites == crystal.sites
        assert read.a == pytest.approx(crystal.a, rel=1e-5)


def test_faults_are_found() -> None:
    rock_salt = next(crystal for crystal in prototypes.catalogue() if crystal.formula == "Na4Cl4")
    assert not prototypes.fault(rock_salt)
    less = {"Na": rock_salt.sites["Na"], "Cl": rock_salt.sites["Cl"][:3]}
    assert prototypes.fault(prototypes.Crystal("", rock_salt.a, less)) == "its charges do not cancel"
    assert "apart" in prototypes.fault(prototypes.Crystal("", 0.7 * rock_salt.a, rock_salt.sites))
    moved = {"Na": rock_salt.sites["Na"], "Cl": (*rock_salt.sites["Cl"][:3], (0.98, 0.01, 0.99))}  # beyond the border
    assert "Na and Cl" in prototypes.fault(
        prototypes.Crystal("", rock_salt.a, moved)
    ) or "Cl and Na" in prototypes.fault(prototypes.Crystal("", rock_salt.a, moved))


def test_what_is_named_is_made_with_the_right_numbers_of_atoms() -> None:
    pico, right, valid = model.load(), 0, 0
    for truth in model.KNOWN[::16]:
        for crystal in model.sketch(pico, 2, torch.Generator().manual_seed(0), " ".join(truth.sites)):
            assert set(crystal.sites) <= set(truth.sites)
            right += crystal.formula == truth.formula
            valid += not prototypes.fault(crystal)
    assert right >= 16  # of 24
    assert valid >= 10


def test_a_cif_says_cell_and_sites() -> None:
    crystal = prototypes.catalogue()[20]
    text = drawing.cif(crystal)
    assert float(re.search(r"_cell_length_a (\S+)", text)[1]) == pytest.approx(crystal.a, abs=1e-4)
    rows = [line.split() for line in text.splitlines() if re.match(r"[A-Z][a-z]?\d+ ", line)]
    assert [(row[1], tuple(map(float, row[2:]))) for row in rows] == [
        (name, point) for name, points in crystal.sites.items() for point in points
    ]


def test_the_viewer_shows_a_run_and_calls_nobody(tmp_path: Path) -> None:
    run = execute(Crystals, {"count": 1, "steps": 5}, tmp_path / "run", device="cpu")
    view = discover().hooks.scorekit_view(artifact=Artifact(run, "crystals.json", "application/json"))
    data = re.search(r'id="data">(.*?)</script>', view.html, re.DOTALL)[1]
    assert json.loads(data) == json.loads(run.artifacts["crystals.json"].read_text())
    assert not re.search(r"https?:|//[a-z]", view.html)
    assert discover().hooks.scorekit_view(artifact=Artifact(run, "crystals.png", "image/png")) is None

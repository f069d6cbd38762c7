"""Patches: files that can be edited by hand, and what is wrong with one in a sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from scorekit_text_to_audio.patch import (
    CONTROLS,
    NAMES,
    default_patch,
    patch_json,
    patches_of,
    read_patch,
    turns_of,
    values_of,
)
from scorekit_text_to_audio.search import random_turns


def test_values_and_turns_are_inverse() -> None:
    turns = torch.rand(20, len(NAMES), generator=torch.manual_seed(0))
    torch.testing.assert_close(turns_of(patches_of(turns)), turns, atol=1e-4, rtol=0)
    for name, values in values_of(turns).items():
        assert ((values >= CONTROLS[name].low - 1e-3) & (values <= CONTROLS[name].high * (1 + 1e-5))).all()
    ends = values_of(torch.tensor([[0.0] * len(NAMES), [1.0] * len(NAMES)]))
    for name, control in CONTROLS.items():
        assert ends[name].tolist() == pytest.approx([control.low, control.high])
        assert control.low <= control.default <= control.high
    assert random_turns(50, torch.manual_seed(0)).min() >= 0
    assert random_turns(50, torch.manual_seed(0)).max() <= 1


def test_a_file_is_read_back(tmp_path: Path) -> None:
    (patch,) = patches_of(random_turns(1, torch.manual_seed(1)))
    path = tmp_path / "patch.json"
    path.write_text(json.dumps(patch_json(patch, 1.024, prompt="a bell")))
    assert read_patch(path) == patch
    said = json.loads(path.read_text())["controls"]["pitch"]
    assert (said["unit"], said["range"]) == ("Hz", [40, 2000])


def test_an_edited_file_may_hold_plain_numbers(tmp_path: Path) -> None:
    path = tmp_path / "patch.json"
    path.write_text(
        json.dumps({"kind": "scorekit-synth-patch", "version": 1, "controls": {"pitch": 440, "attack": 0.2}})
    )
    assert read_patch(path) == default_patch() | {"pitch": 440.0, "attack": 0.2}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read as JSON"),
        ("[1, 2]", "is no synthesiser patch"),
        ({"kind": "other"}, "is no synthesiser patch"),
        ({"version": 2}, "version 2; 1 is known"),
        ({"controls": {"pich": 1}}, "unknown control 'pich'; there are pitch"),
        ({"controls": {"pitch": 9000}}, "pitch must be a number from 40 to 2000 Hz, not 9000"),
        ({"controls": {"sustain": "loud"}}, "sustain must be a number from 0 to 1, not 'loud'"),
        ({"controls": {"sustain": True}}, "sustain must be a number from 0 to 1, not True"),
        ({"controls": {"attack": {"unit": "s"}}}, "attack must be a number from 0.002 to 0.4 s, not None"),
        ('{"kind": "scorekit-synth-patch", "version": 1, "controls": {"pitch": NaN}}', "pitch must be a number"),
    ],
)
def test_what_is_no_patch_is_refused(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "patch.json"
    whole = {"kind": "scorekit-synth-patch", "version": 1, "controls": {}}
    path.write_text(content if isinstance(content, str) else json.dumps(whole | content))
    with pytest.raises(ValueError, match=r"^patch: ") as error:
        read_patch(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)

"""The conformance suite on every plugin of this repository: what runs nothing always, the demo runs of two, and of all with -m slow."""

from importlib.metadata import entry_points

import pytest

from scorekit.host.testing import QUICK, RUNS, conformance
from scorekit.host.testing.checks import BY_KIND

MODULES = sorted(
    entry.value for entry in entry_points(group="scorekit.plugins") if entry.dist and entry.dist.name == "scorekit"
)
LIGHT = ("scorekit_segmentation", "scorekit_text_to_svg")  # seconds; the others take up to a minute of the processor


def test_every_plugin_is_checked() -> None:
    assert len(MODULES) >= 7
    assert all(BY_KIND.values())


test_quick = conformance(*MODULES, checks=QUICK)
test_runs = conformance(*(m for m in MODULES if m in LIGHT), checks=RUNS)
test_more_runs = pytest.mark.slow(conformance(*(m for m in MODULES if m not in LIGHT), checks=RUNS))

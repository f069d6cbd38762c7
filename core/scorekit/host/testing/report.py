"""`scorekit plugins --check`: the conformance of what is installed, line by line."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from scorekit.host.listing import Registry
from scorekit.host.testing.checks import QUICK
from scorekit.host.testing.subjects import installed_subjects
from scorekit.host.testing.suite import Result, check_subject

LISTED = "listed"  # the check that a plugin which cannot be used has failed


def examine(registry: Registry, names: Sequence[str] = (), quick: bool = False) -> Iterator[Result]:
    """Results of all checks of what the names mean; `quick` leaves out those that run something."""
    rows, brought = registry.lines(names)
    for row in rows:
        if not row.usable:
            yield Result(row.kind or "plugin", row.name, LISTED, "failed", row.reason, row.seconds)
    wanted = {(row.kind, row.name) for row in rows if row.usable} | {(b.kind, b.name) for b in brought}
    viewers = {line.module for line in brought if line.kind == "viewer"}
    for subject in installed_subjects(registry):
        if (subject.kind, subject.name) in wanted or (subject.kind == "viewer" and subject.module in viewers):
            yield from check_subject(subject, QUICK if quick else None)


def tell(results: Iterator[Result], say: Callable[[str], object]) -> list[Result]:
    """Say the results as they come, a line for each subject and for each check that failed or was skipped; returns them."""
    found: list[Result] = []
    for (name, kind), group in groupby(results, key=lambda result: (result.subject, result.kind)):
        own = list(group)
        found += own
        bad = [result for result in own if result.status == "failed"]
        verdict = "FAILED" if bad else "ok"
        say(f"{verdict:<6}  {name}  {kind}  {len(own)} checks in {sum(r.seconds for r in own):.1f} s")
        for result in own:
            if result.status != "ok":
                say(f"        {result.status} {result.check}: {result.sentence}")
    failed = sum(result.status == "failed" for result in found)
    say(f"{len(found)} checks, {failed} failed" if found else "nothing to check is installed")
    return found

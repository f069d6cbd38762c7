"""Running the checks: one at a time, over a plugin as results, or as a parametrised test of pytest."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any, Literal

from scorekit.host.plugin import Application
from scorekit.host.testing.checks import BY_KIND, CHECKS, Check, Skipped
from scorekit.host.testing.subjects import Subject, subjects_of


@dataclass(frozen=True)
class Result:
    """What one check of one subject found. `sentence` says why it failed or was skipped, "" if it is ok; `seconds` it took."""

    kind: str
    subject: str
    check: str
    status: Literal["ok", "failed", "skipped"]
    sentence: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def check(target: str | ModuleType | type[Application], checks: Sequence[str] | None = None) -> Iterator[Result]:
    """Check a plugin, result by result.

    target  the module that its entry point names, also as a string, "module:Class", or an Application class
    checks  names in CHECKS: QUICK and RUNS are two halves of them; default: all that apply

    Raises ValueError for a name that is no check. A fault of the plugin never raises.
    """
    _refuse_unknown(checks)
    for subject in subjects_of(target):
        yield from check_subject(subject, checks)


def check_subject(subject: Subject, checks: Sequence[str] | None = None) -> Iterator[Result]:
    """The results of one subject."""
    for one in _applying(subject, checks):
        yield _result(subject, one)


def conformance(
    *targets: str | ModuleType | type[Application], checks: Sequence[str] | None = None
) -> Callable[..., None]:
    """A test function for pytest, parametrised over all that the plugins offer and all checks: arguments as of `check`.

        from scorekit.host.testing import conformance
        test_conformance = conformance("my_walk")

    The demo run is made once for the checks that ask about it.
    """
    import pytest

    _refuse_unknown(checks)
    cases = [
        pytest.param(subject, one, id=f"{subject.name}-{one.__name__}")
        for target in targets
        for subject in subjects_of(target)
        for one in _applying(subject, checks)
    ]

    @pytest.mark.parametrize(("subject", "one"), cases)
    def test_conformance(subject: Subject, one: Check) -> None:
        result = _result(subject, one)
        if result.status == "failed":
            pytest.fail(result.sentence, pytrace=False)
        if result.status == "skipped":
            pytest.skip(result.sentence)

    return test_conformance


def _applying(subject: Subject, checks: Sequence[str] | None) -> list[Check]:
    return [one for one in BY_KIND[subject.kind] if checks is None or one.__name__ in checks]


def _result(subject: Subject, one: Check) -> Result:
    began = time.perf_counter()
    status: Literal["ok", "failed", "skipped"]
    try:
        sentence = one(subject)
        status = "failed" if sentence else "ok"
    except Skipped as reason:
        status, sentence = "skipped", str(reason)
    except Exception as error:  # a plugin that breaks the check itself has failed it
        status, sentence = "failed", f"{type(error).__name__}: {str(error)[:200]}"
    return Result(subject.kind, subject.name, one.__name__, status, sentence, round(time.perf_counter() - began, 2))


def _refuse_unknown(checks: Sequence[str] | None) -> None:
    if unknown := set(checks or ()) - set(CHECKS):
        raise ValueError(f"checks must be of {', '.join(CHECKS)}; got {sorted(unknown)[0]!r}")

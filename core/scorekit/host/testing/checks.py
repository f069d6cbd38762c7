"""The checks: each is a function of a subject that returns what is wrong in one sentence, "" if nothing is.

A check raises Skipped where it has nothing to say. QUICK ones take a second or two; RUNS need the demo run.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from scorekit.host.faults import class_fault
from scorekit.host.testing import compare, imports, media, parameters, views
from scorekit.host.testing.subjects import Subject

MOST_SECONDS = 120.0  # of the processor, for a demo run
REFERENCE = re.compile(
    r"(arXiv:\d{4}\.\d{4,5}|doi:10\.\S+|https://\S+|ISBN \S+)(, (arXiv:\d{4}\.\d{4,5}|doi:10\.\S+|https://\S+))*"
)
BESIDE = {".mtl": ".obj"}  # files that are saved with others

Check = Callable[[Subject], str]


class Skipped(Exception):
    """A check that does not apply, with the reason."""


def metadata(subject: Subject) -> str:
    """It says what it is: names, one sentence of summary, what it writes; and the host can use it."""
    app = subject.thing
    if reason := class_fault(app):
        return reason
    summary = app.summary.strip()
    if "\n" in summary or not summary.endswith("."):
        return f"its summary is not one sentence with a full stop: {summary[:80]!r}"
    if app.reference and not REFERENCE.fullmatch(app.reference):
        return f"its reference {app.reference!r} is not of the form arXiv:2209.14988, doi:10.1000/x or https://..."
    if not app.artifacts:
        return "it does not say in `artifacts` which files it writes"
    for pattern in app.artifacts:
        path = PurePosixPath(pattern)
        if path.is_absolute() or ".." in path.parts:
            return f"the pattern {pattern!r} in artifacts leads out of the run folder"
    return ""


def described(subject: Subject) -> str:
    """It says what it is: a name and one sentence."""
    spec = subject.thing
    summary = spec.summary.strip()
    if not spec.name or not summary or "\n" in summary:
        return f"a {subject.kind} needs a name and a summary in one line; got {spec.name!r} and {summary!r}"
    return ""


def import_cost(subject: Subject) -> str:
    """Its module imports in less than a second, in a fresh interpreter, without heavy libraries and output."""
    return imports.fault(subject.module)


def parameters_described(subject: Subject) -> str:
    """Every parameter has a description, and every number a limit."""
    return parameters.description_fault(subject.thing)


def parameters_round_trip(subject: Subject) -> str:
    """Parameters survive JSON and the command line, and have a JSON schema."""
    return parameters.round_trip_fault(subject.thing)


def bad_parameters(subject: Subject) -> str:
    """Wrong values are refused in one sentence that names the option."""
    return parameters.refusal_fault(subject.thing)


def views_anything(subject: Subject) -> str:
    """Its viewer answers for every artifact, also for damaged ones, with None or a view that needs no network."""
    return views.fault(subject.thing)


def demo_run(subject: Subject) -> str:
    """The demo run ends well, within two minutes of the processor, and reports progress."""
    first = _first(subject)
    if first["status"] != "done":
        trace = first["traceback"].strip().splitlines()
        return f"the demo run is {first['status']}: {first['error']}" + (
            f" [{trace[-2].strip()}]" if len(trace) > 1 else ""
        )
    if not first["steps"]:
        return "it never calls ctx.progress, so that it can be neither watched nor cancelled"
    if first["seconds"] > MOST_SECONDS:
        return f"the demo run takes {first['seconds']:.0f} s of the processor; give smaller values in `demo`"
    return ""


def artifacts(subject: Subject) -> str:
    """It writes what `artifacts` declares and nothing else, each file valid for its type."""
    _done(subject)
    app, folder = subject.thing, subject.trial.folder / "first"
    made = compare.artifacts_of(app, folder)
    if not any(compare.matches(app.artifacts[:1], name) for name in made):
        return f"it declares {app.artifacts[0]} as its main artifact and wrote {', '.join(made) or 'nothing'}"
    for name, path in made.items():
        if not compare.declared(app, name):
            return f"{name} is covered by no pattern in artifacts"
        if reason := media.fault(path):
            return reason
    return ""


def repeats(subject: Subject) -> str:
    """Equal seeds give equal artifacts: byte for byte, or as near as compare.py says."""
    answer = _done(subject)
    found = answer.get("repeated", "") if answer.get("difference") else ""
    return f"two runs of one seed differ: {found}" if found else ""


def resumes(subject: Subject) -> str:
    """A run that is cancelled half way stops there, and ends when resumed as the uninterrupted one did."""
    answer = _done(subject)
    if not answer["first"]["steps"]:
        raise Skipped("it reports no progress")
    cancelled, second = answer["cancelled"], answer.get("second")
    if cancelled["status"] != "cancelled":
        return f"cancelled half way it is {cancelled['status']}: {cancelled['error'] or 'it went on to the end'}"
    if second is None or second["status"] != "done":
        return f"resumed it is {second['status'] if second else 'not run'}: {second['error'] if second else ''}"
    if answer.get("repeated"):
        raise Skipped("runs of one seed differ anyway")
    return f"resumed it ends otherwise than in one go: {answer['difference']}" if answer["difference"] else ""


def stays_in_folder(subject: Subject) -> str:
    """Nothing is written outside of the run folder, the temporary folder and caches."""
    answer = _answer(subject)
    if answer["written"]:
        return f"it writes outside of the run folder: {', '.join(dict.fromkeys(answer['written'][:3]))}"
    return f"it leaves files in the working folder: {', '.join(answer['left'][:3])}" if answer["left"] else ""


def no_network(subject: Subject) -> str:
    """No other host is called."""
    called = _answer(subject)["called"]
    return f"it calls {', '.join(dict.fromkeys(called[:3]))}" if called else ""


def loads(subject: Subject) -> str:
    """The model loads on a CPU in float32."""
    return _fault_of(subject, "loads")


def denoises(subject: Subject) -> str:
    """It samples in two steps, the same for the same seed, and what it decodes is finite."""
    return _fault_of(subject, "denoises")


def samples(subject: Subject) -> str:
    """The solver ends at a Gaussian's own mean and deviation, on two schedules."""
    return _fault_of(subject, "samples")


def _fault_of(subject: Subject, where: str) -> str:
    answer = _answer(subject)
    fault = answer["fault"] if answer.get("where") == where else ""
    return str(fault)


def _answer(subject: Subject) -> dict:  # type: ignore[type-arg]
    if subject.kind in ("application", "training") and subject.thing.demo is None:
        raise Skipped("it has no demo: its runs need data that does not come with it")
    if subject.kind == "model" and subject.thing.load is None and "/" in subject.thing.source:
        raise Skipped("its weights are downloaded")
    return subject.trial.answer


def _first(subject: Subject) -> dict:  # type: ignore[type-arg]
    answer = _answer(subject)
    if "first" not in answer:
        return {"status": "dead", "error": answer["died"], "traceback": "", "steps": 0, "seconds": 0.0}
    first: dict = answer["first"]  # type: ignore[type-arg]
    return first


def _done(subject: Subject) -> dict:  # type: ignore[type-arg]
    if _first(subject)["status"] != "done":
        raise Skipped("the demo run does not end well")
    return _answer(subject)


OF_APPLICATIONS: tuple[Check, ...] = (
    metadata, import_cost, parameters_described, parameters_round_trip, bad_parameters,
    demo_run, artifacts, repeats, resumes, stays_in_folder, no_network,
)  # fmt: skip
BY_KIND: Mapping[str, tuple[Check, ...]] = {
    "application": OF_APPLICATIONS,
    "training": OF_APPLICATIONS,
    "model": (described, import_cost, loads, denoises, stays_in_folder, no_network),
    "solver": (described, import_cost, samples),
    "viewer": (import_cost, views_anything),
}
CHECKS: Mapping[str, str] = {
    check.__name__: inspect.getdoc(check) or "" for checks in BY_KIND.values() for check in checks
}
RUNS = (
    "demo_run", "artifacts", "repeats", "resumes", "stays_in_folder", "no_network", "loads", "denoises", "samples",
)  # fmt: skip
QUICK = tuple(name for name in CHECKS if name not in RUNS)

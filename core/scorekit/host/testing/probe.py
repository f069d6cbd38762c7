"""The program that runs a plugin's offer under the sandbox: `python -m scorekit.host.testing.probe REQUEST ANSWER`.

REQUEST is JSON: {"what": application, model or solver; "source": module:name; "name"; "parameters"; "seed"; "folder"}. ANSWER is
the file for what was found, see `Answer` in trial.py. The runs go to folder/first, folder/second and folder/third.
"""

import importlib
import json
import sys
import time
from functools import reduce
from pathlib import Path
from typing import Any

from scorekit.host.testing.sandbox import Sandbox

RUNS = ("first", "second", "third")


def resolve(source: str) -> Any:
    """The object that "module:name.name" or "module" says."""
    module, _, name = source.partition(":")
    found = importlib.import_module(module)
    return reduce(getattr, name.split("."), found) if name else found


def main(request_path: str, answer_path: str) -> None:
    request = json.loads(Path(request_path).read_text())
    folder = Path(request["folder"])
    sandbox = Sandbox([*(folder / name for name in RUNS), Path(answer_path)])
    sandbox.enter()
    found = {"application": _application, "model": _model, "solver": _solver}[request["what"]](request, folder)
    Path(answer_path).write_text(json.dumps({**found, "written": sandbox.written, "called": sandbox.called}))


def _application(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run it; run it again, cancelled half way and resumed; and once more in one go if that came out differently."""
    from scorekit.host.testing.compare import difference

    app, parameters, seed = resolve(request["source"]), request["parameters"], request["seed"]
    answer: dict[str, Any] = {"first": _run(app, parameters, seed, folder / "first")}
    steps = answer["first"]["steps"]
    if answer["first"]["status"] != "done" or not steps:
        return answer
    answer["cancelled"] = _run(app, parameters, seed, folder / "second", cancel_at=(steps + 1) // 2)
    if answer["cancelled"]["status"] != "cancelled":
        return answer
    answer["second"] = _run(app, parameters, seed, folder / "second", resume=True)
    if answer["second"]["status"] != "done":
        return answer
    answer["difference"] = difference(app, folder / "first", folder / "second")
    if answer["difference"]:
        answer["third"] = _run(app, parameters, seed, folder / "third")
        if answer["third"]["status"] == "done":
            answer["repeated"] = difference(app, folder / "first", folder / "third")
    return answer


def _run(
    app: Any, parameters: Any, seed: int, folder: Path, cancel_at: int | None = None, resume: bool = False
) -> dict[str, Any]:
    from scorekit.host.errors import ParameterError
    from scorekit.host.runs import execute

    steps = 0

    def listen(event: Any) -> None:
        nonlocal steps
        if event.kind == "progress":
            steps += 1
            if steps == cancel_at:
                (folder / "cancel").touch()

    began = time.process_time()
    if resume:
        chosen: dict[str, Any] = {"resume": True}
    else:
        chosen = {"params": parameters, "seed": seed, "device": "cpu"}
    try:
        run = execute(app, out=folder, on_event=listen, **chosen)
    except ParameterError as error:
        return {"status": "refused", "error": str(error), "steps": steps, "seconds": 0.0, "traceback": ""}
    trace = folder / "traceback.txt"
    return {
        "status": run.status,
        "error": run.error,
        "steps": steps,
        "seconds": round(time.process_time() - began, 2),
        "traceback": trace.read_text() if trace.exists() else "",
    }


def _spec(request: dict[str, Any], kind: str) -> Any:
    from scorekit.host.registry import offer

    offered = offer(resolve(request["source"]), request["source"])
    return next(spec for spec in getattr(offered, kind) if spec.name == request["name"])


def _model(request: dict[str, Any], folder: Path) -> dict[str, Any]:  # noqa: ARG001 (as the others)
    """Load a model, denoise with it twice, and sample two steps."""
    import torch

    from scorekit.denoiser import Denoiser
    from scorekit.sampling import sample

    spec = _spec(request, "models")
    device, dtype = torch.device("cpu"), torch.float32
    try:
        if spec.load is not None:
            model = spec.load(device=device, dtype=dtype)
        else:
            import scorekit.models

            model = scorekit.models.load(spec.source, device=device, dtype=dtype)
        if not isinstance(model, Denoiser):
            return {"fault": f"its load returns {type(model).__name__}, which is no Denoiser", "where": "loads"}
    except Exception as error:
        return {"fault": f"it does not load: {type(error).__name__}: {error}", "where": "loads"}
    try:
        drawn = [sample(model.given(None), 2, steps=2, generator=torch.Generator().manual_seed(0)) for _ in range(2)]
    except Exception as error:
        return {"fault": f"it does not sample: {type(error).__name__}: {error}", "where": "denoises"}
    if not torch.equal(*drawn):
        return {"fault": "two samples of one seed differ", "where": "denoises"}
    decoded = model.decode(drawn[0])
    if len(decoded) != 2 or not bool(torch.isfinite(decoded).all()):
        return {
            "fault": f"two samples decode to {tuple(decoded.shape)}, or to numbers that are not finite",
            "where": "denoises",
        }
    return {"fault": ""}


def _solver(request: dict[str, Any], folder: Path) -> dict[str, Any]:  # noqa: ARG001
    """Sample N(0.7, 0.25^2) with a solver, on two schedules: mean and deviation are known."""
    import torch

    from scorekit.analytic import GaussianMixture
    from scorekit.sampling import sample
    from scorekit.schedule import VP, Flow
    from scorekit.solvers import SOLVERS

    spec = _spec(request, "solvers")
    try:
        SOLVERS[spec.name] = spec.load()
        for schedule in (Flow(), VP.cosine()):
            exact = GaussianMixture(torch.tensor([[0.7]]), 0.25, schedule)
            x = sample(exact.given(None), 8192, steps=64, solver=spec.name, generator=torch.Generator().manual_seed(0))
            mean, deviation = x.mean().item(), x.std().item()
            if not (abs(mean - 0.7) < 0.03 and abs(deviation - 0.25) < 0.03):
                said = f"N(0.7, 0.25) is sampled with mean {mean:.3f} and deviation {deviation:.3f} on {schedule}"
                return {"fault": said, "where": "samples"}
    except Exception as error:
        return {"fault": f"{type(error).__name__}: {error}", "where": "samples"}
    return {"fault": ""}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

"""How often do policies succeed? Success over unseen seeds for policies, samplers, action steps, data and networks, with intervals.

    python tests/benchmarks/policy_quality.py --out DIR [--train] [--policies DIR] [--sections pusht sampling ...] [--report docs]

Policies are folders NAME/policy in --policies (default: DIR/policies); `--train` first trains those of POLICIES that are missing, from
demonstrations of the experts (hours on a CPU). Rows whose policy is missing are left out, and named. Every row is kept in DIR as JSON,
episode by episode: a second call makes only what is missing, and makes anew what was made with other weights.

Episodes are those of test seeds, of which no demonstration and no choice was made: PushT and Reacher 0 to 999, Meta-World from 500000 on.
Beside the policies stand the experts on the same seeds. `ms` is the processor time of one plan at batch 1 on one thread, a median.
With --report the rows are written to diffusion-policy.json, the tables into diffusion-policy.md, and the plots beside them.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

PART = 50  # episodes after which a row is written
TASKS = (
    "push", "pick-place", "button-press", "door-open", "drawer-open",
    "reach", "window-open", "drawer-close", "coffee-button", "plate-slide",
)  # fmt: skip
PUSHT = {"task": "pusht", "episodes": 500, "steps": 2900}
METAWORLD = {
    "episodes": 150, "steps": 800, "batch": 256, "trunk": 256, "trunk_depth": 2, "exam_episodes": 0,
}  # fmt: skip
LONGER = {"push": 2000, "pick-place": 2000, "door-open": 1000, "drawer-open": 1000}
POLICIES: dict[str, dict[str, Any]] = {
    **{f"pusht-state-{seed}": PUSHT for seed in range(3)},
    "pusht-distilled-0": {  # of the policy that `distil` names
        "distil": "pusht-state-0", "task": "pusht", "episodes": 500, "steps": 1200, "batch": 256, "draws": 2,
    },
    "pusht-regression-0": {**PUSHT, "prediction": "regression"},
    "pusht-keypoints-0": {**PUSHT, "observations": ["keypoints"], "relative": "keypoints:16", "steps": 3000},
    **{
        f"pusht-demonstrations-{count}": {**PUSHT, "episodes": count, "steps": steps}
        for count, steps in ((50, 1200), (100, 1500), (200, 2000))
    },
    "pusht-unet-0": {**PUSHT, "network": "unet", "width": 64, "depth": 2, "steps": 1000, "batch": 128, "draws": 2},
    "pusht-transformer-0": {
        **PUSHT, "network": "transformer", "width": 128, "depth": 2, "steps": 1200, "batch": 256, "draws": 2,
    },
    **{
        f"metaworld-{task}": {**METAWORLD, "task": f"metaworld/{task}-v3", "steps": LONGER.get(task, METAWORLD["steps"])}
        for task in TASKS
    },
    "reacher": {
        **METAWORLD, "task": "Reacher-v5", "episodes": 1200, "steps": 2500, "action_steps": 2, "sampling_steps": 5,
    },
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Entry:
    """One row: a policy, or the expert of a task, over `episodes` test seeds from the `skip`-th on."""

    section: str
    label: str
    policy: str  # "expert:TASK" for an expert
    episodes: int
    skip: int = 0
    sampling: tuple[tuple[str, Any], ...] = ()

    @property
    def file(self) -> str:
        words = [self.policy, f"{self.episodes}", f"{self.skip}", *(f"{name}={value}" for name, value in self.sampling)]
        return "__".join(words).replace("/", "-").replace(":", "-") + ".json"


def entries() -> list[Entry]:
    """All rows, in the order of the tables."""

    def on(**sampling: Any) -> tuple[tuple[str, Any], ...]:
        return tuple(sampling.items())

    rows = [Entry("pusht", "expert", "expert:pusht", 500)]
    for name in ("pusht-state-0", "pusht-state-1", "pusht-state-2", "pusht-keypoints-0", "pusht-regression-0"):
        rows += [Entry("pusht", f"{name}, {act} actions", name, 500, 0, on(action_steps=act)) for act in (4, 8)]
    for task in TASKS:
        rows.append(Entry("metaworld", task, f"metaworld-{task}", 100))
        rows.append(Entry("metaworld", f"{task}, expert", f"expert:metaworld/{task}-v3", 100))
    rows += [Entry("reacher", "policy", "reacher", 100), Entry("reacher", "expert", "expert:Reacher-v5", 100)]
    # Ablations on seeds of their own, so that the best of them is not chosen on the seeds of the tables above.
    ablation = {"episodes": 200, "skip": 500}
    for label, solver, steps in (
        ("DDPM-100", "ddpm", 100), ("DDIM-10", "ddim", 10), ("DPM++-5", "dpm++2m", 5), ("DDIM-5", "ddim", 5),
        ("DDIM-3", "ddim", 3), ("DDIM-2", "ddim", 2), ("DDIM-1", "ddim", 1),
    ):  # fmt: skip
        chosen = on(solver=solver, steps=steps, action_steps=8)
        rows.append(Entry("sampling", label, "pusht-state-0", sampling=chosen, **ablation))
    for act in (8, 4):
        for steps in (4, 1):
            chosen = on(solver="consistency", steps=steps, action_steps=act)
            label = f"distilled {steps}" + ("" if act == 8 else f", {act} actions")
            rows.append(Entry("sampling", label, "pusht-distilled-0", sampling=chosen, **ablation))
    for act in (1, 2, 4, 8, 12, 16):
        chosen = on(action_steps=act)
        rows.append(Entry("action steps", str(act), "pusht-state-0", sampling=chosen, **ablation))
    rows.append(
        Entry(
            "action steps",
            "8, real-time chunking",
            "pusht-state-0",
            sampling=on(action_steps=8, chunking="real-time"),
            **ablation,
        )
    )
    for count, name in (
        *((count, f"pusht-demonstrations-{count}") for count in (50, 100, 200)),
        (500, "pusht-state-0"),
    ):
        rows += [
            Entry(
                "demonstrations", f"{count}, {act} actions", name, sampling=on(steps=10, action_steps=act), **ablation
            )
            for act in (4, 8)
        ]
    for label, name in (("MLP", "pusht-state-0"), ("U-Net", "pusht-unet-0"), ("transformer", "pusht-transformer-0")):
        rows += [
            Entry("network", f"{label}, {act} actions", name, sampling=on(steps=10, action_steps=act), **ablation)
            for act in (4, 8)
        ]
    return rows


def main() -> None:
    every = list(dict.fromkeys(entry.section for entry in entries()))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where rows are kept")
    parser.add_argument("--policies", type=Path, help="folder of trained policies; default: OUT/policies")
    parser.add_argument("--train", action="store_true", help="train the policies that are missing first")
    parser.add_argument("--sections", nargs="+", choices=every, default=every)
    parser.add_argument("--only", nargs="+", help="policies, by name")
    parser.add_argument("--episodes", type=int, help="of each row at most; default: those of the tables")
    parser.add_argument("--kept", action="store_true", help="measure nothing: only rows that are there")
    parser.add_argument("--environments", type=int, default=50)
    parser.add_argument("--report", type=Path, help="folder of the docs")
    args = parser.parse_args()
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    import torch

    torch.set_num_threads(1)
    folder = args.policies or args.out / "policies"
    args.out.mkdir(parents=True, exist_ok=True)
    rows, missing = [], []
    for entry in entries():
        if entry.section not in args.sections or (args.only and entry.policy not in args.only):
            continue
        if args.episodes:
            entry = dataclasses.replace(entry, episodes=min(entry.episodes, args.episodes))
        if args.train and entry.policy in POLICIES:
            train(entry.policy, folder)
        row = measured(entry, folder, args.out, args.environments, kept_only=args.kept)
        if row is None:
            missing.append(entry.policy)
            continue
        rows.append(row)
        print(line(row), flush=True)
    if missing:
        print("not there:", ", ".join(dict.fromkeys(missing)))
    if args.report:
        from policy_report import report

        report(rows, args.report)


def train(name: str, folder: Path) -> None:
    """`scorekit train diffusion-policy` with the parameters of a policy, unless it is there; goes on where it was stopped."""
    from scorekit.host.runs import execute
    from scorekit_diffusion_policy import TrainPolicy

    out = folder / name
    if (out / "policy" / "weights.safetensors").exists():
        return
    asked = dict(POLICIES[name])
    if teacher := asked.get("distil"):
        train(teacher, folder)
        asked["distil"] = str(folder / teacher / "policy")
    seed = int(name.rsplit("-", 1)[1]) if name[-2:] in ("-1", "-2") else 0
    resume = (out / "run.json").exists()
    done = execute(TrainPolicy, None if resume else asked, out, seed=seed, device="cpu", resume=resume)
    if done.status != "done":
        raise SystemExit(f"training {name}: {done.status}: {done.error}")


def measured(entry: Entry, folder: Path, out: Path, environments: int, *, kept_only: bool) -> dict[str, Any] | None:
    """The row of an entry, from its file as far as it is there; None where its policy is not, or with kept_only the whole row."""
    expert = entry.policy.startswith("expert:")
    source = folder / entry.policy / "policy"
    if not expert and not (source / "weights.safetensors").exists():
        return None
    made_of = "expert" if expert else hashlib.sha256((source / "weights.safetensors").read_bytes()).hexdigest()[:16]
    path = out / entry.file
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if kept.get("made_of") != made_of:
        kept = {"made_of": made_of, "table": [], "cpu_seconds": 0.0}
    if len(kept["table"]) < entry.episodes:
        if kept_only:
            return None
        act = (
            expert_acts(entry.policy.removeprefix("expert:"))
            if expert
            else policy_acts(entry, source, environments, kept)
        )
        while len(kept["table"]) < entry.episodes:
            began, done = time.process_time(), len(kept["table"])
            kept["table"] += act(entry.skip + done, min(PART, entry.episodes - done))
            kept["cpu_seconds"] += time.process_time() - began
            scratch = path.with_suffix(".part")
            scratch.write_text(json.dumps(kept))
            scratch.replace(path)
    return {**dataclasses.asdict(entry), "sampling": dict(entry.sampling), **counted(kept)}


def policy_acts(entry: Entry, source: Path, environments: int, kept: dict[str, Any]) -> Any:
    """(skip, count) -> rows of the table, for a policy; also notes what it is and how long a plan takes."""
    from scorekit_diffusion_policy import seeds
    from scorekit_diffusion_policy.policy import load_policy
    from scorekit_diffusion_policy.rollout import roll_out
    from scorekit_diffusion_policy.seams import jumps

    policy = load_policy(source)
    if entry.sampling:
        policy = policy.with_sampling(**dict(entry.sampling))
    config = policy.config
    kept["parameters"] = sum(weight.numel() for weight in policy.model.parameters())
    kept["training"] = {name: config.training.get(name) for name in ("episodes", "windows", "steps", "cpu_seconds")}
    kept["used"] = config.sampling.model_dump()

    def act(skip: int, count: int) -> list[dict[str, Any]]:
        outcomes = roll_out(config.task, policy, seeds.test_seeds(config.task, count, skip), environments=environments)
        kept.setdefault("ms", latency(policy))
        rows = []
        for one in outcomes:
            seam = jumps(one.actions, one.plan_steps, config.action_low, config.action_high)
            rows.append(
                {
                    "seed": one.seed,
                    "success": one.success,
                    "score": one.score,
                    "steps": one.steps,
                    "error": one.error,
                    "seam": seam.ratio,
                }
            )
        return rows

    return act


def expert_acts(task: str) -> Any:
    """(skip, count) -> rows of the table, for the expert of a task, without execution noise."""
    from scorekit_diffusion_policy import seeds
    from scorekit_diffusion_policy.demonstrate import demonstrate
    from scorekit_diffusion_policy.environments import make
    from scorekit_diffusion_policy.experts import make_expert

    world, expert = make(task), make_expert(task)

    def act(skip: int, count: int) -> list[dict[str, Any]]:
        made = [demonstrate(world, expert, seed) for seed in seeds.test_seeds(task, count, skip)]
        return [
            {"seed": one.seed, "success": one.success, "score": one.score, "steps": len(one), "error": None}
            for one in made
        ]

    return act


def latency(policy: Any, repetitions: int = 25) -> float:
    """Processor time in ms of one plan at batch 1, from an observation of its own world."""
    import numpy as np
    import torch

    from scorekit_diffusion_policy.environments import make

    world = make(policy.config.task, policy.observations)
    observation, _ = world.reset(seed=0)
    world.close()
    history = {name: np.stack([observation[name]] * policy.obs_steps)[None] for name in policy.observations}
    generator, times = torch.Generator().manual_seed(0), []
    for _ in range(repetitions):
        began = time.process_time()
        policy.plan(history, [generator])
        times.append(1e3 * (time.process_time() - began))
    return statistics.median(times[3:])


def counted(kept: dict[str, Any]) -> dict[str, Any]:
    """Rates and means with intervals."""
    from scorekit.zoo.proportion import Proportion
    from scorekit_diffusion_policy.intervals import bootstrap

    table = kept["table"]
    seams = [row["seam"] for row in table if row.get("seam") is not None]
    return {
        "success": Proportion(sum(row["success"] for row in table), len(table)).record(),
        "score": bootstrap([row["score"] for row in table]).record(),
        "steps": bootstrap([row["steps"] for row in table]).record(),
        "broke_off": sum(row["error"] is not None for row in table),
        "seam": statistics.median(seams) if seams else None,
        "cpu_seconds": round(kept["cpu_seconds"], 1),
        **{name: kept[name] for name in ("ms", "parameters", "training", "used") if name in kept},
    }


def line(row: dict[str, Any]) -> str:
    rate = row["success"]
    took = f"  {row['ms']:.1f} ms a plan" if "ms" in row else ""
    return (
        f"{row['section']:15} {row['label']:32} {100 * rate['rate']:5.1f} % of {rate['total']} "
        f"({100 * rate['low']:.1f} to {100 * rate['high']:.1f})  score {row['score']['mean']:.3f}  {row['cpu_seconds']:.0f} CPU-s{took}"
    )


if __name__ == "__main__":
    main()

"""How long does a plan take? Our policies against the loop of the public implementations, on the same network, in one run.

    OMP_NUM_THREADS=1 python tests/benchmarks/policy.py [--networks mlp unet transformer] [--batches 1 32] [--report FILE.json]

Both sides turn the same observation into a plan with the same weights, from the same number of evaluations; repetitions alternate in one
process and medians are compared. Theirs is what the public codes of diffusion policy do, written anew from the papers: the observation is
encoded once, then at each step the network is given the level and the observation, works out its own modulation, and a scheduler of
diffusers takes the step. Time is that of the processor (other programs on the machine count less); the clock's is written beside it.
Where a solver draws no noise, both plans are compared, too: `difference` is the largest, in units of the diffused space.

"distilled 1" and "distilled 4" are the consistency solver in that many steps: the time of a distilled policy, whose weights change
nothing of it. They have no counterpart, and are compared with their DDPM-100 and DDIM-10, as every row is in `of_ddpm100`, `of_ddim10`.

With a GPU its rows are added, timed by the clock with the device waited for.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

# name: (our solver, steps, their scheduler or None)
ROWS: dict[str, tuple[str, int, str | None]] = {
    "DDPM-100": ("ddpm", 100, "DDPMScheduler"),
    "DDIM-10": ("ddim", 10, "DDIMScheduler"),
    "DPM++-5": ("dpm++2m", 5, "DPMSolverMultistepScheduler"),
    "distilled 4": ("consistency", 4, None),
    "distilled 1": ("consistency", 1, None),
}
NETWORKS: dict[str, dict[str, Any]] = {
    "mlp": {"kind": "mlp", "width": 256, "depth": 2},  # that of pico-pusht
    "unet": {"kind": "unet", "width": 64, "depth": 3},
    "transformer": {"kind": "transformer", "width": 192, "depth": 5},
}
BETAS = {"num_train_timesteps": 100, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}
CONFIGS: dict[str, dict[str, Any]] = {
    "DDPMScheduler": {"clip_sample": False, "timestep_spacing": "trailing"},
    "DDIMScheduler": {"clip_sample": False, "timestep_spacing": "trailing"},
    "DPMSolverMultistepScheduler": {"lower_order_final": False, "timestep_spacing": "trailing"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--devices", nargs="+", default=["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
    parser.add_argument("--seconds", type=float, default=6.0, help="of measuring for each row, about")
    parser.add_argument("--report", type=Path, help="write the rows as JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    rows: list[dict[str, Any]] = []
    for device in args.devices:
        for network in args.networks:
            policy = make(network, device)
            for batch in args.batches:
                made = [compare(policy, network, name, batch, device, args.seconds) for name in args.rows]
                for row in made:
                    against(row, made)
                    print(line(row), flush=True)
                rows += made
    if args.report:
        machine = {"threads": 1, "torch": torch.__version__}
        if torch.cuda.is_available():
            machine["gpu"] = torch.cuda.get_device_name()
        args.report.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


def make(network: str, device: str) -> Any:
    """A policy of pico-pusht's form with random weights, none of them zero."""
    from scorekit_diffusion_policy.config import NetworkConfig, ObservationConfig, PolicyConfig
    from scorekit_diffusion_policy.model import PolicyModel
    from scorekit_diffusion_policy.policy import Policy

    torch.manual_seed(0)
    config = PolicyConfig(
        task="pusht",
        observations={"state": ObservationConfig(shape=(5,))},
        action_low=(0.0, 0.0),
        action_high=(512.0, 512.0),
        representation="pusht-frame",
        network=NetworkConfig(**NETWORKS[network]),
    )
    model = PolicyModel(config)
    for weight in model.parameters():
        if weight.ndim > 1 and not weight.any():
            torch.nn.init.normal_(weight, std=0.02)
    model.representation.acted.scale.fill_(30.0)  # pixels: about that of demonstrations
    return Policy(config, model, device, network)


def compare(policy: Any, network: str, name: str, batch: int, device: str, seconds: float) -> dict[str, Any]:
    """One row: both sides alternating, medians."""
    solver, steps, scheduler = ROWS[name]
    asked = policy.with_sampling(solver=solver, steps=steps)
    draw = np.random.default_rng(0)
    history = {"state": draw.uniform(100, 400, (batch, asked.obs_steps, 5)).astype(np.float32)}

    def ours() -> np.ndarray:
        plan: np.ndarray = asked.plan(history, torch.Generator(device).manual_seed(1))
        return plan

    sides: dict[str, Callable[[], np.ndarray]] = {"ours": ours}
    if scheduler is not None:
        sides["theirs"] = reference(asked, history, scheduler, steps, device)
    row: dict[str, Any] = {"device": device, "network": network, "row": name, "steps": steps, "batch": batch}
    row["parameters"] = sum(weight.numel() for weight in asked.model.parameters())
    plans = {side: run() for side, run in sides.items()}
    if scheduler in ("DDIMScheduler", "DPMSolverMultistepScheduler"):
        spaces = {side: encoded(asked, plan, history) for side, plan in plans.items()}
        row["difference"] = float((spaces["ours"] - spaces["theirs"]).abs().max())
    for run in sides.values():
        run()
    clocks, times = {side: list[float]() for side in sides}, {side: list[float]() for side in sides}
    began, repetition = time.perf_counter(), 0
    while repetition < 5 or time.perf_counter() - began < seconds:
        order = list(sides.items())
        for side, run in order if repetition % 2 else order[::-1]:
            clock, cpu = time.perf_counter(), time.process_time()
            run()
            times[side].append(time.process_time() - cpu)
            clocks[side].append(time.perf_counter() - clock)
        repetition += 1
    row["repetitions"] = repetition
    for side in sides:
        # A plan ends as an array, so the clock has waited for the device.
        row[f"{side}_ms"] = 1e3 * statistics.median((clocks if device == "cuda" else times)[side])
        row[f"{side}_clock_ms"] = 1e3 * statistics.median(clocks[side])
    if "theirs" in sides:
        row["speedup"] = row["theirs_ms"] / row["ours_ms"]
    return row


def reference(
    policy: Any, history: dict[str, np.ndarray], name: str, steps: int, device: str
) -> Callable[[], np.ndarray]:
    """The loop of the public implementations, around the same weights; convolutions are torch's, as there."""
    import diffusers

    from scorekit_diffusion_policy.networks.unet import Convolution

    scheduler = getattr(diffusers, name)(**BETAS, **CONFIGS[name])
    model = copy.deepcopy(policy.model)
    head = model.head
    for part in head.modules():
        if isinstance(part, Convolution):
            part.__class__ = torch.nn.Conv1d
    low, high = (torch.tensor(bound, device=device) for bound in (policy.config.action_low, policy.config.action_high))

    def network(x: torch.Tensor, timestep: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        # Time embedding and FiLM projections inside the network, as there.
        film = head.context(context) + head.level.made(timestep.expand(len(x)).to(x.device, torch.float32))
        output: torch.Tensor = head.run(x, film)
        return output

    def run() -> np.ndarray:
        generator = torch.Generator(device).manual_seed(1)
        tensors = {key: torch.from_numpy(value).to(device) for key, value in history.items()}
        context = model.trunk(**model.representation.inputs(tensors))
        x = torch.randn(len(context), *policy.denoiser.shape, generator=generator, device=device)
        scheduler.set_timesteps(steps)
        takes = {"generator": generator} if name != "DPMSolverMultistepScheduler" else {}
        for timestep in scheduler.timesteps:
            output = network(x, timestep, context)
            x = scheduler.step(output, timestep, x, **takes, return_dict=False)[0]
        plan: np.ndarray = model.representation.decode(x, tensors).clamp(low, high).cpu().numpy()
        return plan

    return run


def encoded(policy: Any, plan: np.ndarray, history: dict[str, np.ndarray]) -> torch.Tensor:
    tensors = {key: torch.from_numpy(value).to(policy.device) for key, value in history.items()}
    x: torch.Tensor = policy.model.representation.encode(torch.from_numpy(plan).to(policy.device), tensors)
    return x


def against(row: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """How many times faster than their DDPM-100 and DDIM-10 this row is."""
    for name, key in (("DDPM-100", "of_ddpm100"), ("DDIM-10", "of_ddim10")):
        theirs = next((other["theirs_ms"] for other in rows if other["row"] == name), None)
        if theirs is not None:
            row[key] = theirs / row["ours_ms"]


def line(row: dict[str, Any]) -> str:
    both = f"ours {row['ours_ms']:8.2f} ms"
    if "theirs_ms" in row:
        both += f"  theirs {row['theirs_ms']:8.2f} ms  {row['speedup']:5.2f}x"
    if "difference" in row:
        both += f"  plans differ by {row['difference']:.1e}"
    if "of_ddpm100" in row:
        both += f"  ({row['of_ddpm100']:.0f}x their DDPM-100)"
    return f"{row['device']:4} {row['network']:11} {row['row']:11} batch {row['batch']:2}: {both}"


if __name__ == "__main__":
    main()

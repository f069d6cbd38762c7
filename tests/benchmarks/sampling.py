"""How fast is the loop? Sampling with guidance against diffusers' schedulers, on the same network, in one run.

    OMP_NUM_THREADS=1 python tests/benchmarks/sampling.py [--sizes identity policy tiny pico sd] [--report FILE.json]

Both sides run the same guided network for the same steps from the same noise; repetitions alternate, and medians are compared.
Theirs is what their pipelines do: concatenate, network, guidance arithmetic, scheduler.step. Time is that of the processor (other
programs on the machine count less); the clock's is written beside it. "identity" has a network that returns a tensor made beforehand:
its time is the overhead of a step without any network.

Sizes: identity and tiny (4x64x64 latents), policy (a perceptron on 16 actions of 2 numbers, asked thousands of times: our side is a
prepared `Sampler`, and a CUDA graph with --device cuda), pico (pico-image, 12x16x16), sd (a UNet of Stable Diffusion 1.5's size, random
weights). With --device cuda time is the clock's.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

SOLVERS = {
    "ddim": ("DDIMScheduler", {"clip_sample": False}),
    "dpm++2m": ("DPMSolverMultistepScheduler", {"lower_order_final": False}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "ddpm": ("DDPMScheduler", {"clip_sample": False}),
}
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "timestep_spacing": "trailing"}
GUIDANCE = 7.5
STEPS = {"identity": 50, "policy": 10, "tiny": 20, "pico": 20, "sd": 2}
REPETITIONS = {"identity": 40, "policy": 60, "tiny": 12, "pico": 8, "sd": 3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=list(STEPS), default=["identity", "tiny", "pico"])
    parser.add_argument("--solvers", nargs="+", choices=list(SOLVERS), default=["ddim", "dpm++2m", "unipc", "euler_a"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--repetitions", type=int, help="of each side; default: by size")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--report", type=Path, help="write the rows as JSON")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    rows = []
    for size in args.sizes:
        unet, shape, width = network(size, torch.device(args.device))
        for batch in args.batches:
            for solver in args.solvers:
                count = args.repetitions or REPETITIONS[size]
                rows.append(compare(size, solver, batch, unet, shape, width, count, torch.device(args.device)))
                print(line(rows[-1]), flush=True)
    if args.report:
        args.report.write_text(
            json.dumps({"device": args.device, "threads": torch.get_num_threads(), "rows": rows}, indent=1)
        )


def network(size: str, device: torch.device) -> tuple[Callable[..., torch.Tensor], tuple[int, ...], int]:
    """unet(x, timestep, states) -> eps, the shape of one sample, and the width of the text states."""
    if size == "identity":
        made: dict[int, torch.Tensor] = {}

        def fixed(x: torch.Tensor, timestep: torch.Tensor, states: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
            # of the size of a noise prediction, so that no loop runs away
            if len(x) not in made:
                made[len(x)] = torch.randn(x.shape, generator=torch.Generator().manual_seed(len(x))).to(device)
            return made[len(x)]

        return fixed, (4, 64, 64), 8
    if size == "policy":
        return perceptron(device)
    if size == "pico":
        from scorekit.models import load

        unet: Any = load("pico-image", device=device).network.unet
        shape, width = (12, 16, 16), unet.config.cross_attention_dim
    else:
        from diffusers import UNet2DConditionModel

        torch.manual_seed(0)
        tiny = {
            "block_out_channels": (16, 32), "cross_attention_dim": 16, "attention_head_dim": 2, "norm_num_groups": 8, "layers_per_block": 1,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        }  # fmt: skip
        config = tiny if size == "tiny" else {"cross_attention_dim": 768}
        unet = (
            UNet2DConditionModel(sample_size=64, in_channels=4, out_channels=4, **config).eval().requires_grad_(False)
        ).to(device)
        shape, width = (4, 64, 64), int(str(config["cross_attention_dim"]))

    def run(x: torch.Tensor, timestep: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = unet(x, timestep, states, return_dict=False)[0]
        return output

    return run, shape, width


def perceptron(device: torch.device) -> tuple[Callable[..., torch.Tensor], tuple[int, ...], int]:
    """What a small policy is: three residual layers of 512, 1.7 million parameters."""
    torch.manual_seed(0)
    horizon, width, observed = (16, 2), 512, 8
    into = torch.nn.Linear(32 + 8 * observed + 1, width).to(device)
    layers = [torch.nn.Linear(width, width).to(device) for _ in range(6)]
    out = torch.nn.Linear(width, 32).to(device)

    def run(x: torch.Tensor, timestep: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        y = into(torch.cat([x.flatten(1), states.flatten(1), timestep[:, None] / 1000], 1))
        for first, second in zip(layers[::2], layers[1::2], strict=True):
            y = y + second(torch.nn.functional.mish(first(torch.nn.functional.layer_norm(y, (width,)))))
        output: torch.Tensor = out(y).reshape(x.shape)
        return output

    return run, horizon, observed


def compare(
    size: str,
    solver: str,
    batch: int,
    unet: Callable[..., torch.Tensor],
    shape: tuple[int, ...],
    width: int,
    count: int,
    device: torch.device,
) -> dict[str, Any]:
    import diffusers

    from scorekit.capture import capture
    from scorekit.denoiser import Condition, Denoiser
    from scorekit.sampling import Sampler, sample
    from scorekit.schedule import VP

    steps = STEPS[size]
    name, config = SOLVERS[solver]
    scheduler = getattr(diffusers, name)(**BETAS, **config)
    g = torch.Generator().manual_seed(0)
    states = torch.randn(2, 1, 8, width, generator=g).to(device)
    noise = torch.randn(batch, *shape, generator=g).to(device)
    model = Denoiser(unet, VP(scheduler.alphas_cumprod), "eps", shape, device=device)
    null, cond = (model.given(Condition({"states": state})) for state in states)
    score = null + GUIDANCE * (cond - null)
    both = states.repeat_interleave(batch, 0).reshape(2 * batch, 8, width)
    levels = grid_of(scheduler, steps)

    prepared: Any = Sampler(score, noise.shape, solver=solver, levels=levels)
    if device.type == "cuda":
        prepared = capture(prepared, x_T=noise)

    def ours() -> torch.Tensor:
        generator = torch.Generator(device).manual_seed(1)
        if size == "policy":
            made: torch.Tensor = prepared(x_T=noise, generator=generator)
            return made
        return sample(score, noise.shape, solver=solver, levels=levels, x_T=noise, generator=generator)

    def theirs() -> torch.Tensor:
        generator = torch.Generator(device).manual_seed(1)
        scheduler.set_timesteps(steps, device=device)
        x = noise * scheduler.init_noise_sigma
        takes = {"generator": generator} if solver in ("euler_a", "ddpm", "ddim") else {}
        for timestep in scheduler.timesteps:
            model_input = scheduler.scale_model_input(torch.cat([x] * 2), timestep)
            uncond, text = unet(model_input, timestep.expand(len(model_input)), both).chunk(2)
            eps = uncond + GUIDANCE * (text - uncond)
            x = scheduler.step(eps, timestep, x, **takes, return_dict=False)[0]
        return x

    ours(), theirs()
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    clocks: dict[str, list[float]] = {"ours": [], "theirs": []}
    for repetition in range(count):
        sides = [("ours", ours), ("theirs", theirs)]
        for side, run in sides if repetition % 2 else sides[::-1]:
            clock, begin = time.perf_counter(), time.process_time()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            times[side].append(time.process_time() - begin)
            clocks[side].append(time.perf_counter() - clock)
    row: dict[str, Any] = {"size": size, "solver": solver, "batch": batch, "steps": steps, "repetitions": count}
    for side, taken in times.items():
        taken = clocks[side] if device.type == "cuda" else taken
        row[f"{side}_s"] = statistics.median(taken)
        row[f"{side}_least_s"] = min(taken)
        row[f"{side}_clock_s"] = statistics.median(clocks[side])
    row["ratio"] = row["ours_s"] / row["theirs_s"]
    return row


def grid_of(scheduler: Any, steps: int) -> torch.Tensor:
    """The levels that a scheduler visits, in our t."""
    scheduler.set_timesteps(steps)
    timesteps = scheduler.timesteps.to(torch.float64).unique().flip(0)
    return torch.cat([(timesteps + 1) / 1000, timesteps.new_zeros(1)])


def line(row: dict[str, Any]) -> str:
    ours, theirs = (row[f"{side}_s"] / row["steps"] * 1e6 for side in ("ours", "theirs"))
    return (
        f"{row['size']:9} {row['solver']:8} batch {row['batch']}: ours {ours:10.0f} us/step  theirs {theirs:10.0f} us/step  "
        f"ratio {row['ratio']:.3f}  (of the fastest {row['ours_least_s'] / row['theirs_least_s']:.3f})"
    )


if __name__ == "__main__":
    main()

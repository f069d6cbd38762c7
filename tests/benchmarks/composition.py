"""A step of VideoAdapter against the same networks run one after the other.

    OMP_NUM_THREADS=1 python tests/benchmarks/composition.py [--batches 1 4] [--repetitions 7] [--report docs]

Three ways of a step, on the same networks, weights and noise, taking turns in one process; medians of processor time on one thread:

    naive    three forwards (small with text, small without, prior with text), the sum, and a step of DDPM written out
    batched  the two forwards that a composed step cannot do without: the small network on both conditions at once, and the prior; no step
    ours     a step of `scorekit.Sampler` on the composed score, plain and with x0 kept in range

The aim is that ours runs two forwards and takes at most 1.05 times the time of `batched`. The networks have the sizes of pico-video and its
small model, and random weights, on which no time depends; `no network` are functions that return a tensor that is there already: its time
is all overhead. With --report it writes docs/video-adapter-composition.json and the table between the marks in docs/video-adapter.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from marked import fill
from torch import Tensor, nn

from scorekit.denoiser import Condition, Denoiser
from scorekit.guidance import clipped
from scorekit.sampling import Sampler
from scorekit.schedule import VP, grid
from scorekit_video_adapter.composition import Prior, compose

ALPHA, GAMMA, STEPS, START = 3.0, 0.5, 4, 0.9
SHAPE = (3, 8, 32, 32)
WAYS = ("naive", "batched", "ours", "ours, x0 kept in range")


class Counted(nn.Module):
    """A network that counts its forwards."""

    def __init__(self, inner: Callable[..., Tensor]) -> None:
        super().__init__()
        self.inner, self.calls = inner, 0

    def forward(self, x: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        self.calls += 1
        return self.inner(x, timestep, text)


@dataclass(frozen=True)
class Pair:
    """Two networks with their text: states (1, L, D) of the prompt and of no prompt."""

    small: Counted
    prior: Counted
    text: tuple[Tensor, Tensor]
    null: Tensor


def pico() -> Pair:
    """Networks of the sizes of pico-video-sketch and pico-video."""
    from scorekit_video_adapter.pico_video import PicoVideo, Recipe, small

    torch.manual_seed(0)
    recipes = [small(Recipe()), Recipe(image=False)]
    networks = [PicoVideo(recipe).network.eval().requires_grad_(False) for recipe in recipes]
    texts = [torch.randn(1, 16, recipe.text) for recipe in recipes]
    return Pair(Counted(networks[0]), Counted(networks[1]), (texts[0], texts[1]), torch.randn(1, 16, recipes[0].text))


def nothing() -> Pair:
    ready: dict[int, Tensor] = {}

    def network(x: Tensor, timestep: Tensor, text: Tensor) -> Tensor:  # noqa: ARG001
        if len(x) not in ready:
            ready[len(x)] = torch.randn(x.shape)
        return ready[len(x)]

    text = torch.zeros(1, 16, 8)
    return Pair(Counted(network), Counted(network), (text, text), text)


PAIRS: dict[str, Callable[[], Pair]] = {"pico-video-sketch and pico-video": pico, "no network": nothing}


def ways(pair: Pair, batch: int) -> dict[str, Callable[[], object]]:
    """Every way as a function that takes STEPS steps."""
    schedule = VP.cosine().zero_terminal_snr()
    levels = grid(schedule, STEPS, start=START)
    x_T = torch.randn(batch, *SHAPE)
    alphas, sigmas = schedule.alpha(levels).tolist(), schedule.sigma(levels).tolist()
    times = schedule.timestep(levels).float()
    text, prior_text = (one.expand(batch, -1, -1).contiguous() for one in pair.text)
    null = pair.null.expand(batch, -1, -1).contiguous()

    @torch.no_grad()
    def naive() -> Tensor:
        x, generator = x_T, torch.Generator().manual_seed(0)
        for i in range(STEPS):
            t = times[i].expand(batch)
            a, s, b, r = alphas[i], sigmas[i], alphas[i + 1], sigmas[i + 1]
            said = [pair.small(x, t, text), pair.small(x, t, null), pair.prior(x, t, prior_text)]
            eps_text, eps_null, eps_prior = (s * x + a * v for v in said)
            eps = eps_null + ALPHA * (eps_text + GAMMA * eps_prior - eps_null)
            x0 = (x - s * eps) / a
            kept = (r * a / (s * b)) ** 2  # of the noise: the posterior of q(x_s | x_t, x0)
            noise = torch.randn(x.shape, generator=generator)
            x = b * x0 + r * kept**0.5 * eps + r * (1 - kept) ** 0.5 * noise
        return x

    both = torch.cat([text, null])

    @torch.no_grad()
    def batched() -> None:
        x = x_T
        for i in range(STEPS):
            pair.small(torch.cat([x, x]), times[i].expand(2 * batch), both)
            pair.prior(x, times[i].expand(batch), prior_text)

    def prompts(told: Tensor, untold: Tensor) -> Callable[[Any], Condition]:
        return lambda texts: Condition({"text": told if texts else untold}, key=bool(texts))

    def denoiser(network: Counted, told: Tensor, untold: Tensor) -> Denoiser:
        return Denoiser(network, schedule, "v", SHAPE, prompts=prompts(told, untold))

    small, prior = denoiser(pair.small, pair.text[0], pair.null), denoiser(pair.prior, pair.text[1], pair.text[1])
    score = compose(small, "a prompt", [Prior(prior, GAMMA)], alpha=ALPHA)
    samplers = [Sampler(one, batch, levels=levels, solver="ddpm") for one in (score, clipped(score))]

    def ours(sampler: Sampler) -> Callable[[], object]:
        return lambda: sampler(x_T=x_T, generator=torch.Generator().manual_seed(0))

    return dict(zip(WAYS, (naive, batched, ours(samplers[0]), ours(samplers[1])), strict=True))


def run(name: str, batch: int, repetitions: int) -> dict[str, Any]:
    pair = PAIRS[name]()
    functions = ways(pair, batch)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    calls = {}
    first = {}
    for repetition in range(repetitions + 1):  # the first one warms up
        for way, function in functions.items():
            pair.small.calls = pair.prior.calls = 0
            began = time.process_time()
            result = function()
            taken = (time.process_time() - began) / STEPS
            calls[way] = (pair.small.calls + pair.prior.calls) / STEPS
            first.setdefault(way, result)
            if repetition:
                seconds[way].append(taken)
    steps = {way: statistics.median(values) for way, values in seconds.items()}
    row = {"networks": name, "batch": batch, "steps_s": steps, "forwards": calls}
    if batch_free := name != "no network":  # whose answers depend on the batch that they are asked in
        naive, ours = first["naive"], first["ours"]
        row["largest_difference"] = float((naive - ours).abs().max() / naive.abs().max())  # type: ignore[operator, attr-defined]
    for way in WAYS:
        print(f"{name:34s} {batch:2d} {way:24s} {1e3 * steps[way]:9.2f} ms {calls[way]:.0f} forwards", flush=True)
    if batch_free:
        print(f"{'':37s} naive and ours differ by {row['largest_difference']:.1e} of the largest number", flush=True)
    return row


def table(rows: list[dict[str, Any]]) -> str:
    heads = (
        "networks",
        "batch",
        "three forwards and a step",
        "two batched forwards alone",
        "our step",
        "against the two",
    )
    heads += ("against the three", "our step, x0 kept in range")
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for row in rows:
        naive, batched, ours, kept = (1e3 * row["steps_s"][way] for way in WAYS)
        ratio = f"{ours / batched:.2f}" if batched > 1 else f"+ {1e3 * (ours - batched):.0f} us"
        cells = [row["networks"], str(row["batch"]), *(f"{value:.2f} ms" for value in (naive, batched, ours))]
        lines.append(f"| {' | '.join([*cells, ratio, f'{ours / naive:.2f}', f'{kept:.2f} ms'])} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--report", type=Path, help="folder of video-adapter.md")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [run(name, batch, args.repetitions) for name in PAIRS for batch in args.batches]
    text = table(rows)
    print(text)
    if args.report:
        report = {"repetitions": args.repetitions, "steps": STEPS, "torch": torch.__version__, "rows": rows}
        (args.report / "video-adapter-composition.json").write_text(json.dumps(report, indent=1) + "\n")
        fill(args.report / "video-adapter.md", "composition", text)


if __name__ == "__main__":
    main()

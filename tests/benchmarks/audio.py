"""How fast is sound made? Seconds of sound per second, and the loop against that of a diffusers pipeline on the same network.

    python tests/benchmarks/audio.py [--threads 1 2] [--counts 1 8] [--steps 30] [--report docs]

pico-audio, guided, DDIM, from the same noise; the spectrograms are compared, repetitions take turns, medians are given. "diffusers" is what
its text to audio pipelines do: the two conditions concatenated, one forward, guidance, `scheduler.step`, and the same codec in the end.
Processor time is told beside the clock's: other programs on the machine count less in it. With --report the rows go to
docs/text-to-audio.json and into the table of docs/text-to-audio.md.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import marked
import torch
from torch import Tensor

from scorekit.denoiser import Condition, Denoiser
from scorekit_text_to_audio.generate import generate
from scorekit_text_to_audio.parameters import TextToAudioParams

PROMPT = "a low organ, long note"
GUIDANCE = 2.5
LONG = 10.0  # seconds, by windows


def main() -> None:
    """See the top of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--counts", nargs="+", type=int, default=[1, 8], help="sounds at once")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--report", type=Path, help="folder of the docs")
    args = parser.parse_args()
    from scorekit_text_to_audio.pico_audio import load

    model, rows = load(), []
    for threads in args.threads:
        torch.set_num_threads(threads)
        for count in args.counts:
            rows += compare(model, threads, count, args.steps, args.repetitions)
            print(*map(line, rows[-2:]), sep="\n", flush=True)
        rows.append(long(model, threads, args.steps))
        print(line(rows[-1]), flush=True)
    if args.report:
        path = args.report / "text-to-audio.json"
        found = json.loads(path.read_text()) if path.exists() else {}
        found["speed"] = {"steps": args.steps, "guidance": GUIDANCE, "rows": rows}
        path.write_text(json.dumps(found, indent=1) + "\n")
        head = ["| sounds | threads | loop | seconds of sound per second | per second of the processor |"]
        head.append("| --- | --- | --- | --- | --- |")
        marked.fill(args.report / "text-to-audio.md", "speed", "\n".join([*head, *map(line, rows)]))


def compare(model: Denoiser, threads: int, count: int, steps: int, repetitions: int) -> list[dict[str, Any]]:
    """Both loops on `count` sounds, taking turns. Raises SystemExit where their sounds differ."""
    params = TextToAudioParams(prompt=PROMPT, count=count, steps=steps, guidance=GUIDANCE, solver="ddim")
    ways: dict[str, Callable[[], Tensor]] = {
        "ours": lambda: generate(model, params, generator=torch.Generator().manual_seed(0)).waves,
        "diffusers": lambda: pipeline(model, count, steps),
    }
    one, other = (way() for way in ways.values())
    # Their tables are of float32, and a decoder makes other phases of small differences: spectrograms are compared.
    gap = float((model.encode(one) - model.encode(other)).abs().mean())
    if gap > 0.01:
        raise SystemExit(f"the spectrograms of the two loops differ by {gap:.3g} on the average")
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, way in ways.items():
            taken[name].append(timed(way))
    return [row(name, threads, count, one.shape[-1] * count / 16000, times) for name, times in taken.items()]


@torch.no_grad()
def pipeline(model: Denoiser, count: int, steps: int) -> Tensor:
    """The loop of a diffusers pipeline: (count, 1, samples)."""
    from diffusers import DDIMScheduler

    from scorekit_text_to_audio.pico_audio import SCHEDULE

    assert model.prompts is not None
    scheduler = DDIMScheduler(**{name: value for name, value in SCHEDULE.items() if name != "_class_name"})
    scheduler.set_timesteps(steps)
    fields = Condition.stack([model.prompts(None), model.prompts([PROMPT])], count)
    x = torch.randn(count, *model.shape, generator=torch.Generator().manual_seed(0))
    for t in scheduler.timesteps:
        both = torch.cat([x, x])
        null, cond = model.network(both, t.expand(2 * count), **fields).chunk(2)
        x = scheduler.step(null + GUIDANCE * (cond - null), t, x).prev_sample
    return torch.stack([model.decode(one[None])[0] for one in x])


def long(model: Denoiser, threads: int, steps: int) -> dict[str, Any]:
    """One sound of LONG seconds."""
    params = TextToAudioParams(prompt=PROMPT, count=1, seconds=LONG, steps=steps, guidance=GUIDANCE, solver="ddim")
    return row("ours, by windows", threads, 1, LONG, [timed(lambda: generate(model, params).waves)])


def timed(way: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    way()
    return time.perf_counter() - clock, time.process_time() - processor


def row(loop: str, threads: int, count: int, seconds: float, times: list[tuple[float, float]]) -> dict[str, Any]:
    clock, processor = (statistics.median(column) for column in zip(*times, strict=True))
    return {
        "loop": loop,
        "threads": threads,
        "sounds": count,
        "seconds_of_sound": round(seconds, 3),
        "clock": round(clock, 4),
        "processor": round(processor, 4),
    }


def line(one: dict[str, Any]) -> str:
    seconds = one["seconds_of_sound"]
    rates = f"{seconds / one['clock']:.2f} | {seconds / one['processor']:.2f}"
    return f"| {one['sounds']} of {seconds / one['sounds']:.3g} s | {one['threads']} | {one['loop']} | {rates} |"


if __name__ == "__main__":
    main()

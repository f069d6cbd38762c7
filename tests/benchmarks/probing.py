"""Time and peak memory of the diffusion classifier and of DIFT, against the loops of the official codes on the same networks.

    OMP_NUM_THREADS=1 python tests/benchmarks/probing.py [--parts classifier dift] [--report docs]

Each way runs in a process of its own on one thread, twice: for its processor time, and for its peak memory. That is the largest resident
set of the process less the one before (the model is loaded then, and has run): the kernel's VmHWM, set back before the start, with an
allocator that gives large blocks back as soon as they are free, so that the resident set is what is in use. What is compared is said in
probing_classifier.py and probing_features.py. With --report it writes docs/probing.json and the tables between the marks in
docs/diffusion-classifier.md and docs/dift.md.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import probing_classifier
import probing_features
import torch
from marked import fill

PARTS = {"classifier": probing_classifier, "dift": probing_features}
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # malloc.h
PAGES = {"classifier": "diffusion-classifier.md", "dift": "dift.md"}


def measured(part: str, network: str, way: str, settings: dict[str, Any], answer: Any) -> None:
    """In the child: put what `way` answers on `network`, its processor seconds, and its peak memory in MiB."""
    torch.set_num_threads(1)
    work = PARTS[part].prepared(network, way, **settings)
    began = time.process_time()
    found = work()
    seconds = time.process_time() - began
    gc.collect()
    _give_back_at_once()
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from here
    before = _memory("VmRSS")
    work()
    answer.put({"cpu_seconds": seconds, "peak_mib": (_memory("VmHWM") - before) / 1024, **found})


def _give_back_at_once() -> None:
    """Tell glibc to map every block of 128 KiB and more by itself, and to return what is free."""
    libc = ctypes.CDLL("libc.so.6")
    for option in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
        libc.mallopt(option, 128 * 1024)
    libc.mallopt(_MMAP_MAX, 1 << 20)
    libc.malloc_trim(0)


def _memory(key: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1])  # KiB


def run(part: str, settings: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """What every way of a part takes on every network."""
    context = multiprocessing.get_context("spawn")
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for network in PARTS[part].NETWORKS:
        for way in PARTS[part].WAYS:
            answer = context.SimpleQueue()
            process = context.Process(target=measured, args=(part, network, way, settings, answer))
            process.start()
            while not answer.empty() or process.is_alive():
                if not answer.empty():
                    rows.setdefault(network, {})[way] = answer.get()
                    break
                time.sleep(0.2)
            process.join()
            if way not in rows.get(network, {}):
                raise SystemExit(f"{part}: {way} on {network} ended with code {process.exitcode}")
            row = rows[network][way]
            print(f"{network:14s} {way:28s} {row['cpu_seconds']:7.2f} CPU-s {row['peak_mib']:7.0f} MiB", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--size", type=int, default=256, help="side of DIFT's pictures in pixels, a multiple of 64")
    parser.add_argument("--pictures", type=int, default=8, help="that are classified; a quarter of them by pico-image")
    parser.add_argument("--report", type=Path, help="folder of probing.json and of the pages that get the tables")
    args = parser.parse_args()
    settings: dict[str, dict[str, Any]] = {"classifier": {"pictures": args.pictures}, "dift": {"size": args.size}}
    path = args.report / "probing.json" if args.report else None
    report = json.loads(path.read_text()) if path and path.exists() else {}
    for part in args.parts:
        rows = run(part, settings[part])
        text = PARTS[part].table(rows)
        print(text, flush=True)
        kept = {
            network: {way: {k: v for k, v in row.items() if k != "places"} for way, row in ways.items()}
            for network, ways in rows.items()
        }
        report[part] = {**settings[part], "rows": kept}
        if path:
            path.write_text(json.dumps(report, indent=1) + "\n")
            fill(args.report / PAGES[part], "time", text)


if __name__ == "__main__":
    main()

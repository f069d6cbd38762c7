"""What importing a plugin costs, in a fresh interpreter."""

import json
import os
import subprocess
import sys

HEAVY = frozenset({
    "accelerate", "cv2", "diffusers", "gymnasium", "imageio", "jax", "matplotlib", "mujoco", "nerfstudio", "numpy", "pandas", "plotly",
    "pyarrow", "ray", "scipy", "skimage", "sklearn", "streamlit", "tensorflow", "torch", "torchvision", "transformers", "trimesh",
})  # fmt: skip
MOST_SECONDS = 1.0
TRIES = 3  # on a busy machine the quickest counts

PROGRAM = """
import contextlib, io, json, sys, time
import scorekit.host.plugin, scorekit.host.registry
before, printed, began = set(sys.modules), io.StringIO(), time.perf_counter()
with contextlib.redirect_stdout(printed):
    __import__(sys.argv[1])
seconds = time.perf_counter() - began
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps({"seconds": seconds, "new": sorted(new), "printed": printed.getvalue()}))
"""


def environment() -> dict[str, str]:
    """This process's, with its import path, so that a child finds what this one finds."""
    path = os.pathsep.join(dict.fromkeys(entry for entry in sys.path if entry))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}


def fault(module: str) -> str:
    """Why importing the module is not cheap, in one sentence; "" if it is: no heavy library, no output, less than a second."""
    seconds: list[float] = []
    while len(seconds) < TRIES and not (seconds and min(seconds) < MOST_SECONDS):
        command = [sys.executable, "-c", PROGRAM, module]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            return f"{module} cannot be imported in a fresh interpreter: {last}"
        found = json.loads(done.stdout.splitlines()[-1])
        if heavy := sorted(HEAVY & set(found["new"])):
            return f"importing {module} imports {', '.join(heavy)}: that belongs inside run, or in modules that only run imports"
        if found["printed"].strip():
            return f"importing {module} prints {found['printed'].strip()[:60]!r}"
        seconds.append(found["seconds"])
    if min(seconds) >= MOST_SECONDS:
        return f"importing {module} takes {min(seconds):.1f} s; {MOST_SECONDS:g} s is the most"
    return ""

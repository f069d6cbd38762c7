"""Every source of chance that a run may touch: seeded at the start, kept in checkpoints, given back at the end."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@contextmanager
def seeded(seed: int, device: "torch.device") -> Iterator[None]:
    """Seed Python's, NumPy's and torch's global generators; the caller's states return when the block ends.

    A plugin should draw from `RunContext.generator`, but network initialisation and many libraries draw globally.
    """
    import numpy as np
    import torch

    with untouched(device):
        random.seed(seed)
        np.random.seed(seed % 2**32)  # the widest seed that its legacy generator takes
        torch.manual_seed(seed)
        yield


@contextmanager
def untouched(device: "torch.device") -> Iterator[None]:
    """Give the global generators back as they were before the block."""
    import numpy as np
    import torch

    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[device.index or 0] if device.type == "cuda" else []):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def snapshot(device: "torch.device", generator: "torch.Generator | None") -> dict[str, Any]:
    """The states of all generators, as tensors, numbers and lists only (loadable with weights_only=True)."""
    import numpy as np
    import torch

    version, internal, gauss = random.getstate()
    legacy = np.random.get_state(legacy=False)
    state: dict[str, Any] = {
        "python": [version, list(internal), gauss],
        "numpy": [legacy["state"]["key"].tolist(), legacy["state"]["pos"], legacy["has_gauss"], legacy["gauss"]],
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    if generator is not None:
        state["generator"] = generator.get_state()
    return state


def put_back(state: dict[str, Any], device: "torch.device", generator: "torch.Generator") -> None:
    """Return to a `snapshot`. What the snapshot lacks (another device type, no generator) is left as it is."""
    import numpy as np
    import torch

    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    key, position, has_gauss, cached = state["numpy"]
    np.random.set_state(("MT19937", np.array(key, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
    # A CPU generator's state does not fit a GPU's: a run resumed on another device keeps its fresh seed.
    if "generator" in state and state["generator"].numel() == generator.get_state().numel():
        generator.set_state(state["generator"].cpu())

"""How MuJoCo draws without a display."""

import os
import sys
from collections.abc import Sequence

FRAME_SIZE = 256
POLICY_SIZE = 192  # from which a policy's pictures are reduced, so that they do not depend on how a run is filmed


def choose_backend() -> None:
    """Let MuJoCo render through EGL where there is no display, unless MUJOCO_GL says otherwise.

    Has to run before mujoco is imported for the first time.
    """
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")


def side(observations: Sequence[str] | None, render_size: int | None) -> int:
    """Side of what a simulator renders: `render_size`, unless a policy sees it."""
    return POLICY_SIZE if observations is not None and "pixels" in observations else render_size or FRAME_SIZE

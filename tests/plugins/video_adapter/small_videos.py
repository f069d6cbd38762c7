"""Small random models of the class of pico-video, and clips as files."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import torch

SIDE = 32
LOSSLESS = ["-c:v", "libx264rgb", "-crf", "0"]
WORDS = ("a", "red", "blue", "mug", "turning", "sketch", "of")


def tiny(folder: Path, seed: int = 0, frames: int = 4, size: int = 16) -> str:
    """The folder of a random pico-video model of a few thousand weights."""
    from scorekit_video_adapter.pico_video import PicoVideo, Recipe, export

    torch.manual_seed(seed)
    recipe = Recipe(
        frames=frames,
        size=size,
        patch=2,
        channels=(8, 8),
        groups=2,
        text=16,
        words=WORDS,
        prediction="v",  # random weights still say at little noise that x0 is nearly x
        steps=1,
        seed=seed,
    )
    model = PicoVideo(recipe)
    # Layers that begin as zero would hide what the frames and the words say.
    for parameter in model.parameters():
        if not parameter.detach().any():
            torch.nn.init.normal_(parameter, std=0.1)
    export(model, recipe, folder)
    return str(folder)


def ramp(count: int, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    """Frames (count, height, width, 3), each of one grey, from dark to light."""
    greys = np.linspace(20, 220, count).round().astype(np.uint8)
    return np.broadcast_to(greys[:, None, None, None], (count, height, width, 3)).copy()


def write(path: Path, frames: np.ndarray, *, before: list[str] | None = None, after: list[str] | None = None) -> Path:
    """The frames through ffmpeg, 10 a second unless `before` or `after` say otherwise."""
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size]
    command += [*(before or ["-r", "10"]), "-i", "-", *(after or []), str(path)]
    subprocess.run(command, input=frames.tobytes(), check=True)
    return path

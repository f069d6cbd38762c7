"""Sounds to listen to: true and generated, of one caption each, with their spectrograms.

    python tests/benchmarks/audio_listening.py --report docs      # writes docs/audio/ and the table of docs/text-to-audio.md

The captions are the first of the test set whose words and instruments differ, all of combinations that no training set held, and the first
try of one seed: none is chosen by ear.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import marked
import numpy as np
import soundfile
import torch
from audio_quality import GUIDANCE, SEED, STEPS, floats
from PIL import Image
from torch import Tensor

from scorekit.guidance import cfg
from scorekit.sampling import sample
from scorekit_text_to_audio import pico_audio
from scorekit_text_to_audio.mel import RATE, Mel
from scorekit_text_to_audio.sounds.captions import caption
from scorekit_text_to_audio.sounds.dataset import SoundSet, build, load

COUNTS = {"word": 5, "instrument": 4}
FOLDER = "audio"
SCALE = 3  # screen pixels for a cell of a spectrogram


def main() -> None:
    """See the top of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sounds", type=Path, default=Path(".data/pico-audio"), help="where the true sounds are, or are made"
    )
    parser.add_argument("--report", type=Path, required=True, help="folder of the docs")
    args = parser.parse_args()

    data = load(build(args.sounds / "judge-unseen", 768, SEED, "unseen"))
    model = pico_audio.load()
    chosen = choose(data)
    prompts = [caption(data.sounds[i]) for i in chosen]
    score = cfg(model.given(None), model.given(prompts), GUIDANCE)
    x = sample(score, len(prompts), steps=STEPS, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made = model.decode(x)[:, 0]
    true = floats(data)[chosen]

    folder = args.report / FOLDER
    folder.mkdir(exist_ok=True)
    lines = ["| caption | true | generated | spectrograms: true, generated |", "|---|---|---|---|"]
    for text, a, b in zip(prompts, true, made, strict=True):
        name = text.replace(",", "").replace(" ", "-")
        for kind, wave in (("true", a), ("generated", b)):
            # A vocoder may pass full scale by a little.
            soundfile.write(
                folder / f"{name}-{kind}.wav", (wave / wave.abs().max().clamp_min(1)).numpy(), RATE, "PCM_16"
            )
        picture(torch.stack([a, b])).save(folder / f"{name}.png")
        players = [f'<audio controls src="{FOLDER}/{name}-{kind}.wav"></audio>' for kind in ("true", "generated")]
        lines.append(f"| {text} | {players[0]} | {players[1]} | ![Two spectrograms]({FOLDER}/{name}.png) |")
    marked.fill(args.report / "text-to-audio.md", "listening", "\n".join(lines))


def choose(data: SoundSet) -> list[int]:
    """The first sounds of each family, no word and no instrument twice."""
    chosen: list[int] = []
    for family, count in COUNTS.items():
        names: set[str] = set()
        for i, sound in enumerate(data.sounds):
            if sound.family == family and sound.name not in names and len(names) < count:
                names.add(sound.name)
                chosen.append(i)
    return chosen


def picture(waves: Tensor) -> Image.Image:
    """Log-mel spectrograms of waves (n, 16384) side by side: time to the right, low at the bottom, light is loud."""
    x = Mel()(waves.float())[:, 0].flip(1).clamp(-1, 1)
    cells: np.ndarray[Any, Any] = ((x + 1) * 127.5).round().byte().numpy()
    gap = np.full((cells.shape[1], 2), 255, np.uint8)
    row = np.concatenate([part for cell in cells for part in (cell, gap)][:-1], 1)
    return Image.fromarray(row).resize((row.shape[1] * SCALE, row.shape[0] * SCALE), Image.Resampling.NEAREST)


if __name__ == "__main__":
    main()

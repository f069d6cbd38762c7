"""How well pico-audio says, plays and sounds what a caption asks, as the independent recogniser hears it.

    python tests/benchmarks/audio_quality.py                      # 312 captions of combinations that no training set held
    python tests/benchmarks/audio_quality.py --report docs        # writes docs/text-to-audio.json and the tables of docs/text-to-audio.md

Measured: word, instrument, pitch, length, voice and pace of generated sounds, beside the same of true sounds of these combinations and of
voices that the recogniser never heard; the Frechet audio distance on the recogniser's features, generated against true and true against
true; what the vocoder and Griffin and Lim's algorithm lose. The true sounds need espeak-ng and fluidsynth; the seeds are fixed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import marked
import numpy as np
import torch
from torch import Tensor

from scorekit.guidance import cfg
from scorekit.sampling import sample
from scorekit.zoo.proportion import Proportion
from scorekit_text_to_audio import pico_audio, recogniser
from scorekit_text_to_audio.codec import MelCodec
from scorekit_text_to_audio.recogniser import Heard, Recogniser
from scorekit_text_to_audio.sounds.captions import SPOKEN, Sound, caption, draw
from scorekit_text_to_audio.sounds.dataset import SoundSet, build, load

SEED = 1  # of the true sounds; the training set has 0
GUIDANCE, STEPS, BATCH = 2.5, 25, 24


def main() -> None:
    """See the top of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=int, default=312)
    parser.add_argument("--guidance", type=float, default=GUIDANCE)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--model", type=Path, help="folder of a model; none: the one that ships")
    parser.add_argument(
        "--sounds", type=Path, default=Path(".data/pico-audio"), help="where the true sounds are, or are made"
    )
    parser.add_argument(
        "--out", type=Path, help="folder for the generated spectrograms, from which a stopped run goes on"
    )
    parser.add_argument("--report", type=Path, help="folder of the docs")
    args = parser.parse_args()

    judge = recogniser.load()
    unseen = load(build(args.sounds / "judge-unseen", 768, SEED, "unseen"))
    voices = load(build(args.sounds / "judge-voices", 1024, SEED, "voices"))
    model = pico_audio.load(args.model)
    random = np.random.default_rng(2)
    asked = [draw(random, unseen=True) for _ in range(args.captions)]
    x = generate(model, asked, args.guidance, args.steps, args.out)

    true, other = (recogniser.listen(judge, floats(part)) for part in (unseen, voices))
    made = recogniser.listen(judge, decoded(model, x))
    half = min(len(made.features), len(true.features) // 2)
    found: dict[str, Any] = {
        "captions": len(asked),
        "guidance": args.guidance,
        "steps": args.steps,
        "generated": accuracies(asked, made),
        "true, the same combinations": accuracies(unseen.sounds, true),
        "true, unheard voices": accuracies(voices.sounds, other),
        "frechet": {
            "sounds": half,
            "generated": recogniser.frechet_distance(made.features[:half], true.features[:half]),
            "true": recogniser.frechet_distance(true.features[half : 2 * half], true.features[:half]),
        },
        "vocoder": {name: resynthesis(codec, judge, unseen) for name, codec in codecs(model.codec).items()},
    }
    print(json.dumps(found, indent=2))
    if args.report:
        report(args.report, found)


def generate(model: Any, asked: Sequence[Sound], guidance: float, steps: int, folder: Path | None) -> Tensor:
    """One spectrogram for each caption: (N, 1, 64, 64). Batches that are in `folder` are read from it."""
    parts = []
    for start in range(0, len(asked), BATCH):
        path = folder / f"made-{start:05d}.npy" if folder else None
        if path and path.exists():
            parts.append(torch.from_numpy(np.load(path)))
            continue
        prompts = [caption(sound) for sound in asked[start : start + BATCH]]
        score = cfg(model.given(None), model.given(prompts), guidance)
        parts.append(sample(score, len(prompts), steps=steps, generator=torch.Generator().manual_seed(start)))
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, parts[-1].numpy())
    return torch.cat(parts)


@torch.no_grad()
def decoded(model: Any, x: Tensor) -> Tensor:
    """Waves (N, samples) of spectrograms."""
    return torch.cat([model.decode(part)[:, 0] for part in torch.split(x, BATCH)])


def accuracies(asked: Sequence[Sound], heard: Heard) -> dict[str, Any]:
    """Of every attribute among the sounds that have it, and of all attributes of a sound at once."""
    rows: dict[str, list[bool]] = {}
    for want, got in zip(asked, heard.sounds, strict=True):
        spoken = want.name in SPOKEN
        right = {"word" if spoken else want.family: got.name == want.name, "pitch": got.pitch == want.pitch}
        right |= {"voice": got.voice == want.voice} if spoken else {}
        right["pace" if spoken else "length"] = got.length == want.length
        if want.family == "percussion":
            right = {"percussion": right["percussion"]}
        if want.pitch is None:
            right.pop("pitch", None)
        for name, value in (right | {"everything": all(right.values())}).items():
            rows.setdefault(name, []).append(value)
    return {name: Proportion(sum(values), len(values)).record() for name, values in rows.items()}


def codecs(shipped: Any) -> dict[str, MelCodec]:
    """Both ways from spectrograms to waves."""
    return {"vocoder": shipped, "Griffin-Lim": MelCodec(None)}


@torch.no_grad()
def resynthesis(codec: MelCodec, judge: Recogniser, data: SoundSet, count: int = 256) -> dict[str, Any]:
    """True sounds to spectrograms and back: the mean distance of the spectrograms in dB, and what the recogniser still hears."""
    waves = floats(data)[:count, None]
    x = codec.encode(waves)
    back = codec.decode(x)
    audible = x > -0.95
    decibel = 20 / np.log(10) * np.log(5000) / 2  # a unit of x: half the range of 0.02 to 100 in natural logarithms
    error = (codec.encode(back) - x).abs()
    heard = recogniser.listen(judge, back[:, 0])
    return {
        "mel_error_db": round(float(error[audible].mean()) * decibel, 2),
        "mel_error_all_db": round(float(error.mean()) * decibel, 2),
        "heard": accuracies(data.sounds[:count], heard),
    }


def floats(data: SoundSet) -> Tensor:
    """The waves (N, samples) in [-1, 1]."""
    return torch.from_numpy(data.waves).float() / 32767


def report(folder: Path, found: dict[str, Any]) -> None:
    """Write the numbers beside those of other benchmarks in text-to-audio.json, and the tables into text-to-audio.md."""
    path = folder / "text-to-audio.json"
    everything = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(everything | {"quality": found}, indent=2) + "\n")
    columns = ("generated", "true, the same combinations", "true, unheard voices")
    lines = ["| heard as asked | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in ("word", "instrument", "pitch", "length", "voice", "pace", "everything"):
        cells = [share(found[column].get(name)) for column in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Frechet audio distance on the recogniser's features, {found['frechet']['sounds']} sounds on either side: "
        f"{found['frechet']['generated']:.2f} generated against true, {found['frechet']['true']:.2f} true against true.",
    ]
    marked.fill(folder / "text-to-audio.md", "quality", "\n".join(lines))
    lines = ["| way back to waves | mel error where there is sound | word | instrument |", "|---|---|---|---|"]
    for name, row in found["vocoder"].items():
        heard = row["heard"]
        lines.append(f"| {name} | {row['mel_error_db']} dB | {share(heard['word'])} | {share(heard['instrument'])} |")
    marked.fill(folder / "text-to-audio.md", "vocoder", "\n".join(lines))


def share(record: dict[str, Any] | None) -> str:
    """ "91.2 % (88.1 to 93.6)", with the 95 % interval of Wilson."""
    if record is None:
        return ""
    return f"{100 * record['rate']:.1f} % ({100 * record['low']:.1f} to {100 * record['high']:.1f})"


if __name__ == "__main__":
    main()

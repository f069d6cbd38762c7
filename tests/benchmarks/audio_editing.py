"""Two prompts in one sound, edits that keep the time, gaps that are filled: how well pico-audio does them.

    python tests/benchmarks/audio_editing.py [--count 48] [--edits 48] [--report docs]

Composition: pairs of a drum or effect and a note; sounds of the composed score, of either prompt alone, and sums of two true recordings;
whether the recogniser, trained on true mixtures, has the first, the second, both among the likeliest of all sounds. Qualities: a word whose
pace is asked for by one prompt, voice and pitch by the other. Editing: true notes
that begin at any time up to a quarter of a second later, edited to another instrument of their pitch; how far the onset moves, and which
instrument is heard. Gaps: .2 s of true sounds are taken away and filled; the error of the spectrogram there, beside that of straight lines
between the edges. The true sounds are those of audio_quality.py. With --report the parts go to docs/text-to-audio.json and into the tables
of docs/text-to-audio.md.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import marked
import numpy as np
import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.sampling import sample
from scorekit.zoo.proportion import Proportion
from scorekit_text_to_audio import pico_audio, recogniser
from scorekit_text_to_audio.composition import composed
from scorekit_text_to_audio.editing import Gap, at_level
from scorekit_text_to_audio.generate import generate
from scorekit_text_to_audio.measures import bridged, gap_error, heard, onset_seconds
from scorekit_text_to_audio.parameters import TextToAudioParams
from scorekit_text_to_audio.sounds.captions import INSTRUMENTS, PACES, PITCHES, SPOKEN, VOICES, Sound, caption
from scorekit_text_to_audio.sounds.dataset import SoundSet, build, load

RATE, BATCH = 16000, 24
STRENGTHS = (0.5, 0.8)
LATEST = 0.25  # seconds by which a note is moved before it is edited
GAP = (0.25, 0.45)
PARTS = ("composition", "qualities", "editing", "gaps")
LIKELIEST = 3  # a sound is heard if it is among so many of all that the recogniser knows
FILE = Path("recording.wav")  # the parameters want a name; the wave is given


def main() -> None:
    """See the top of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=48, help="pairs of the composition")
    parser.add_argument("--edits", type=int, default=48, help="sounds that are edited, and in which gaps are filled")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, default=2.5)
    parser.add_argument("--model", type=Path, help="folder of a model; none: the one that ships")
    parser.add_argument(
        "--sounds", type=Path, default=Path(".data/pico-audio"), help="where the true sounds are, or are made"
    )
    parser.add_argument("--report", type=Path, help="folder of the docs")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    model, judge = pico_audio.load(args.model), recogniser.load()
    true = load(build(args.sounds / "judge-unseen", 768, 1, "unseen"))
    options = {"steps": args.steps, "guidance": args.guidance}
    found: dict[str, Any] = {}
    for part in args.parts:
        random = np.random.default_rng(5)
        if part == "composition":
            known = load(build(args.sounds / "judge-voices", 1024, 1, "voices"))
            rows = compositions(model, judge, known, args.count, random, options)
        elif part == "qualities":
            rows = qualities(model, judge, args.count, random, options)
        elif part == "editing":
            rows = edits(model, judge, true, args.edits, random, options)
        else:
            rows = gaps(model, true, args.edits, random, options)
        found[part] = {"sounds": args.edits if part in ("editing", "gaps") else args.count, **options, "rows": rows}
    print(json.dumps(found, indent=1))
    if args.report:
        report(args.report, found)


def compositions(
    model: Denoiser, judge: Any, true: SoundSet, count: int, random: np.random.Generator, options: dict[str, Any]
) -> dict[str, Any]:
    """Pairs of combinations that were trained on, and which of the two is heard."""
    notes, others = (
        [i for i, sound in enumerate(true.sounds) if sound.family in families]
        for families in (("instrument",), ("percussion", "effect"))
    )
    pairs = [(int(random.choice(others)), int(random.choice(notes))) for _ in range(count)]
    firsts, seconds = ([true.sounds[pair[side]] for pair in pairs] for side in (0, 1))
    mixture = torch.stack([(floats(true, a) + floats(true, b)) / 2 for a, b in pairs])
    ways = {
        "both prompts": spoken(model, firsts, seconds, options),
        "the first prompt": spoken(model, firsts, None, options),
        "the second prompt": spoken(model, seconds, None, options),
        "two true recordings, added": mixture,
    }
    rows = {}
    for name, waves in ways.items():
        presence = recogniser.listen(judge, waves).presence
        one, other = (heard(presence, [sound.name for sound in side], LIKELIEST) for side in (firsts, seconds))
        rows[name] = {"first": share(one), "second": share(other), "both": share(one & other)}
        print(name, rows[name], flush=True)
    return rows


def qualities(
    model: Denoiser, judge: Any, count: int, random: np.random.Generator, options: dict[str, Any]
) -> dict[str, Any]:
    """Words of which one prompt says the pace and the other the voice and its pitch, and whether both are heard in one sound."""
    asked = [Sound(*(str(random.choice(values)) for values in (SPOKEN, PITCHES, VOICES, PACES))) for _ in range(count)]
    paced = [Sound(sound.name, length=sound.length) for sound in asked]
    voiced = [Sound(sound.name, sound.pitch, sound.voice) for sound in asked]
    ways = {
        "both prompts": spoken(model, paced, voiced, options),
        "the first prompt": spoken(model, paced, None, options),
        "the second prompt": spoken(model, voiced, None, options),
        "one prompt that says all": spoken(model, asked, None, options),
    }
    rows = {}
    for name, waves in ways.items():
        listened = recogniser.listen(judge, waves).sounds
        pairs = list(zip(asked, listened, strict=True))
        first = torch.tensor([(want.name, want.length) == (got.name, got.length) for want, got in pairs])
        second = torch.tensor(
            [(want.name, want.pitch, want.voice) == (got.name, got.pitch, got.voice) for want, got in pairs]
        )
        rows[name] = {"first": share(first), "second": share(second), "both": share(first & second)}
        print(name, rows[name], flush=True)
    return rows


def spoken(model: Denoiser, sounds: list[Sound], also: list[Sound] | None, options: dict[str, Any]) -> Tensor:
    """Sounds under one prompt each, or two: (n, 1, samples)."""
    made = []
    for at in range(0, len(sounds), BATCH):
        first = [caption(sound) for sound in sounds[at : at + BATCH]]
        second = None if also is None else [caption(sound) for sound in also[at : at + BATCH]]
        score = composed(model, first, guidance=options["guidance"], also=second)
        x = sample(score, len(first), steps=options["steps"], generator=torch.Generator().manual_seed(at))
        made += [model.decode(one[None])[0] for one in x]
    return torch.stack(made)


def edits(
    model: Denoiser, judge: Any, true: SoundSet, count: int, random: np.random.Generator, options: dict[str, Any]
) -> dict[str, Any]:
    """Notes that begin late, edited to other instruments."""
    notes = [i for i, sound in enumerate(true.sounds) if sound.name in INSTRUMENTS]
    chosen = [int(random.choice(notes)) for _ in range(count)]
    wanted, recordings = [], []
    for index in chosen:
        sound = true.sounds[index]
        other = str(random.choice([name for name in INSTRUMENTS if name != sound.name]))
        wanted.append(Sound(other, sound.pitch, None, sound.length))
        late = int(random.uniform(0, LATEST) * RATE)
        recordings.append(torch.nn.functional.pad(floats(true, index), (late, 0))[:, : true.waves.shape[1]])
    rows = {}
    for strength in (*STRENGTHS, None):
        waves = []
        for place, (sound, wave) in enumerate(zip(wanted, recordings, strict=True)):
            edit = {} if strength is None else {"audio": FILE, "strength": strength}
            params = TextToAudioParams(prompt=caption(sound), count=1, **edit, **options)
            generator = torch.Generator().manual_seed(place)
            waves.append(generate(model, params, None if strength is None else wave, generator).waves[0])
        off = [
            abs(onset_seconds(made, RATE) - onset_seconds(wave, RATE)) * 1000
            for made, wave in zip(waves, recordings, strict=True)
        ]
        presence = recogniser.listen(judge, torch.stack(waves)).presence
        print(strength, np.round(off, 1).tolist(), flush=True)
        rows["no recording" if strength is None else f"{strength:g}"] = {
            "onset_ms": {"median": round(float(np.median(off)), 1), "90 %": round(float(np.quantile(off, 0.9)), 1)},
            "new": share(heard(presence, [sound.name for sound in wanted], LIKELIEST)),
            "old": share(heard(presence, [true.sounds[index].name for index in chosen], LIKELIEST)),
        }
    return rows


def gaps(
    model: Denoiser, true: SoundSet, count: int, random: np.random.Generator, options: dict[str, Any]
) -> dict[str, Any]:
    """Errors in dB of what is filled in, told its caption; of straight lines between the edges; of silence."""
    errors: dict[str, list[float]] = {"filled": [], "straight lines": [], "silence": []}
    hop = model.codec.samples // model.shape[-1]  # type: ignore[union-attr]
    for place in range(count):
        index = int(random.integers(len(true)))
        wave, sound = floats(true, index), true.sounds[index]
        gap = Gap.of(GAP, RATE, wave.shape[1], wave.shape[1])
        broken = wave.clone()
        broken[:, gap.first : gap.last] = 0
        levelled, gain = at_level(broken, RATE, model.codec.level)  # type: ignore[union-attr]
        known = gap.known(model.shape[-1], hop)
        truth, seen = model.encode(gain * wave[None])[0], model.encode(levelled[None])[0]
        params = TextToAudioParams(prompt=caption(sound), count=1, audio=FILE, gap=f"{GAP[0]}..{GAP[1]}", **options)
        made = generate(model, params, broken, torch.Generator().manual_seed(place)).waves
        filled = model.encode(gain * made)[0]
        for name, x in (
            ("filled", filled),
            ("straight lines", bridged(seen, known)),
            ("silence", torch.full_like(seen, -1.0)),
        ):
            errors[name].append(gap_error(x, truth, known))
    return {
        name: {"mean": round(float(np.mean(found)), 2), "deviation": round(float(np.std(found) / count**0.5), 2)}
        for name, found in errors.items()
    }


def floats(data: SoundSet, index: int) -> Tensor:
    """One sound (1, samples) in [-1, 1]."""
    return torch.from_numpy(data.waves[index]).float()[None] / 32767


def share(yes: Tensor) -> dict[str, Any]:
    """How many of (n,), with its interval."""
    return Proportion(int(yes.sum()), len(yes)).record()


def report(folder: Path, found: dict[str, Any]) -> None:
    path, page = folder / "text-to-audio.json", folder / "text-to-audio.md"
    whole = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(whole | found, indent=1) + "\n")

    def cell(one: dict[str, Any]) -> str:
        return f"{one['rate']:.2f} ({one['low']:.2f} to {one['high']:.2f})"

    for part, measured in found.items():
        rows = measured["rows"]
        if part in ("composition", "qualities"):
            head = ["sound of", "first heard", "second heard", "both heard"]
            lines = [[name, *map(cell, row.values())] for name, row in rows.items()]
        elif part == "editing":
            head = ["strength", "onset moves by, median", "by, 90 %", "new instrument heard", "old one heard"]
            lines = [
                [
                    name,
                    *(f"{row['onset_ms'][key]:.0f} ms" for key in ("median", "90 %")),
                    cell(row["new"]),
                    cell(row["old"]),
                ]
                for name, row in rows.items()
            ]
        else:
            head = ["in the gap", "error of the spectrogram"]
            lines = [[name, f"{row['mean']:.1f} dB (± {row['deviation']:.1f})"] for name, row in rows.items()]
        table = [head, ["---"] * len(head), *lines]
        said = f"{measured['sounds']} sounds in each row, {measured['steps']} steps, guidance {measured['guidance']:g}."
        marked.fill(page, part, "\n".join([*("| " + " | ".join(line) + " |" for line in table), "", said]))


if __name__ == "__main__":
    main()

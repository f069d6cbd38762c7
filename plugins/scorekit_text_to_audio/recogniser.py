"""The recogniser: what is heard in a second of sound. It judges pico-audio and is independent of it.

A convolutional network on log-mel spectrograms of its own (80 bands, 10 ms), trained on true sounds that no other model here is trained on,
and on mixtures of two of them, so that it can tell two sounds that are heard at once. Its features are those of the Frechet audio distance
(Kilgour et al. 2019).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional

from scorekit.training import Settings, train
from scorekit_text_to_audio.mel import RATE
from scorekit_text_to_audio.sounds.captions import LENGTHS, NAMES, PACES, PITCHES, SPOKEN, VOICES, Sound
from scorekit_text_to_audio.sounds.dataset import SoundSet

SHIPPED = Path(__file__).parent / "pico-recogniser" / "model.safetensors"
SOUNDS: tuple[str, ...] = tuple(name for names in NAMES.values() for name in names)
PACE_NAMES: tuple[str, ...] = ("usual", *PACES)
HEADS: dict[str, tuple[str, ...]] = {
    "name": SOUNDS,
    "pitch": PITCHES,
    "voice": VOICES,
    "pace": PACE_NAMES,
    "length": LENGTHS,
}
ABSENT = -100  # the label of what a sound does not have; cross-entropy skips it


@dataclass(frozen=True)
class Recipe:
    """The size of the recogniser and how it is trained.

    mixed  share of examples that are two sounds at once
    batch  sounds per step and process
    """

    channels: tuple[int, ...] = (24, 48, 80, 128)
    mixed: float = 0.35
    batch: int = 48
    steps: int = 2400
    lr: float = 2e-3
    ema: float = 0.995
    warmup: int = 200
    cooldown: int = 900
    weight_decay: float = 0.05
    precision: str = "no"
    seed: int = 11


class Recogniser(nn.Module):
    """Waves (B, n) at 16 kHz, half a second and longer -> logits of every head (B, number of its names).

    The head "name" says for each sound whether it is heard, apart from the others: `sigmoid` gives probabilities. The other heads are of
    one sound alone, with `softmax`.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        bank = torchaudio.functional.melscale_fbanks(257, 50.0, 7800.0, 80, RATE, norm="slaney", mel_scale="slaney")
        self.register_buffer("bank", bank.T.contiguous(), persistent=False)
        self.register_buffer("window", torch.hann_window(400), persistent=False)
        self.bank: Tensor
        self.window: Tensor
        stages: list[nn.Module] = []
        before = 1
        for width in recipe.channels:
            stages += [
                nn.Conv2d(before, width, 3, padding=1, stride=2),
                nn.GroupNorm(8, width),
                nn.SiLU(),
                nn.Conv2d(width, width, 3, padding=1, groups=8),
                nn.GroupNorm(8, width),
                nn.SiLU(),
            ]
            before = width
        self.stages = nn.Sequential(*stages)
        # Frequencies are told apart, times are not: a sound may begin at any.
        self.gather = nn.Linear(before * 5, 160)
        self.heads = nn.ModuleDict({name: nn.Linear(320, len(names)) for name, names in HEADS.items()})

    def features(self, waves: Tensor) -> Tensor:
        """(B, 320): the mean over time and the maximum."""
        spectrum = torch.stft(waves, 512, 160, 400, self.window, return_complex=True)
        energies = self.bank @ (spectrum.real.square() + spectrum.imag.square())
        x = (energies + 1e-6).log()
        # The loudest moment is the measure: a recording's level says nothing of what it is.
        x = ((x - x.amax((1, 2), keepdim=True)) / 4 + 1).clamp_min(-1.5)
        h = self.stages(x[:, None])  # (B, C, 5, time)
        h = functional.silu(self.gather(h.flatten(1, 2).mT))
        return torch.cat([h.mean(1), h.amax(1)], 1)

    def forward(self, waves: Tensor) -> dict[str, Tensor]:
        features = self.features(waves)
        return {name: head(features) for name, head in self.heads.items()}


@dataclass(frozen=True)
class Heard:
    """What a recogniser makes of n sounds.

    sounds    the likeliest single sound of each, with the attributes that its family has
    presence  (n, len(SOUNDS)): the probability that each sound is heard, apart from the others
    features  (n, 320)
    """

    sounds: tuple[Sound, ...]
    presence: Tensor
    features: Tensor


@torch.no_grad()
def listen(recogniser: Recogniser, waves: Tensor, batch: int = 64) -> Heard:
    """Waves (n, samples) or (n, 1, samples) at 16 kHz."""
    sounds: list[Sound] = []
    presence, features = [], []
    for part in torch.split(waves.reshape(len(waves), -1).float(), batch):
        seen = recogniser.features(part)
        logits = {name: head(seen) for name, head in recogniser.heads.items()}
        chosen = {name: value.argmax(1).tolist() for name, value in logits.items()}
        sounds += [_sound({name: HEADS[name][chosen[name][i]] for name in HEADS}) for i in range(len(part))]
        presence.append(logits["name"].sigmoid())
        features.append(seen)
    return Heard(tuple(sounds), torch.cat(presence), torch.cat(features))


def _sound(names: dict[str, str]) -> Sound:
    name = names["name"]
    if name in SPOKEN:
        return Sound(name, names["pitch"], names["voice"], None if names["pace"] == "usual" else names["pace"])
    return Sound(name, names["pitch"], None, names["length"])


def labels(sounds: Sequence[Sound]) -> dict[str, Tensor]:
    """The labels (n,) of every head; ABSENT where a sound has not what the head tells."""
    rows: dict[str, list[int]] = {name: [] for name in HEADS}
    for sound in sounds:
        spoken = sound.name in SPOKEN
        values = {
            "name": sound.name,
            "pitch": sound.pitch,
            "voice": sound.voice,
            "pace": (sound.length or "usual") if spoken else None,
            "length": None if spoken else sound.length,
        }
        for head, value in values.items():
            rows[head].append(ABSENT if value is None else HEADS[head].index(value))
    return {head: torch.tensor(row) for head, row in rows.items()}


def train_recogniser(
    recipe: Recipe,
    data: SoundSet,
    folder: Path,
    report: Callable[[int, int, dict[str, float]], None],
    *,
    cpu: bool = False,
) -> Recogniser:
    """Train by the recipe and return the recogniser with averaged weights. Goes on from `folder` where it holds a checkpoint."""
    torch.manual_seed(recipe.seed)
    waves, truth = torch.from_numpy(data.waves), labels(data.sounds)

    def batches(generator: torch.Generator) -> dict[str, Tensor]:
        def sounds(chosen: Tensor) -> Tensor:
            return _varied(waves[chosen].float() / 32767, generator)

        chosen, other = (torch.randint(len(data), (recipe.batch,), generator=generator) for _ in range(2))
        mixed = torch.rand(recipe.batch, generator=generator) < recipe.mixed
        present = functional.one_hot(truth["name"][chosen], len(SOUNDS)).float()
        second = functional.one_hot(truth["name"][other], len(SOUNDS)).float()
        wave = sounds(chosen) + mixed[:, None] * sounds(other)
        noise = 10 ** (-2 - 2 * torch.rand(recipe.batch, 1, generator=generator))  # -40 to -80 dB of full scale
        wave = wave + noise * torch.randn(wave.shape, generator=generator)
        batch = {"waves": wave, "present": torch.where(mixed[:, None], present.maximum(second), present)}
        # Of two sounds at once there is no single pitch to tell.
        return batch | {head: truth[head][chosen].masked_fill(mixed, ABSENT) for head in HEADS if head != "name"}

    def loss(network: nn.Module, batch: dict[str, Tensor], generator: torch.Generator) -> Tensor:  # noqa: ARG001
        logits = network(batch["waves"])
        total = functional.binary_cross_entropy_with_logits(logits["name"], batch["present"]) * 20
        for head in HEADS:
            if head != "name" and bool((batch[head] != ABSENT).any()):
                total = total + 0.5 * functional.cross_entropy(logits[head], batch[head], ignore_index=ABSENT)
        return total

    trained = train(Recogniser(recipe), loss, batches, Settings.of(recipe), folder, report, cpu=cpu)
    assert isinstance(trained, Recogniser)
    return trained


def _varied(waves: Tensor, generator: torch.Generator) -> Tensor:
    """Moved in time by up to 150 ms either way, and at another level."""
    shifts = torch.randint(-2400, 2401, (len(waves),), generator=generator).tolist()
    out = torch.zeros_like(waves)
    for row, (wave, shift) in enumerate(zip(waves, shifts, strict=True)):
        if shift >= 0:
            out[row, shift:] = wave[: len(wave) - shift]
        else:
            out[row, :shift] = wave[-shift:]
    return out * 10 ** (0.4 * (torch.rand(len(waves), 1, generator=generator) - 0.5))


def export(recogniser: Recogniser, recipe: Recipe, path: Path) -> None:
    """Write one safetensors file: half-precision weights, and the recipe in its metadata."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: value.half().contiguous() for name, value in recogniser.state_dict().items()}
    save_file(weights, path, {"recipe": json.dumps(asdict(recipe))})


def load(path: Path = SHIPPED) -> Recogniser:
    """The recogniser in a file that `export` made, frozen. Raises ValueError for a file that is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            recipe = Recipe(**json.loads(file.metadata()["recipe"]))
            weights: dict[str, Any] = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (no dict)
        recogniser = Recogniser(recipe)
        recogniser.load_state_dict(weights)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or ["empty"])[0].rstrip(".")
        raise ValueError(f"{path} is no recogniser of sounds: {reason}.") from None
    return recogniser.eval().requires_grad_(False)


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Between Gaussians fitted to features (n, d) and (m, d) (Dowson and Landau 1982; Kilgour et al. 2019, equation 1)."""
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    # The trace of sqrt(A B) is the sum of the square roots of its eigenvalues, which are real and not negative.
    cross = torch.linalg.eigvals(cov_a @ cov_b).real.clamp_min(0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross)

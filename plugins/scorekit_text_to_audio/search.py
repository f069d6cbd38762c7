"""Where patches begin: random ones, and those of them whose sound is nearest to a target; pitches that a gradient would never reach."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from scorekit_text_to_audio.patch import CONTROLS, HARMONICS, NAMES, QUIET, turns_of

AT_ONCE = 32  # patches played in one batch
SCALES = (
    1,
    2,
    4,
)  # by which spectrograms are blurred before they are compared: pitches far apart have to meet somewhere
# Semitones by which a pitch is moved in the search: octaves, a fifth, a twelfth, neighbours, a quarter of a tone.
LEAPS = (-24, -19, -12, -7, -5, -2, -1, -0.5, -0.2, 0.2, 0.5, 1, 2, 5, 7, 12, 19, 24)
ORNAMENTS = ("detune", "vibrato", "sweep")

Play = Callable[[Tensor], Tensor]


def random_turns(count: int, generator: torch.Generator) -> Tensor:
    """Random patches as turns (count, controls): any pitch and envelope; noise, sweep and vibrato in some of them only. On the CPU."""
    turns = turns_of([{}]).repeat(count, 1)

    def uniform(low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    def put(name: str, low: float, high: float, share: float = 1.0) -> None:
        """A value from low to high, in the unit of the control, for so many of the patches."""
        control, at = CONTROLS[name], NAMES.index(name)
        chosen = uniform() < share
        turns[:, at] = torch.where(chosen, uniform(control.turn(low), control.turn(high)), turns[:, at])

    put("pitch", 50, 1600)
    put("detune", 0, 20, 0.3)
    put("tone", -30, -10)
    put("noise", -45, -12, 0.5)
    put("noise_centre", 200, 7000)
    put("noise_width", 0.5, 5)
    put("onset", 0.0, 0.15)
    put("attack", 0.003, 0.15)
    put("decay", 0.03, 1.0)
    put("sustain", 0.0, 1.0)
    put("hold", 0.05, 1.0)
    put("release", 0.01, 0.4)
    put("sweep", -18, 18, 0.3)
    put("sweep_time", 0.02, 0.6)
    put("vibrato", 5, 60, 0.3)
    put("cutoff", 400, 8000)
    put("filter_sweep", 0, 3, 0.4)
    silent = uniform() < 0.15  # only noise
    turns[:, NAMES.index("tone")] = torch.where(silent, 0.0, turns[:, NAMES.index("tone")])
    noise = NAMES.index("noise")
    turns[:, noise] = torch.where(silent, CONTROLS["noise"].turn(-15), turns[:, noise])
    # Harmonics that fall by so many dB an octave, each a little off.
    fall, first = uniform(0, 18), NAMES.index("harmonic_1")
    for n in range(1, HARMONICS + 1):
        level = -fall * torch.tensor(float(n)).log2() + 4 * torch.randn(count, generator=generator)
        turns[:, first + n - 1] = ((level.clamp(QUIET, 0) - QUIET) / -QUIET).clamp(0, 1)
    return turns


def mismatch(x: Tensor, target: Tensor) -> Tensor:
    """How far x (B, ...) is from target (B, ...): (B,), the mean absolute difference at several blurs, along time and, in spectrograms,
    along frequency."""
    total = torch.zeros(len(x), device=x.device)
    for scale in SCALES:
        total = total + (_blurred(x, scale) - _blurred(target, scale)).abs().flatten(1).mean(1)
    return total / len(SCALES)


def nearest(play: Play, target: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Of `count` random patches one for every target (B, ...): the nearest for the first, the second nearest for the second, and so on,
    so that like targets are begun from unlike patches. Turns (B, controls).

    play  turns (n, controls) -> x (n, ...)
    """
    turns = random_turns(count, generator).to(target.device)
    gaps = []
    for chunk in torch.split(turns, AT_ONCE):
        x = play(chunk)
        gaps.append(torch.stack([mismatch(x, one[None].expand_as(x)) for one in target]))
    order = torch.cat(gaps, 1).argsort(1)  # (B, count)
    return turns[torch.stack([order[index, min(index, count - 1)] for index in range(len(target))])]


def leap(play: Play, turns: Tensor, target: Tensor, leaps: Sequence[float] = LEAPS) -> Tensor:
    """Every patch (B, controls) as it is, at a pitch some semitones away, or without one of its ornaments: whichever x is nearest to its
    target.

    The gradient of a spectrogram sees the next harmonic, not the right octave, and the beats of two oscillators pass for an envelope.
    """
    at, control = NAMES.index("pitch"), CONTROLS["pitch"]
    semitone = control.turn(control.low * 2 ** (1 / 12))
    tried = [turns]
    for semitones in leaps:
        moved = turns.clone()
        moved[:, at] = (turns[:, at] + semitones * semitone).clamp(0, 1)
        tried.append(moved)
    for name in ORNAMENTS:
        plain = turns.clone()
        plain[:, NAMES.index(name)] = CONTROLS[name].turn(CONTROLS[name].default)
        tried.append(plain)
    best, found = torch.full((len(turns),), torch.inf, device=turns.device), turns
    for candidate in tried:
        gap = mismatch(play(candidate), target)
        found = torch.where((gap < best)[:, None], candidate, found)
        best = torch.minimum(gap, best)
    return found


def _blurred(x: Tensor, scale: int) -> Tensor:
    if scale == 1:
        return x
    if x.ndim == 4:
        return F.avg_pool2d(x, scale, max(1, scale // 2))
    return F.avg_pool1d(x.flatten(1, -2) if x.ndim > 3 else x, scale, max(1, scale // 2))

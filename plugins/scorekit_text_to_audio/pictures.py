"""Sounds as pictures: waveforms, spectrograms, and what a sampler's x looks like on the way."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

DECIBELS = 80.0  # below the loudest place, where a spectrogram is black
MOST_ROWS = 8  # sounds in one picture
MOST_COLUMNS = 1600  # points of a waveform, frames of a spectrogram
INK, GREY = "#1f4e79", "#555555"


def waveforms(waves: Sequence[Tensor], rate: int, titles: Sequence[str]) -> bytes:
    """A PNG with the waveform of each of the first sounds (C, n), all on one scale: the range of the samples behind every pixel."""
    waves = [wave.detach().cpu().float() for wave in waves[:MOST_ROWS]]
    peak = max(1e-3, *(float(wave.abs().max()) for wave in waves))

    def draw(axes: Any, wave: Tensor) -> None:
        low, high = envelope(wave)
        times = np.linspace(0, wave.shape[1] / rate, len(low))
        axes.fill_between(times, low, high, color=INK, linewidth=0.6)
        axes.set_ylim(-1.05 * peak, 1.05 * peak)
        axes.set_xlim(0, wave.shape[1] / rate)

    return _figure(waves, titles, draw, "amplitude", 1.5)


def spectrograms(waves: Sequence[Tensor], rate: int, titles: Sequence[str]) -> bytes:
    """A PNG with the power spectrogram of each of the first sounds (C, n), in dB below its loudest place."""

    def draw(axes: Any, wave: Tensor) -> None:
        picture = decibels(wave)
        extent = (0, wave.shape[1] / rate, 0, rate / 2000)
        axes.imshow(picture.numpy(), origin="lower", aspect="auto", cmap="magma", vmin=-DECIBELS, vmax=0, extent=extent)
        axes.set_ylim(0, min(rate / 2000, 8))

    return _figure(waves[:MOST_ROWS], titles, draw, "kHz", 2.2)


def decibels(wave: Tensor, window: int = 1024) -> Tensor:
    """The power spectrogram of (C, n) in dB below its largest value: (window / 2 + 1, frames), at most about MOST_COLUMNS frames."""
    mono = wave.detach().cpu().float().mean(0)
    hop = max(window // 8, -(-len(mono) // MOST_COLUMNS))
    power = torch.stft(mono, window, hop, window=torch.hann_window(window), pad_mode="constant", return_complex=True)
    power = power.abs().square()
    return 10 * (power / power.max().clamp_min(1e-12)).clamp_min(1e-12).log10()


def envelope(wave: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest sample of (C, n) in at most MOST_COLUMNS stretches of time."""
    mono = wave.mean(0)
    size = -(-len(mono) // MOST_COLUMNS)
    pieces = torch.nn.functional.pad(mono, (0, -len(mono) % size)).reshape(-1, size)
    return pieces.min(1).values.numpy(), pieces.max(1).values.numpy()


def latent_picture(x: Tensor, height: int = 192) -> PIL.Image.Image:
    """What x (C, F, T) or (C, L) looks like, values in about [-1, 1], low frequencies below; the first channel of the former."""
    plane = (x[0] if x.ndim == 3 else x).detach().cpu().float()
    grey = ((plane.flip(0).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    scale = max(1, height // grey.shape[0])
    return PIL.Image.fromarray(coloured(grey)).resize(
        (grey.shape[1] * scale, grey.shape[0] * scale), PIL.Image.Resampling.NEAREST
    )


def coloured(grey: np.ndarray) -> np.ndarray:
    """(H, W) of bytes in the colours of the spectrograms: (H, W, 3)."""
    from matplotlib import colormaps

    table = (np.asarray(colormaps["magma"](np.arange(256)))[:, :3] * 255).round().astype(np.uint8)
    return np.asarray(table[grey])


def _figure(
    waves: Sequence[Tensor], titles: Sequence[str], draw: Callable[[Any, Tensor], None], label: str, height: float
) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, height * len(waves) + 0.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(waves), 1, squeeze=False)[:, 0]
    for axes, wave, title in zip(rows, waves, titles, strict=False):
        draw(axes, wave)
        axes.set_title(title, fontsize=9, loc="left", color=GREY)
        axes.set_ylabel(label, fontsize=8)
        axes.tick_params(labelsize=8)
    rows[-1].set_xlabel("seconds", fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()

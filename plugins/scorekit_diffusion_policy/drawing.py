"""Plans, words and frames drawn over the pictures of a world."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FINE = 3  # lines are drawn this many times larger, and shrunk: PIL's own have stairs
SOON, LATE = (255, 140, 0), (200, 0, 160)  # colours of a plan's first and last action
GOOD, BAD = (30, 150, 60), (210, 50, 50)  # of episodes that succeeded and failed
Colour = tuple[int, int, int]


def with_plans(
    frame: np.ndarray,
    lines: Sequence[np.ndarray],
    *,
    opacity: float = 1.0,
    dots: bool = True,
    executed: int | None = None,
) -> np.ndarray:
    """A frame (H, W, 3) uint8 with lines drawn over it, from orange (soon) to magenta (late); a new array.

    lines     each (n, 2), (x, y) in pixels; points that are not finite end a stroke
    opacity   of each line, so that many add up to where most go
    executed  how many points are executed before the next plan: they get larger dots
    """
    height, width = frame.shape[:2]
    picture = Image.fromarray(frame)
    stroke = max(1, round(FINE * min(width, height) / 110))
    for line in lines:
        points = np.asarray(line, dtype=np.float64)
        sound = np.asarray(np.isfinite(points).all(axis=1))
        if not sound.any():
            continue
        # Only the part of the picture through which the line goes is worked on.
        edge = np.array([width, height])
        corner = np.clip(np.floor(points[sound].min(0)) - stroke, 0, edge).astype(int)
        size = np.clip(np.ceil(points[sound].max(0)) + stroke, 0, edge).astype(int) - corner
        if not size.all():
            continue
        layer = Image.new("RGBA", (int(size[0]) * FINE, int(size[1]) * FINE), (*SOON, 0))
        pen = ImageDraw.Draw(layer)
        places = [tuple(point) if fine else None for point, fine in zip((points - corner) * FINE, sound, strict=True)]
        colours = [(*_between(i / max(1, len(places) - 1)), round(255 * opacity)) for i in range(len(places))]
        for one, other, colour in zip(places, places[1:], colours[1:], strict=False):
            if one is not None and other is not None:
                pen.line([one, other], fill=colour, width=stroke)
        for i, (place, colour) in enumerate(zip(places, colours, strict=True)):
            if dots and place is not None:
                radius = stroke * (1.5 if executed is not None and i < executed else 0.9)
                x, y = place
                pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)
        small = layer.resize((int(size[0]), int(size[1])), Image.Resampling.BOX)
        picture.paste(small, (int(corner[0]), int(corner[1])), small)
    return np.asarray(picture).copy()


def with_words(frame: np.ndarray, words: str, colour: Colour = (40, 40, 40)) -> np.ndarray:
    """A frame with a line of words on a light band along its upper edge; a new array."""
    size = max(10, frame.shape[1] // 20)
    made = frame.copy()
    made[: size + 12] = 0.2 * made[: size + 12] + 0.8 * 255
    band = Image.fromarray(made[: size + 12])
    ImageDraw.Draw(band).text((8, 5), words, fill=colour, font=_font(size))
    made[: size + 12] = np.asarray(band)
    return made


@cache
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def framed(frame: np.ndarray, colour: Colour, width: int = 4) -> np.ndarray:
    """A frame with a border drawn inside it; a new array."""
    made = frame.copy()
    for edge in (made[:width], made[-width:], made[:, :width], made[:, -width:]):
        edge[...] = colour
    return made


def sheet(rows: Sequence[Sequence[np.ndarray]], gap: int = 4) -> np.ndarray:
    """Frames of one size in rows, with white gaps between them; rows may be of unequal length."""
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    page = np.full((len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, frame in enumerate(row):
            page[i * (height + gap) : i * (height + gap) + height, j * (width + gap) : j * (width + gap) + width] = (
                frame
            )
    return page


def resized(frame: np.ndarray, size: int) -> np.ndarray:
    """A frame with its shorter edge `size` pixels long, both even, as video codecs want."""
    height, width = frame.shape[:2]
    scale = size / min(height, width)
    wanted = (2 * round(width * scale / 2), 2 * round(height * scale / 2))
    if wanted == (width, height):
        return frame
    return np.asarray(Image.fromarray(frame).resize(wanted, Image.Resampling.LANCZOS))


def _between(share: float) -> Colour:
    return tuple(round(a + share * (b - a)) for a, b in zip(SOON, LATE, strict=True))  # type: ignore[return-value]

"""Contact sheets: a labelled table of pictures as one image."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

CELL = 72  # least side of a picture on the sheet, in pixels
GAP = 6
TEXT = 13
FRAME = (214, 60, 20)


def contact_sheet(
    pictures: Tensor, rows: Sequence[str], columns: Sequence[str], framed: Collection[tuple[int, int]] = ()
) -> Image.Image:
    """Pictures (R, C, 3, H, W) in [0, 1] under their column names and beside their row names.

    Small pictures are enlarged by a whole factor with hard pixels, so that a viewer sees what the model made. The cells
    (row, column) in `framed` get a frame. Raises ValueError where the names do not fit the table.
    """
    if pictures.ndim != 5 or pictures.shape[:2] != (len(rows), len(columns)):
        raise ValueError(
            f"pictures must be ({len(rows)}, {len(columns)}, 3, H, W) to fit rows and columns; got {tuple(pictures.shape)}"
        )
    factor = -(-CELL // pictures.shape[-1])
    cells = F.interpolate(pictures.flatten(0, 1).float().cpu().clamp(0, 1), scale_factor=factor, mode="nearest")
    bytes_ = (cells * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    height, width = bytes_.shape[1:3]
    font = ImageFont.load_default(TEXT)
    left = round(max(font.getlength(name) for name in rows)) + 2 * GAP
    top = TEXT + 2 * GAP
    sheet = Image.new("RGB", (left + len(columns) * (width + GAP), top + len(rows) * (height + GAP)), "white")
    pen = ImageDraw.Draw(sheet)
    for c, name in enumerate(columns):
        pen.text((left + c * (width + GAP) + width / 2, top / 2), name, "black", font, anchor="mm")
    for r, name in enumerate(rows):
        pen.text((left - GAP, top + r * (height + GAP) + height / 2), name, "black", font, anchor="rm")
        for c in range(len(columns)):
            x, y = left + c * (width + GAP), top + r * (height + GAP)
            sheet.paste(Image.fromarray(bytes_[r * len(columns) + c]), (x, y))
            if (r, c) in framed:
                pen.rectangle((x - 2, y - 2, x + width + 1, y + height + 1), outline=FRAME, width=2)
    return sheet

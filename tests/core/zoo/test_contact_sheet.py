"""Contact sheets show the right picture in the right cell."""

import numpy as np
import pytest
import torch

from scorekit.zoo.contact_sheet import CELL, FRAME, contact_sheet


def test_cells_names_and_frames() -> None:
    colors = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(0))
    sheet = np.asarray(
        contact_sheet(colors[..., None, None].expand(2, 3, 3, 30, 30), ["a", "bb"], ["x", "y", "z"], {(1, 2)})
    )
    side, gap = 90, 6  # 30 px enlarged by the least whole factor that reaches CELL
    assert side >= CELL
    left, top = sheet.shape[1] - 3 * (side + gap), sheet.shape[0] - 2 * (side + gap)
    assert (sheet[:top, left:] < 128).any()
    assert (sheet[top:, :left] < 128).any()
    for r in range(2):
        for c in range(3):
            x, y = left + c * (side + gap), top + r * (side + gap)
            cell = sheet[y : y + side, x : x + side].astype(float)
            assert np.abs(cell - colors[r, c].numpy() * 255).max() <= 1
            framed = (sheet[y - 1, x : x + side] == FRAME).all()
            assert framed == ((r, c) == (1, 2))


def test_names_must_fit() -> None:
    with pytest.raises(ValueError, match=r"pictures must be \(1, 2, 3, H, W\)"):
        contact_sheet(torch.zeros(2, 1, 3, 8, 8), ["a"], ["x", "y"])

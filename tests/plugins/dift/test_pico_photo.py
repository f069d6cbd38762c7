"""What pico-photo's features are worth, and how it is made, exported and loaded."""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit_dift import photographs
from scorekit_dift.descriptors import describe_pair, reading_of
from scorekit_dift.matching import match_points
from scorekit_dift.pico_photo import (
    FOLDER,
    Recipe,
    crops,
    denoiser,
    export,
    load,
    read_photographs,
    train_pico_photo,
    untrained,
)

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
OPENCV_DATA = Path("/usr/share/doc/opencv-doc/examples/data")


@pytest.fixture(scope="module")
def model() -> Denoiser:
    return load()


def within(model: Denoiser, source: Tensor, target: Tensor, points: Tensor, truth: Tensor, pixels: float) -> float:
    one, other = describe_pair(model, source, target, reading_of(model, size=max(source.shape)))
    return float(((match_points(one, other, points).target - truth).norm(dim=1) <= pixels).float().mean())


def test_a_picture_matches_itself(model: Denoiser, coffee: Tensor) -> None:
    points = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([288.0, 192.0])
    assert within(model, coffee, coffee, points, points, 3.0) == 1.0


def test_a_shift_of_20_px_is_found(model: Denoiser) -> None:
    from skimage import data

    wide = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[None].float() / 255
    wide = torch.nn.functional.interpolate(wide, (256, 276), mode="bilinear", antialias=True)[0]
    points = torch.rand(300, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([228.0, 248.0]) + 4
    points[:, 0] += 20
    share = within(model, wide[:, :, :256], wide[:, :, 20:], points, points - torch.tensor([20.0, 0.0]), 8.0)
    assert share > 0.85


@pytest.mark.skipif(not (OPENCV_DATA / "graf1.png").is_file(), reason="the Debian package opencv-doc is not installed")
def test_graf_is_matched_better_than_by_the_untrained_network(model: Denoiser) -> None:
    from correspondence_pairs import graf

    pair = graf(OPENCV_DATA)
    trained, random = (
        within(one, pair.source, pair.target, pair.points, pair.truth, 8.0)
        for one in (model, denoiser(untrained(Recipe(seed=5))))
    )
    assert trained > random + 0.1
    assert trained > 0.4


def test_a_short_training_resumes_exports_and_loads(tmp_path: Path, coffee: Tensor) -> None:
    pictures = [(coffee * 255).byte().permute(1, 2, 0).numpy()]
    recipe = Recipe(crop=32, batch=2, steps=4, cooldown=0, channels=(16, 16, 32, 32))
    losses: list[float] = []

    def report(_step: int, _total: int, metrics: dict[str, float]) -> None:
        losses.append(metrics["loss"])

    whole = train_pico_photo(recipe, pictures, tmp_path / "whole", report, cpu=True)
    train_pico_photo(Recipe(**{**vars(recipe), "steps": 2}), pictures, tmp_path / "cut", report, cpu=True)
    resumed = train_pico_photo(recipe, pictures, tmp_path / "cut", report, cpu=True)
    assert losses[4:] == losses[:4]
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
    export(whole, recipe, tmp_path / "pico-photo")
    assert json.loads((tmp_path / "pico-photo" / "scorekit.json").read_text())["recipe"]["crop"] == 32
    again = load(folder=tmp_path / "pico-photo")
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(again.network(x, torch.tensor([3.0])), whole.float()(x, torch.tensor([3.0])))


def test_crops_are_drawn_alike_by_one_seed_and_lie_in_range(coffee: Tensor) -> None:
    pictures = [(coffee * 255).byte().permute(1, 2, 0).numpy()]
    one, other = (crops(pictures, Recipe(batch=6), torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one, other)
    assert one.shape == (6, 3, 64, 64)
    assert -1 <= one.min() < -0.5 < 0.3 < one.max() <= 1


def test_folders_without_photographs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"photos: .* has no pictures"):
        read_photographs(tmp_path)
    (tmp_path / "a.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(ValueError, match=r"photos: a\.png cannot be read"):
        read_photographs(tmp_path)
    with pytest.raises(ValueError, match="pico-photo cannot be read from"):
        load(folder=tmp_path)


def test_the_shipped_card_names_every_photograph_with_its_licence() -> None:
    rows = json.loads((FOLDER / "photographs.json").read_text())
    assert len(rows) > 240
    assert all(row["license"] and row["author"] and row["source"] for row in rows)
    assert not any(word in row["source"] for row in rows for word in ("graf", "aloe", "skimage"))


def test_resource_files_of_qt_are_read() -> None:
    """A file made by hand: a folder "im" with "a.webp", stored, in the format's version 1."""
    names = b"".join(struct.pack(">HI", len(name), 0) + name.encode("utf-16-be") for name in ("im", "a.webp"))
    second = 6 + 4
    tree = (
        struct.pack(">IHII", 0, 2, 1, 1) + struct.pack(">IHII", 0, 2, 1, 2) + struct.pack(">IHHHI", second, 0, 0, 0, 0)
    )
    content = struct.pack(">I", 5) + b"hello"
    head = 20
    body = struct.pack(">4sIIII", b"qres", 1, head, head + len(tree), head + len(tree) + len(content))
    assert list(photographs.resources(body + tree + content + names)) == [("im/a.webp", b"hello")]
    with pytest.raises(ValueError, match="no Qt resource file"):
        list(photographs.resources(b"RIFF" + bytes(40)))


def test_the_licence_is_that_of_the_last_stanza_that_fits() -> None:
    text = (
        "Format: x\n\nFiles: *\nCopyright: 2001 All <a@b.c>\nLicense: GPL-3+\n\nFiles: src/fish/one.jpg\n src/b.png\n"
        "Copyright: Ann Author (ann@example.org)\nLicense: CC-BY-2.0\n text\n"
    )
    stanzas = photographs._stanzas(text)
    assert photographs._credit("gcompris/src/fish/one.webp", stanzas) == ("Ann Author", "CC-BY-2.0")
    assert photographs._credit("gcompris/src/fish/two.webp", stanzas) == ("2001 All", "GPL-3+")


def test_small_pictures_are_left_out_and_large_ones_made_smaller(tmp_path: Path) -> None:
    from io import BytesIO

    from PIL import Image

    def encoded(size: tuple[int, int]) -> bytes:
        buffer = BytesIO()
        Image.fromarray(np.zeros((*size, 3), np.uint8)).save(buffer, "PNG")
        return buffer.getvalue()

    assert not photographs._smaller(encoded((100, 300)), tmp_path / "a.jpg")
    assert photographs._smaller(encoded((600, 1200)), tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as written:
        assert written.size == (512, 256)

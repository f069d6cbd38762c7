"""What `ctx.save` writes is what the standard readers read back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from scorekit.host import artifacts
from scorekit.host.errors import RunError
from scorekit.host.files import replacing


def test_images_of_every_accepted_form_are_the_same_picture(tmp_path: Path) -> None:
    truth = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    chw = torch.from_numpy(truth).permute(2, 0, 1)
    forms: list[Any] = [
        truth,
        PIL.Image.fromarray(truth),
        chw,
        chw.float() / 255,
        chw.numpy(),
        truth / 255.0,
        chw / 255,
    ]
    forms.append((chw.float() / 255).requires_grad_())
    forms.append(torch.from_numpy(truth))
    for index, form in enumerate(forms):
        artifacts.write(path := tmp_path / f"{index}.png", form)
        np.testing.assert_array_equal(np.asarray(PIL.Image.open(path)), truth, err_msg=str(index))


def test_grey_and_transparent_images(tmp_path: Path) -> None:
    artifacts.write(tmp_path / "grey.png", np.full((4, 6), 0.5))
    assert np.asarray(PIL.Image.open(tmp_path / "grey.png")).tolist() == [[128] * 6] * 4
    artifacts.write(tmp_path / "clear.jpg", torch.zeros(4, 8, 8))  # nothing, seen on white paper
    assert np.asarray(PIL.Image.open(tmp_path / "clear.jpg")).min() > 250


@pytest.mark.parametrize("bad", [np.zeros((5, 5, 2), np.uint8), np.zeros(4), np.zeros((4, 4), np.int64)])
def test_what_is_no_image_is_refused(bad: Any, tmp_path: Path) -> None:
    with pytest.raises((ValueError, TypeError), match="an image"):
        artifacts.write(tmp_path / "x.png", bad)
    assert list(tmp_path.iterdir()) == []


def test_values_that_are_not_finite_are_never_written(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not finite"):
        artifacts.write(tmp_path / "x.png", torch.full((3, 4, 4), torch.nan))
    with pytest.raises(RunError, match=r"x\.json has a value that is not finite"):
        artifacts.write(tmp_path / "x.json", {"loss": float("inf")})
    assert list(tmp_path.iterdir()) == []


def test_text_bytes_json_tensors_and_files(tmp_path: Path) -> None:
    artifacts.write(tmp_path / "a.svg", "<svg>ü</svg>")
    artifacts.write(tmp_path / "b.bin", b"\0\1")
    artifacts.write(tmp_path / "c.json", {"x": [1, 2]})
    artifacts.write(tmp_path / "d.safetensors", {"w": torch.arange(6.0).view(2, 3).T})
    made = tmp_path / "made.wav"
    made.write_bytes(b"RIFF")
    artifacts.write(tmp_path / "e.wav", made)
    artifacts.write(tmp_path / "f.mp4", lambda path: path.write_text(path.suffix))
    assert (tmp_path / "a.svg").read_text() == "<svg>ü</svg>"
    assert (tmp_path / "b.bin").read_bytes() == b"\0\1"
    assert json.loads((tmp_path / "c.json").read_text()) == {"x": [1, 2]}
    from safetensors.torch import load_file

    assert load_file(tmp_path / "d.safetensors")["w"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert (tmp_path / "e.wav").read_bytes() == b"RIFF"
    assert not made.exists()
    assert (tmp_path / "f.mp4").read_text() == ".mp4"
    assert len(list(tmp_path.iterdir())) == 6


def test_meshes_read_back_with_their_colours(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    box = trimesh.creation.box()
    box.visual.vertex_colors = np.tile(np.array([[200, 10, 10, 255]], np.uint8), (8, 1))
    for name in ("m.glb", "m.obj", "m.ply"):
        assert artifacts.write(tmp_path / name, box) == [tmp_path / name]
        read = trimesh.load(tmp_path / name, force="mesh")
        assert read.volume == pytest.approx(1)
        assert read.visual.vertex_colors[:, :3].tolist() == [[200, 10, 10]] * len(read.vertices)
    with pytest.raises(RunError, match=r"n\.glb would be an empty mesh"):
        artifacts.write(tmp_path / "n.glb", trimesh.Trimesh())


def test_a_textured_obj_brings_its_texture(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    picture = PIL.Image.new("RGB", (4, 4), (0, 200, 0))
    mesh = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], process=False)
    mesh.visual = trimesh.visual.TextureVisuals(uv=[[0, 0], [1, 0], [0, 1]], image=picture)
    written = artifacts.write(tmp_path / "t.obj", mesh)
    assert written[0] == tmp_path / "t.obj"
    assert tmp_path / "t.mtl" in written
    read = trimesh.load(tmp_path / "t.obj", force="mesh")
    assert read.visual.material.image.convert("RGB").getpixel((0, 0)) == (0, 200, 0)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError(temporary.suffix)

    with pytest.raises(ZeroDivisionError, match=r"^\.txt$"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", ".", ".hidden", "run.json", "pause", "a\\b", "link/x"])
def test_names_that_leave_the_folder_or_are_taken_are_refused(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match=r"artifact|file of the host"):
        artifacts.inside(folder, name)
    assert artifacts.inside(folder, "frames/1.png") == folder / "frames" / "1.png"


def test_unknown_content_is_told_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"cannot encode int as x\.mp4; give bytes, text, a Path, or a function"):
        artifacts.write(tmp_path / "x.mp4", 3)

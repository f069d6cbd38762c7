"""Fashion-MNIST: its files, its model, and the training application on a small set of the same form."""

import gzip
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from scorekit.host.errors import ParameterError
from scorekit.host.runs import execute
from scorekit.sampling import sample
from scorekit_diffusion_classifier import pico_fashion
from scorekit_diffusion_classifier.fashion_mnist import CLASSES, load_part, read_idx
from scorekit_diffusion_classifier.network import ClassDenoiser
from scorekit_diffusion_classifier.training import TrainFashionMNIST


def idx(array: Tensor) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.numpy().tobytes()


def small_set(folder: Path, count: int = 80) -> tuple[Tensor, Tensor]:
    """The four files with `count` training pictures: class k is a bright row k, in noise."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = (torch.arange(count) % 10).to(torch.uint8)
    images = torch.randint(0, 40, (count, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    images[torch.arange(count), 2 * labels.long() + 3] = 250
    for stem in ("train", "t10k"):
        (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(idx(labels))
    return images, labels


def test_parts_are_whole_disjoint_and_always_the_same(tmp_path: Path) -> None:
    images, labels = small_set(tmp_path)
    parts = [load_part(part, tmp_path) for part in ("train", "calibration")]
    assert [len(part) for part in parts] == [60, 20]
    seen = torch.cat([part.images.flatten(1) for part in parts])
    assert len(seen.unique(dim=0)) == 80
    for part in parts:
        for image, label in zip(part.images, part.labels, strict=True):
            assert labels[(images == image).all(2).all(1)].tolist() == [label]
    assert torch.equal(load_part("train", tmp_path).labels, parts[0].labels)
    test = load_part("test", tmp_path)
    assert torch.equal(test.images, images)
    pictures = test.pictures(torch.tensor([3]))
    assert pictures.shape == (1, 1, 28, 28)
    assert 0.9 < pictures.max() <= 1


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    good = idx(torch.zeros(2, 3, dtype=torch.uint8))
    path.write_bytes(gzip.compress(good))
    assert read_idx(path).shape == (2, 3)
    for raw in (
        b"",
        good,
        gzip.compress(good)[:-12],
        gzip.compress(good[:-1]),
        gzip.compress(b"\0\0\x0d\x01" + good[4:]),
    ):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=r"data: .* is no idx file of bytes"):
            read_idx(path)
    with pytest.raises(
        ValueError, match=r"data must be a folder with train-images-idx3-ubyte or .*dataset-fashion-mnist"
    ):
        load_part("train", tmp_path)
    small_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(torch.full((80,), 10, dtype=torch.uint8)))
    with pytest.raises(ValueError, match="no pictures with labels from 0 to 9"):
        load_part("train", tmp_path)


def test_the_network_starts_as_nothing_and_hears_of_time_and_class() -> None:
    network = ClassDenoiser(10, 16, 2)
    x, t, classes = torch.randn(3, 1, 28, 28), torch.tensor([0.0, 500.0, 999.0]), torch.tensor([0, 9, 10])
    assert network(x, t, classes).abs().max() < 0.2  # only the bias of the last layer
    generator = torch.Generator().manual_seed(0)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.1, generator=generator)
    base = network(x, t, classes)
    assert base.shape == x.shape
    assert (network(x, t.flip(0), classes) - base)[0].abs().max() > 1e-3
    assert (network(x, t, classes.flip(0)) - base)[0].abs().max() > 1e-3
    torch.testing.assert_close(network(x[1:2], t[1:2], classes[1:2]), base[1:2], atol=1e-5, rtol=1e-4)


def test_a_model_survives_its_file_and_knows_its_classes(tmp_path: Path) -> None:
    recipe = pico_fashion.Recipe(channels=16, blocks=1)
    network = recipe.network()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    (tmp_path / "model.safetensors").write_bytes(pico_fashion.export(network, recipe))
    model = pico_fashion.load(tmp_path / "model.safetensors")
    x, t = torch.randn(2, 1, 28, 28), torch.tensor(0.4)
    whole = pico_fashion.denoiser(network)
    torch.testing.assert_close(model.given("bag")(x, t).x0, whole.given("bag")(x, t).x0, atol=2e-2, rtol=0)
    assert torch.equal(model.given("Ankle Boot ")(x, t).x0, model.given("9")(x, t).x0)
    assert not torch.equal(model.given(None)(x, t).x0, model.given("bag")(x, t).x0)
    with pytest.raises(ValueError, match=r"knows the classes T-shirt, .*, or 0 to 9, not 'hat'"):
        model.given("hat")
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is no pico-fashion model"):
        pico_fashion.load(tmp_path / "model.safetensors")


def test_pictures_of_any_size_and_colour_become_grey_ones() -> None:
    codec = pico_fashion.Grey()
    x = torch.rand(2, 1, 28, 28) * 2 - 1
    assert codec.decode(x).shape == (2, 3, 28, 28)
    torch.testing.assert_close(codec.encode(codec.decode(x)), x)
    assert codec.encode(torch.full((1, 3, 100, 100), 0.75)).sub(0.5).abs().max() < 1e-6


def test_the_recipe_learns_a_small_set_and_a_resumed_run_is_the_same(tmp_path: Path) -> None:
    small_set(tmp_path / "data")
    params = {"data": tmp_path / "data", "steps": 60, "cooldown": 20, "batch": 16, "channels": 16, "blocks": 1}
    done = execute(TrainFashionMNIST, params, tmp_path / "run", seed=1, device="cpu")
    assert done.status == "done", done.error
    losses = [line["metrics"]["loss"] for line in done.progress()]
    assert sum(losses[-10:]) < 0.85 * sum(losses[:10])  # most of these steps warm up
    model = pico_fashion.load(tmp_path / "run" / "pico-fashion.safetensors")
    made = sample(model.given(["bag"]), 1, steps=4, generator=torch.Generator().manual_seed(0))
    assert made.isfinite().all()
    assert (tmp_path / "run" / "samples.png").stat().st_size > 1000

    cut = tmp_path / "cut"

    def cancel(event: Any) -> None:
        if event.kind == "progress" and event.data["step"] == 25:
            (cut / "cancel").touch()

    assert execute(TrainFashionMNIST, params, cut, seed=1, device="cpu", on_event=cancel).status == "cancelled"
    (cut / "cancel").unlink(missing_ok=True)
    assert execute(TrainFashionMNIST, out=cut, resume=True).status == "done"
    for name in ("pico-fashion.safetensors", "samples.png"):
        assert (cut / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="data must be a folder with train-images-idx3-ubyte"):
        execute(TrainFashionMNIST, {"data": tmp_path}, tmp_path / "run", seed=1, device="cpu")


@pytest.mark.skipif(not pico_fashion.SHIPPED.exists(), reason="the model is not in this tree")
def test_the_shipped_model_is_named_and_knows_clothes() -> None:
    from scorekit.host import models

    model, identity = models.load("pico-fashion", torch.device("cpu"), torch.float32, False)
    assert identity["kind"] == "plugin"
    assert model.shape == (1, 28, 28)
    made = sample(model.given(list(CLASSES)), 10, steps=10, generator=torch.Generator().manual_seed(0))
    covered = (made > -0.5).float().mean((1, 2, 3))
    assert covered[CLASSES.index("coat")] > covered[CLASSES.index("sandal")]

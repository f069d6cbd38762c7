"""Names resolve without torch, or fail in one sentence."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scorekit.models import embedded, identity, resolve, sources


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("pico-image", "pico-video"):
        (tmp_path / "zoo" / name).mkdir(parents=True)
        (tmp_path / "zoo" / name / "model_index.json").write_text("{}")
    (tmp_path / "zoo" / "unfinished").mkdir()
    monkeypatch.setattr(sources, "ZOO", tmp_path / "zoo")
    return tmp_path / "zoo"


def test_embedded_models_are_folders_with_an_index(zoo: Path) -> None:
    assert embedded() == ["pico-image", "pico-video"]
    found = resolve("pico-image")
    assert (found.kind, str(found)) == ("embedded", str(zoo / "pico-image"))


def test_folder_comes_before_hub_id(zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    (tmp_path / "owner" / "name" / "model_index.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    found = resolve("owner/name")
    assert (found.kind, found.name, found.location) == ("folder", "name", str(tmp_path / "owner" / "name"))
    assert resolve("owner/other").kind == "hub"
    assert resolve(str(zoo / "pico-image")).kind == "folder"
    with pytest.raises(ValueError, match=r"is a folder without model_index\.json"):
        resolve("owner")


@pytest.mark.usefixtures("zoo")
def test_unknown_name_says_what_is_known_and_meant() -> None:
    with pytest.raises(ValueError) as error:
        resolve("pico-imge")
    assert str(error.value) == (
        "--model 'pico-imge' is not known: it must be an embedded model (pico-image, pico-video), a folder with model_index.json, "
        "or a hub id like owner/name. Did you mean pico-image?"
    )
    for bad in ("", " ", "./nowhere", "/no/where", "a/b/c", "../x", "owner/", "owner/na me", "-o/n", "o/n--m", "ö/n"):
        with pytest.raises(ValueError, match="is not known"):
            resolve(bad)


def test_no_torch_before_load() -> None:
    code = (
        "import sys, scorekit.models as m; m.embedded(); m.resolve('owner/name')\n"
        "assert m.load\nprint([x for x in ('torch', 'diffusers', 'transformers', 'huggingface_hub') if x in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_identity_follows_the_weights(pico: tuple[Any, Path], tmp_path: Path) -> None:
    """Saving what was loaded gives the same weights, so the same identity; another weight, another identity."""
    import torch

    from scorekit.models import load

    _, folder = pico
    first = identity(str(folder))
    assert first["name"] == "pico-tiny"
    assert first["files"].keys() == {
        "unet/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
    }
    model: Any = load(str(folder), dtype=torch.float16)
    model.network.unet.save_pretrained(tmp_path / "unet")
    model.prompts.encoder.save_pretrained(tmp_path / "text_encoder")
    (tmp_path / "model_index.json").write_text("{}")
    assert identity(str(tmp_path))["sha256"] == first["sha256"]
    with torch.no_grad():
        next(model.network.unet.parameters()).mul_(2)
    model.network.unet.save_pretrained(tmp_path / "unet")
    again = identity(str(tmp_path))
    assert again["sha256"] != first["sha256"]
    assert again["files"]["text_encoder/model.safetensors"] == first["files"]["text_encoder/model.safetensors"]

"""Hub ids, against a server on this machine that speaks the part of the hub's protocol that a download uses."""

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest
import torch

from scorekit.models import identity, load

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BRANCH, OTHER_COMMIT = "refs/pr/3", "76543210fedcba9876543210fedcba9876543210"


class Hub(ThreadingHTTPServer):
    """Serves `folders` by hub id, and beside them one branch, BRANCH; `gated` ids are refused. `sent` are the files that went out."""

    def __init__(self) -> None:
        self.folders: dict[str, Path] = {}
        self.branches: dict[str, Path] = {}
        self.gated: set[str] = set()
        self.sent: set[str] = set()
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(BaseHTTPRequestHandler):
    server: Hub
    commit = COMMIT

    def do_GET(self) -> None:
        parts = [unquote(part) for part in urlparse(self.path).path.strip("/").split("/")]
        parts = parts[2:] if parts[:2] == ["api", "models"] else parts
        hub_id, what, rest = "/".join(parts[:2]), parts[2] if len(parts) > 2 else "", "/".join(parts[4:])
        revision = parts[3] if len(parts) > 3 else "main"
        folder = self.server.folders.get(hub_id)
        if folder is not None and revision not in ("main", COMMIT):
            if revision not in (BRANCH, OTHER_COMMIT) or hub_id not in self.server.branches:
                return self._reply(404, b"", {"X-Error-Code": "RevisionNotFound"})
            folder, self.commit = self.server.branches[hub_id], OTHER_COMMIT
        if hub_id in self.server.gated:
            return self._reply(403, b"", {"X-Error-Code": "GatedRepo"})
        if folder is None:
            return self._reply(404, b"", {"X-Error-Code": "RepoNotFound"})
        files = [path for path in folder.rglob("*") if path.is_file()]
        if what == "resolve":
            return self._file(folder, rest)
        if what == "tree":
            rows = [
                {"type": "file", "path": p.relative_to(folder).as_posix(), "size": p.stat().st_size, "oid": "0"}
                for p in files
            ]
            return self._reply(200, json.dumps(rows).encode())
        siblings = [{"rfilename": p.relative_to(folder).as_posix()} for p in files]
        return self._reply(200, json.dumps({"id": hub_id, "sha": self.commit, "siblings": siblings}).encode())

    do_HEAD = do_GET

    def _file(self, folder: Path, name: str) -> None:
        if not (folder / name).is_file():
            return self._reply(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": self.commit})
        content = (folder / name).read_bytes()
        if self.command == "GET":
            self.server.sent.add(name)
        etag = hashlib.sha256(content).hexdigest()
        return self._reply(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": self.commit})

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def point_at(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    point_at(f"http://127.0.0.1:{server.server_address[1]}", monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def published(hub: Hub, floyd: tuple[Any, Path], tmp_path: Path) -> Path:
    """The tiny IF as hubs hold models: with pickled and half-precision copies and parts that are not needed."""
    folder = Path(shutil.copytree(floyd[1], tmp_path / "published"))
    for role, name in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        shutil.copy(folder / role / f"{name}.safetensors", folder / role / f"{name}.fp16.safetensors")
        (folder / role / f"{name}.bin").write_bytes(b"pickle")
    (folder / "safety_checker").mkdir()
    (folder / "safety_checker" / "model.safetensors").write_bytes(b"not needed")
    hub.folders["owner/tiny-if"] = folder
    return folder


def test_only_what_is_read_is_fetched(hub: Hub, published: Path) -> None:
    model = load("owner/tiny-if")
    assert model.name == "owner/tiny-if"
    expected = {
        path.relative_to(published).as_posix()
        for path in published.rglob("*")
        if path.is_file() and path.suffix != ".bin" and ".fp16" not in path.name and "safety_checker" not in path.parts
    }
    assert hub.sent == expected - {"README.md"}
    x, local = torch.randn(1, 3, 8, 8), load(str(published))
    with torch.no_grad():
        torch.testing.assert_close(model.given("a cube")(x, 0.5).output, local.given("a cube")(x, 0.5).output)


@pytest.mark.usefixtures("published")
def test_half_precision_fetches_the_half_precision_copy(hub: Hub) -> None:
    load("owner/tiny-if", dtype=torch.float16)
    weights = {name for name in hub.sent if name.endswith(".safetensors")}
    assert weights == {"unet/diffusion_pytorch_model.fp16.safetensors", "text_encoder/model.fp16.safetensors"}


def test_once_fetched_it_loads_without_the_hub(hub: Hub, published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    load("owner/tiny-if")
    found = identity("owner/tiny-if")
    digest = hashlib.sha256((published / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()).hexdigest()
    assert found["files"]["unet/diffusion_pytorch_model.safetensors"] == digest
    hub.sent.clear()
    for offline in (True, False):  # told to stay offline; and a hub that does not answer
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        point_at("http://127.0.0.1:9", monkeypatch)
        assert load("owner/tiny-if").shape == (3, 8, 8)
        with pytest.raises(ValueError, match="'owner/other' is not in the local cache and the hub cannot be reached"):
            load("owner/other")
    assert not hub.sent
    assert identity("owner/other")["sha256"] is None


def test_refusals_of_the_hub_are_one_sentence(hub: Hub, published: Path) -> None:
    hub.gated.add("owner/gated")
    hub.folders["owner/transformer"] = published / "text_encoder"
    for hub_id, said in (
        ("owner/nothing", "is not on the hub, or is private"),
        ("owner/gated", "is gated: accept its licence"),
        ("owner/transformer", "has no model_index.json on the hub"),
    ):
        with pytest.raises(ValueError, match=said) as error:
            load(hub_id)
        assert "\n" not in str(error.value)


def test_pickle_is_refused_before_it_is_fetched(hub: Hub, published: Path) -> None:
    for file in (published / "unet").glob("*.safetensors"):
        file.unlink()
    with pytest.raises(ValueError, match="owner/tiny-if has only pickle weights in unet/"):
        load("owner/tiny-if")
    assert not any(name.endswith((".bin", ".safetensors")) for name in hub.sent)


def test_unsupported_model_is_refused_before_its_weights_are_fetched(hub: Hub, published: Path) -> None:
    index = json.loads((published / "model_index.json").read_text()) | {"unet": ["diffusers", "UNet3DConditionModel"]}
    (published / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="UNet3DConditionModel"):
        load("owner/tiny-if")
    assert hub.sent == {"model_index.json"}


def test_a_revision_is_another_model(hub: Hub, published: Path, tmp_path: Path) -> None:
    """The one that is asked for is read, now and later without the hub, and the main one stays what it is."""
    from safetensors.torch import load_file, save_file

    other = Path(shutil.copytree(published, tmp_path / "other"))
    for file in (other / "unet").glob("*.safetensors"):
        save_file({key: value + 0.01 for key, value in load_file(file).items()}, file, {"format": "pt"})
    hub.branches["owner/tiny-if"] = other
    x, expected = torch.randn(1, 3, 8, 8), load(str(other))
    for revision in (BRANCH, OTHER_COMMIT):
        model = load(f"owner/tiny-if@{revision}")
        assert model.name == f"owner/tiny-if@{revision}"
        with torch.no_grad():
            torch.testing.assert_close(model.given("a cube")(x, 0.5).output, expected.given("a cube")(x, 0.5).output)
    load("owner/tiny-if")
    point, main = identity(f"owner/tiny-if@{BRANCH}"), identity("owner/tiny-if")
    assert point["sha256"] is not None
    assert point["sha256"] != main["sha256"]
    with pytest.raises(ValueError, match="'owner/tiny-if@v9' has no revision 'v9' on the hub") as error:
        load("owner/tiny-if@v9")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["owner/name@", "owner/name@a..b", "@v1", "owner@v1", "owner/name@/v1", "owner/name@v 1"]
)
def test_what_is_no_revision(name: str) -> None:
    with pytest.raises(ValueError, match="is not known"):
        load(name)


def test_lora_from_the_hub(hub: Hub, sd_eps: tuple[Any, Path], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder, layer = tmp_path / "style", "unet.mid_block.resnets.0.conv1"
    folder.mkdir()
    down, up = torch.randn(2, 32, 3, 3), torch.randn(32, 2, 1, 1)
    save_file({f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}, folder / "style.safetensors")
    hub.folders["owner/style"] = folder
    before = load(str(sd_eps[1])).network.unet.mid_block.resnets[0].conv1.weight
    after = load(str(sd_eps[1]), lora=("owner/style", 0.5)).network.unet.mid_block.resnets[0].conv1.weight
    torch.testing.assert_close(
        after - before, 0.5 * torch.einsum("or,rihw->oihw", up[..., 0, 0], down), atol=1e-5, rtol=0
    )
    assert hub.sent == {"style.safetensors"}
    (folder / "second.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"must have one .safetensors file on the hub \(it has"):
        load(str(sd_eps[1]), lora="owner/style")
    with pytest.raises(ValueError, match=r"^lora 'owner/nothing' is not on the hub"):
        load(str(sd_eps[1]), lora="owner/nothing")


def test_controlnet_from_the_hub(hub: Hub, sd_eps: tuple[Any, Path], tmp_path: Path) -> None:
    from diffusers import ControlNetModel

    folder = tmp_path / "edges"
    ControlNetModel.from_unet(sd_eps[0].unet).save_pretrained(folder)
    (folder / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    (folder / "README.md").write_text("not needed")
    hub.folders["owner/edges"] = folder
    model = load(str(sd_eps[1]), controlnet="owner/edges")
    assert isinstance(model.network.controlnet, ControlNetModel)
    assert hub.sent == {"config.json", "diffusion_pytorch_model.safetensors"}
    hub.folders["owner/nothing"] = tmp_path / "style"
    with pytest.raises(ValueError, match=r"^controlnet 'owner/nothing' has no config.json on the hub"):
        load(str(sd_eps[1]), controlnet="owner/nothing")

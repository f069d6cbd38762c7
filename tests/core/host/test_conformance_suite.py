"""The conformance suite tells good from bad: a sound application passes every check, and each fault fails the check made for it."""

import struct
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from scorekit.host.testing import CHECKS, QUICK, RUNS, Result, check, conformance
from scorekit.host.testing.media import fault
from scorekit.host.testing.views import view_fault

HEAD = """
from pathlib import Path
from typing import Literal
from pydantic import Field
from scorekit.host.plugin import Application, ModelSpec, Params, SolverSpec, View, hookimpl
"""
SOUND = """
class Sound(Application):
    name, title, summary, reference = "sound", "Sound", "Walks at random.", "arXiv:2209.14988"
    artifacts, demo = ("walk.json",), {"steps": 4}
    class Params(Params):
        steps: int = Field(50, ge=1, le=1000, description="How far.")
        style: Literal["plain", "fancy"] = Field("plain", description="How.")
        scale: float = Field(1.0, gt=0, le=10, description="How wide.")
        words: list[str] = Field(["a"], description="What to say.")
        loud: bool = Field(False, description="Say it aloud.")
        picture: Path | None = Field(None, description="A picture.")
    def run(self, params, ctx):
        import torch
        place, first = torch.zeros(2), 0
        if state := ctx.restore():
            place, first = state["place"], state["step"]
        for step in range(first + 1, params.steps + 1):
            place = place + params.scale * torch.randn(2, generator=ctx.generator)
            ctx.checkpoint(lambda: {"place": place, "step": step}, step)
            ctx.progress(step, params.steps)
        ctx.save("walk.json", {"place": place.tolist()})
"""
END = """
@hookimpl
def scorekit_applications(): return [Sound]
"""
LOOP = "            ctx.progress(step, params.steps)\n"
SAVE = '        ctx.save("walk.json", {"place": place.tolist()})\n'
# By check: what is changed in SOUND, and what the sentence says.
QUICK_FAULTS: dict[str, tuple[str, str, str]] = {
    "metadata": ("Walks at random.", "Walks at random", "its summary is not one sentence with a full stop"),
    "metadata artifacts": ('("walk.json",)', '("../walk.json",)', "leads out of the run folder"),
    "metadata demo": (
        '{"steps": 4}',
        '{"steps": 0}',
        "its demo cannot be used: --steps must be a whole number from 1 to 1000; got 0",
    ),
    "metadata reference": ("arXiv:2209.14988", "a paper", "its reference 'a paper' is not of the form"),
    "import_cost": ("class Sound", "import numpy\nclass Sound", "imports numpy: that belongs inside run"),
    "import_cost print": ("class Sound", "print('hello')\nclass Sound", "prints 'hello'"),
    "parameters_described": (', description="How wide."', "", "parameter scale has no description"),
    "parameters_described limits": ("gt=0, le=10, ", "", "parameter scale takes any number"),
    "parameters_round_trip": (
        '        loud: bool = Field(False, description="Say it aloud.")\n',
        '        loud: bytes = Field(b"\\xff", description="Say it aloud.")\n',
        "Error",
    ),
    "bad_parameters": (
        "    def run(",
        "        def __init__(self, **values):\n"
        "            super().__init__(**{k: v for k, v in values.items() if k != 'no_such_parameter'})\n"
        "    def run(",
        "is taken",
    ),
}
UNSEEDED = "generator=torch.Generator().manual_seed(torch.Generator().seed()))"
DEAF = "            try: ctx.progress(step, params.steps)\n            except BaseException: pass\n"
OUTSIDE = '        __import__("os").makedirs(__import__("sys").prefix + "/left-by-a-plugin")\n'
CALLING = '        __import__("socket").create_connection(("192.0.2.1", 80), 1)\n'
RUN_FAULTS: dict[str, tuple[str, str, str]] = {
    "demo_run": (SAVE, "        1 / 0\n", "the demo run is failed: ZeroDivisionError: division by zero"),
    "demo_run progress": (LOOP, "", "it never calls ctx.progress"),
    "artifacts": (SAVE, '        ctx.save("walk.json", "{no json")\n', "walk.json is no valid JSON"),
    "artifacts name": (SAVE, SAVE + '        ctx.save("more.txt", "x")\n', "more.txt is covered by no pattern in artifacts"),
    "artifacts main": (SAVE, "", "it declares walk.json as its main artifact and wrote nothing"),
    "repeats": ("generator=ctx.generator)", UNSEEDED, "two runs of one seed differ: walk.json differs at place[0]"),
    "resumes": ('"step": step}', '"step": step - 1}', "resumed it ends otherwise than in one go: walk.json differs at"),
    "resumes cancel": (LOOP, DEAF, "cancelled half way it is done"),
    "stays_in_folder": (SAVE, SAVE + OUTSIDE, "it writes outside of the run folder: "),
    "no_network": (SAVE, CALLING, "it calls 192.0.2.1:80"),
}  # fmt: skip
QUICKLY_RUN = ("resumes", "stays_in_folder")
OTHERS = """
def plan(schedule, t):
    from scorekit.solvers import ddim
    return ddim(schedule, t)
def half(schedule, t):
    from dataclasses import replace
    rows = plan(schedule, t)
    return replace(rows, b=rows.b / 2)
def load(device, dtype):
    import torch
    from scorekit.analytic import GaussianMixture
    from scorekit.schedule import Flow
    return GaussianMixture(torch.zeros(1, 2), 1.0, Flow(), name="cloud")
@hookimpl
def scorekit_models(): return [
    ModelSpec("cloud", "A cloud.", load=load), ModelSpec("text", "No denoiser.", load=lambda device, dtype: "text")]
@hookimpl
def scorekit_solvers(): return [SolverSpec("same", "DDIM.", lambda: plan), SolverSpec("half", "Wrong.", lambda: half)]
@hookimpl
def scorekit_view(artifact): return View("<p>" + artifact.name + "</p>") if artifact.name.endswith(".json") else None
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name under which a test writes its plugin, on the import path of this process and of its children."""
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"plugin_{abs(hash(request.node.name))}"
    yield name
    sys.modules.pop(name, None)


def results(module: str, place: Path, code: str, checks: tuple[str, ...] | None = None) -> dict[str, Result]:
    (place / f"{module}.py").write_text(HEAD + code)
    return {f"{result.subject}-{result.check}": result for result in check(module, checks)}


def test_a_sound_application_passes_every_check(module: str, tmp_path: Path) -> None:
    found = results(module, tmp_path, SOUND + END)
    assert [r for r in found.values() if r.status != "ok"] == []
    assert len(found) == 11


@pytest.mark.parametrize("case", QUICK_FAULTS)
def test_a_fault_fails_its_check(case: str, module: str, tmp_path: Path) -> None:
    before, after, sentence = QUICK_FAULTS[case]
    assert before in SOUND
    name = case.split()[0]
    [result] = results(module, tmp_path, SOUND.replace(before, after) + END, (name,)).values()
    assert result.status == "failed"
    assert sentence in result.sentence
    assert "\n" not in result.sentence


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if case in QUICKLY_RUN else pytest.mark.slow) for case in RUN_FAULTS]
)
def test_a_fault_of_a_run_fails_its_check(case: str, module: str, tmp_path: Path) -> None:
    before, after, sentence = RUN_FAULTS[case]
    assert before in SOUND
    name = case.split()[0]
    found = results(module, tmp_path, SOUND.replace(before, after) + END, RUNS)
    result = found[f"sound-{name}"]
    assert result.status == "failed", found
    assert sentence in result.sentence
    assert not (Path(sys.prefix) / "left-by-a-plugin").exists()


def test_models_solvers_and_viewers_are_checked(module: str, tmp_path: Path) -> None:
    found = results(module, tmp_path, SOUND + OTHERS, tuple(name for name in CHECKS if name != "import_cost"))
    failed = {name: result.sentence for name, result in found.items() if result.status != "ok"}
    assert set(failed) == {"text-loads", "half-samples"}
    assert failed["text-loads"] == "its load returns str, which is no Denoiser"
    assert failed["half-samples"].startswith("N(0.7, 0.25) is sampled with mean ")
    assert {f"{module}-views_anything", "cloud-denoises", "same-samples"} <= set(found)


def test_a_viewer_that_raises_or_calls_out_is_told(module: str, tmp_path: Path) -> None:
    raising = """
import json
@hookimpl
def scorekit_view(artifact): return View(str(json.loads((artifact.run.folder / artifact.name).read_text())))
"""
    [result] = results(module, tmp_path, raising, ("views_anything",)).values()
    assert "asked about damaged.json it raises JSONDecodeError" in result.sentence
    from scorekit.host.plugin import View

    for html in (
        '<img src="https://host/x.png">',
        "<style>a{background:url(//host/x)}</style>",
        "<script src=http://host/x.js></script>",
    ):
        assert "loads from the network" in view_fault(View(html))
    assert view_fault(View('<svg xmlns="http://www.w3.org/2000/svg"/><img src="data:image/png;base64,AA">')) == ""
    assert view_fault(View("<p/>", height=0)) == "has the height 0"
    assert view_fault("<p/>") == "is str, not a View"


def test_conformance_is_a_parametrised_test(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text(HEAD + SOUND.replace("Walks at random.", "Walks") + END)
    test = conformance(module, checks=QUICK)
    [mark] = test.pytestmark  # type: ignore[attr-defined]
    cases = {case.id: case.values for case in mark.args[1]}
    assert list(cases) == [f"sound-{name}" for name in QUICK[:5]]
    test(*cases["sound-parameters_described"])
    with pytest.raises(pytest.fail.Exception, match="its summary is not one sentence"):
        test(*cases["sound-metadata"])
    with pytest.raises(ValueError, match=r"checks must be of metadata, .*; got 'tidiness'"):
        conformance(module, checks=["tidiness"])


def test_a_target_may_be_a_module_or_a_class(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text(HEAD + SOUND + END)
    found = __import__(module)
    assert isinstance(found, types.ModuleType)
    for target in (module, f"{module}:Sound", found, found.Sound):
        assert [r.status for r in check(target, ("metadata",))] == ["ok"]


def glb(length: int | None = None, scene: bytes = b'{"asset":{"version":"2.0"}}') -> bytes:
    scene += b" " * (-len(scene) % 4)
    return struct.pack("<4sIII4s", b"glTF", 2, length or 20 + len(scene), len(scene), b"JSON") + scene


def wav(samples: int) -> bytes:
    form = struct.pack("<HHIIHH", 3, 1, 8000, 32000, 4, 32)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", samples * 4) + bytes(4 * samples)
    return b"RIFF" + struct.pack("<I", len(body)) + body


# Name: (content, what is said of it; "" if it is valid).
FILES: dict[str, tuple[bytes, str]] = {
    "good.json": (b'{"a": [1, 2.5, null]}', ""),
    "nan.json": (b'{"a": NaN}', "nan.json is no valid JSON: NaN is not JSON"),
    "cut.json": (b'{"a": ', "cut.json is no valid JSON"),
    "good.jsonl": (b'{"a": 1}\n{"a": 2}\n', ""),
    "good.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', ""),
    "html.svg": (b"<html/>", "its root is <html>"),
    "cut.svg": (b"<svg><g>", "cut.svg is no valid SVG"),
    "good.wav": (wav(4), ""),
    "empty.wav": (wav(0), "it has no format or no sound"),
    "cut.wav": (wav(4)[:-3], "is cut off"),
    "short.glb": (glb(length=999), "it says that it has 999 bytes"),
    "empty.glb": (glb(), "it holds no mesh"),
    "no.glb": (b"glTX" + glb()[4:], "it does not begin as binary glTF 2"),
    "cut.mp4": (struct.pack(">I4s", 24, b"ftyp") + bytes(4), "is cut off"),
    "half.mp4": (struct.pack(">I4s", 8, b"ftyp"), "it has no ftyp and moov box"),
    "good.csv": (b"a,b\n1,2\n", ""),
    "uneven.csv": (b"a,b\n1\n", "its rows have 1, 2 cells"),
    "no.parquet": (b"PAR1 and more", "it does not begin and end as Parquet"),
    "no.npz": (b"PK\x03\x04 cut", "no.npz is no valid NPZ"),
    "no.safetensors": (bytes(16), "no.safetensors is no valid SAFETENSORS"),
    "good.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", ""),
    "points.obj": (b"v 0 0 0\n", "it has no vertices or no faces"),
    "latin.txt": (b"\xff\xfe\xfa", "latin.txt is no valid TXT"),
    "empty.bin": (b"", "empty.bin is empty"),
    "any.bin": (b"\x00", ""),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_its_name_says(name: str, tmp_path: Path) -> None:
    content, said = FILES[name]
    (tmp_path / name).write_bytes(content)
    found = fault(tmp_path / name)
    assert said in found
    assert bool(said) == bool(found)


def test_files_of_libraries_are_read(tmp_path: Path) -> None:
    PIL.Image.effect_noise((64, 64), 50).save(tmp_path / "good.png")
    PIL.Image.new("RGB", (2, 2)).save(tmp_path / "good.webp")
    np.savez(tmp_path / "good.npz", a=np.zeros(3))
    np.savez(tmp_path / "pickled.npz", a=np.array([{}], dtype=object))
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as archive:
        archive.writestr("a", "b")
    assert [fault(tmp_path / name) for name in ("good.png", "good.webp", "good.npz", "good.zip")] == [""] * 4
    assert "pickled.npz is no valid NPZ" in fault(tmp_path / "pickled.npz")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:1000])
    assert "cut.png is no valid PNG" in fault(tmp_path / "cut.png")
    (tmp_path / "good.png").rename(tmp_path / "other.jpg")
    assert fault(tmp_path / "other.jpg") == "other.jpg is no valid JPG: it is a PNG"
    assert fault(tmp_path / "gone.png") == "gone.png is no file"

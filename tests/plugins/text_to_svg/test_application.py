"""The application end to end on an exact score: what it draws, files, resume, refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from svg_pictures import blobs, psnr, resvg

import scorekit_text_to_svg
from scorekit.host.errors import ParameterError
from scorekit.host.runs import execute
from scorekit_text_to_svg import TextToSVG
from scorekit_text_to_svg.parameters import TextToSVGParams
from scorekit_text_to_svg.rasterise import layers
from scorekit_text_to_svg.svg_read import read_svg
from scorekit_text_to_svg.svg_write import svg

PLUGINS = str(Path(scorekit_text_to_svg.__file__).parents[1])
QUICK = {
    "prompt": "a red disc",
    "paths": 4,
    "fit_steps": 24,
    "steps": 4,
    "candidates": 2,
    "views": 2,
    "picture_size": 64,
    "film_frames": 4,
    "palette": 3,
}


@pytest.fixture(autouse=True)
def exact_icons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the model of exact_icons.py as a plugin's, and write checkpoints at every step."""
    info = tmp_path / "site" / "exact_icons-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: exact-icons\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[scorekit.plugins]\nexact = exact_icons\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("SCOREKIT_CHECKPOINT_SECONDS", "0")


def run(out: Path, model: str = "exact-icons", **params: Any) -> Any:
    return execute(TextToSVG, {**QUICK, **params}, out, seed=3, model=model, device="cpu")


def disc_agreement(folder: Path, centre: tuple[float, float] = (0.5, 0.5)) -> float:
    """Intersection over union of what icon.svg covers with a disc of radius .3, at the best place that the model knows."""
    cover = 1 - layers(read_svg((folder / "icon.svg").read_bytes()), 64)[0, 3]
    axis = (torch.arange(64) + 0.5) / 64
    best = 0.0
    for i in range(25):
        x, y = centre[0] - 0.06 + 0.03 * (i % 5), centre[1] - 0.06 + 0.03 * (i // 5)
        disc = ((axis[None] - x).square() + (axis[:, None] - y).square() < 0.3**2).float()
        best = max(best, float(torch.minimum(cover, disc).sum() / torch.maximum(cover, disc).sum()))
    return best


def test_a_run_from_a_sample_leaves_a_disc_in_few_paths(tmp_path: Path) -> None:
    done = run(tmp_path / "run", fit_steps=80, steps=10)
    assert done.status == "done", done.error
    folder = tmp_path / "run"
    assert {row["name"] for row in done.record["artifacts"]} == {"icon.svg", "icon.png", "film.mp4", "summary.json"}
    assert disc_agreement(folder) > 0.9
    text = (folder / "icon.svg").read_text()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["bytes"] == len(text) == done.record["metrics"]["bytes"] < 2000
    assert summary["paths"] == text.count("<path") <= 3
    assert summary["colours"] <= 3
    assert "<title>a red disc</title>" in text
    film = (folder / "film.mp4").read_bytes()
    assert film[4:8] == b"ftyp"
    assert b"avc1" in film  # H.264
    with Image.open(folder / "icon.png") as png:
        seen = torch.tensor(list(png.convert("RGB").getdata())).view(64, 64, 3).permute(2, 0, 1) / 255
    fine = torch.nn.functional.avg_pool2d(resvg(text, 256)[None], 4)[0]
    assert psnr(seen, fine) > 38


def test_a_run_from_random_paths_finds_the_disc(tmp_path: Path) -> None:
    done = run(tmp_path / "run", start="scratch", paths=8, steps=120, views=4, augment=0.0)
    assert done.status == "done", done.error
    assert disc_agreement(tmp_path / "run") > 0.75


@pytest.mark.parametrize(
    "params",
    [
        {"style": "flat"},
        {"style": "flat", "start": "scratch", "steps": 12, "replace_every": 2},
        {"style": "pixel-art", "start": "scratch", "steps": 8},
        {"style": "low-poly", "drawings": 2},
        {"style": "sketch", "drawings": 2},
    ],
)
def test_a_resumed_run_ends_as_the_uninterrupted_one(tmp_path: Path, params: dict[str, Any]) -> None:
    whole = run(tmp_path / "whole", **params)
    assert whole.status == "done", whole.error
    folder = tmp_path / "cut"

    def cancel_at_step_5(event: Any) -> None:
        if event.kind == "progress" and event.data["step"] == 5:
            (folder / "cancel").touch()

    cut = execute(
        TextToSVG, {**QUICK, **params}, folder, seed=3, model="exact-icons", device="cpu", on_event=cancel_at_step_5
    )
    assert cut.status == "cancelled"
    (folder / "cancel").unlink(missing_ok=True)
    resumed = execute(TextToSVG, out=folder, resume=True)
    assert resumed.status == "done", resumed.error
    for name in [row["name"] for row in whole.record["artifacts"] if row["name"].endswith((".svg", ".png", ".json"))]:
        assert (tmp_path / "whole" / name).read_bytes() == (folder / name).read_bytes()
    assert whole.record["metrics"] == resumed.record["metrics"]


@pytest.mark.parametrize("style", ["flat", "sketch", "pixel-art", "low-poly"])
def test_each_style_keeps_to_its_means_and_its_palette(tmp_path: Path, style: str) -> None:
    done = run(tmp_path / "run", style=style, palette=2, drawings=2)
    assert done.status == "done", done.error
    for name in ("icon.svg", "icon-2.svg"):
        text = (tmp_path / "run" / name).read_text()
        drawing = read_svg(text.encode())
        assert len((drawing.colour[0] * 255).round().unique(dim=0)) <= 2
        assert bool(drawing.topology.stroked.all()) == (style == "sketch")
        assert bool(drawing.topology.straight.all()) == (style in ("pixel-art", "low-poly"))
        if style == "pixel-art":
            cells = drawing.points * 16
            torch.testing.assert_close(cells, cells.round(), atol=1e-4, rtol=0)
    metrics = done.record["metrics"]
    assert metrics["denoising_error"] == json.loads((tmp_path / "run" / "summary.json").read_text())["denoising_error"]


def test_the_best_of_several_drawings_is_the_one_the_model_finds_likeliest() -> None:
    from exact_icons import load

    from scorekit_text_to_svg.finish import finish
    from scorekit_text_to_svg.optimise import Painter

    params = TextToSVGParams(**{**QUICK, "start": "scratch", "steps": 3, "drawings": 3})
    painter = Painter(load("cpu", torch.float32), params, 0, torch.Generator().manual_seed(0))
    for step in range(painter.total):
        painter.step(step)
    # Of three poor drawings one is made good by hand.
    with torch.no_grad():
        painter.art.values["opacity"][1] = torch.tensor([0.0, 0.0, 0.0, 1.0])
        painter.art.values["points"].view(3, 4, 12, 2)[1, 3] = read_svg(
            b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><circle cx="50" cy="50" r="30"/></svg>'
        ).points[0, :12]
        painter.art.values["colour"][1, 3] = torch.tensor([0.9, 0.1, 0.1])
        painter.art.colours = None
    results = finish(painter)
    assert results[0].index == 1
    assert [r.error for r in results] == sorted(r.error for r in results)


def test_a_run_goes_on_from_a_file(tmp_path: Path) -> None:
    poor = tmp_path / "poor.svg"
    poor.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><circle cx="50" cy="50" r="20" fill="#a44"/></svg>'
    )
    done = run(tmp_path / "run", init=str(poor), steps=150, views=4, augment=0.0, palette=None)
    assert done.status == "done", done.error
    assert (tmp_path / "run" / "icon.svg").read_text().count("<path") == 1
    assert disc_agreement(tmp_path / "run") > 0.85


def test_variational_distillation_trains_its_critic(tmp_path: Path) -> None:
    done = run(
        tmp_path / "run",
        model="pico-image",
        prompt="a red ball",
        method="vsd",
        start="scratch",
        drawings=2,
        views=1,
        steps=2,
    )
    assert done.status == "done", done.error
    assert (tmp_path / "run" / "icon-2.svg").exists() or done.record["metrics"]["paths"] > 0


def test_listing_the_application_loads_no_torch() -> None:
    check = "import sys, scorekit_text_to_svg; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], env={**os.environ, "PYTHONPATH": PLUGINS}).returncode == 0


def test_an_unknown_prompt_or_view_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="zebra"):
        run(tmp_path / "run", prompt="a zebra")
    with pytest.raises(ParameterError, match="view must be auto"):
        run(tmp_path / "run", view="inside")
    assert not (tmp_path / "run").exists()


def test_a_hostile_file_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    bad = tmp_path / "bad.svg"
    bad.write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>x()</script></svg>')
    with pytest.raises(ParameterError, match=r"bad\.svg cannot be used: the file has a <script>"):
        run(tmp_path / "run", init=str(bad))
    assert not (tmp_path / "run").exists()


def test_a_drawing_that_dissolves_is_reported(tmp_path: Path) -> None:
    gone = tmp_path / "gone.svg"
    gone.write_text(svg(blobs(2, opacity=0.2), "faint"))
    done = run(tmp_path / "run", init=str(gone), steps=0)
    assert done.status == "failed"
    assert "nothing is left of the drawing" in done.error


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"prompt": " "}, "prompt must not be empty"),
        ({"style": "cubist"}, "'flat', 'sketch', 'pixel-art' or 'low-poly'"),
        ({"paths": 0}, "greater than or equal to 1"),
        ({"t_min": 0.6}, "t_min must be below"),
        ({"drawings": 9}, "candidates must be at least drawings"),
        ({"init": "a.svg", "style": "pixel-art"}, "init cannot be used with style pixel-art"),
        ({"start": "nowhere"}, "'live' or 'scratch'"),
    ],
)
def test_bad_parameters_are_named(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TextToSVGParams(**params)


def test_a_latent_model_from_disk_draws_and_its_codec_passes_gradients_in_float32(tmp_path: Path) -> None:
    """A random Stable Diffusion in miniature: nothing to be seen in its drawings, but every part of the way is walked."""
    from small_models import saved, stable_diffusion

    from scorekit.models import load
    from scorekit.models.codecs import VAECodec
    from scorekit_text_to_svg.optimise import Painter

    _, folder = saved(stable_diffusion("epsilon"), tmp_path / "tiny-sd")
    model = load(str(folder), dtype=torch.bfloat16)
    assert isinstance(model.codec, VAECodec)
    assert model.codec.vae.dtype == torch.float32
    params = TextToSVGParams(**{**QUICK, "prompt": "a red mushroom", "start": "scratch", "steps": 3, "drawings": 2})
    painter = Painter(model, params, 0, torch.Generator().manual_seed(0))
    painter.begin()
    # The gradient of latents with respect to points, against differences through rasteriser and autoencoder.
    points = painter.art.values["points"]
    weight = torch.randn(
        model.encode(painter.art.layers(painter.size)[:, :3]).shape, generator=torch.Generator().manual_seed(1)
    )

    def total() -> torch.Tensor:
        return (model.encode(painter.art.layers(painter.size)[:, :3]).double() * weight).sum()

    (slope,) = torch.autograd.grad(total(), points)
    assert slope.dtype == torch.float32
    assert slope.isfinite().all()
    way = slope / slope.norm()
    with torch.no_grad():
        points.add_(1e-3 * way)
        ahead = float(total())
        points.sub_(2e-3 * way)
        behind = float(total())
        points.add_(1e-3 * way)
    assert (ahead - behind) / 2e-3 == pytest.approx(float(slope.norm()), rel=0.1)
    before = points.detach().clone()
    for step in range(painter.total):
        painter.step(step)
    assert float((points.detach() - before).abs().max()) > 1e-3
    assert all(value.isfinite().all() for value in painter.art.values.values())

    extras: list[dict[str, Any]] = [{"start": "live"}, {"method": "vsd", "start": "scratch", "drawings": 2, "steps": 2}]
    for extra in extras:
        out = tmp_path / extra["start"]
        done = run(out, model=str(folder), prompt="a red mushroom", guidance=7.5, **extra)
        assert done.status == "done", done.error
        assert (out / "icon.svg").read_text().count("<path") >= 1


def test_pixel_art_of_more_squares_than_a_foreign_file_may_have_is_written(tmp_path: Path) -> None:
    done = run(tmp_path / "run", style="pixel-art", grid=64, palette=None, start="scratch", steps=1, film_frames=2)
    assert done.status == "done", done.error
    assert done.record["metrics"]["paths"] > 2000

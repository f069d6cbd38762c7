"""Descriptors: what is read, how often the parts run, whitening, refusals; for small random models of the real classes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_models
import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.features import features
from scorekit.models import load
from scorekit_dift.descriptors import Descriptors, describe, describe_pair, reading_of, whitened
from scorekit_dift.families import blocks_of, family_of
from scorekit_dift.pico_photo import denoiser, untrained


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> Denoiser:
    folder = tmp_path_factory.mktemp("sd")
    small_models.stable_diffusion("epsilon").save_pretrained(folder)
    return load(str(folder))


@pytest.fixture(scope="module")
def photo() -> Denoiser:
    return denoiser(untrained())


def test_a_picture_is_encoded_once_however_many_noises(sd: Denoiser, coffee: Tensor) -> None:
    calls: list[int] = []
    vae: Any = sd.codec.vae  # type: ignore[union-attr]
    hook = vae.encoder.register_forward_hook(lambda _, args, __: calls.append(len(args[0])))
    reading = reading_of(sd, layers=["up_blocks.0"], ensemble=20)
    try:
        describe(sd, coffee, reading, torch.Generator().manual_seed(0))
    finally:
        hook.remove()
    assert calls == [1]


def test_nothing_runs_after_the_last_layer(photo: Denoiser, coffee: Tensor) -> None:
    ran: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, module in photo.network.named_modules()  # type: ignore[attr-defined]
    ]
    describe(photo, coffee, reading_of(photo, layers=["up_blocks.1"], scales=[1.0]))
    for hook in hooks:
        hook.remove()
    assert ran.count("unet.up_blocks.1") == 1
    assert not any(name.startswith("unet.up_blocks.2") for name in ran)


def test_the_ensemble_is_the_mean_of_its_noises(photo: Denoiser, coffee: Tensor) -> None:
    reading = reading_of(photo, layers=["up_blocks.1.resnets.1"], t=0.3, ensemble=10, scales=[1.0], size=128, whiten=0)
    found = describe(photo, coffee[:, :128, :128], reading, torch.Generator().manual_seed(4)).values
    generator = torch.Generator().manual_seed(4)
    x0 = coffee[None, :, :128, :128] * 2 - 1
    sized = Denoiser(photo.network, photo.schedule, "v", (3, 128, 128))
    noises = torch.cat([torch.randn(n, 3, 128, 128, generator=generator) for n in (8, 2)])
    with torch.no_grad():
        each = features(sized, photo.schedule.noised(x0, noises, 0.3), 0.3, layers=reading.layers)[reading.layers[0]]
    mean = each.mean(0)
    torch.testing.assert_close(found, mean / mean.square().sum(0).mean().sqrt(), atol=2e-5, rtol=1e-4)


def test_blocks_and_scales_are_put_together_on_the_finest_grid(photo: Denoiser, coffee: Tensor) -> None:
    reading = reading_of(photo, size=288)
    assert reading.scales == (1.0, 0.5)
    found = describe(photo, coffee, reading)
    assert found.values.shape == (2 * (96 + 144 + 96), 48, 72)
    assert found.size == (192, 288)
    assert found.cell == (4.0, 4.0)
    assert found.grid()[0].tolist() == [2.0, 2.0]


def test_whitened_features_have_the_identity_for_covariance(photo: Denoiser, coffee: Tensor) -> None:
    reading = reading_of(photo, size=288)
    pair = [describe(photo, picture, reading) for picture in (coffee, coffee.flip(2))]
    rows = torch.cat([one.values.flatten(1).T for one in whitened(pair, 64)]).double()
    torch.testing.assert_close(rows.mean(0), torch.zeros(64).double(), atol=1e-3, rtol=0)
    covariance = rows.T @ rows / len(rows)
    assert (covariance - covariance.diag().diag()).abs().max() < 1e-3
    assert ((covariance.diag() > 0.4) & (covariance.diag() <= 1.0001)).all()
    assert [a is b for a, b in zip(whitened(pair, 0), pair, strict=True)] == [True, True]


def test_places_are_interpolated_between_cells() -> None:
    ramp = torch.stack([torch.arange(6.0).repeat(4, 1), torch.ones(4, 6)])
    one = Descriptors(ramp, (40, 60))
    x, ones = one.at(torch.tensor([[5.0, 5.0], [20.0, 13.0], [60.0, 40.0]])).T
    torch.testing.assert_close(x / ones, torch.tensor([0.0, 1.5, 5.0]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", ["stable_diffusion", "sdxl", "sd3", "flux"])
def test_every_family_has_defaults_that_run(make: str, tmp_path: Path, coffee: Tensor) -> None:
    pipe = (
        small_models.stable_diffusion("v_prediction") if make == "stable_diffusion" else getattr(small_models, make)()
    )
    pipe.save_pretrained(tmp_path)
    model = load(str(tmp_path))
    reading = replace(reading_of(model, ensemble=2), prompt="a red cube")
    assert (
        family_of(model)
        == {"stable_diffusion": "Stable Diffusion 1 and 2", "sdxl": "SDXL", "sd3": "SD3", "flux": "Flux"}[make]
    )
    one, other = describe_pair(model, coffee, coffee.flip(2), reading, torch.Generator().manual_seed(0))
    assert one.values.shape == other.values.shape
    assert one.size == (192, 288)
    assert one.values.isfinite().all()


def test_a_latent_model_sees_other_sizes_and_proportions(sd: Denoiser, coffee: Tensor) -> None:
    found = describe(sd, coffee, reading_of(sd, layers=["up_blocks.1"], size=72, scales=[1.0]))
    assert found.values.shape[1:] == (24, 36)


def test_an_unknown_layer_is_answered_with_the_blocks(photo: Denoiser, sd: Denoiser) -> None:
    with pytest.raises(
        ValueError, match=r"no layer 'up_blocks.9'; its blocks are unet.down_blocks.0, .*up_blocks.3, unet.mid_block"
    ):
        reading_of(photo, layers=["up_blocks.9"])
    up_and_down = ["unet.down_blocks.0", "unet.down_blocks.1", "unet.up_blocks.0", "unet.up_blocks.1"]
    assert blocks_of(sd) == [*up_and_down, "unet.mid_block"]
    assert reading_of(sd, layers=["up_blocks.1"]).layers == ("unet.up_blocks.1",)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"t": 1.5}, r"t must lie in \[0, 1\]"),
        ({"t": -0.1}, r"t must lie in \[0, 1\]"),
        ({"ensemble": 0}, "ensemble must be at least 1"),
        ({"scales": [9.0]}, "scales must be factors from 0.1 to 4"),
    ],
)
def test_numbers_out_of_range_are_refused(photo: Denoiser, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        reading_of(photo, **given)


def test_a_formula_has_no_features() -> None:
    from scorekit.analytic import GaussianMixture
    from scorekit.schedule import VP

    with pytest.raises(ValueError, match="without layers"):
        reading_of(GaussianMixture(torch.zeros(1, 3), 1.0, VP.cosine()))

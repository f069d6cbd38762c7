"""Codecs invert, resize and differentiate."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import autoencoder

from scorekit.models import load
from scorekit.models.codecs import PixelCodec, VAECodec


def test_pixels_go_there_and_back() -> None:
    picture, codec = torch.rand(2, 3, 8, 8), PixelCodec((8, 8))
    torch.testing.assert_close(codec.decode(codec.encode(picture)), picture)
    assert PixelCodec((4, 4)).encode(torch.full((1, 3, 9, 7), 0.5)).abs().max() < 1e-6


def test_latents_are_those_of_the_autoencoder(sd_eps: tuple[Any, Path]) -> None:
    pipe, folder = sd_eps
    codec = load(str(folder)).codec
    assert isinstance(codec, VAECodec)
    assert codec.size == (16, 16)
    picture = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        expected = pipe.vae.encode(picture * 2 - 1).latent_dist.mean * pipe.vae.config.scaling_factor
        torch.testing.assert_close(codec.encode(picture), expected)
        decoded = pipe.vae.decode(expected / pipe.vae.config.scaling_factor).sample
        torch.testing.assert_close(codec.decode(expected), (decoded / 2 + 0.5).clamp(0, 1))
        assert codec.encode(torch.rand(1, 3, 40, 24)).shape == (1, 4, 8, 8)


def test_shift_is_taken_off_before_scaling(sd_eps: tuple[Any, Path]) -> None:
    vae, picture = sd_eps[0].vae, torch.rand(1, 3, 16, 16)
    plain, shifted = VAECodec(vae, (16, 16)), VAECodec(vae, (16, 16))
    shifted.shift = 0.3
    with torch.no_grad():
        torch.testing.assert_close(shifted.encode(picture), plain.encode(picture) - 0.3 * plain.scaling)
        torch.testing.assert_close(shifted.decode(shifted.encode(picture)), plain.decode(plain.encode(picture)))


def test_statistics_of_channels() -> None:
    """Autoencoders that name them: latents have mean 0 and standard deviation `scaling_factor` in every channel."""
    mean, std = [0.5, -1.0, 0.0, 2.0], [1.0, 2.0, 4.0, 8.0]
    vae = autoencoder(latents_mean=mean, latents_std=std, scaling_factor=0.5).eval()
    codec, picture = VAECodec(vae, (16, 16)), torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        latents = vae.encode(picture * 2 - 1).latent_dist.mean
        for channel in range(4):
            expected = 0.5 * (latents[:, channel] - mean[channel]) / std[channel]
            torch.testing.assert_close(codec.encode(picture)[:, channel], expected)
        back = (vae.decode(latents).sample / 2 + 0.5).clamp(0, 1)
        torch.testing.assert_close(codec.decode(codec.encode(picture)), back, rtol=1e-4, atol=1e-5)


def test_encoder_gradient_is_the_slope(sd_eps: tuple[Any, Path]) -> None:
    """Against a central difference in float64, along a random direction, through the resize as well."""
    codec = VAECodec(sd_eps[0].vae.__class__.from_config(sd_eps[0].vae.config).double().eval(), (16, 16))
    g = torch.manual_seed(0)
    picture = torch.rand(1, 3, 24, 24, dtype=torch.float64, generator=g).requires_grad_()
    direction = torch.randn(1, 3, 24, 24, dtype=torch.float64, generator=g)
    codec.encode(picture).square().sum().backward()
    assert picture.grad is not None
    with torch.no_grad():
        ends = [codec.encode(picture + h * direction).square().sum() for h in (1e-5, -1e-5)]
    assert float((picture.grad * direction).sum()) == pytest.approx(float(ends[0] - ends[1]) / 2e-5, rel=1e-6)


def test_autoencoder_stays_in_float32(sd_eps: tuple[Any, Path]) -> None:
    model = load(str(sd_eps[1]), dtype=torch.bfloat16)
    assert isinstance(model.codec, VAECodec)
    assert {p.dtype for p in model.codec.vae.parameters()} == {torch.float32}
    picture = torch.rand(1, 3, 16, 16, requires_grad=True)
    model.encode(picture).sum().backward()
    assert picture.grad is not None
    assert picture.grad.dtype == torch.float32
    assert picture.grad.abs().sum() > 0

"""A plugin, for these tests, that brings a model without weights: the exact score of rendered mushrooms and balls."""

from typing import Any

from scorekit.host.plugin import ModelSpec, hookimpl


def load(device: Any, dtype: Any) -> Any:
    """Red mushrooms and blue balls, 8 px, 40 pictures of each, with their captions."""
    import torch

    from scorekit.analytic import EmpiricalDenoiser
    from scorekit.models.codecs import PixelCodec
    from scorekit.schedule import VP
    from scorekit.zoo.captions import caption, side_of
    from scorekit.zoo.objects import sample_object
    from scorekit.zoo.render import render_rgba, sample_camera

    generator = torch.Generator().manual_seed(0)
    pictures, captions = [], []
    for kind, colour in (("mushroom", "red"), ("ball", "blue")):
        camera = sample_camera(160, generator)
        with torch.no_grad():
            rgb, alpha = render_rgba(sample_object(kind, [colour] * 160, generator, 160), camera, 8)
        pictures.append(rgb + 1 - alpha)
        angles = zip(camera.azimuth.tolist(), camera.elevation.tolist(), strict=True)
        captions += [caption(kind, colour, side_of(*angle)) for angle in angles]
    schedule = VP.cosine().zero_terminal_snr()
    data = (torch.cat(pictures) * 2 - 1).to(device, dtype)
    return EmpiricalDenoiser(data, schedule, captions=captions, codec=PixelCodec((8, 8)), name="exact-pictures")


@hookimpl
def scorekit_models() -> list[ModelSpec]:
    return [ModelSpec("exact-pictures", "The exact score of small pictures.", load=load)]

"""A plugin, for these tests, that brings a model without weights: the exact score of two icons, before white and before black."""

from typing import Any

from scorekit.host.plugin import ModelSpec, hookimpl

SIDE = 16


def load(device: Any, dtype: Any) -> Any:
    """A red disc and a blue bar, 16 px, each at 25 places, with their captions."""
    import torch
    from svg_pictures import circle

    from scorekit.analytic import EmpiricalDenoiser
    from scorekit.models.codecs import PixelCodec
    from scorekit.schedule import VP
    from scorekit_text_to_svg.outline import Paint, Path, Subpath, assemble
    from scorekit_text_to_svg.rasterise import layers, over

    backgrounds = {"white": (1.0, 1.0, 1.0), "black": (0.0, 0.0, 0.0)}
    pictures, captions = [], []
    for i in range(25):
        x, y = 0.44 + 0.03 * (i % 5), 0.44 + 0.03 * (i // 5)
        disc = assemble([Path([circle(x, y, 0.3)], Paint((0.9, 0.1, 0.1)))])
        corners = [(x - 0.35, y - 0.12), (x + 0.35, y - 0.12), (x + 0.35, y + 0.12), (x - 0.35, y + 0.12)]
        bar = assemble([Path([Subpath(corners[0], [(c,) for c in corners[1:]], True)], Paint((0.1, 0.2, 0.9)))])
        for name, drawing in (("a red disc", disc), ("a blue bar", bar)):
            for background, colour in backgrounds.items():
                pictures.append(over(layers(drawing, SIDE), torch.tensor(colour))[0])
                captions.append(f"{name}, on {background}")
    return EmpiricalDenoiser(
        (torch.stack(pictures) * 2 - 1).to(device, dtype),
        VP.cosine().zero_terminal_snr(),
        captions=captions,
        codec=PixelCodec((SIDE, SIDE)),
        backgrounds=backgrounds,
        name="exact-icons",
    )


@hookimpl
def scorekit_models() -> list[ModelSpec]:
    return [ModelSpec("exact-icons", "The exact score of two icons.", load=load)]

"""`scorekit train fashion-mnist`: the recipe of pico-fashion as an application."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from scorekit.host.plugin import Application, ParameterError, Params, RunContext


class FashionMNISTParams(Params):
    """Where the pictures are, how large the network is and how long it learns."""

    data: Path | None = Field(
        None, description="Folder with the idx files of Fashion-MNIST; none: that of Debian's dataset-fashion-mnist."
    )
    steps: int = Field(10_000, ge=1, description="Optimiser steps.")
    cooldown: int = Field(3000, ge=0, description="Last steps, over which the learning rate falls to 0.")
    batch: int = Field(64, ge=1, description="Pictures per step.")
    channels: int = Field(128, ge=8, le=2048, multiple_of=8, description="Width of the network.")
    blocks: int = Field(4, ge=1, le=64, description="Residual blocks of the network.")
    lr: float = Field(1e-3, gt=0, le=0.1, description="Learning rate before the cooldown.")


class TrainFashionMNIST(Application):
    """A class-conditional denoiser of Fashion-MNIST, on the core's trainer; 5,000 training pictures are kept back for calibration."""

    name: ClassVar[str] = "fashion-mnist"
    title: ClassVar[str] = "Fashion-MNIST"
    summary: ClassVar[str] = "Train the class-conditional denoiser of ten kinds of clothes."
    reference: ClassVar[str] = "arXiv:1708.07747"
    kind: ClassVar[Literal["application", "training"]] = "training"
    artifacts: ClassVar[tuple[str, ...]] = ("pico-fashion.safetensors", "samples.png")
    demo = None  # it needs the pictures of Fashion-MNIST

    class Params(FashionMNISTParams):
        """See FashionMNISTParams."""

    def run(self, params: Any, ctx: RunContext) -> None:
        """Train, and save the model and four samples of each class."""
        from scorekit_diffusion_classifier import pico_fashion
        from scorekit_diffusion_classifier.fashion_mnist import load_part

        try:
            data = load_part("train", params.data)
        except ValueError as error:
            raise ParameterError(str(error)) from error
        recipe = pico_fashion.Recipe(
            channels=params.channels,
            blocks=params.blocks,
            batch=params.batch,
            steps=params.steps,
            lr=params.lr,
            cooldown=params.cooldown,
            precision="no" if ctx.device.type == "cpu" else "bf16",
            seed=ctx.seed,
        )

        def report(step: int, total: int, metrics: dict[str, float]) -> None:
            ctx.progress(step, total, **metrics)

        network = pico_fashion.train_pico_fashion(recipe, data, ctx.folder, report, cpu=ctx.device.type == "cpu")
        ctx.save("pico-fashion.safetensors", pico_fashion.export(network, recipe))
        ctx.save("samples.png", samples(network, ctx))


def samples(network: Any, ctx: RunContext) -> Any:
    """A column of four samples for each class, with guidance 2: (3, 4 * 28, 10 * 28)."""
    from scorekit.guidance import cfg
    from scorekit.sampling import sample
    from scorekit_diffusion_classifier.fashion_mnist import CLASSES
    from scorekit_diffusion_classifier.pico_fashion import denoiser

    model = denoiser(network, device=ctx.device)
    names = [name for _ in range(4) for name in CLASSES]
    x = sample(cfg(model.given(None), model.given(names), 2.0), len(names), steps=25, generator=ctx.generator)
    tiles = model.decode(x).reshape(4, len(CLASSES), 3, *x.shape[-2:])
    return tiles.permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2).cpu()

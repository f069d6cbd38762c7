"""Segmentation as an application: a picture in, masks and an overlay out. Cheap to import."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from scorekit.host.plugin import ADVANCED, Application, ParameterError, Params, RunContext

PICO_STRENGTH, STRENGTH = 3.0, 10.0
SHOWN = 256  # px, of the overlay of a smaller picture


class SegmentationParams(Params):
    """A picture, and how it is divided."""

    image: Path | None = Field(None, description="The picture; none: a rendered mushroom, whose true parts are known.")
    clusters: int = Field(6, ge=2, le=256, description="Masks at most.")
    prompt: str | None = Field(None, description="What the model is told of the picture.")
    t_read: float = Field(0.002, gt=0, le=1, description="Noise level of the queries.", json_schema_extra=ADVANCED)
    t_modulate: float = Field(
        0.282, gt=0, le=1, description="Noise level of the modulation.", json_schema_extra=ADVANCED
    )
    strength: float | None = Field(
        None,
        gt=0,
        le=10_000,
        description="Of the modulation; default: 10, of pico-image 3.",
        json_schema_extra=ADVANCED,
    )
    steps: int = Field(10, ge=2, le=1000, description="Steps of denoising.", json_schema_extra=ADVANCED)
    read_layer: str | None = Field(
        None,
        description="Cross-attention whose queries are clustered; default: the paper's.",
        json_schema_extra=ADVANCED,
    )
    modulated_layer: str | None = Field(
        None, description="Cross-attention that is modulated; default: the paper's.", json_schema_extra=ADVANCED
    )
    batch: int = Field(8, ge=1, le=256, description="Pictures denoised at once.", json_schema_extra=ADVANCED)


class Segmentation(Application):
    """EmerDiff: see emerdiff.py."""

    name: ClassVar[str] = "segmentation"
    title: ClassVar[str] = "Segmentation"
    summary: ClassVar[str] = "Divides a picture into masks by what a text-to-image model knows, without labels."
    reference: ClassVar[str] = "arXiv:2401.11739"
    default_model: ClassVar[str | None] = "pico-image"
    artifacts: ClassVar[tuple[str, ...]] = ("overlay.png", "labels.png", "masks/*.png", "masks.json")
    demo = {"steps": 5}

    class Params(SegmentationParams):
        """See above."""

    def run(self, params: SegmentationParams, ctx: RunContext) -> None:
        """Write overlay.png, labels.png (the number of its mask for every pixel), a PNG for each mask, and masks.json.

        Raises ParameterError for a picture that cannot be read, unknown layers, and models without cross-attention.
        """
        import torch
        from torch.nn import functional as F

        from scorekit_segmentation import demo
        from scorekit_segmentation.emerdiff import segment
        from scorekit_segmentation.pictures import overlay, read_picture

        truth = None
        try:
            if params.image is None:
                picture, truth = demo.picture()
            else:
                picture = read_picture(params.image)
            model = ctx.model()
            strength = params.strength or (PICO_STRENGTH if model.name == "pico-image" else STRENGTH)
            masks = segment(
                model,
                picture,
                params.clusters,
                prompt=params.prompt,
                t_read=params.t_read,
                t_modulate=params.t_modulate,
                strength=strength,
                steps=params.steps,
                read=params.read_layer,
                modulated=params.modulated_layer,
                batch=params.batch,
                generator=ctx.generator,
                report=ctx.progress,
            )
        except ValueError as error:
            raise ParameterError(str(error)) from error
        grow = max(1, round(SHOWN / max(picture.shape[1:])))
        large = F.interpolate(picture[None], scale_factor=grow, mode="nearest")[0]
        shown = overlay(large, masks.labels.repeat_interleave(grow, 0).repeat_interleave(grow, 1))
        both = torch.cat([large, shown], 2)
        ctx.save("overlay.png", both)
        ctx.preview(both)
        ctx.save("labels.png", masks.labels.to(torch.uint8).numpy())
        rows = []
        for label in torch.unique(masks.labels).tolist():
            mask = masks.labels == label
            ctx.save(f"masks/{label}.png", (mask * 255).to(torch.uint8).numpy())
            y, x = mask.nonzero(as_tuple=True)
            box = [int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1]
            rows.append({"mask": label, "pixels": int(mask.sum()), "box": box})
        ctx.save("masks.json", {"masks": rows, "strength": strength, "coarse": masks.coarse.tolist()})
        ctx.metric("masks", len(rows))
        if truth is not None:
            from scorekit_segmentation.agreement import mean_iou

            ctx.metric("mean_iou_of_true_parts", mean_iou(masks.labels, truth))

"""DIFT as an application: two pictures in; matches, heat maps, a homography and a carried edit out. Cheap to import."""

from typing import TYPE_CHECKING, Any, ClassVar

from scorekit.host.plugin import Application, ParameterError, RunContext
from scorekit_dift.parameters import DiftParams, FeatureParams, parse_point

if TYPE_CHECKING:
    from torch import Tensor

    from scorekit.denoiser import Denoiser
    from scorekit_dift.descriptors import Descriptors, Reading
    from scorekit_dift.geometry import Homography
    from scorekit_dift.matching import Matches

HEAT_MAPS = 4  # of the first points


class Dift(Application):
    """Correspondence by the features of a denoiser (Tang et al. 2023)."""

    name: ClassVar[str] = "dift"
    title: ClassVar[str] = "Diffusion features"
    summary: ClassVar[str] = "Finds the places of one picture in another by the features of a diffusion model."
    reference: ClassVar[str] = "arXiv:2306.03881"
    requires: ClassVar[tuple[str, ...]] = ("cv2", "skimage", "pyarrow")
    extra: ClassVar[str] = "dift"
    default_model: ClassVar[str | None] = "pico-photo"
    artifacts: ClassVar[tuple[str, ...]] = (
        "matches.png", "heat.png", "edited.png", "edit.png", "source.png", "target.png", "matches.json", "matches.parquet", "features.*",
    )  # fmt: skip
    demo = {"lines": 30}

    class Params(DiftParams):
        """See parameters.py."""

    def run(self, params: DiftParams, ctx: RunContext) -> None:
        """Match the pictures and save what was found.

        Raises ParameterError for pictures that cannot be read, unknown layers and points outside the source.
        """
        from scorekit_dift.descriptors import describe, whitened
        from scorekit_dift.geometry import fit_homography
        from scorekit_dift.matching import match_points, mutual_matches

        try:
            source, target, edit, truth = _pictures(params)
            points = _points(params, source)
            model = ctx.model()
            reading = reading_for(model, params)
            ctx.progress(0, 4)
            first = describe(model, source, reading, ctx.generator)
            ctx.progress(1, 4)
            second = describe(model, target, reading, ctx.generator)
        except ValueError as error:
            raise ParameterError(str(error)) from error
        first, second = whitened([first, second], reading.whiten)
        ctx.progress(2, 4)
        how = {"window": params.window, "sharpness": params.sharpness}
        mutual = mutual_matches(first, second, **how)  # type: ignore[arg-type]
        homography = fit_homography(mutual, params.threshold)
        asked = match_points(first, second, points, **how) if len(points) else None  # type: ignore[arg-type]
        ctx.progress(3, 4, mutual=len(mutual))

        # Beside the matches, whose places are in their pixels: whoever looks at the run needs both.
        ctx.save("source.png", source)
        ctx.save("target.png", target)
        shown = asked if asked is not None else _spread(mutual, homography, params.lines)
        _draw(ctx, source, target, first, second, shown, params.lines)
        _tell(ctx, mutual, homography, asked, reading)
        _carry(ctx, params, edit, target, first, second, homography)
        if truth is not None:
            gap = (mutual.target - truth(mutual.source)).norm(dim=1)
            ctx.metric("mutual_within_8_px", float((gap <= 8).float().mean()))
        ctx.metric("mutual_matches", len(mutual))
        ctx.metric("homography_inliers", 0 if homography is None else int(homography.inliers.sum()))
        if params.features != "none":
            _export(ctx, params.features, first, second, reading)
        ctx.progress(4, 4)


def reading_for(model: "Denoiser", params: FeatureParams) -> "Reading":
    """What the parameters ask for, the rest by the model's family. Raises ValueError for unknown layers and prompts."""
    from scorekit_dift.descriptors import reading_of

    return reading_of(
        model,
        layers=params.layers or None,
        t=params.t,
        ensemble=params.ensemble,
        scales=params.scales or None,
        size=params.size,
        whiten=params.whiten,
        prompt=params.prompt,
    )


def _pictures(params: DiftParams) -> "tuple[Tensor, Tensor, Tensor | None, Homography | None]":
    from scorekit_dift import demo
    from scorekit_dift.pictures import read_picture

    truth = None
    if params.source is None or params.target is None:
        source, target, truth = demo.pair()
        edit = demo.sticker((source.shape[1], source.shape[2]))
    else:
        source, target = read_picture(params.source, "source"), read_picture(params.target, "target")
        edit = None
    if params.edit is not None:
        edit = read_picture(params.edit, "edit", alpha=True)
        if edit.shape[1:] != source.shape[1:]:
            raise ValueError(
                f"edit: it is {edit.shape[2]} x {edit.shape[1]} px and the source {source.shape[2]} x {source.shape[1]}: they must agree."
            )
    return source, target, edit, truth


def _points(params: DiftParams, source: "Tensor") -> "Tensor":
    import torch

    from scorekit_dift.descriptors import refuse_outside

    points = torch.tensor([parse_point(point) for point in params.points]).view(-1, 2)
    refuse_outside(points, (source.shape[1], source.shape[2]), "points")
    return points


def _spread(mutual: "Matches", homography: "Homography | None", count: int) -> "Matches":
    """The best matches, no two from one place: those that agree with the homography where there is one."""
    import torch

    kept = mutual if homography is None else mutual[homography.inliers.to(mutual.score.device)]
    order = kept.best(len(kept))
    if not len(order) or not count:
        return order[:0]
    cells = (order.source / (order.source.max(0).values.clamp_min(1) / max(2, round(count**0.5)))).long()
    _, place = torch.unique(cells[:, 0] * 4096 + cells[:, 1], return_inverse=True)
    first = torch.full((int(place.max()) + 1,), len(place), device=place.device)
    first.scatter_reduce_(0, place, torch.arange(len(place), device=place.device), "amin")
    return order[first.sort().values[:count]]


def _draw(
    ctx: RunContext,
    source: "Tensor",
    target: "Tensor",
    first: "Descriptors",
    second: "Descriptors",
    shown: "Matches",
    count: int,
) -> None:
    from scorekit_dift.drawing import heat, lines, stacked
    from scorekit_dift.matching import heat_map

    picture = lines(source, target, shown[:count])
    ctx.save("matches.png", picture)
    ctx.preview(picture)
    sheets = []
    for index in range(min(HEAT_MAPS, len(shown))):
        similarity = heat_map(first, second, shown.source[index])
        sheets.append(heat(source, target, shown.source[index], similarity, shown.target[index]))
    if sheets:
        ctx.save("heat.png", stacked(sheets))


def _tell(
    ctx: RunContext, mutual: "Matches", homography: "Homography | None", asked: "Matches | None", reading: "Reading"
) -> None:
    rows = _rows(mutual)
    content: dict[str, Any] = {
        "features": {
            "layers": list(reading.layers),
            "t": reading.t,
            "scales": list(reading.scales),
            "whiten": reading.whiten,
        },
        "homography": None if homography is None else homography.matrix.tolist(),
        "inliers": 0 if homography is None else int(homography.inliers.sum()),
        "points": [] if asked is None else _rows(asked),
        "mutual": rows,
    }
    ctx.save("matches.json", content)

    def parquet(path: Any) -> None:
        import pyarrow
        import pyarrow.parquet

        names = ("x", "y", "target_x", "target_y", "score")
        table = pyarrow.table({name: pyarrow.array([row[name] for row in rows], pyarrow.float32()) for name in names})
        pyarrow.parquet.write_table(table, path)

    ctx.save("matches.parquet", parquet)


def _rows(matches: "Matches") -> list[dict[str, float]]:
    return [
        {"x": round(x, 2), "y": round(y, 2), "target_x": round(u, 2), "target_y": round(v, 2), "score": round(s, 4)}
        for (x, y), (u, v), s in zip(
            matches.source.tolist(), matches.target.tolist(), matches.score.tolist(), strict=True
        )
    ]


def _carry(
    ctx: RunContext,
    params: DiftParams,
    edit: "Tensor | None",
    target: "Tensor",
    first: "Descriptors",
    second: "Descriptors",
    homography: "Homography | None",
) -> None:
    from scorekit_dift.geometry import laid_over, warp_by_field, warp_by_homography

    if edit is None:
        return
    if params.warp == "field":
        moved = warp_by_field(edit, first, second)
    elif homography is not None:
        moved = warp_by_homography(edit, homography, second.size)
    else:
        ctx.log("too few matches agree with a homography to carry the edit; --warp field follows each match by itself")
        return
    ctx.save("edit.png", moved)
    ctx.save("edited.png", laid_over(moved, target))


def _export(ctx: RunContext, kind: str, first: "Descriptors", second: "Descriptors", reading: "Reading") -> None:
    tensors = {"source": first.values, "target": second.values}
    if kind == "safetensors":
        ctx.save("features.safetensors", tensors)
        return

    def write(path: Any) -> None:
        import numpy as np

        arrays: dict[str, Any] = {name: value.cpu().numpy() for name, value in tensors.items()}
        with open(path, "wb") as file:
            np.savez(file, **arrays, layers=np.array(reading.layers))

    ctx.save("features.npz", write)

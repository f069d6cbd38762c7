"""Text to SVG as an application: parameters in; a drawing, its picture and the film of its making out."""

from typing import TYPE_CHECKING, Any, ClassVar

from scorekit.host.plugin import Application, ParameterError, RunContext, RunError
from scorekit_text_to_svg.parameters import TextToSVGParams

if TYPE_CHECKING:
    from pathlib import Path

    from scorekit_text_to_svg.drawing import Drawing

PREVIEWS = 100  # in a run: a preview costs a tenth of a step


class TextToSVG(Application):
    """VectorFusion (arXiv:2211.11319) on any text-to-image score, with a rasteriser in plain torch."""

    name: ClassVar[str] = "text-to-svg"
    title: ClassVar[str] = "Text to SVG"
    summary: ClassVar[str] = "Words become a vector drawing of few shapes by score distillation."
    reference: ClassVar[str] = "arXiv:2211.11319"
    requires: ClassVar[tuple[str, ...]] = ("imageio_ffmpeg",)
    extra: ClassVar[str] = "text-to-svg"
    default_model: ClassVar[str | None] = "pico-image"
    artifacts: ClassVar[tuple[str, ...]] = ("icon.svg", "icon.png", "film.mp4", "summary.json", "icon-*.svg")
    demo = {"paths": 12, "candidates": 2, "fit_steps": 80, "steps": 10, "film_frames": 12, "picture_size": 128}

    class Params(TextToSVGParams):
        """See parameters.py."""

    def run(self, params: TextToSVGParams, ctx: RunContext) -> None:
        """Draw, choose, simplify, and save icon.svg, icon.png, film.mp4 and summary.json; the drawings not chosen are icon-2.svg, ...

        What is shown and measured in the end is what the file says: it is read back before the picture is made.

        Raises ParameterError for a prompt or view that the model does not know and for an `init` that is not read, RunError for a drawing
        of which nothing is left.
        """
        from scorekit_text_to_svg.film import film, shot
        from scorekit_text_to_svg.finish import finish
        from scorekit_text_to_svg.optimise import Painter

        init = None if params.init is None else _read(params.init)
        model = ctx.model()
        try:
            painter = Painter(model, params, ctx.seed, ctx.generator, init)
        except ValueError as error:
            raise ParameterError(str(error)) from error

        frames: list[Any] = []
        saved, first = ctx.restore(), 0
        if saved is None:
            painter.begin()
        else:
            first, frames = int(saved["step"]), list(saved["frames"])
            painter.load(saved)
        every = max(1, painter.total // PREVIEWS)
        for step in range(first, painter.total):
            if step * params.film_frames // painter.total >= len(frames):
                frames.append(shot(painter))
            report = painter.step(step)
            if step % every == 0:
                ctx.preview(painter.picture)
            ctx.checkpoint(
                lambda done=step + 1: {"step": done, "frames": frames, **painter.state()},  # type: ignore[misc]
                step + 1,
            )
            ctx.progress(step + 1, painter.total, **report)

        results = finish(painter)
        if not results:
            raise RunError("nothing is left of the drawing: all its paths are transparent; try more steps or guidance.")
        best = results[0]
        for place, result in enumerate(results, 1):
            ctx.save("icon.svg" if place == 1 else f"icon-{place}.svg", result.text)
        picture = best.picture(params.picture_size)
        ctx.save("icon.png", picture)
        ctx.preview(picture)
        ctx.save("film.mp4", lambda path: film(path, frames, best.index, picture, params.picture_size))
        ctx.save("summary.json", {"prompt": params.prompt, "asked": painter.guidance.text, **best.summary()})
        ctx.metric("paths", best.paths)
        ctx.metric("bytes", len(best.text.encode()))
        ctx.metric("colours", best.colours)
        ctx.metric("denoising_error", best.error)


def _read(path: "Path") -> "Drawing":
    from scorekit_text_to_svg.svg_read import MOST_BYTES, SvgError, read_svg

    try:
        with open(path, "rb") as file:
            return read_svg(file.read(MOST_BYTES + 1))
    except (OSError, SvgError) as error:
        raise ParameterError(f"init {path} cannot be used: {error}") from error

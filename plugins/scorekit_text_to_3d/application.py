"""Text to 3D as an application: parameters in; mesh, film and pictures out."""

from typing import ClassVar

from scorekit.host.plugin import Application, ParameterError, RunContext, RunError
from scorekit_text_to_3d.parameters import TextTo3DParams

PREVIEWS = 50  # in a run: showing takes a small share of the time, however slow the field is


class TextTo3D(Application):
    """DreamFusion (arXiv:2209.14988) on any text-to-image score, with a field that a CPU can render."""

    name: ClassVar[str] = "text-to-3d"
    title: ClassVar[str] = "Text to 3D"
    summary: ClassVar[str] = "Words become a coloured 3D mesh by score distillation."
    reference: ClassVar[str] = "arXiv:2209.14988"
    requires: ClassVar[tuple[str, ...]] = ("nerfstudio", "trimesh", "skimage", "imageio_ffmpeg")
    extra: ClassVar[str] = "text-to-3d"
    default_model: ClassVar[str | None] = "pico-image"
    artifacts: ClassVar[tuple[str, ...]] = ("mesh.glb", "turntable.mp4", "views.png", "mesh.obj")
    demo = {"steps": 60, "views": 2, "resolution": 32, "mesh_resolution": 48, "film_frames": 12, "picture_size": 96}

    class Params(TextTo3DParams):
        """See parameters.py."""

    def run(self, params: TextTo3DParams, ctx: RunContext) -> None:
        """Optimise the field, cut the mesh, and save mesh.glb, mesh.obj, turntable.mp4 and views.png.

        Raises ParameterError for a prompt that the model does not know, RunError for a field without an object in it.
        """
        from scorekit_text_to_3d import export, pictures
        from scorekit_text_to_3d.mesh import MeshError, extract
        from scorekit_text_to_3d.optimise import Sculptor

        model = ctx.model()
        try:
            sculptor = Sculptor(model, params, ctx.seed, ctx.generator)
        except ValueError as error:
            raise ParameterError(str(error)) from error

        saved = ctx.restore()
        first = 0
        if saved is not None:
            first = int(saved.pop("step"))
            sculptor.load(saved)
        every = max(1, params.steps // PREVIEWS)
        for step in range(first, params.steps):
            report = sculptor.step(step)
            if step % every == 0:
                ctx.preview(sculptor.preview)
            ctx.checkpoint(lambda done=step + 1: {"step": done, **sculptor.state()}, step + 1)  # type: ignore[misc]
            ctx.progress(step + 1, params.steps, **report)

        try:
            mesh = extract(sculptor.field, params.mesh_resolution)
        except MeshError as error:
            raise RunError(str(error)) from error
        body = export.glb(mesh)
        ctx.save("mesh.glb", body)
        ctx.save("mesh.obj", export.obj(mesh))
        ctx.save("views.png", pictures.contact_sheet(sculptor.field, mesh, params.picture_size))
        ctx.save("turntable.mp4", lambda path: pictures.turntable(mesh, path, params.picture_size, params.film_frames))
        ctx.preview(sculptor.preview())
        ctx.metric("vertices", len(mesh.vertices))
        ctx.metric("faces", len(mesh.faces))
        ctx.metric("pieces", body.body_count)
        ctx.metric("volume", abs(body.volume))

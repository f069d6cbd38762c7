"""The diffusion classifier as an application: a picture, or a set of them, in; what each is, how surely and at what cost out."""

from typing import ClassVar

from scorekit.host.plugin import Application, ParameterError, RunContext
from scorekit_diffusion_classifier.parameters import DiffusionClassifierParams


class DiffusionClassifier(Application):
    """Zero-shot by prompts, or by the classes of a class-conditional model: the candidate of least denoising error (arXiv:2303.16203)."""

    name: ClassVar[str] = "diffusion-classifier"
    title: ClassVar[str] = "Diffusion classifier"
    summary: ClassVar[str] = (
        "Says which of several prompts explains a picture best, with probabilities, by a race of denoising errors."
    )
    reference: ClassVar[str] = "arXiv:2303.16203"
    requires: ClassVar[tuple[str, ...]] = ("matplotlib", "pyarrow")
    extra: ClassVar[str] = "diffusion-classifier"
    default_model: ClassVar[str | None] = "pico-image"
    artifacts: ClassVar[tuple[str, ...]] = (
        "probabilities.png",
        "race.png",
        "confusion.png",
        "verdict.json",
        "predictions.parquet",
        "predictions.csv",
        "calibration.json",
    )
    demo = {"levels": 16}

    class Params(DiffusionClassifierParams):
        """See parameters.py."""

    def run(self, params: DiffusionClassifierParams, ctx: RunContext) -> None:
        """Classify params.image, or every picture of params.data, and save what `artifacts` names.

        Raises ParameterError for classes, pictures and calibrations that do not fit the model, in one sentence.
        """
        from scorekit_diffusion_classifier import many, one
        from scorekit_diffusion_classifier.labelled import read_set
        from scorekit_diffusion_classifier.prepare import prepare

        try:
            data = None if params.data is None else read_set(params.data).some(params.limit, ctx.seed)
            names = params.class_names or (data.classes if data else ())
            model = ctx.model()
            if len(model.shape) != 3:
                raise ParameterError(
                    f"model {model.name} is no model of pictures: its samples have the shape {model.shape}."
                )
            picture = one.picture(params, model) if data is None else None
            saved = ctx.restore()
            classifier, done = prepare(params, ctx, model, names, len(data) if data else one.STEPS, saved)
            if data is not None:
                many.classify(params, ctx, classifier, names, data, done, saved)
            elif picture is not None:
                one.classify(ctx, classifier, names, picture, done)
        except ParameterError:
            raise
        except ValueError as error:
            raise ParameterError(str(error)) from error

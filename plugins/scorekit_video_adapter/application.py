"""VideoAdapter as an application: a prompt in; a film, a strip of its frames and a sweep of gamma out. Cheap to import."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from scorekit.host.plugin import Application, ParameterError, RunContext
from scorekit_video_adapter.gamma import FIT, parse, spelled
from scorekit_video_adapter.parameters import VideoAdapterParams

if TYPE_CHECKING:
    from torch import Tensor

    from scorekit.denoiser import Denoiser
    from scorekit.score import Score
    from scorekit_video_adapter.composition import Prior

# Without the weights of both there is nothing to compose unasked; --adapter and --prior may still name others.
DEFAULTS_SHIP = all(
    (Path(__file__).parent / name / "model.safetensors").exists() for name in ("pico-video", "pico-video-sketch")
)


class VideoAdapter(Application):
    """A large prior steers a small video model (Yang et al. 2023)."""

    name: ClassVar[str] = "video-adapter"
    title: ClassVar[str] = "Video adapter"
    summary: ClassVar[str] = (
        "Makes clips with a small video model of a domain that a large model steers, or edits them."
    )
    reference: ClassVar[str] = "arXiv:2306.01872"
    requires: ClassVar[tuple[str, ...]] = ("imageio", "imageio_ffmpeg")
    extra: ClassVar[str] = "video-adapter"
    artifacts: ClassVar[tuple[str, ...]] = (
        "video.mp4", "filmstrip.png", "sweep.png", "clips.safetensors", "composition.json",
    )  # fmt: skip
    demo = {"sweep": [0.0, 0.5, 1.0], "steps": 18} if DEFAULTS_SHIP else None

    class Params(VideoAdapterParams):
        """See parameters.py."""

    def run(self, params: VideoAdapterParams, ctx: RunContext) -> None:
        """Sample and save; clips.safetensors holds the clips, (N, 3, T, H, W) in [0, 1], float16.

        Raises ParameterError for models that cannot be composed, words they do not know, and files that cannot be read.
        """
        import torch

        from scorekit.loop import Step
        from scorekit_video_adapter.filmstrip import film, grid
        from scorekit_video_adapter.generate import Settings, generate, least_steps

        try:
            small, priors = _models(params, ctx)
            priors = _with_gammas(params, small, priors, ctx)
            first, clip = _material(params, small, ctx)
            jobs = _jobs(params, small, priors)
        except ValueError as error:
            raise ParameterError(str(error)) from error
        for job in jobs:
            if params.steps < (least := least_steps(job.weight, small.schedule)):
                ctx.log(
                    f"{job.label}: weights that sum to {job.weight:g} ask for {least} steps; with {params.steps} noise may stay"
                )
        done: list[Tensor] = (ctx.restore() or {}).get("done", [])
        for index in range(len(done), len(jobs)):
            job = jobs[index]
            settings = Settings(
                steps=params.steps,
                solver=params.solver,
                product=job.product,
                clip=params.clip_x0,
                langevin=params.langevin,
                size=params.langevin_size,
                resample=params.resample,
            )

            def told(step: Step, index: int = index) -> None:
                ctx.preview(lambda: grid(list(_videos(small, step.x0)), [""] * len(step.x0)))
                ctx.checkpoint(lambda: {"done": done}, index * params.steps)
                part = -(-(step.index + 1) * params.steps // step.total)
                ctx.progress(index * params.steps + part, len(jobs) * params.steps)

            # Every clip of a sweep begins with the same noise, whatever was sampled before it.
            generator = torch.Generator(ctx.device).manual_seed(ctx.seed)
            x = generate(
                job.score,
                job.count,
                settings,
                generator=generator,
                first=first,
                clip=clip,
                strength=1.0 if clip is None else params.strength,
                callback=told,
            )
            done.append(_videos(small, x).cpu())

        made = done[0]
        ctx.save("video.mp4", lambda path: film(path, made, params.fps, rounds=params.rounds, how=params.enlarge))
        words = [jobs[0].label] + [""] * (len(made) - 1)
        ctx.save("filmstrip.png", grid(list(made), words, params.enlarge))
        if len(jobs) > 1:
            ctx.save("sweep.png", grid([one[0] for one in done[1:]], [job.label for job in jobs[1:]], params.enlarge))
        ctx.save("clips.safetensors", {"clips": made.transpose(1, 2).to(torch.float16)})
        ctx.save("composition.json", _record(params, small, priors))


def _models(params: VideoAdapterParams, ctx: RunContext) -> tuple[Denoiser, list[Prior]]:
    """The small model and its priors, at the number of frames that was asked for; an image model is inflated to those of the other."""
    from scorekit_video_adapter.composition import Prior, refuse_unlike
    from scorekit_video_adapter.lengths import at_length, frames_of
    from scorekit_video_adapter.models import find

    own = find(params.adapter, ctx)
    small = at_length(own, params.frames, params.overlap)
    models = [at_length(find(name, ctx, frames_of(own)[0]), params.frames, params.overlap) for name in params.prior]
    for model in models:
        refuse_unlike(small, model)
    return small, [Prior(model, prompt=params.prior_prompt) for model in models]


def _with_gammas(params: VideoAdapterParams, small: Denoiser, priors: list[Prior], ctx: RunContext) -> list[Prior]:
    import torch

    from scorekit_video_adapter.clips import read_folder
    from scorekit_video_adapter.fit import fit
    from scorekit_video_adapter.lengths import frames_of

    gammas = [gamma for word in params.gamma if (gamma := parse(word)) != FIT]
    if gammas:
        gammas = gammas * (len(priors) if len(gammas) == 1 else 1)
        return [replace(prior, gamma=gamma) for prior, gamma in zip(priors, gammas, strict=True)]
    assert params.validation is not None
    frames, size = frames_of(small)
    folder = read_folder(params.validation, None, frames=frames, size=size)
    ctx.log(f"fitting gamma on {len(folder.captions)} clips")
    curves = fit(
        small,
        priors,
        torch.from_numpy(folder.clips).float() / 255,
        folder.captions,
        form=params.form,
        generator=torch.Generator(ctx.device).manual_seed(ctx.seed),
        report=lambda done, total: ctx.progress(0, params.steps, fitted=done / total),
    )
    for name, curve in zip(params.prior, curves, strict=True):
        values = ", ".join(f"{value:.2f}" for value in curve.value)
        ctx.log(f"gamma of {name} at log-SNR {', '.join(f'{v:g}' for v in curve.log_snr)}: {values}")
    return [replace(prior, gamma=curve) for prior, curve in zip(priors, curves, strict=True)]


def _material(params: VideoAdapterParams, small: Denoiser, ctx: RunContext) -> tuple[Tensor | None, Tensor | None]:
    """The first frame (3, H, W) and the clip (3, T, H, W) in [0, 1], where they were given."""
    import torch

    from scorekit_video_adapter.clips import read_clip
    from scorekit_video_adapter.lengths import frames_of
    from scorekit_video_adapter.pictures import read_picture

    frames, size = frames_of(small)
    first = None if params.image is None else read_picture(params.image, "image", size)
    if params.video is None:
        return first, None
    clip = read_clip(params.video, "video", frames=frames, size=size)
    if clip.uneven:
        ctx.log(f"{params.video.name} has a variable rate: its frames are taken by their times")
    return first, torch.from_numpy(clip.frames).float() / 255


@dataclass(frozen=True)
class Job:
    """Clips to be sampled.

    label    how a picture calls them
    product  whether the weights of their score do not sum to one;  weight  to what they sum at most
    """

    label: str
    score: Score
    product: bool
    weight: float = 1.0
    count: int = 1


def _jobs(params: VideoAdapterParams, small: Denoiser, priors: list[Prior]) -> list[Job]:
    """The wanted clips first, then those of the sweep."""
    from scorekit.guidance import cfg
    from scorekit_video_adapter.composition import compose
    from scorekit_video_adapter.gamma import Curve

    def job(label: str, chosen: list[Prior], count: int = 1) -> Job:
        score = compose(small, params.prompt, chosen, alpha=params.alpha, form=params.form)
        strongest = [max(g.value) if isinstance(g := prior.gamma, Curve) else g for prior in chosen]
        weight = 1 + params.alpha * sum(strongest) if params.form == "paper" else 1.0
        return Job(label, score, weight != 1, weight, count)

    strengths = spelled([prior.gamma for prior in priors])
    steering = ", ".join(prior.model.name for prior in priors)
    title = f"{small.name} + {steering}, gamma {strengths}" if priors else small.name
    jobs = [job(f"{title}: {params.prompt}", priors, params.count)]
    if not priors or not params.sweep:
        return jobs
    for gamma in params.sweep:
        label = f"{small.name} alone" if gamma == 0 else f"gamma {gamma:g}"
        jobs.append(job(label, [replace(prior, gamma=gamma) for prior in priors]))
    for prior in priors:
        told = params.prompt if prior.prompt is None else prior.prompt
        jobs.append(
            Job(f"{prior.model.name} alone", cfg(prior.model.given(None), prior.model.given(told), params.alpha), False)
        )
    return jobs


def _videos(model: Denoiser, x: Tensor) -> Tensor:
    """x as clips (N, T, 3, H, W) in [0, 1]."""
    import torch

    with torch.no_grad():
        return model.decode(x).transpose(1, 2).clamp(0, 1).float()


def _record(params: VideoAdapterParams, small: Denoiser, priors: list[Prior]) -> dict[str, Any]:
    """What was composed, with the models' sizes and the gammas as they were used."""
    from scorekit_video_adapter.composition import said
    from scorekit_video_adapter.gamma import Curve
    from scorekit_video_adapter.models import parameters_of

    def strength(prior: Prior) -> Any:
        gamma = prior.gamma
        return {"log_snr": gamma.log_snr, "gamma": gamma.value} if isinstance(gamma, Curve) else gamma

    return {
        "form": params.form,
        "alpha": params.alpha,
        "makes": said(small),
        "adapter": {"name": params.adapter, "parameters": parameters_of(small)},
        "priors": [
            {"name": name, "parameters": parameters_of(prior.model), "gamma": strength(prior)}
            for name, prior in zip(params.prior, priors, strict=True)
        ],
    }

"""Labels through a video as an application. Cheap to import."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from scorekit.host.plugin import Application, ParameterError, RunContext
from scorekit_dift.parameters import DiftVideoParams

if TYPE_CHECKING:
    from torch import Tensor

WHITENED_BY = 4  # frames, from all over the video
FPS = 12.0
MOST_PIXELS = 150_000_000  # of all frames together: 12 bytes each while they are worked on


class DiftVideo(Application):
    """The labels of a first frame carried along by diffusion features (Tang et al. 2023, section 5.3)."""

    name: ClassVar[str] = "dift-video"
    title: ClassVar[str] = "Labels through a video"
    summary: ClassVar[str] = "Carries the labels of a video's first frame to all others by diffusion features."
    reference: ClassVar[str] = "arXiv:2306.03881"
    requires: ClassVar[tuple[str, ...]] = ("imageio", "imageio_ffmpeg", "skimage")
    extra: ClassVar[str] = "dift"
    default_model: ClassVar[str | None] = "pico-photo"
    artifacts: ClassVar[tuple[str, ...]] = ("labels.mp4", "labels.png", "labels.npz")
    demo = {"frames": 8}

    class Params(DiftVideoParams):
        """See parameters.py."""

    def run(self, params: DiftVideoParams, ctx: RunContext) -> None:
        """Carry the labels on; labels.npz holds them, (F, H, W) uint8, labels.png shows four frames.

        Raises ParameterError for a video or labels that cannot be read or do not fit, and for unknown layers.
        """
        import numpy as np
        import torch

        from scorekit_dift.application import reading_for
        from scorekit_dift.descriptors import describe, whitening
        from scorekit_dift.drawing import as_bytes, labelled
        from scorekit_dift.labels import propagate

        try:
            frames, first, colours, truth = _material(params)
            model = ctx.model()
            reading = reading_for(model, params)
            if params.size is None and reading.size is not None:  # larger than they are, frames would only cost time
                reading = replace(reading, size=min(reading.size, max(frames[0].shape[1:])))
            count = len(frames)
            sample = {round(index * (count - 1) / max(WHITENED_BY - 1, 1)) for index in range(min(WHITENED_BY, count))}
            known = {index: describe(model, frames[index], reading, ctx.generator) for index in sorted(sample)}
            common = whitening(list(known.values()), reading.whiten) if reading.whiten else None

            def described() -> Any:
                for index in range(count):
                    one = known.pop(index, None) or describe(model, frames[index], reading, ctx.generator)
                    yield common.apply(one) if common else one

            found = []
            ways = {name: getattr(params, name) for name in ("neighbours", "context", "radius", "temperature")}
            for index, labels in enumerate(propagate(described(), first, **ways)):
                found.append(labels)
                ctx.preview(lambda at=index: labelled(frames[at], found[at], colours))
                ctx.progress(index + 1, count)
        except ValueError as error:
            raise ParameterError(str(error)) from error

        painted = [labelled(frame, labels, colours) for frame, labels in zip(frames, found, strict=True)]
        ctx.save("labels.mp4", lambda path: _film(path, [as_bytes(one) for one in painted]))
        four = [painted[round(index * (count - 1) / 3)] for index in range(4)]
        ctx.save("labels.png", torch.cat(four, 2))
        stack = torch.stack(found)

        def write(path: Any) -> None:
            with open(path, "wb") as file:
                np.savez_compressed(file, labels=stack.to(torch.uint8).numpy())

        ctx.save("labels.npz", write)
        if truth is not None:
            ctx.metric("mean_iou", _mean_iou(stack[1:], truth[1:]))
            ctx.metric("mean_iou_of_labels_that_stay_put", _mean_iou(truth[:1].expand_as(truth[1:]), truth[1:]))


def _material(params: DiftVideoParams) -> "tuple[list[Tensor], Tensor, Tensor, Tensor | None]":
    """Frames (3, H, W), the first one's labels (H, W), a colour for each label, and the true labels of all where known."""
    from scorekit_dift import demo
    from scorekit_dift.drawing import distinct_colours
    from scorekit_dift.labels import labels_of
    from scorekit_dift.pictures import read_picture

    if params.video is None or params.labels is None:
        rgb, truth = demo.clip(min(params.frames, 24))
        return list(rgb), truth[0], distinct_colours(int(truth.max()) + 1), truth
    frames = _read(params)
    first, colours = labels_of(read_picture(params.labels, "labels"))
    if tuple(first.shape) != tuple(frames[0].shape[1:]):
        raise ValueError(
            f"labels: they are {first.shape[1]} x {first.shape[0]} px and the video {frames[0].shape[2]} x {frames[0].shape[1]}: "
            "they must agree."
        )
    return frames, first, colours, None


def _read(params: DiftVideoParams) -> "list[Tensor]":
    import imageio.v2 as imageio
    import torch

    assert params.video is not None
    frames: list[Tensor] = []
    width = height = most = 0
    try:
        with imageio.get_reader(params.video, format="FFMPEG") as reader:
            width, height = reader.get_meta_data()["size"]  # type: ignore[attr-defined]
            most = MOST_PIXELS // (width * height)
            for frame in reader if most >= 2 else ():  # type: ignore[union-attr]
                if len(frames) == min(most, params.frames):
                    break
                frames.append(torch.from_numpy(frame[..., :3].copy()).permute(2, 0, 1).float() / 255)
    except (OSError, RuntimeError, ValueError, IndexError, KeyError, ZeroDivisionError):
        frames = []
    if width and (most < 2 or most == len(frames) < params.frames):
        raise ValueError(
            f"frames: at {width} x {height} px at most {most} frames of {params.video.name} can be worked on, not {params.frames}; "
            "take fewer, or a smaller video."
        )
    if len(frames) < 2:
        raise ValueError(f"video: {params.video.name} has no two frames that can be read; MP4, WebM, MOV and GIF are.")
    return frames


def _film(path: Any, frames: list[Any]) -> None:
    import imageio.v2 as imageio

    with imageio.get_writer(
        path, format="FFMPEG", fps=FPS, codec="libx264", quality=8, macro_block_size=2, pixelformat="yuv420p"
    ) as writer:
        for frame in frames:
            writer.append_data(frame)  # type: ignore[attr-defined]


def _mean_iou(found: "Tensor", truth: "Tensor") -> float:
    """Over the labels that are in the truth, 0 left aside, of all frames together."""
    ious = []
    for label in range(1, int(truth.max()) + 1):
        one, other = found == label, truth == label
        if other.any():
            ious.append(float((one & other).sum()) / float((one | other).sum()))
    return sum(ious) / len(ious)

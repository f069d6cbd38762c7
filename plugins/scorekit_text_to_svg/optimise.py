"""The loop's body: one step towards the prompt, and all the state that a checkpoint needs."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from scorekit.denoiser import Denoiser
from scorekit.distillation import Timesteps
from scorekit_text_to_svg.art import Art
from scorekit_text_to_svg.augment import warped
from scorekit_text_to_svg.drawing import Drawing
from scorekit_text_to_svg.guidance import Guidance
from scorekit_text_to_svg.live import CutOut, cut_out, mismatch, silhouette, worst_regions
from scorekit_text_to_svg.outlines import outlined
from scorekit_text_to_svg.parameters import TextToSVGParams
from scorekit_text_to_svg.path_art import PathArt, batched
from scorekit_text_to_svg.pixel_art import PixelArt
from scorekit_text_to_svg.rasterise import over, refuse_absent, render
from scorekit_text_to_svg.templates import template
from scorekit_text_to_svg.visibility import simplified

HARDEN = (0.55, 0.75)  # shares of the distillation from scratch between which paths become solid or go
COLOURS_AT = 0.75  # share of it after which colours come from the palette
FIT_COLOURS_AT = 0.8  # the same of the fit to a sample, where nothing comes after it
GENTLY = 0.4  # step sizes of the distillation of what is a drawing already
LINE_TOLERANCE = 0.025  # as the parameter `tolerance`, for shapes that lines are drawn around
FIT_SIZE = 128  # px of the largest sample that is fitted: a few dozen shapes say no more
FIT = 10.0  # weight of the fit beside the regularisers
WHITE = (1.0, 1.0, 1.0)


class Painter:
    """Drawings in the making.

    init  to go on from; None for the start that the parameters name
    seed  fixes paths and views; noise comes from `generator`, on the model's device

    Steps 0 to total - 1: first `fitting` steps of the fit to samples of the model, where that is the start, then the distillation.
    """

    def __init__(
        self,
        model: Denoiser,
        params: TextToSVGParams,
        seed: int,
        generator: torch.Generator,
        init: Drawing | None = None,
    ) -> None:
        p = self.params = params
        self.model, self.generator = model, generator
        self.views = torch.Generator().manual_seed(seed)  # on the CPU: the same on every device
        self.guidance = Guidance(
            model, p.prompt, p.style, p.guidance, p.method, p.view, p.style_words, torch.Generator().manual_seed(seed)
        )
        self.levels = Timesteps(p.t_min, p.first_t_max, p.t_max_end, "linear")
        self.size = p.render_size or _size_for(model)
        self.fitting = p.fit_steps if p.from_sample and p.style != "pixel-art" else 0
        self.total = self.fitting + p.distillation_steps
        self.fresh = p.start == "scratch" and init is None  # begins with random paths
        self.targets: Tensor | None = None  # (B, 3, s, s), what the fit goes to
        self._objects: list[CutOut] = []  # what is drawn there; follows from the targets
        self.lines = p.style == "sketch" and p.from_sample  # around shapes
        self.stages = _stages(p.paths)
        refuse_absent(p.rasteriser)
        self.art = self._first_art(init)
        if isinstance(self.art, PathArt):
            self.art.backend = p.rasteriser

    def begin(self) -> None:
        """Draw the samples that the start needs, if it needs any: once, before step 0 of a run that is not resumed."""
        if self.params.from_sample:
            self.targets = self._targets()
            if isinstance(self.art, PixelArt):
                self.art = PixelArt.of(self.targets, self.params.grid, self.params.palette)

    def step(self, step: int) -> dict[str, float]:
        """Make one step and return what to report of it."""
        if step < self.fitting:
            return self._fit(step)
        return self._distil(step - self.fitting)

    def picture(self, index: int = 0, size: int = 192) -> Tensor:
        """One drawing as it stands, on white: (3, size, size)."""
        with torch.no_grad():
            white = torch.tensor(WHITE, device=self.model.device)
            if self.lines:
                return render(self.drawing(index), size, white)[0].clamp(0, 1).cpu()
            return over(self.art.layers(size), white)[index].clamp(0, 1).cpu()

    def drawing(self, index: int) -> Drawing:
        """One drawing as it stands, a batch of one: a sketch after a sample is the outlines of what is optimised."""
        drawing = self.art.drawing(index)
        if not self.lines:
            return drawing
        return outlined(simplified(drawing, LINE_TOLERANCE), self.params.paths)

    @torch.no_grad()
    def finished(self) -> list[Drawing]:
        """The drawings at the end, each a batch of one: hard, with few colours."""
        self.art.hardness = 1.0
        if self.art.assigned is None:
            self.art.limit_colours()
        return [self.drawing(index) for index in range(len(self.art))]

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, besides the generators that the host keeps."""
        return {
            "art": self.art.state(),
            "guidance": self.guidance.state(),
            "views": self.views.get_state(),
            "targets": self.targets,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.art.load(state["art"])
        self.guidance.load(state["guidance"])
        self.views.set_state(state["views"].cpu())
        self.targets = state["targets"]

    def _first_art(self, init: Drawing | None) -> Art:
        p = self.params
        if init is not None:
            return PathArt(batched(init.to(self.model.device), p.drawings), None, p.palette)
        if p.style == "pixel-art":
            art: Art = PixelArt.random(p.grid, p.drawings, p.palette, self.views)
            return PixelArt(
                art.values["colour"].to(self.model.device),
                art.values["opacity"].to(self.model.device),
                p.grid,
                p.palette,
            )
        form = template("flat" if self.lines else p.style)
        made = PathArt.random(form, p.paths, p.drawings, p.palette, self.views, None)
        art = PathArt(
            made.current().detach().to(self.model.device), form, p.palette, shown=0 if p.from_sample else None
        )
        art.hardness = float(p.from_sample)  # LIVE's paths are solid from the start
        return art

    def _targets(self) -> Tensor:
        """Of the samples those that the model itself finds likeliest, one for each drawing."""
        p = self.params
        pictures = self.guidance.samples(p.candidates, self.generator)
        if p.candidates > p.drawings:
            pictures = pictures[self.guidance.errors(pictures).argsort()[: p.drawings]]
        if max(pictures.shape[-2:]) > FIT_SIZE:
            pictures = interpolate(pictures, (FIT_SIZE, FIT_SIZE), mode="area")
        return pictures

    def _fit(self, step: int) -> dict[str, float]:
        """LIVE: a stage begins with new paths where the sample is least matched, and fits all paths so far."""
        art, targets = self.art, self.targets
        assert isinstance(art, PathArt)
        assert targets is not None
        each = self.fitting / len(self.stages)
        stage = min(int(step / each), len(self.stages) - 1)
        if step == math.ceil(stage * each):
            self._add(art, targets, self.stages[stage])
        if step == int(FIT_COLOURS_AT * self.fitting) and not self.params.distillation_steps:
            art.limit_colours()
        within = min(1.0, step / each - stage)
        layered = art.layers(targets.shape[-1])
        pairs = zip(self._cut_outs(targets), layered, strict=True)
        error = torch.stack([mismatch(target, drawn) for target, drawn in pairs]).mean()
        loss = FIT * error + self._penalty()
        art.step(loss, self.params.lr * (1 - 0.7 * within))
        return {"loss": float(loss.detach()), "paths": art.shown, "fit": float(error.detach().sqrt())}

    def _cut_outs(self, targets: Tensor) -> list[CutOut]:
        if not self._objects:
            self._objects = [cut_out(target) for target in targets]
        return self._objects

    @torch.no_grad()
    def _add(self, art: PathArt, targets: Tensor, count: int) -> None:
        """The first path is for the whole object, so that nothing shines through between the others."""
        first, size = art.shown, targets.shape[-1]
        drawn = art.layers(size) if first else None
        for index, target in enumerate(self._cut_outs(targets)):
            regions = [silhouette(target)] if drawn is None else worst_regions(target, drawn[index], count)
            art.put(index, first, regions, count)
        art.shown = first + count

    def _distil(self, step: int) -> dict[str, float]:
        p, art, steps = self.params, self.art, self.params.distillation_steps
        done = step / steps
        if self.fresh:
            art.hardness = min(1.0, max(0.0, (done - HARDEN[0]) / (HARDEN[1] - HARDEN[0])))
            if 0 < done < p.replace_until and step % p.replace_every == 0:
                art.replace(self.views)
        elif isinstance(art, PixelArt):
            art.hardness = min(1.0, done / COLOURS_AT)
        if art.assigned is None and done >= COLOURS_AT:
            art.limit_colours()
        batch = len(art)
        names, colours = self.guidance.behind(p.views)
        names, colours = names * batch, colours.repeat(batch, 1)
        seen = over(warped(art.layers(self.size), p.views, p.augment, self.views), colours)
        t = self.levels.draw(done, len(seen), self.generator, self.model.device)
        x = self.model.encode(seen)
        loss = self.guidance.loss(x, t, names, self.generator)
        if p.method == "vsd":
            again = self.levels.draw(done, len(seen), self.generator, self.model.device)
            self.guidance.learn(x.detach(), again, names, self.generator)
        total = loss + self._penalty()
        rate = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done))
        art.step(total, p.lr * rate * (1.0 if self.fresh else GENTLY))
        return {"loss": float(total.detach()), "paths": p.paths, "t_max": self.levels.top(done)}

    def _penalty(self) -> Tensor:
        p = self.params
        return self.art.penalty(p.w_crossing, p.w_kinks, p.w_slivers)


def _stages(paths: int) -> list[int]:
    """How many paths each stage of LIVE adds: 1, 1, 2, 4, ... and what is left."""
    stages = [1]
    while sum(stages) < paths:
        stages.append(min(sum(stages), paths - sum(stages)))
    return stages


def _size_for(model: Denoiser) -> int:
    """Side of the pictures to judge: what the model's codec takes, twice that where it is small."""
    size = getattr(model.codec, "size", None)
    side = int(max(size)) if size is not None else int(model.shape[-1])
    return 2 * side if side <= 64 else side

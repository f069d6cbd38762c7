"""The loop's body: one step of score distillation into a field, and all the state that a checkpoint needs."""

from typing import Any

import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.distillation import Timesteps, distill
from scorekit_text_to_3d import pictures, regularisers
from scorekit_text_to_3d.cameras import random_cameras
from scorekit_text_to_3d.field import Field, GridField
from scorekit_text_to_3d.guidance import Guidance
from scorekit_text_to_3d.hash_field import HashField
from scorekit_text_to_3d.occupancy import Occupancy, occupancy
from scorekit_text_to_3d.parameters import TextTo3DParams
from scorekit_text_to_3d.render import Pictures, render
from scorekit_text_to_3d.shading import random_shading

REFINE_AT = 0.4  # share of the steps after which a grid gets its full resolution; coarse grids grow no floaters
LOOK_EVERY = 16  # steps between two looks at which space is empty
LOOK_FROM = 0.2  # share of the steps before which nothing counts as empty: matter may still appear anywhere
HARDEN_FROM = 0.3  # share of the steps before which pixels may be half opaque at no cost: shapes are found in fog
SMOOTH_EVERY = 4  # total variation reads the whole grid: it is applied each so many steps, so many times as strong


class Sculptor:
    """A field under optimisation.

    seed fixes the views and lights; noise and rays come from `generator`, on the model's device.
    """

    def __init__(self, model: Denoiser, params: TextTo3DParams, seed: int, generator: torch.Generator) -> None:
        self.model, self.params, self.generator = model, params, generator
        self.guidance = Guidance(
            model, params.prompt, params.method, params.guidance, params.view_prompts, params.perp_neg
        )
        self.levels = Timesteps(params.t_min, params.t_max, params.t_max_end, "linear")
        self.size = params.render_size or model.shape[-1]
        self.views = torch.Generator().manual_seed(seed)  # on the CPU: the same views on every device
        self.occupied: Occupancy | None = None
        self.field: Field = self._new_field()
        self.optimiser = self._new_optimiser()

    def step(self, step: int) -> dict[str, float]:
        """Make one step, the first being 0, and return what to report of it."""
        p, done = self.params, step / self.params.steps
        self._grow(step, done)
        camera = random_cameras(p.views, self.views)
        shading = random_shading(camera, self.views, p.lambertian, p.textureless)
        names, colours = self._backgrounds()
        seen = render(
            self.field,
            camera.to(self.model.device),
            self.size,
            p.samples,
            background=colours,
            shading=shading.to(self.model.device) if shading is not None else None,
            generator=self.generator,
            normals=p.w_orientation > 0,
            occupied=self.occupied,
        )
        target, baseline = self.guidance(camera, names)
        t = self.levels.draw(done, p.views, self.generator, self.model.device)
        x = self.model.encode(seen.rgb)
        # A mean over x, so that the weights of the regularisers, means too, do not depend on size and batch.
        score_loss = (
            distill(target, x, t, baseline=baseline, weight=self.guidance.weight, generator=self.generator) / x.numel()
        )
        loss = score_loss + self._regulariser(seen, step)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return {
            "loss": float(loss.detach()),
            "opacity": float(seen.opacity.detach().mean()),
            "t_max": self.levels.top(done),
        }

    def preview(self) -> Tensor:
        """How the field looks now from four sides, (3, 96, 384)."""
        return pictures.preview(self.field, self.occupied)

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, besides the generators that the host keeps."""
        return {
            "resolution": self.field.resolution if isinstance(self.field, GridField) else 0,
            "field": self.field.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "views": self.views.get_state(),
            "occupied": None if self.occupied is None else self.occupied.cells,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        if isinstance(self.field, GridField) and self.field.resolution != state["resolution"]:
            self.field = self.field.refined(state["resolution"])
            self.optimiser = self._new_optimiser()
        self.field.load_state_dict(state["field"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.views.set_state(state["views"].cpu())
        cells = state["occupied"]
        self.occupied = None if cells is None else Occupancy(cells, self.field.radius)

    def _new_field(self) -> Field:
        p = self.params
        if p.field == "hash":
            with torch.random.fork_rng(devices=[]):  # its first weights follow the run's seed, and nothing else does
                torch.manual_seed(self.views.initial_seed())
                return HashField(finest=max(p.resolution, 32)).to(self.model.device)
        return GridField(max(16, p.resolution // 2)).to(self.model.device)

    def _new_optimiser(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.field.parameters(), lr=self.params.lr, betas=(0.9, 0.99), eps=1e-15, fused=True)

    def _grow(self, step: int, done: float) -> None:
        """Refine a coarse grid when its time has come, and look again which space is empty."""
        field = self.field
        if isinstance(field, GridField) and done >= REFINE_AT and field.resolution != self.params.resolution:
            self.field = field.refined(self.params.resolution)
            self.optimiser = self._new_optimiser()
        if done >= LOOK_FROM and step % LOOK_EVERY == 0:
            self.occupied = occupancy(self.field)

    def _backgrounds(self) -> tuple[list[str | None], Tensor]:
        """What is behind the object in each picture: the name to tell the model, and colours (n, 3).

        Two pictures of one object before two backgrounds tell what is opaque; white matter before white alone does
        not show, and stays.
        """
        n, known = self.params.views, self.model.backgrounds
        names: list[str | None] = [None] * n
        if self.params.background == "random" or (self.params.background == "auto" and not known):
            colours = torch.rand(n, 3, generator=self.views)
        elif self.params.background == "auto":
            order = torch.randperm(len(known), generator=self.views).tolist()
            names = [list(known)[order[i % len(known)]] for i in range(n)]
            colours = torch.tensor([known[name] for name in names if name is not None])
        else:
            colours = torch.ones(n, 3)
            names = ["white" if "white" in known else None] * n
        return names, colours.to(self.model.device)

    def _regulariser(self, seen: Pictures, step: int) -> Tensor:
        p = self.params
        total = seen.rgb.new_zeros(())
        harden = max(0.0, (step / p.steps - HARDEN_FROM) / (1 - HARDEN_FROM))
        if p.w_sparsity > 0:
            total = total + p.w_sparsity * regularisers.sparsity(seen.opacity)
        if p.w_entropy > 0:
            total = total + harden * p.w_entropy * regularisers.entropy(seen.opacity)
        if p.w_orientation > 0:
            total = total + p.w_orientation * regularisers.orientation(seen)
        if p.w_concentration > 0:
            total = total + p.w_concentration * regularisers.concentration(seen.weights)
        if (p.w_density_tv > 0 or p.w_colour_tv > 0) and step % SMOOTH_EVERY == 0:
            shape, colour = self.field.total_variation(self.generator)
            total = total + SMOOTH_EVERY * (p.w_density_tv * shape + p.w_colour_tv * colour)
        return total

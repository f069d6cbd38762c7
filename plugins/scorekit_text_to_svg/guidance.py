"""What the model is asked of a drawing, and how likely it finds one."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.distillation import LoraCritic, Weighting, distill, sigma_squared, toward_x0
from scorekit.guidance import cfg, clipped
from scorekit.models.codecs import PixelCodec
from scorekit.probing import denoising_error
from scorekit.sampling import sample
from scorekit.score import Score
from scorekit_text_to_svg.templates import Style

FRONT_LEFT_ABOVE = (35.0, 30.0)  # degrees: the view in which objects are told apart best, and icons are often drawn
STYLE_WORDS: Mapping[str, str] = {
    "flat": "flat vector icon, few plain colours, white background",
    "sketch": "simple line drawing, thin strokes, white background",
    "pixel-art": "pixel art sprite, white background",
    "low-poly": "low poly illustration of few polygons, white background",
}
ERROR_LEVELS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)  # where a denoising error tells pictures apart; each drawn twice


class Guidance:
    """Score expressions of one prompt, before the backgrounds that the model can be asked for.

    method  "sds" leaves the noise that was drawn (DreamFusion, arXiv:2209.14988), "vsd" what a critic has learned of the drawings
            (ProlificDreamer, arXiv:2305.16213)
    view    a view that the model was taught; "auto" for the one nearest to the front left and above; None to say nothing

    Raises ValueError where the model takes no prompt, does not know this one, or not this view.
    """

    def __init__(
        self,
        model: Denoiser,
        prompt: str,
        style: Style,
        scale: float,
        method: Literal["sds", "vsd"] = "sds",
        view: str | None = None,
        style_words: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        if model.prompts is None:
            raise ValueError(f"the model {model.name} takes no prompt; text to SVG needs a text-to-image model.")
        self.model, self.scale, self.method = model, scale, method
        self.text = prompt
        view = _view(model, view)
        if view is not None:
            self.text += f", {view} view"
        # A model that names its backgrounds has a closed vocabulary: it knows no words for styles.
        if style_words and not model.backgrounds:
            self.text += f", {STYLE_WORDS[style]}"
        self.backgrounds: list[str | None] = list(model.backgrounds) or [None]
        self.pixels = isinstance(model.codec, PixelCodec)
        model.given(self.text)  # an unknown prompt is refused here, before any work
        self.critic = self.optimiser = None
        if method == "vsd":
            self.critic = LoraCritic(model, rank=4, generator=generator)
            self.optimiser = torch.optim.AdamW(self.critic.parameters(), lr=1e-3)

    def behind(self, count: int) -> tuple[list[str | None], Tensor]:
        """Backgrounds for `count` pictures, in turn: names to tell the model, and colours (count, 3)."""
        names = [self.backgrounds[index % len(self.backgrounds)] for index in range(count)]
        rows = [self.model.backgrounds[name] if name is not None else (1.0, 1.0, 1.0) for name in names]
        return names, torch.tensor(rows, device=self.model.device)

    def loss(self, x: Tensor, t: Tensor, names: Sequence[str | None], generator: torch.Generator) -> Tensor:
        """A scalar whose gradient moves x (n, ...), in the model's space, towards the prompt; t (n,)."""
        target, null = self._scores(names)
        guided = cfg(null, target, self.scale)
        if self.pixels:
            guided = clipped(guided)
        baseline = None if self.critic is None else self.critic.given(self._texts(names))
        return distill(guided, x, t, baseline=baseline, weight=self.weight, generator=generator) / x.numel()

    def learn(self, x: Tensor, t: Tensor, names: Sequence[str | None], generator: torch.Generator) -> None:
        """One step of the critic, if there is one, on what the drawings look like now."""
        if self.critic is None or self.optimiser is None:
            return
        self.optimiser.zero_grad(set_to_none=True)
        self.critic.loss(x, t, self._texts(names), generator).backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    @property
    def weight(self) -> Weighting:
        """w(t): distance to x0 where x0 is kept in bounds, DreamFusion's sigma^2 where it may be anywhere."""
        return toward_x0 if self.pixels and self.method == "sds" else sigma_squared

    def samples(self, count: int, generator: torch.Generator, steps: int = 25) -> Tensor:
        """Pictures (count, 3, H, W) in [0, 1] that the model itself makes of the prompt, on its first background."""
        cond, null = self._scores([self.backgrounds[0]])
        x = sample(cfg(null, cond, self.scale), count, steps=steps, solver="ddim", generator=generator)
        return self.model.decode(x).float().clamp(0, 1)

    @torch.no_grad()
    def errors(self, pictures: Tensor, seed: int = 0) -> Tensor:
        """How unlikely the model finds pictures (n, 3, H, W) under the prompt, on its first background: (n,).

        The denoising error under the prompt, plus its excess over that under no prompt: plain pictures are easy to denoise, and
        the second term is about the prompt alone. The noise is the same for all.
        """
        generator = torch.Generator(self.model.device).manual_seed(seed)
        levels = torch.tensor(ERROR_LEVELS, device=self.model.device).repeat(2)
        x = self.model.encode(pictures.to(self.model.device))
        cond, null = self._scores([self.backgrounds[0]])
        with_prompt, without = denoising_error([cond, null], x, levels, generator, kind="v", batch=64).mean(2)
        errors: Tensor = 2 * with_prompt - without
        return errors

    def state(self) -> dict[str, Any]:
        if self.critic is None or self.optimiser is None:
            return {}
        return {"critic": self.critic.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load(self, state: Mapping[str, Any]) -> None:
        if self.critic is not None and self.optimiser is not None:
            self.critic.load_state_dict(state["critic"])
            self.optimiser.load_state_dict(state["optimiser"])

    def _texts(self, names: Sequence[str | None]) -> list[str]:
        return [self.text if name is None else f"{self.text}, on {name}" for name in names]

    def _scores(self, names: Sequence[str | None]) -> tuple[Score, Score]:
        """The scores under the prompt and under none, before these backgrounds.

        The background belongs to both sides of guidance: it is given, and not to be exaggerated.
        """
        known = [name for name in names if name is not None]
        null = self.model.given([f"on {name}" for name in known]) if known else self.model.given(None)
        return self.model.given(self._texts(names)), null


def _view(model: Denoiser, view: str | None) -> str | None:
    if view is None or view in model.views:
        return view
    if view != "auto":
        allowed = ", ".join(model.views) or "none, as this model was taught no views"
        raise ValueError(f"view must be auto, none or one of: {allowed}; got {view!r}.")
    azimuth, elevation = FRONT_LEFT_ABOVE

    def away(name: str) -> float:
        named = model.views[name]
        return abs((named[0] - azimuth + 180) % 360 - 180) + abs(named[1] - elevation)

    return min(model.views, key=away, default=None)

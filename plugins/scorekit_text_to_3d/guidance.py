"""What the model says of a picture, given where and before what it was taken: the target of the distillation."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from scorekit.denoiser import Condition, Denoiser
from scorekit.distillation import Weighting, sigma_squared, toward_x0
from scorekit.guidance import cfg, clipped
from scorekit.guidance import perp_neg as perp_neg_score
from scorekit.models.codecs import PixelCodec
from scorekit.score import Score
from scorekit.zoo.render import Camera
from scorekit_text_to_3d.prompts import perp_neg, prompt_for, views_of

Method = Literal["sds", "csd"]
Background = str | None


class Guidance:
    """Score expressions of a prompt for batches of pictures.

    method        "sds": classifier-free guidance against the drawn noise (DreamFusion, arXiv:2209.14988, eq. 3).
                  "csd": the guidance alone, without the drawn noise (Classifier Score Distillation, arXiv:2310.19415).
    scale         s in null + s (cond - null).
    view_prompts  name the camera's view in the prompt: one that the model was taught, or "front view", "side view" and so on.
    avoid_others  Perp-Neg (arXiv:2304.04968): push away from the neighbouring views, too. Costs two more evaluations.

    Raises ValueError where the model does not know the prompt: the prompt encoder's own sentence.
    """

    def __init__(
        self, model: Denoiser, prompt: str, method: Method, scale: float, view_prompts: bool, avoid_others: bool
    ) -> None:
        if model.prompts is None:
            raise ValueError(f"the model {model.name} takes no prompt; text to 3D needs a text-to-image model")
        self.model, self.prompt, self.method, self.scale = model, prompt, method, scale
        self.view_prompts, self.avoid_others = view_prompts, avoid_others
        self.pixels = isinstance(model.codec, PixelCodec)
        self._encoded: dict[str | None, Condition] = {}
        self._encode(prompt)  # an unknown prompt is refused here, before any work

    def __call__(self, camera: Camera, backgrounds: Sequence[Background]) -> tuple[Score, Score | None]:
        """Target and baseline of `scorekit.distillation.distill` for pictures from these cameras.

        backgrounds  for each picture the name of what is behind the object, one of the model's; None to say nothing.
        """
        views: Sequence[str | None] = [None] * len(camera)
        if self.view_prompts:
            views = views_of(camera.azimuth, camera.elevation, self.model.views)
        cond = self._given([self._text(view, b) for view, b in zip(views, backgrounds, strict=True)])
        # The background belongs to both sides of guidance: it is given, and not to be exaggerated.
        null = self._given([None if b is None else f"on {b}" for b in backgrounds])
        if self.avoid_others:
            pushes = self._pushes(camera, backgrounds)
            target = perp_neg_score(null, cond, pushes, self.scale)
        else:
            target = cfg(null, cond, self.scale)
        if self.method == "csd":
            return target, null
        return clipped(target) if self.pixels else target, None

    @property
    def weight(self) -> Weighting:
        """w(t): distance to x0 where x0 is kept in bounds, DreamFusion's sigma^2 where it may be anywhere."""
        return toward_x0 if self.pixels and self.method == "sds" else sigma_squared

    def _pushes(self, camera: Camera, backgrounds: Sequence[Background]) -> list[tuple[float | Tensor, Score]]:
        return [
            (-weight.to(self.model.device), self._given([self._text(view, b) for b in backgrounds]))
            for view, weight in perp_neg(camera.azimuth, camera.elevation)
        ]

    def _text(self, view: str | None, background: Background) -> str:
        text = prompt_for(self.prompt, view)
        return text if background is None else f"{text}, on {background}"

    def _encode(self, text: str | None) -> Condition:
        """The condition of one text, encoded once in a run; None is the null condition."""
        assert self.model.prompts is not None
        if text not in self._encoded:
            self._encoded[text] = self.model.prompts(None if text is None else (text,))
        return self._encoded[text]

    def _given(self, texts: Sequence[str | None]) -> Score:
        """The score under one text per sample."""
        rows = [self._encode(text).fields for text in texts]
        fields = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
        return self.model.given(Condition(fields, key=tuple(texts), label="the prompts of the views"))

"""From a prompt to a patch: fitting a sample of the model, then score distillation through the synthesiser, several patches side by side.

The patch is played, its sound brought into the model's space by the codec, and the gradient that the score gives there goes back through
both to the knobs: DreamFusion (Poole et al. 2022, arXiv:2209.14988) with a synthesiser for a radiance field.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scorekit.denoiser import Denoiser
from scorekit.distillation import Timesteps, distill, sigma_alpha
from scorekit.probing import denoising_error
from scorekit.sampling import sample
from scorekit_text_to_audio.composition import composed
from scorekit_text_to_audio.generate import refuse_silent
from scorekit_text_to_audio.parameters import TextToSynthParams
from scorekit_text_to_audio.patch import Patch, patches_of, turns_of
from scorekit_text_to_audio.search import AT_ONCE, leap, mismatch, nearest, random_turns
from scorekit_text_to_audio.synthesiser import Synthesiser

LEAP_EVERY, LEAP_UNTIL = (
    15,
    0.6,
)  # steps of the fit between two searches for a better pitch, and the share of it after which none is made
DRAWS = 2  # noise levels at which a patch is judged in a step of distillation
GENTLY = 0.25  # step size of the distillation of what has been fitted
LAST_LR = 0.1  # share of the step size at the end of each of the two
ERROR_LEVELS, ERROR_RANGE = 12, (0.05, 0.75)  # noise levels at which patches are compared in the end
SEARCH_LEVELS = 4  # of them, for random patches
T_MAX_END = 0.2


@dataclass(frozen=True)
class Result:
    """patch, its wave (1, n), its error under the guided score, less is better, and its place among the patches side by side"""

    patch: Patch
    wave: Tensor
    error: float
    index: int


class Designer:
    """Patches in the making. Steps 0 to total - 1: first `fitting` steps of the fit, where patches start from samples, then distillation.

    patch  to go on from; None for the start that the parameters name

    Raises ValueError for a model that makes no sound and prompts that it does not know.
    """

    def __init__(
        self,
        model: Denoiser,
        params: TextToSynthParams,
        seed: int,
        generator: torch.Generator,
        patch: Patch | None = None,
    ) -> None:
        codec = refuse_silent(model)
        self.model, self.params, self.seed, self.generator, self.patch = model, params, seed, generator, patch
        self.random = torch.Generator().manual_seed(seed)  # on the CPU: the same patches on every device
        self.rate = int(codec.sample_rate)
        self.synthesiser = Synthesiser(self.rate, int(codec.samples), model.device)
        self.score = composed(model, params.prompt, guidance=params.guidance)
        self.levels = Timesteps(params.t_min, params.first_t_max, min(T_MAX_END, params.first_t_max), "linear")
        self.fitting = params.fit_steps if params.from_sample and patch is None else 0
        self.total = self.fitting + params.distillation_steps
        count = 1 if patch is not None and not params.distillation_steps else params.patches
        self.turns = torch.zeros(count, turns_of([{}]).shape[1], device=model.device, requires_grad=True)
        self.target: Tensor | None = None
        self.fitted: Tensor | None = None  # the turns before distillation: it may have made a patch worse
        self._optimiser = self._adam()

    def begin(self) -> None:
        """The first patches: that of a file, those nearest to samples of the model, or the random ones of least error."""
        count = len(self.turns)
        if self.patch is not None:
            first = turns_of([self.patch]).repeat(count, 1)
        elif self.params.from_sample:
            self.target = sample(self.score, count, steps=self.params.sample_steps, generator=self.generator)
            with torch.no_grad():
                first = nearest(self.play, self.target, self.params.search, self.random)
        else:
            random = random_turns(self.params.search, self.random).to(self.model.device)
            with torch.no_grad():
                errors = [self.error(self.play(chunk), SEARCH_LEVELS) for chunk in torch.split(random, AT_ONCE)]
            first = random[torch.cat(errors).argsort()[:count]]
        self._put(first)

    def play(self, turns: Tensor) -> Tensor:
        """Turns (n, controls) -> x (n, ...) in the model's space; differentiable."""
        return self.model.encode(self.synthesiser(turns))

    def step(self, index: int) -> dict[str, float]:
        """One step; what it reports is finite."""
        fits = index < self.fitting and self.target is not None
        if index == self.fitting:
            self.fitted = self.turns.detach().clone()
            self._optimiser = self._adam()
        done = index / max(1, self.fitting) if fits else (index - self.fitting) / max(1, self.total - self.fitting)
        gently = GENTLY if not fits and (self.patch is not None or self.fitting) else 1.0
        for group in self._optimiser.param_groups:
            group["lr"] = self.params.lr * gently * (LAST_LR + (1 - LAST_LR) * 0.5 * (1 + math.cos(math.pi * done)))
        if fits and self.target is not None:
            if index % LEAP_EVERY == 0 and done < LEAP_UNTIL:
                with torch.no_grad():
                    self._put(leap(self.play, self.turns.detach(), self.target))
            loss = mismatch(self.play(self.turns), self.target).sum()
            said = {"mismatch": float(loss.detach()) / len(self.turns)}
        else:
            x = self.play(self.turns).repeat_interleave(DRAWS, 0)
            t = self.levels.draw(done, len(x), self.generator)
            loss = distill(self.score, x, t, weight=sigma_alpha, generator=self.generator) / DRAWS
            said = {"disagreement": math.sqrt(float(loss.detach()) / x[0].numel())}
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.turns.grad is not None:  # at a point where a wave is exactly silent a slope may be missing
            self.turns.grad.nan_to_num_(0.0, 0.0, 0.0)
        self._optimiser.step()
        with torch.no_grad():
            self.turns.clamp_(0, 1)
        return said

    @torch.no_grad()
    def results(self) -> list[Result]:
        """The patches, that of least error first. Of each the better of two is taken: as it was fitted, and as it was distilled."""
        versions = [self.turns.detach()]
        if self.fitted is not None:
            versions.append(self.fitted)
        errors = torch.stack([self.error(self.play(turns)) for turns in versions])  # (versions, B)
        chosen = errors.argmin(0)
        turns = torch.stack(versions)[chosen, torch.arange(len(self.turns))]
        waves, patches = self.synthesiser(turns), patches_of(turns)
        found = [
            Result(patch, wave.cpu(), float(error), index)
            for index, (patch, wave, error) in enumerate(zip(patches, waves, errors.min(0).values, strict=True))
        ]
        return sorted(found, key=lambda result: result.error)

    def error(self, x: Tensor, levels: int = ERROR_LEVELS) -> Tensor:
        """The denoising error of x (B, ...) under the guided score, of v, averaged over noise levels: (B,). The noise is always the same.

        Silence is easily denoised: it is guidance's part, what the prompt explains and no prompt does not, that tells sounds apart.
        """
        t = torch.linspace(*ERROR_RANGE, levels, dtype=torch.float64)
        noise = torch.Generator(x.device).manual_seed(self.seed)
        null, cond = self.model.given(None), self.model.given(self.params.prompt)
        of_null, of_cond = denoising_error([null, cond], x, t, noise, kind="v", batch=64).mean(2)
        guided: Tensor = of_null + self.params.guidance * (of_cond - of_null)
        return guided

    def state(self) -> dict[str, Any]:
        """For a checkpoint: plain numbers and tensors."""
        optimiser = self._optimiser.state_dict()["state"].get(0, {})
        return {
            "turns": self.turns.detach().clone(),
            "target": self.target,
            "fitted": self.fitted,
            "optimiser": {name: value.clone() for name, value in optimiser.items()},
            "random": self.random.get_state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self._put(state["turns"])
        self.target, self.fitted = state["target"], state["fitted"]
        self.random.set_state(state["random"].cpu())
        self._optimiser = self._adam()
        if state["optimiser"]:
            whole = self._optimiser.state_dict()
            kept = {name: value.cpu() if name == "step" else value for name, value in state["optimiser"].items()}
            self._optimiser.load_state_dict(whole | {"state": {0: kept}})

    def _put(self, turns: Tensor) -> None:
        with torch.no_grad():
            self.turns.copy_(turns)

    def _adam(self) -> torch.optim.Adam:
        return torch.optim.Adam([self.turns], lr=self.params.lr, betas=(0.9, 0.95))
